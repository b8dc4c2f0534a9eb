"""The command line, as a user types it: what is printed, what is written, what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from ippy.checkpoint import held
from ippy.classical import tune, wiener
from ippy.cli import main
from ippy.data import MayoDataset, hold_out
from ippy.distribution import Alone
from ippy.evaluation import evaluate
from ippy.locks import only_one
from ippy.metrics import psnr, ssim
from ippy.models import SimpleCNN, load_weights, save_weights
from ippy.operators import Blurring
from ippy.recipe import PRESETS

SIZE = 32
KERNEL = np.array([[0, 0, 0.5], [0, 0.3, 0], [0.2, 0, 0]])
COURSE_BLUR = {"kernel_type": "motion", "kernel_size": 9, "motion_angle": 20.0}


def draw(path: Path, seed: int, mode: str = "L", shape: tuple[int, int] = (SIZE, SIZE)) -> None:
    """A picture of discs."""
    rng = np.random.default_rng(seed)
    i, j = np.indices(shape)
    grey = np.zeros(shape)
    for _ in range(4):
        row, column, radius = rng.uniform([0, 0, 3], [SIZE, SIZE, 9])
        grey[(i - row) ** 2 + (j - column) ** 2 < radius**2] = rng.uniform(60, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey.astype(np.uint8)).convert(mode).save(path)


def make_root(root: Path) -> Path:
    for number in range(6):
        draw(root / "train" / f"A{number % 2}" / f"{number}.png", number)
    for number in (2, 10, 5):
        draw(root / "test" / "B" / f"{number}.png", 100 + number)
    return root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny slices, which are all that a command can find; commands run in an empty folder."""
    monkeypatch.setenv("IPPY_CACHE", str(tmp_path / "cache"))
    embedded = make_root(tmp_path / "embedded")
    monkeypatch.setattr("ippy.data.embedded_data", lambda: embedded)
    monkeypatch.setattr("ippy.data.project_root", lambda: tmp_path)
    monkeypatch.delenv("IPPY_DATA")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return make_root(tmp_path / "slices")


