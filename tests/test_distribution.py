"""Several processes do what one does: the same batches, the same weights, one of them writing.

Run as a program, this file is the processes: it imports torch and Fabric once, forks as many as a
scenario asks for, with the environment that torchrun gives its own, and leaves what each of them
saw in a folder. A graphics card is not asked for.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from ippy import checkpoint, distribution, training
from ippy.cli import main
from ippy.crops import TrainingCrops
from ippy.interruption import Interrupted
from ippy.models import SimpleCNN
from ippy.operators import Blurring
from ippy.recipe import Recipe
from ippy.training import train

SIZE = 24
STEPS = 50
OPTIONS = ["--data", "slices", "--preset", "tiny", "--size", str(SIZE), "--n-filters", "4"]
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK")
RECIPES = {
    name: Recipe(steps=STEPS, batch_size=5, crop=16, optimiser=name) for name in ("soap", "adam")
}


def slices(count=3):
    generator = torch.Generator().manual_seed(2)
    return [torch.rand(1, SIZE, SIZE, generator=generator) ** 3 for _ in range(count)]


def a_run(engine, recipe=RECIPES["soap"], path=None, stop_at=None, data=None, **settings):
    """Train a tiny network in float64; return its weights and its history."""
    model, steps = SimpleCNN(1, 1, 6).double(), []

    def look(*_):
        steps.append(1)
        if len(steps) == stop_at:
            signal.raise_signal(signal.SIGTERM)

    model.register_forward_hook(look)
    K = Blurring((SIZE, SIZE), kernel_type="motion", kernel_size=5, motion_angle=20)
    settings = {"log_every": 10, "progress": False} | settings
    history = train(model, K, data or slices(), recipe, checkpoint=path, engine=engine, **settings)
    return model.state_dict(), history


def same_weights(engine, folder):
    """Train with either optimiser, from the start to the end."""
    rank, shares = engine.global_rank, []
    batch = TrainingCrops.batch

    def watched(self, *arguments):
        shares.append(batch(self, *arguments))
        return shares[-1]

    TrainingCrops.batch = watched
    result = {name: a_run(engine, recipe) for name, recipe in RECIPES.items()}
    result["shares"] = [tuple(share) for share in shares[:7]]
    torch.save(result, folder / f"same-{rank}.pth")


def one_writer(engine, folder):
    """Train with a checkpoint, and note who writes."""
    rank, written = engine.global_rank, []
    write = checkpoint.write_atomically

    def watched(content, path):
        written.append(path.name)
        write(content, path)

    checkpoint.write_atomically = watched
    a_run(engine, path=folder / "run.ckpt", save_every=10, validation_set=slices(1), progress=True)
    (folder / f"written-{rank}.json").write_text(json.dumps(written))


def stopped(engine, folder):
    """The last process alone gets SIGTERM in the middle of step 20."""
    rank, path = engine.global_rank, folder / "stopped.ckpt"
    save = training.save_checkpoint

    def slowly(*arguments):
        time.sleep(0.2)
        save(*arguments)

    training.save_checkpoint = slowly
    try:
        a_run(engine, path=path, stop_at=20 if rank == engine.world_size - 1 else None)
    except Interrupted as error:
        step = torch.load(path, weights_only=True)["progress"]["step"]
        said = {"words": str(error), "signal": error.signal, "kept": step}
        (folder / f"stopped-{rank}.json").write_text(json.dumps(said))


def resumed(engine, folder):
    """Go on with a run that one process began."""
    weights, history = a_run(engine, path=folder / "begun.ckpt")
    torch.save((weights, history), folder / f"resumed-{engine.global_rank}.pth")


def too_small(engine, folder):
    a_run(engine, Recipe(steps=STEPS, batch_size=1, crop=16))


def other_checkpoint(engine, folder):
    """Computers that share no folder: the first process alone finds the run."""
    a_run(engine, path=folder / ("begun.ckpt" if engine.global_rank == 0 else "nowhere.ckpt"))


def other_slices(engine, folder):
    a_run(engine, data=slices(3 + engine.global_rank))


def full_disk(engine, folder):
    """The first process cannot write; the other one must not wait for it for ever."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if engine.global_rank == 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        a_run(engine, path=folder / "full.ckpt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


