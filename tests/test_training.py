"""Training does what the loop on the board does, again and again, and stops when it goes astray."""

import re
import signal
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from ippy import training
from ippy.distribution import Alone
from ippy.models import SimpleCNN
from ippy.operators import Blurring, Identity
from ippy.recipe import PRESETS, Recipe
from ippy.soap import SOAP
from ippy.training import evaluate, initialise, make_crops, make_optimiser, train

RECIPE = Recipe(steps=12, batch_size=3, crop=20)


def slices(count=4, size=40):
    """Discs on black, cut by the border: enough to learn something from."""
    generator = torch.Generator().manual_seed(1)
    grid = torch.arange(size, dtype=torch.float32)
    pictures = []
    for _ in range(count):
        x = torch.zeros(size, size)
        for _ in range(6):
            row, column, radius, grey = torch.rand(4, generator=generator)
            distance = (grid[:, None] - size * row) ** 2 + (grid - size * column) ** 2
            x[distance < (3 + 9 * radius) ** 2] = grey
        pictures.append(x[None])
    return pictures


def blur(size=40, angle=20.0, padding="zeros"):
    return Blurring(
        (size, size), kernel_type="motion", kernel_size=5, motion_angle=angle, padding=padding
    )


def small(**settings):
    return SimpleCNN(1, 1, 4, **settings)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def quiet(model, recipe=RECIPE, K=None, data=None, **settings):
    return train(model, K or blur(), data or slices(), recipe, progress=False, **settings)


@pytest.mark.parametrize("optimiser", ["soap", "adam"])
def test_the_loop_is_the_one_on_the_board(optimiser):
    recipe = replace(RECIPE, optimiser=optimiser, start="default", seed=3)
    model, plain = small(), small()
    quiet(model, recipe)

    initialise(plain, "default", 3)
    plain.to(memory_format=torch.channels_last)
    crops = make_crops(plain, blur(), slices(), recipe)
    steps = make_optimiser(plain, recipe)
    for step in range(recipe.steps):
        x, y_delta, mask = crops.batch(step, recipe.batch_size)
        for group in steps.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        loss = ((plain(y_delta) - x).square() * mask).sum() / (3 * crops.pixels)
        plain.zero_grad()
        loss.backward()
        steps.step()
    assert torch.allclose(weights(model), weights(plain), atol=1e-5)
    assert not torch.allclose(weights(model), weights(small()), atol=1e-2)


def test_it_learns_to_undo_the_blur():
    data, model = slices(), small()
    history = quiet(model, steps=150, batch_size=4, learning_rate=1e-2)
    before = evaluate(lambda y: y, blur(), data, 0.01).mean_psnr
    assert evaluate(model, blur(), data, 0.01).mean_psnr > before + 2
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_the_noise_of_the_recipe_is_trained_on():
    """Nothing but noise to undo: the quiet network lets it pass, the loud one smooths."""
    data = slices()
    scores = {}
    for level in (0.0, 0.3):
        model = small()
        quiet(model, K=Identity((40, 40)), steps=150, noise_level=level, learning_rate=1e-2)
        scores[level] = evaluate(model, Identity((40, 40)), data, 0.3).mean_psnr
    assert scores[0.3] > scores[0.0] + 1


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    models = [small(), small(), small()]
    torch.manual_seed(0)
    quiet(models[0])
    torch.manual_seed(1)
    before = torch.get_rng_state()
    quiet(models[1])
    assert torch.equal(torch.get_rng_state(), before)
    quiet(models[2], seed=1)
    assert torch.equal(weights(models[0]), weights(models[1]))
    assert not torch.allclose(weights(models[0]), weights(models[2]), atol=1e-3)


def test_history_has_an_entry_every_so_many_steps_and_at_the_end():
    model, validation = small(), slices(2)
    history = quiet(model, log_every=5, validation_set=validation, validate_every=10)
    assert [entry["step"] for entry in history] == [5, 10, 12]
    assert [sorted(entry) for entry in history] == [
        ["learning_rate", "loss", "seconds", "step"],
        ["learning_rate", "loss", "psnr", "seconds", "step"],
        ["learning_rate", "loss", "psnr", "seconds", "step"],
    ]
    assert history[-1]["psnr"] == evaluate(model, blur(), validation, 0.01).mean_psnr
    assert [e["learning_rate"] for e in history] == [RECIPE.learning_rate_at(s) for s in (4, 9, 11)]
    seconds = [entry["seconds"] for entry in history]
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    single = quiet(small(), log_every=1)
    assert history[0]["loss"] == pytest.approx(sum(e["loss"] for e in single[:5]) / 5, rel=1e-5)
    assert history[2]["loss"] == pytest.approx(sum(e["loss"] for e in single[10:]) / 2, rel=1e-5)