def ippy(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result


def works(*arguments: object) -> str:
    result = ippy(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    """What is said when a command is refused: one sentence, on stderr."""
    result = ippy(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()[-1]


def network(path: Path, seed: int = 0, **architecture: object) -> SimpleCNN:
    torch.manual_seed(seed)
    model = SimpleCNN(1, 1, 4, **architecture)
    save_weights(model, path)
    return model.eval()


@pytest.mark.parametrize(
    "command", [[], ["data"], ["data", "make"], ["data", "check"], ["train"], ["evaluate"]]
)
def test_help_shows_an_example(command: list[str]) -> None:
    for option in ("--help", "-h"):
        assert f"\n  ippy {' '.join(command)}" in works(*command, option).replace("    ", "  ")


def test_help_lists_the_commands_in_the_order_of_their_use() -> None:
    commands = works("--help").split("Commands:")[1].split()
    named = [word for word in commands if word in main.commands]
    assert named == ["data", "train", "evaluate", "export"]


def test_help_names_every_preset() -> None:
    text = works("train", "--help")
    assert all(f" {name}" in text for name in PRESETS)


def test_help_and_mistakes_do_not_wait_for_the_heavy_modules() -> None:
    program = """if True:
        import sys
        from click.testing import CliRunner
        from ippy.cli import main
        before = set(sys.modules)
        for arguments in (["--help"], ["train", "--help"], ["evaluate", "no-such-file.pth"]):
            CliRunner().invoke(main, arguments)
        heavy = {"matplotlib", "torchvision", "torchmetrics", "ippy.training", "ippy.phantoms"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", program], check=True)


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    start = [sys.executable, "-c", "from ippy.cli import main; main()"]
    run = subprocess.run([*start, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == "ippy 0.1.0\n"
    start = [sys.executable, "-m", "ippy"]
    run = subprocess.run([*start, "data", "check", tmp_path], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("Error: data_path must be a folder that holds train/ and test/")


def test_data_make_tells_where_the_embedded_slices_are(root: Path, tmp_path: Path) -> None:
    assert works("data", "make") == (
        f"6 slices to train on, 3 to test on: {tmp_path / 'embedded'}\n"
    )


def test_data_make_writes_to_a_new_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ippy.phantoms.write_dataset", lambda root, progress: make_root(root))
    text = works("data", "make", "--root", "mine")
    assert "6 slices to train on, 3 to test on: mine" in text
    assert "--data mine" in text
    assert "mine has a folder train already" in refused("data", "make", "--root", "mine")


def test_data_make_is_not_done_twice_at_once(root: Path) -> None:
    with only_one(Path("new/.making.lock"), "making slices in", "--root new"):
        said = refused("data", "make", "--root", "new")
    assert f"process {os.getpid()} on " in said and "is making slices in --root new, since" in said
    assert not list(Path("new").iterdir())


def test_data_check_describes_a_sound_folder(root: Path) -> None:
    assert works("data", "check", root) == "\n".join(
        [
            f"{root}",
            "is used because it was named in the command.",
            "",
            "train: 6 slices of 2 patients",
            "  slices a patient  3",
            "  pixels            32×32 (6)",
            "  kind              8-bit grey (6)",
            "  used as           6 pictures of 256×256, grey in [0, 1]",
            "",
            "test: 3 slices of 1 patient",
            "  slices a patient  3",
            "  pixels            32×32 (3)",
            "  kind              8-bit grey (3)",
            "  used as           3 pictures of 256×256, grey in [0, 1]",
            "",
            "No faults.",
            "",
        ]
    )


def test_data_check_says_why_it_looks_where_it_looks(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is used because no other slices were named" in works("data", "check")
    make_root(tmp_path / "Mayo")
    text = works("data", "check")
    assert text.startswith(f"{tmp_path / 'Mayo'}\nis used because it is the project's folder Mayo.")
    monkeypatch.setenv("IPPY_DATA", str(root))
    text = works("data", "check")
    assert text.startswith(f"{root}\nis used because the environment variable IPPY_DATA names it.")


def test_data_check_finds_what_is_wrong(root: Path) -> None:
    (root / "test/B/7.png").write_bytes(b"no picture")
    Image.new("L", (SIZE, SIZE), 9).save(root / "test/B/8.png")
    draw(root / "train/A0/11.png", 3, "RGBA", (40, 48))
    draw(root / "train/B/1.png", 4)
    for name in ("train/A0/notes.txt", "train/A0/old/3.png", "train/9.png", "train/A1/1.dcm"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    (root / "train/A0/.hidden").touch()
    result = ippy("data", "check", root)
    assert result.exit_code == 1
    train, test = result.stdout.split("test: ")
    assert "train: 8 slices of 3 patients" in train
    assert "slices a patient  1 to 4" in train
    assert "32×32 (7), 48×40 (1)" in train
    assert "8-bit grey (7), colour with transparency (1)" in train
    others = [Path(name) for name in ("9.png", "A0/notes.txt", "A0/old/3.png")]
    assert f"not used          4: {', '.join(map(str, others))}, ...\n" in train
    assert f"unreadable        1: {Path('B/7.png')}\n" in test
    assert f"without content   1: {Path('B/8.png')}\n" in test
    assert "used as           4 pictures" in test
    faults = test.split("2 faults:\n")[1]
    assert f"{root / 'test/B/7.png'} is not a PNG picture" in faults
    assert "patient B is in train/ and in test/" in faults


def test_data_check_names_what_stands_in_for_a_missing_folder(root: Path) -> None:
    (root / "train").rename(root / "elsewhere")
    text = works("data", "check", root)
    assert "train: no such folder; the embedded train slices stand in for it." in text
    assert "test: 3 slices of 1 patient" in text


def test_data_check_of_the_wrong_folder_says_which_is_right(root: Path) -> None:
    assert f"pass the folder above it, {root}" in refused("data", "check", root / "test")


def train_briefly(out: str | Path, root: Path, *options: object) -> str:
    small = ["--preset", "tiny", "--steps", 3, "--n-filters", 4, "--size", SIZE]
    return works("train", out, "--data", root, *small, *options)


def test_train_does_not_call_kept_out_what_it_trains_on(root: Path) -> None:
    patients = sorted((root / "train").iterdir())
    assert len(patients) > 1
    for patient in patients[1:]:
        shutil.rmtree(patient)
    text = train_briefly("runs/mine.pth", root)
    assert "of them to watch\n" in text
    assert "of the only patient, trained on as well\n" in text
    assert "kept out" not in text


def test_train_writes_weights_with_their_description_and_history(root: Path) -> None:
    text = train_briefly("runs/mine.pth", root)
    assert "Network   SimpleCNN, 4 filters of 3×3, 225 parameters\n" in text
    assert "Blur      motion over 9 pixels at 20°; noise 1 %\n" in text
    assert f"Slices    3 from {root / 'train'}, 3 more to watch\n" in text
    assert "Recipe    tiny: 3 steps of 4 pictures, seed 0\n" in text
    assert "dB on 3 slices kept out of it\n" in text
    assert f"Curve     {Path('runs/mine.png')}\n" in text
    assert "Processes" not in text
    assert "Next      ippy evaluate runs/mine.pth\n" in text
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "mine.json",
        "mine.jsonl",
        "mine.png",
        "mine.pth",
    ]
    with Image.open("runs/mine.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 300
    history = [json.loads(line) for line in Path("runs/mine.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in history] == [3]
    assert f"{history[-1]['psnr']:.2f} dB" in text
    load_weights(SimpleCNN(1, 1, 4), "runs/mine.pth")
    described = json.loads(Path("runs/mine.json").read_text())
    assert described["architecture"] == {"in_ch": 1, "out_ch": 1, "n_filters": 4, "kernel_size": 3}
    assert described["recipe"]["steps"] == 3
    assert described["kernel"] is None


def test_train_passes_every_option_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("blur.npy", KERNEL)
    seen = {}

    def spy(model, K, train_set, recipe, **settings):
        seen.update(model=model, K=K, train_set=train_set, recipe=recipe, **settings)
        return [{"step": 1, "loss": 0.1, "seconds": 61.0, "psnr": 20.0}]

    monkeypatch.setattr("ippy.training.train", spy)
    head = ["--final-activation", "tanh", "--residual", "--padding-mode", "circular"]
    more = ["--kernel-size", 5, "--seed", 7, "--noise-level", 0.25, "--kernel", "blur.npy"]
    text = train_briefly("a.pth", root, *head, *more)
    assert "tanh at the end, residual, circular padding" in text
    assert "Blur      kernel of 3×3, blur.npy; noise 25 %" in text
    assert "Done in 1 min 1 s" in text
    recipe = seen["recipe"]
    assert (recipe.steps, recipe.seed, recipe.noise_level, recipe.crop) == (3, 7, 0.25, 32)
    model = seen["model"]
    assert isinstance(model.final_activation, torch.nn.Tanh) and model.residual
    assert model.conv2.padding_mode == "circular" and model.conv2.kernel_size == (5, 5)
    assert torch.equal(seen["K"].kernel[0, 0], torch.tensor(KERNEL).float())
    assert seen["K"].img_shape == (SIZE, SIZE)
    train_set, watched = hold_out(MayoDataset(root / "train", SIZE))
    assert seen["validation_set"].paths == watched.paths
    assert seen["train_set"].paths == train_set.paths
    assert isinstance(seen["engine"], Alone)
    assert seen["checkpoint"] == Path("a.ckpt")
    described = json.loads(Path("a.json").read_text())
    assert described["kernel"] == KERNEL.tolist()
    assert described["architecture"]["final_activation"] == "tanh"


def test_train_is_the_short_recipe_and_runs_cnn_unless_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def spy(model, K, train_set, recipe, **settings):
        seen.update(model=model, K=K, recipe=recipe)
        return [{"step": 1, "loss": 0.1, "seconds": 1.0, "psnr": 20.0}]

    monkeypatch.setattr("ippy.training.train", spy)
    assert "the embedded" not in works("train")
    assert seen["recipe"] == PRESETS["short"]
    assert seen["model"].conv1.weight.shape == (32, 1, 3, 3) and not seen["model"].residual
    assert torch.equal(seen["K"].kernel, Blurring((256, 256), **COURSE_BLUR).kernel)
    assert Path("runs/CNN.pth").exists()


def test_train_does_not_write_over_weights(root: Path) -> None:
    Path("mine.pth").write_text("precious")
    assert "mine.pth exists already" in refused("train", "mine.pth", "--data", root)
    assert Path("mine.pth").read_text() == "precious"
    train_briefly("mine.pth", root, "--force")
    load_weights(SimpleCNN(1, 1, 4), "mine.pth")


def test_train_goes_on_with_a_stopped_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ippy import training

    def stopped(*arguments, checkpoint, **settings):
        checkpoint.write_text("state")
        raise KeyboardInterrupt

    monkeypatch.setattr("ippy.training.train", stopped)
    result = ippy("train", "mine.pth", "--data", root, "--size", SIZE)
    assert result.exit_code == 130
    assert result.stderr == "\nStopped; mine.ckpt keeps the run: --resume goes on with it.\n"
    assert "--resume goes on with it, --force starts again" in refused("train", "mine.pth")

    def resumed(*arguments, checkpoint, **settings):
        assert checkpoint.read_text() == "state"
        return [{"step": 1, "loss": 0.1, "seconds": 1.0, "psnr": 20.0}]

    monkeypatch.setattr("ippy.training.train", resumed)
    works("train", "mine.pth", "--data", root, "--size", SIZE, "--resume")
    assert not Path("mine.ckpt").exists() and Path("mine.pth").exists()

    Path("mine.ckpt").write_text("old")

    def anew(*arguments, checkpoint, **settings):
        assert not checkpoint.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("ippy.training.train", anew)
    result = ippy("train", "mine.pth", "--data", root, "--size", SIZE, "--force")
    assert (result.exit_code, result.stderr) == (130, "\nStopped; nothing was kept yet.\n")
    assert "there is no unfinished run mine.ckpt" in refused("train", "mine.pth", "--resume")
    assert training.train is anew


def test_a_refused_command_does_not_delete_what_it_was_forced_to_replace(root: Path) -> None:
    np.save("blur.npy", np.ones((2, 3, 3)))
    Path("mine.ckpt").write_text("precious")
    refused("train", "mine.pth", "--data", root, "--force", "--kernel", "blur.npy")
    assert Path("mine.ckpt").read_text() == "precious"
    with held("mine.ckpt"):
        text = refused("train", "mine.pth", "--data", root, "--force")
    assert f"process {os.getpid()} on " in text and "is training with checkpoint" in text
    assert Path("mine.ckpt").read_text() == "precious"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_of_several_processes_tells_how_they_were_stopped(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    """A launcher would kill it in the midst of its words if another one ended with a failure."""
    from ippy.training import Interrupted

    def stopped(*arguments, checkpoint, **settings):
        checkpoint.write_text("state")
        raise Interrupted("enough", number)

    monkeypatch.setattr("ippy.training.train", stopped)
    result = ippy("train", "first.pth", "--data", root, "--size", SIZE)
    assert result.exit_code == code
    assert "first.ckpt keeps the run" in result.stderr
    monkeypatch.setenv("RANK", "1")
    result = ippy("train", "second.pth", "--data", root, "--size", SIZE)
    assert (result.exit_code, result.output) == (0, "")


def test_other_processes_write_nothing_and_refuse_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spy(*arguments, checkpoint, **settings):
        assert checkpoint.read_text() == "the first one's"
        return [{"step": 1, "loss": 0.1, "seconds": 1.0}]

    monkeypatch.setattr("ippy.training.train", spy)
    monkeypatch.setenv("LOCAL_RANK", "1")
    Path("mine.ckpt").write_text("the first one's")
    Path("mine.pth").write_text("old")
    before = sorted(Path().iterdir())
    for options in ([], ["--force"]):
        assert works("train", "mine.pth", "--data", root, "--size", SIZE, *options) == ""
    assert sorted(Path().iterdir()) == before
    assert Path("mine.pth").read_text() == "old"


def test_train_passes_the_numbers_of_processes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Two(Alone):
        world_size = 2

    def engine(devices: int, nodes: int) -> Two:
        asked.append((devices, nodes))
        return Two()

    def spy(*arguments, engine, **settings):
        asked.append(type(engine))
        return [{"step": 1, "loss": 0.1, "seconds": 1.0, "psnr": 20.0}]

    monkeypatch.setattr("ippy.distribution.engine", engine)
    monkeypatch.setattr("ippy.training.train", spy)
    text = works("train", "--data", root, "--size", SIZE, "--devices", 2, "--nodes", 3)
    assert asked == [(2, 3), Two]
    assert "Processes 2, each takes its share of every batch\n" in text


def test_several_processes_without_lightning_are_refused_in_a_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    text = refused("train", "--data", root, "--size", SIZE, "--devices", 2)
    assert text.startswith("Error: training in more than one process needs Lightning Fabric: pip")


def test_a_process_whose_fellow_is_gone_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Second(Alone):
        global_rank, world_size = 1, 2

    def broken(*arguments: object, **settings: object) -> list:
        raise RuntimeError(message)

    monkeypatch.setattr("ippy.distribution.engine", lambda *_: Second())
    monkeypatch.setattr("ippy.training.train", broken)
    command = ("train", "--data", root, "--size", SIZE, "--devices", 2)
    message = "[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"
    assert refused(*command) == "Error: another process of this training has ended; it says why"
    message = "size mismatch for conv1.weight"
    with pytest.raises(RuntimeError, match="size mismatch"):
        ippy(*command)


def test_train_makes_the_books_weights_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def make_weights(names, data_path, progress, say):
        asked.append((names, data_path))
        say("about 3 min")
        return [Path("weights/a.pth"), Path("weights/b.pth")]

    monkeypatch.setattr("ippy.weights.make_weights", make_weights)
    result = ippy("train", "--weights", "a", "--weights", "b")
    assert result.stdout.split() == [str(Path("weights/a.pth")), str(Path("weights/b.pth"))]
    assert result.stderr == "about 3 min\n"
    works("train", "--weights", "all")
    works("train", "--weights", "all", "--data", root)
    assert asked == [(("a", "b"), None), (None, None), (None, root)]
    text = refused("train", "x.pth", "--weights", "a", "--seed", 3)
    assert "--weights fixes everything else; leave out out, --seed" in text


def test_train_reports_divergence_in_a_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*arguments, **settings):
        raise FloatingPointError("training diverged at step 3")

    monkeypatch.setattr("ippy.training.train", train)
    assert refused("train", "--data", root, "--size", SIZE) == "Error: training diverged at step 3"


def test_evaluate_prints_and_writes_the_scores(root: Path) -> None:
    model = network(Path("net.pth"))
    text = works("evaluate", "net.pth", "--data", root, "--size", SIZE, "--json", "scores.json")
    K = Blurring((SIZE, SIZE), **COURSE_BLUR)
    test_set, train_set = (MayoDataset(root / split, SIZE) for split in ("test", "train"))
    constant = tune(wiener, K, train_set, [10 ** (k / 8) for k in range(-40, 9)], 0.01)
    methods = {
        "measurement": lambda y: y,
        "Wiener": lambda y: wiener(y, K, constant),
        "network": model,
    }
    result = json.loads(Path("scores.json").read_text())
    means = {}
    for name, method in methods.items():
        score = evaluate(method, K, test_set, 0.01)
        p, s = score.psnr.numpy(), score.ssim.numpy()
        means[name] = p.mean()
        line = next(line for line in text.splitlines() if line.startswith(name))
        shown = [float(word) for word in line.split()[1:] if word not in "±…"]
        expected = [p.mean(), p.std(), p.min(), p.max(), s.mean(), s.std(), s.min(), s.max()]
        np.testing.assert_allclose(shown[:4], expected[:4], atol=0.0051)
        np.testing.assert_allclose(shown[4:], expected[4:], atol=0.000051)
        written = result["scores"][name]
        assert written["psnr"] == pytest.approx(p) and written["ssim"] == pytest.approx(s)
        assert written["mean_psnr"] == pytest.approx(p.mean())
        assert written["std_ssim"] == pytest.approx(s.std())
    above = means["network"] - means["measurement"]
    word = "above" if above >= 0 else "below"
    assert f"the network is {abs(above):.2f} dB {word} the measurement and" in text
    assert f"Constants Wiener {constant:.2g}; tuned on slices from {root / 'train'}" in text
    assert f"Slices    3 from {root / 'test'}" in text
    assert result["slices"] == ["2", "5", "10"]
    assert result["constants"] == {"Wiener": constant}
    assert result["noise_level"] == 0.01
    torch.testing.assert_close(torch.tensor(result["kernel"]), K.kernel[0, 0])


def test_evaluate_uses_the_noise_of_each_slices_number(root: Path) -> None:
    network(Path("net.pth"))
    works("evaluate", "net.pth", "--data", root, "--size", SIZE, "--json", "scores.json")
    x = MayoDataset(root / "test", SIZE)[2][None]
    y = Blurring((SIZE, SIZE), **COURSE_BLUR)(x)
    n = torch.randn(y.shape, generator=torch.Generator().manual_seed(10))
    y_delta = y + 0.01 * y.norm() / n.norm() * n
    scores = json.loads(Path("scores.json").read_text())["scores"]["measurement"]
    assert scores["psnr"][2] == pytest.approx(psnr(y_delta, x).item(), abs=1e-4)
    assert scores["ssim"][2] == pytest.approx(ssim(y_delta, x).item(), abs=1e-5)


def test_evaluate_takes_the_measurement_from_the_options(root: Path) -> None:
    network(Path("net.pth"))
    np.savetxt("blur.txt", KERNEL)
    options = ["--kernel", "blur.txt", "--noise-level", 0.05, "--split", "train"]
    text = works(
        "evaluate", "net.pth", "--data", root, "--size", SIZE, "--json", "s.json", *options
    )
    assert "Blur      kernel of 3×3, blur.txt; noise 5 %" in text
    assert f"Slices    6 from {root / 'train'}" in text
    K = Blurring((SIZE, SIZE), kernel=torch.tensor(KERNEL))
    expected = evaluate(lambda y: y, K, MayoDataset(root / "train", SIZE), 0.05)
    scores = json.loads(Path("s.json").read_text())["scores"]["measurement"]
    assert scores["psnr"] == pytest.approx(expected.psnr.numpy(), abs=1e-4)


def test_evaluate_reads_the_head_and_the_blur_from_the_description(root: Path) -> None:
    model = network(Path("net.pth"), final_activation="sigmoid", padding_mode="reflect")
    described = {"architecture": {"final_activation": "sigmoid", "padding_mode": "reflect"}}
    run = ["evaluate", "net.pth", "--data", root, "--size", SIZE, "--json", "s.json"]

    def score() -> float:
        return json.loads(Path("s.json").read_text())["scores"]["network"]["mean_psnr"]

    test_set = MayoDataset(root / "test", SIZE)
    Path("manifest.json").write_text(json.dumps({"net": described, "other": {}}))
    assert "sigmoid at the end, reflect padding" in works(*run)
    K = Blurring((SIZE, SIZE), **COURSE_BLUR)
    assert score() == pytest.approx(evaluate(model, K, test_set, 0.01).mean_psnr)

    described["kernel"] = KERNEL.tolist()
    Path("net.json").write_text(json.dumps(described))
    assert "Blur      kernel of 3×3, which it was trained for; noise 1 %" in works(*run)
    K = Blurring((SIZE, SIZE), kernel=torch.tensor(KERNEL))
    assert score() == pytest.approx(evaluate(model, K, test_set, 0.01).mean_psnr)

    options = ["--final-activation", "none", "--residual", "--padding-mode", "zeros"]
    text = works(*run, *options)
    assert "SimpleCNN, 4 filters of 3×3, residual, 225 parameters" in text
    assert "no-residual" in works("evaluate", "--help")
    plain = load_weights(SimpleCNN(1, 1, 4, residual=True), "net.pth")
    assert score() == pytest.approx(evaluate(plain, K, test_set, 0.01).mean_psnr)


def test_evaluate_says_that_embedded_slices_tune_the_filter(root: Path, tmp_path: Path) -> None:
    network(Path("net.pth"))
    (root / "train").rename(root / "elsewhere")
    result = ippy("evaluate", "net.pth", "--data", root, "--size", SIZE)
    assert result.exit_code == 0
    assert f"{root} has no folder train: the embedded train slices are used." in result.stderr
    assert f"tuned on slices from {tmp_path / 'embedded/train'}" in result.stdout


def test_evaluate_finds_the_data_by_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network(Path("net.pth"))
    monkeypatch.setenv("IPPY_DATA", str(root))
    assert f"Slices    3 from {root / 'test'}" in works("evaluate", "net.pth", "--size", SIZE)


def test_a_thorough_evaluation_has_the_other_classical_methods(root: Path) -> None:
    network(Path("net.pth"))
    text = works("evaluate", "net.pth", "--data", root, "--size", SIZE, "--thorough")
    table = {line.split()[0]: line.split()[1:] for line in text.splitlines() if "…" in line}
    assert list(table) == ["mean", "measurement", "Wiener", "Tikhonov", "TV", "network"]
    psnr_of = {name: float(table[name][0]) for name in list(table)[1:]}
    assert psnr_of["TV"] > psnr_of["Tikhonov"] > psnr_of["measurement"] + 3
    assert "Tikhonov" in text.split("Constants")[1] and "below TV." in text


def test_remarks_of_the_tuning_go_to_stderr(root: Path) -> None:
    np.save("blur.npy", np.ones((1, 1)))
    network(Path("net.pth"))
    sharp = ["--kernel", "blur.npy", "--noise-level", 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = ippy("evaluate", "net.pth", "--data", root, "--size", SIZE, *sharp)
    assert "Wiener: the best of the values is the end of their range, 1e-05" in result.stderr


def test_perfect_scores_are_null_in_json(root: Path) -> None:
    np.save("blur.npy", np.ones((1, 1)))
    network(Path("net.pth"))
    same = ["--kernel", "blur.npy", "--noise-level", 0, "--json", "s.json"]
    works("evaluate", "net.pth", "--data", root, "--size", SIZE, *same)
    text = Path("s.json").read_text()
    assert "Infinity" not in text and "NaN" not in text
    assert json.loads(text)["scores"]["measurement"]["psnr"] == [None] * 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("blur.png", b"", "must end in .npy or .txt, got blur.png"),
        ("blur.txt", b"1 2 x", "blur.txt does not hold a table of numbers"),
        ("blur.txt", b"1 2\n3", "blur.txt does not hold a table of numbers"),
        ("blur.npy", b"", "blur.npy does not hold a table of numbers"),
        ("blur.npy", b"no array at all", "blur.npy does not hold a table of numbers"),
        ("blur.txt", b"1 nan", "kernel must be finite"),
    ],
)
def test_a_bad_kernel_file_is_refused(root: Path, name: str, content: bytes, message: str) -> None:
    Path(name).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert message in refused("train", "--kernel", name, "--data", root)


def test_a_kernel_of_another_dimension_is_refused(root: Path) -> None:
    np.save("blur.npy", np.ones((2, 3, 3)))
    text = refused("train", "--kernel", "blur.npy", "--data", root)
    assert "must hold rows of numbers, got the shape (2, 3, 3)" in text


def test_unusable_weights_are_refused(root: Path) -> None:
    run = ["evaluate", "net.pth", "--data", root, "--size", SIZE]
    assert "'net.pth' does not exist" in refused(*run)
    Path("net.pth").write_bytes(b"weights")
    assert "net.pth is damaged" in refused(*run)
    save_weights(torch.nn.Linear(2, 2), "net.pth")
    assert "net.pth holds no SimpleCNN" in refused(*run)
    save_weights(SimpleCNN(3, 1, 4), "net.pth")
    assert "net.pth goes from 3 to 1 channels; slices have one" in refused(*run)
    network(Path("net.pth"))
    Path("net.json").write_text("{")
    assert "the description beside net.pth is damaged" in refused(*run)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--preset", "fast"], "recipe must be one of tiny"),
        (["train", "--steps", 0], "Invalid value for '--steps'"),
        (["train", "--noise-level", -1], "Invalid value for '--noise-level'"),
        (["train", "--final-activation", "softmax"], "'softmax' is not one of 'none', 'relu'"),
        (["train", "--data", "nowhere"], "which is no folder"),
        (["evaluate"], "Missing argument 'WEIGHTS'"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_a_mistyped_command_is_refused(root: Path, arguments: list, message: str) -> None:
    assert message in refused(*arguments)


def test_mistakes_of_the_program_itself_are_not_hidden(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Path:
        raise TypeError("a bug")

    monkeypatch.setattr("ippy.data.embedded_data", broken)
    with pytest.raises(TypeError, match="a bug"):
        ippy("data", "make")


def test_a_reader_that_goes_away_is_no_mistake(root: Path) -> None:
    command = [sys.executable, "-m", "ippy", "data", "check", str(root)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    program.stdout.close()
    assert program.communicate()[1] == ""


def test_train_and_evaluate_on_real_slices(
    real_slices: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of real slices, 512×512 in colour and with no train/ beside them."""
    text = works("data", "check", real_slices)
    assert "No faults." in text
    network(Path("net.pth"))
    text = works("evaluate", "net.pth", "--data", real_slices, "--size", 64)
    assert "Wiener" in text and "network" in text