SCENARIOS = [same_weights, one_writer, stopped, resumed]
REFUSALS = [too_small, other_checkpoint, other_slices, full_disk]


def act(scenarios, folder, rank, size, port):
    """One process: its part in some scenarios, and what it said."""
    with open(folder / f"{scenarios[0].__name__}-{rank}.log", "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    torch.set_num_threads(1)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    names |= {"GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()})
    os.environ["TORCHELASTIC_RUN_ID"] = "none"
    code = 1
    try:
        engine = distribution.engine()
        for scenario in scenarios:
            scenario(engine, folder)
        code = 0
    except Exception:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


def perform(folder, size=2):
    """Fork the processes of every scenario, and note how each of them ended."""
    import lightning_fabric  # noqa: F401  once, for all of them

    codes = {}
    for scenarios in [SCENARIOS, *([refusal] for refusal in REFUSALS)]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        children = []
        for rank in range(size):
            children.append(os.fork())
            if children[-1] == 0:
                act(scenarios, folder, rank, size, port)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        codes[scenarios[0].__name__] = ends
    (folder / "codes.json").write_text(json.dumps(codes))


@pytest.fixture(scope="module")
def alone():
    """Each recipe, trained by one process."""
    return {name: a_run(distribution.engine(), recipe) for name, recipe in RECIPES.items()}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder in which two processes have performed every scenario."""
    if sys.platform != "linux":
        pytest.skip("forks processes, as only Linux does safely")
    folder = tmp_path_factory.mktemp("two")
    with pytest.raises(Interrupted):
        a_run(None, path=folder / "begun.ckpt", stop_at=20)
    subprocess.run(
        [sys.executable, __file__, folder],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        timeout=600,
        check=True,
    )
    return folder


def said(folder, scenario):
    """The last words of either process."""
    return [(folder / f"{scenario}-{rank}.log").read_text() for rank in (0, 1)]


def distance(mine, theirs):
    return max(float((mine[name] - theirs[name]).abs().max()) for name in theirs)


def ended(folder, scenario):
    return json.loads((folder / "codes.json").read_text())[scenario]


def test_two_processes_train_to_the_end(two):
    assert ended(two, "same_weights") == [0, 0], said(two, "same_weights")


@pytest.mark.parametrize("optimiser", ["soap", "adam"])
def test_two_processes_come_to_the_weights_of_one(two, alone, optimiser):
    weights, history = alone[optimiser]
    results = [
        torch.load(two / f"same-{rank}.pth", weights_only=True)[optimiser] for rank in (0, 1)
    ]
    assert distance(results[0][0], results[1][0]) == 0
    print(f"{optimiser}: {distance(results[0][0], weights):.1e}")
    for theirs, entries in results:
        assert all(tensor.dtype == torch.float64 for tensor in theirs.values())
        assert distance(theirs, weights) < 1e-8
        assert [entry["step"] for entry in entries] == [10, 20, 30, 40, 50]
        for mine, entry in zip(history, entries, strict=True):
            assert mine["loss"] == pytest.approx(entry["loss"], rel=1e-8)
    start, _ = a_run(None, Recipe(steps=1, batch_size=5, crop=16))
    assert distance(start, weights) > 0.01


def test_shares_make_up_the_batch_of_one_process_bit_for_bit(two):
    shares = [torch.load(two / f"same-{rank}.pth", weights_only=True)["shares"] for rank in (0, 1)]
    K = Blurring((SIZE, SIZE), kernel_type="motion", kernel_size=5, motion_angle=20)
    crops = training.make_crops(SimpleCNN(1, 1, 6), K, slices(), RECIPES["soap"])
    for step in range(7):
        for part, whole in enumerate(crops.batch(step, 5)):
            first, second = shares[0][step][part], shares[1][step][part]
            assert (len(first), len(second)) == (3, 2)
            assert torch.equal(whole[0::2], first)
            assert torch.equal(whole[1::2], second)


def test_the_first_process_alone_writes_and_speaks(two):
    written = [json.loads((two / f"written-{rank}.json").read_text()) for rank in (0, 1)]
    assert written == [["run.ckpt", "run.jsonl"] * 6, []]
    first, second = said(two, "same_weights")
    assert "50/50" in first and "psnr=" in first
    assert "/50" not in second
    history = training.read_history(two / "run.jsonl")
    assert [entry["step"] for entry in history] == [10, 20, 30, 40, 50]


def test_a_signal_to_one_process_stops_both_when_the_run_is_kept(two):
    for rank in (0, 1):
        seen = json.loads((two / f"stopped-{rank}.json").read_text())
        assert seen["words"].startswith("training was stopped after step 20 of 50")
        assert (seen["signal"], seen["kept"]) == (signal.SIGTERM, 20)


def test_one_process_goes_on_with_the_run_of_two(two, alone):
    weights, history = a_run(None, path=two / "stopped.ckpt")
    assert distance(weights, alone["soap"][0]) < 1e-8
    assert [entry["step"] for entry in history] == [10, 20, 30, 40, 50]


def test_two_processes_go_on_with_the_run_of_one(two, alone):
    for rank in (0, 1):
        weights, history = torch.load(two / f"resumed-{rank}.pth", weights_only=True)
        assert distance(weights, alone["soap"][0]) < 1e-8
        assert [entry["step"] for entry in history] == [10, 20, 30, 40, 50]


def test_a_batch_must_have_something_for_every_process(two):
    assert ended(two, "too_small") == [1, 1]
    for words in said(two, "too_small"):
        assert "batch_size must be at least the number of processes, 2, got 1" in words


def test_processes_that_do_not_see_the_same_are_refused(two):
    for scenario, steps in (("other_checkpoint", (STEPS, 0)), ("other_slices", (0, 0))):
        assert ended(two, scenario) == [1, 1]
        for words, step in zip(said(two, scenario), steps, strict=True):
            assert "the processes do not agree on where training goes on" in words
            assert f"(this one is at step {step})" in words


def test_a_failure_of_the_writer_ends_the_other_process_too(two):
    assert ended(two, "full_disk") == [1, 1]
    assert "the run cannot be kept in" in said(two, "full_disk")[0]
    # The other one has no words of its own; a command then says whose words count.
    error = said(two, "full_disk")[1].splitlines()[-1]
    assert distribution.is_of_others(RuntimeError(error)), error
    assert not distribution.is_of_others(RuntimeError("size mismatch for conv1.weight"))
    assert not list(two.glob("full.*"))


def test_one_device_needs_no_engine(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    engine = distribution.engine()
    assert isinstance(engine, distribution.Alone)
    assert (engine.global_rank, engine.world_size) == (0, 1)
    value = torch.ones(2)
    assert engine.all_reduce(value, reduce_op="sum") is value
    model = torch.nn.Linear(2, 2)
    assert engine.setup_module(model) is model
    engine.backward(model(value).sum())
    assert model.weight.grad is not None
    assert engine.barrier() is None


def test_more_processes_need_lightning(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    for devices, nodes in ((2, 1), (1, 2)):
        with pytest.raises(ModuleNotFoundError, match="pip install lightning-fabric, or use one"):
            distribution.engine(devices, nodes)


@pytest.mark.parametrize("value", [0, -1, 1.0, "2", True])
def test_numbers_of_processes_are_positive_integers(value):
    for name in ("devices", "nodes"):
        message = f"{name} must be a positive integer, got {value!r}"
        with pytest.raises(ValueError, match=message):
            distribution.engine(**{name: value})


def test_more_devices_than_graphics_cards_are_refused(monkeypatch):
    monkeypatch.setattr(distribution, "get_device", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="at most the number of graphics cards, 1, got 2"):
        distribution.engine(2)


class Spy:
    """In Fabric's place: notes what it is asked for."""

    def __init__(self, **settings):
        self.settings, self.launched = settings, False

    def launch(self):
        self.launched = True


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (3, 2)),
        ({"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "8"}, (2, 4)),
    ],
)
def test_fabric_gets_the_numbers_of_the_command_or_of_torchrun(monkeypatch, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "lightning_fabric", type("M", (), {"Fabric": Spy}))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    for device in ("cpu", "cuda"):
        monkeypatch.setattr(distribution, "get_device", lambda device=device: device)
        engine = distribution.engine(3, 2)
        assert engine.launched
        devices, nodes = expected
        assert engine.settings == {
            "accelerator": device,
            "devices": devices,
            "num_nodes": nodes,
            "strategy": "ddp",
        }