def test_scoring_is_not_part_of_the_time(monkeypatch):
    def slow(*_):
        time.sleep(0.5)
        return evaluate(*_)

    monkeypatch.setattr(training, "evaluate", slow)
    history = quiet(small(), log_every=6, validate_every=6, validation_set=slices(1), crop=12)
    assert history[-1]["seconds"] - history[0]["seconds"] < 0.5


def test_the_model_is_in_train_mode_meanwhile_and_comes_back_in_eval_mode():
    model, modes = small().eval(), []
    model.register_forward_hook(lambda module, *_: modes.append(module.training))
    quiet(model, validation_set=slices(1), validate_every=5, log_every=5)
    assert modes == [True] * 5 + [False] + [True] * 5 + [False] + [True] * 2 + [False]
    assert not model.training


@pytest.mark.parametrize("progress", [True, False])
def test_the_bar_shows_loss_and_psnr_or_nothing(progress, capsys):
    train(small(), blur(), slices(), RECIPE, validation_set=slices(1), progress=progress)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("step/s" in shown.err) is progress
    assert ("loss=" in shown.err and "psnr=" in shown.err and "12/12" in shown.err) is progress
    gone_and_left = re.compile(r"\[\d\d:\d\d<\d\d:\d\d, ")
    assert bool(gone_and_left.search(shown.err)) is progress
    assert progress or shown.err == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"final_activation": "sigmoid"},
        {"final_activation": "tanh", "residual": True},
        {"kernel_size": 5},
        {"padding_mode": "circular"},
        {"padding_mode": "reflect", "kernel_size": 4},
    ],
)
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_every_network_and_blur_can_be_trained(settings, padding):
    model = small(**settings)
    history = quiet(model, K=blur(padding=padding), steps=3, start="default")
    assert weights(model).isfinite().all()
    assert 0 < history[-1]["loss"] < 1


def test_a_network_without_convolutions_trains_on_whole_slices():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Unflatten(1, (1, 8, 8)))
    quiet(model, K=blur(8), data=slices(size=8), crop=None, start="default")
    assert weights(model).isfinite().all()


def test_crops_leave_out_what_the_cuts_spoil():
    assert make_crops(small(), blur(), slices(), RECIPE).masks[1, 1].sum() < 20 * 20
    wide = make_crops(small(kernel_size=5), blur(), slices(), RECIPE)
    assert len(wide.tops) > len(make_crops(small(), blur(), slices(), RECIPE).tops)
    whole = make_crops(small(padding_mode="circular"), blur(), slices(), replace(RECIPE, crop=None))
    assert whole.masks.shape == (1, 1, 40, 40)
    assert make_crops(small(padding_mode="circular"), blur(), slices(), RECIPE).x.shape[2:] == (
        46,
        46,
    )
    assert make_crops(small(padding_mode="reflect"), blur(), slices(), RECIPE).x.shape[2:] == (
        40,
        40,
    )


def test_crops_have_the_seed_of_the_recipe():
    orders = [
        make_crops(small(), blur(), slices(), replace(RECIPE, seed=s)).batch(0, 9) for s in (0, 1)
    ]
    assert not torch.equal(orders[0].x, orders[1].x)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_the_identity_start_passes_the_picture_through(kernel_size):
    model = SimpleCNN(1, 1, 8, kernel_size=kernel_size)
    initialise(model, "identity", seed=0)
    x = torch.rand(2, 1, 16, 16)
    assert torch.allclose(model(x), x)
    assert model.conv2.weight[1:].abs().min() > 0
    assert model.conv1.bias[1:].abs().min() > 0


def test_the_default_start_is_uniform_within_its_bounds():
    model = SimpleCNN(1, 1, 32)
    initialise(model, "default", seed=0)
    for layer, fan_in in ((model.conv1, 9), (model.conv2, 288), (model.conv3, 288)):
        for values in (layer.weight, layer.bias):
            assert values.abs().max() <= fan_in**-0.5
    spread = model.conv2.weight.detach() * 288**0.5
    assert spread.std() == pytest.approx(3**-0.5, rel=0.02)
    assert abs(float(spread.mean())) < 0.02


def test_a_start_depends_on_its_seed_alone():
    models = [small() for _ in range(3)]
    before = torch.get_rng_state()
    for model, seed in zip(models, (4, 4, 5), strict=True):
        initialise(model, "default", seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights(models[0]), weights(models[1]))
    assert not torch.equal(weights(models[0]), weights(models[2]))


def test_given_weights_are_kept():
    model = small()
    before = weights(model)
    initialise(model, "given", seed=0)
    assert torch.equal(weights(model), before)
    quiet(model, start="given", learning_rate=0.0)
    assert torch.equal(weights(model), before)


def test_starts_that_make_no_sense_are_refused():
    with pytest.raises(
        ValueError, match="start must be 'identity', 'default' or 'given', got 'zero'"
    ):
        initialise(small(), "zero", 0)
    for model in (nn.Linear(4, 4), nn.Conv2d(1, 1, 3, bias=False)):
        with pytest.raises(ValueError, match=f"got a {type(model).__name__}; use start='default'"):
            initialise(model, "identity", 0)


@pytest.mark.parametrize("optimiser", ["soap", "adam"])
@pytest.mark.parametrize("stop_at", [3, 7, 11])
def test_a_broken_run_goes_on_to_the_same_weights(tmp_path, monkeypatch, optimiser, stop_at):
    settings = {"optimiser": optimiser, "log_every": 5, "save_every": 3}
    whole = small()
    history = quiet(whole, **settings)

    check_loss = training.check_loss

    def stop(run, recipe):
        check_loss(run, recipe)
        if run.step == stop_at:
            raise KeyboardInterrupt

    path = tmp_path / "run.ckpt"
    with monkeypatch.context() as patch:
        patch.setattr(training, "check_loss", stop)
        with pytest.raises(KeyboardInterrupt):
            quiet(small(), checkpoint=path, **settings)
    kept = torch.load(path, weights_only=True)["progress"]["step"]
    assert kept == stop_at // 3 * 3
    resumed, done = small(), []
    resumed.register_forward_hook(lambda *_: done.append(1))
    again = quiet(resumed, checkpoint=path, **settings)
    assert len(done) == 12 - kept
    assert torch.equal(weights(resumed), weights(whole))
    losses = [(entry["step"], entry["loss"]) for entry in history]
    assert [(entry["step"], entry["loss"]) for entry in again] == losses
    assert training.read_history(path.with_suffix(".jsonl")) == again
    seconds = [entry["seconds"] for entry in again]
    assert seconds == sorted(seconds)


def test_the_bar_of_a_resumed_run_counts_on(tmp_path, monkeypatch, capsys):
    def stop(run, recipe):
        if run.step == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "check_loss", stop)
        with pytest.raises(KeyboardInterrupt):
            quiet(small(), checkpoint=tmp_path / "run.ckpt", save_every=3)
    assert capsys.readouterr().err == ""
    train(small(), blur(), slices(), RECIPE, checkpoint=tmp_path / "run.ckpt")
    shown = capsys.readouterr().err
    assert " 6/12" in shown and " 12/12" in shown
    assert " 5/12" not in shown


def test_a_finished_run_is_not_run_again(tmp_path):
    model, other = small(), small()
    history = quiet(model, checkpoint=tmp_path / "run.ckpt")
    assert quiet(other, checkpoint=tmp_path / "run.ckpt") == history
    assert torch.equal(weights(model), weights(other))
    assert not other.training


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("recipe", {"steps": 13}),
        ("K", {"K": blur(angle=70)}),
        ("training set", {"data": slices(3)}),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, part, change):
    quiet(small(), checkpoint=tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match=f"was made with another {part}"):
        quiet(small(), checkpoint=tmp_path / "run.ckpt", **change)


@pytest.mark.parametrize(
    "other",
    [
        {"residual": True},
        {"final_activation": "tanh"},
        {"padding_mode": "circular"},
        {"kernel_size": 5},
    ],
)
def test_a_checkpoint_of_another_network_is_refused(tmp_path, other):
    quiet(small(), checkpoint=tmp_path / "run.ckpt", start="default")
    with pytest.raises(ValueError, match=r"another network: SimpleCNN\( \(conv1\): Conv2d\(1, "):
        quiet(small(**other), checkpoint=tmp_path / "run.ckpt", start="default")
    with pytest.raises(ValueError, match=r"was made with another network: {'conv1.weight'"):
        quiet(small().double(), checkpoint=tmp_path / "run.ckpt", start="default")