def test_torchrun_with_one_process_is_one_process(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    assert isinstance(distribution.engine(2), distribution.Alone)


@pytest.mark.parametrize("name", RANKS)
def test_the_first_process_is_known_beforehand(monkeypatch, name):
    for rank in RANKS:
        monkeypatch.delenv(rank, raising=False)
    assert distribution.is_first_process()
    monkeypatch.setenv(name, "0")
    assert distribution.is_first_process()
    monkeypatch.setenv(name, "1")
    assert not distribution.is_first_process()


@pytest.fixture
def shell(tmp_path):
    """A folder of slices, and how to start a program beside it."""
    if sys.platform != "linux":
        pytest.skip("starts programs that talk through Linux's loopback")
    rng = np.random.default_rng(0)
    for number in range(5):
        path = tmp_path / "slices" / "train" / f"P{number // 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 * rng.random((SIZE, SIZE)) ** 3).astype(np.uint8)).save(path)

    def start(*program):
        return subprocess.Popen(
            [sys.executable, "-m", *program, *OPTIONS],
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def status(process, field):
    """A field of what Linux says of a process; None if there is no such process any more."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[field]
    except OSError:
        return None


def children(parent):
    """The processes that a process has started."""
    everybody = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [process for process in everybody if status(process, 1) == str(parent)]


def until(happens, seconds=300):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)


@pytest.mark.slow
def test_devices_2_stops_when_its_second_process_is_told_to(shell, tmp_path):
    program = shell("ippy", "train", "mine.pth", "--devices", "2", "--steps", "2000")
    path = tmp_path / "mine.ckpt"
    until(lambda: path.exists() or program.poll() is not None)
    (second,) = children(program.pid)
    os.kill(second, signal.SIGTERM)
    out, err = program.communicate(timeout=300)
    assert program.returncode == 143, err
    until(lambda: status(second, 0) in ("Z", None))
    assert err.endswith("Stopped; mine.ckpt keeps the run: --resume goes on with it.\n")
    assert "Traceback" not in err
    assert out.count("Network") == 1
    assert "Processes 2, each takes its share of every batch\n" in out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.ckpt", "mine.jsonl", "slices"]
    assert 0 < torch.load(path, weights_only=True)["progress"]["step"] < 2000


@pytest.mark.slow
def test_torchrun_trains_with_as_many_processes_as_it_starts(shell, tmp_path, monkeypatch):
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    program = shell(*torchrun, "ippy", "train", "mine.pth", "--steps", "5")
    out, err = program.communicate(timeout=300)
    assert program.returncode == 0, err
    assert "Processes 2, each takes its share of every batch\n" in out
    assert (out.count("Network"), out.count("Done in"), out.count("Next")) == (1, 1, 1)
    names = ["mine.json", "mine.jsonl", "mine.png", "mine.pth", "slices"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["train", "one.pth", "--steps", "5", *OPTIONS])
    assert result.exit_code == 0, result.output
    two, one = (torch.load(f"{name}.pth", weights_only=True) for name in ("mine", "one"))
    assert distance(two, one) < 5e-3  # in float32; another seed is 0.6 away


if __name__ == "__main__":
    perform(Path(sys.argv[1]))