class Shared(Alone):
    """The second of two processes, in which the first one does and sees the same."""

    global_rank, world_size = 1, 2

    def all_reduce(self, data, *, reduce_op="mean"):
        return 2 * data if reduce_op == "sum" else data


def test_another_process_trains_on_its_share_and_neither_writes_nor_speaks(
    tmp_path, monkeypatch, capsys
):
    shares, batch = [], training.TrainingCrops.batch

    def watched(self, step, batch_size, share):
        shares.append((step, batch_size, list(share)))
        return batch(self, step, batch_size, share)

    monkeypatch.setattr(training.TrainingCrops, "batch", watched)
    settings = {"checkpoint": tmp_path / "deep" / "run.ckpt", "validation_set": slices(1)}
    history = train(small(), blur(), slices(), RECIPE, engine=Shared(), **settings)
    assert shares == [(step, 3, [1]) for step in range(12)]
    assert "psnr" not in history[-1]
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_gradients_of_processes_are_summed_though_the_engine_takes_their_mean(monkeypatch):
    """Two processes: each hands on twice its part of the loss, and the sum is what is told."""
    parts, pieces, add_gradient = [], [], training.add_gradient

    class Mean(Shared):
        def backward(self, part):
            parts.append(part.item())
            (part / 2).backward()

    def watched(network, batch, scale, backward, piece):
        pieces.append(piece)
        return add_gradient(network, batch, scale, backward, piece)

    monkeypatch.setattr(training, "add_gradient", watched)
    history = quiet(small(), engine=Mean(), log_every=1, steps=3)
    assert parts == pytest.approx([entry["loss"] for entry in history])
    assert pieces == [None] * 3  # they exchange their gradients after each piece
    quiet(small(), steps=1)
    assert pieces[3:] == [training.PIECE]


def test_only_the_process_that_writes_holds_the_checkpoint(tmp_path, monkeypatch):
    paths, held = [], training.held
    monkeypatch.setattr(training, "held", lambda path: paths.append(path) or held(path))
    for engine in (Alone(), Shared()):
        quiet(small(), engine=engine, checkpoint=tmp_path / "run.ckpt", steps=1)
    assert paths == [tmp_path / "run.ckpt", None]


def test_the_loss_is_a_mean_over_the_channels_as_well():
    """The halved picture misses by half of it: a quarter of its mean square."""
    data = [torch.stack([x[0], 1 - x[0]]) for x in slices(1)]
    model = nn.Conv2d(2, 2, 1, groups=2, bias=False)
    nn.init.constant_(model.weight, 0.5)
    settings = {"start": "given", "noise_level": 0.0, "crop": None, "log_every": 1, "steps": 1}
    history = quiet(model, K=Identity((40, 40)), data=data, **settings)
    assert history[0]["loss"] == pytest.approx(data[0].square().mean().item() / 4, rel=1e-5)


@pytest.mark.parametrize("name", ["log_every", "validate_every", "save_every"])
def test_a_number_of_steps_is_a_positive_integer(name):
    for steps in (0, -1, 0.5, True, float("nan")):
        with pytest.raises(ValueError, match=f"^{name} must be a positive number of steps, got "):
            quiet(small(), **{name: steps})


def test_validation_slices_are_looked_at_before_the_first_step():
    with pytest.raises((TypeError, ValueError), match=r"^validation_set\b"):
        quiet(small(), validation_set=[])
    with pytest.raises(ValueError, match="40"):
        quiet(small(), validation_set=slices(1, size=32))


def test_a_batch_has_something_for_every_process():
    with pytest.raises(ValueError, match="at least the number of processes, 2, got 1"):
        quiet(small(), engine=Shared(), batch_size=1)
    quiet(small(), engine=Shared(), batch_size=2, steps=1)


def test_processes_that_do_not_see_the_same_are_refused():
    class Apart(Shared):
        def all_reduce(self, data, *, reduce_op="mean"):
            return 2 * data + 1

    with pytest.raises(ValueError, match="the processes do not agree on where training goes on"):
        quiet(small(), engine=Apart())


def test_what_processes_must_agree_on_is_the_step_the_recipe_and_the_slices():
    told = []

    class Heard(Alone):
        def all_reduce(self, data, *, reduce_op="mean"):
            told.append((int(data), reduce_op))
            return data

    identity = {"recipe": {"steps": 12}, "training set": "a", "K": "b", "network": "c"}
    another = [{"recipe": {"steps": 13}}, {"training set": "d"}, {"K": "e"}, {"network": "f"}]
    training.check_agreement(Heard(), training.Progress(), identity)
    training.check_agreement(Heard(), training.Progress(step=1), identity)
    for change in another:
        training.check_agreement(Heard(), training.Progress(), identity | change)
    numbers = [number for number, _ in told]
    assert len(set(numbers[:4])) == 4
    assert numbers[4:] == [numbers[0]] * 2  # the checkpoint's own comparison answers for these
    assert {reduce_op for _, reduce_op in told} == {"sum"}

    class Ahead(Shared):
        def all_reduce(self, data, *, reduce_op="mean"):
            return 2 * data + 2

    with pytest.raises(ValueError, match=r"\(this one is at step 4\)"):
        training.check_agreement(Ahead(), training.Progress(step=4), identity)


def test_what_is_said_of_a_stopped_run():
    half, whole = training.Progress(step=5), training.Progress(step=12)
    assert training.farewell(half, RECIPE, None) == (
        "training was stopped after step 5 of 12; nothing was kept, for want of a checkpoint"
    )
    assert training.farewell(half, RECIPE, "run.ckpt") == (
        "training was stopped after step 5 of 12; "
        "run.ckpt keeps it, and the same call goes on from there"
    )
    for checkpoint in (None, "run.ckpt"):
        assert training.farewell(whole, RECIPE, checkpoint) == (
            "training was stopped when all 12 steps were done; the model is trained"
        )


def test_all_processes_wait_until_a_stopped_run_is_kept(tmp_path):
    path, kept, sums = tmp_path / "run.ckpt", [], []

    class Waits(Alone):
        def barrier(self):
            kept.append(torch.load(path, weights_only=True)["progress"]["step"])

        def all_reduce(self, data, *, reduce_op="mean"):
            sums.append(data)  # the first of them is the check that all see the same
            stop = signal.SIGTERM if len(sums) == 5 else 0
            return data + torch.tensor([0, stop]) if data.ndim else data

    with pytest.raises(training.Interrupted, match="stopped after step 4 of 12") as caught:
        quiet(small(), checkpoint=path, engine=Waits())
    assert caught.value.signal == signal.SIGTERM
    assert kept == [4]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("step", "said"),
    [
        (4, "stopped after step 4 of 12; {path} keeps it, and the same call goes on from there"),
        (12, "stopped when all 12 steps were done; the model is trained"),
    ],
)
def test_a_signal_lets_the_step_finish(tmp_path, number, step, said):
    path, model, calls = tmp_path / "run.ckpt", small(), []

    def ring(*_):
        calls.append(1)
        if len(calls) == step:
            signal.raise_signal(number)

    model.register_forward_hook(ring)
    with pytest.raises(training.Interrupted) as caught:
        quiet(model, checkpoint=path)
    assert str(caught.value) == "training was " + said.format(path=path)
    assert caught.value.signal == number
    assert torch.load(path, weights_only=True)["progress"]["step"] == step
    assert model.training is (step < 12)


def test_the_bar_keeps_the_last_psnr_in_sight(monkeypatch):
    shown = []

    class Bar(list):
        def __init__(self, steps, **_):
            super().__init__(steps)

        def set_postfix(self, words):
            shown.append(sorted(words))

    monkeypatch.setattr(training, "tqdm", Bar)
    quiet(small(), log_every=3, validate_every=6, validation_set=slices(1))
    assert shown == [["loss"], ["loss", "psnr"], ["loss", "psnr"], ["loss", "psnr"]]


def test_what_is_no_model_no_operator_and_no_recipe_is_named():
    for model in (None, nn.ReLU(), lambda y: y):
        said = "model must be a torch.nn.Module with weights to train, got "
        with pytest.raises(TypeError, match=f"^{said}{type(model).__name__}$"):
            quiet(model)
    with pytest.raises(TypeError, match=r"^K must be an Operator, got Conv2d; Blurring\(...\) is"):
        train(small(), nn.Conv2d(1, 1, 3), slices())
    names = ", ".join(PRESETS)
    with pytest.raises(TypeError, match=f"^recipe must be a Recipe or one of {names}, got dict$"):
        quiet(small(), {"steps": 3})


def test_a_run_that_goes_astray_leaves_its_checkpoint_sound(tmp_path):
    path, model, whole = tmp_path / "run.ckpt", small(), small()
    calls = []

    def spoil(module, inputs, output):
        calls.append(1)
        return output * float("nan") if len(calls) == 8 else output

    model.register_forward_hook(spoil)
    with pytest.raises(FloatingPointError, match=r"at step 8 of 12: the loss is nan, after 0\."):
        quiet(model, checkpoint=path, save_every=3)
    assert torch.load(path, weights_only=True)["progress"]["step"] == 6
    resumed = small()
    quiet(resumed, checkpoint=path)
    quiet(whole)
    assert torch.equal(weights(resumed), weights(whole))


def test_a_double_network_is_trained_and_scored_in_double():
    model, seen = small().double(), []
    model.register_forward_hook(lambda _, inputs, output: seen.append(output.dtype))
    history = quiet(model, validation_set=slices(1))
    assert set(seen) == {torch.float64}
    halved = nn.Conv2d(1, 1, 1, bias=False).double()
    nn.init.constant_(halved.weight, 0.5)
    settings = {"start": "given", "noise_level": 0.0, "crop": None, "steps": 1}
    loss = quiet(halved, K=Identity((40, 40)), data=slices(1), **settings)[0]["loss"]
    assert loss == pytest.approx(slices(1)[0].double().square().mean().item() / 4, rel=1e-12)
    assert history[-1]["psnr"] > 5


def test_a_diverging_run_stops_with_a_diagnosis():
    with pytest.raises(FloatingPointError) as caught:
        quiet(small(), optimiser="adam", learning_rate=1e3, warm_up=0, log_every=1)
    message = str(caught.value)
    assert "training diverged at step 2 of 12: the loss is " in message
    assert "before it, with learning rate 1e+03" in message
    assert "smaller learning_rate" in message


def test_a_loss_is_absurd_beyond_ten():
    """Twelve steps, three of them done; what went before is the entry or the loss just before."""
    run = training.Progress(step=3, losses=[0.25, 10.0])
    training.check_loss(run, RECIPE)
    for losses, history, before in (
        ([0.25, 0.5, 10.5], [{"loss": 0.125}], ", after 0.5 before it"),
        ([10.5], [{"loss": 0.125}], ", after 0.125 before it"),
        ([10.5], [], " from the start"),
    ):
        run = training.Progress(step=3, losses=losses, history=history)
        said = "training diverged at step 4 of 12: the loss is 10.5" + before
        said += f", with learning rate {RECIPE.learning_rate_at(3):.2g}. "
        with pytest.raises(FloatingPointError, match="^" + re.escape(said)):
            training.check_loss(run, RECIPE)


@pytest.mark.parametrize(("name", "kind"), [("soap", SOAP), ("adam", torch.optim.Adam)])
def test_the_optimiser_is_the_one_of_the_recipe(name, kind):
    model = small()
    made = make_optimiser(model, replace(RECIPE, optimiser=name, learning_rate=0.125))
    assert type(made) is kind
    assert made.param_groups[0]["lr"] == 0.125
    ours = list(model.parameters())
    held = made.param_groups[0]["params"]
    assert all(a is b for a, b in zip(held, ours, strict=True))


def test_broken_weights_stop_at_the_first_step():
    model = small()
    with torch.no_grad():
        model.conv2.weight[0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"step 1 of 12: the loss is nan from the start"):
        quiet(model, start="given")


def test_the_default_recipe_is_the_short_one(monkeypatch):
    seen = []
    monkeypatch.setattr(
        training, "make_optimiser", lambda model, recipe: seen.append(recipe) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        train(small(), blur(), slices())
    assert seen == [PRESETS["short"]]


def test_a_recipe_can_be_named_and_changed():
    history = quiet(small(), "tiny", crop=16, log_every=10)
    assert [entry["step"] for entry in history] == [10, 20]
    with pytest.raises(ValueError, match="recipe must be one of tiny"):
        quiet(small(), "quick")
    with pytest.raises(TypeError, match="stpes"):
        quiet(small(), stpes=3)
