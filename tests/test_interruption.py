"""A run that is stopped, by Ctrl-C or by kill -9, goes on to the very weights of an unbroken one.

Run as a program, this file is a nursery: a process that has imported torch once, and forks a new
one for every job that a test has for it.
"""

import importlib
import json
import os
import platform
import random
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from filelock import FileLock
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from ippy import checkpoint, training
from ippy.cli import main
from ippy.interruption import Interrupted, Interruption
from ippy.models import SimpleCNN, save_weights
from ippy.operators import Blurring
from ippy.recipe import Recipe
from ippy.training import train

NOBODY = 65534
SIZE = 24
TINY = ["--preset", "tiny", "--steps", 120, "--n-filters", 4, "--size", SIZE]


def slices(count=3):
    generator = torch.Generator().manual_seed(2)
    return [torch.rand(1, SIZE, SIZE, generator=generator) ** 3 for _ in range(count)]


def blur():
    return Blurring((SIZE, SIZE), kernel_type="motion", kernel_size=5, motion_angle=20)


def a_run(path=None, steps=12, model=None, **settings):
    """Train a tiny network, keeping it after every step; return it with its history."""
    model = model or SimpleCNN(1, 1, 4)
    settings = {"progress": False, "save_every": 1, "log_every": 4} | settings
    recipe = Recipe(steps=steps, batch_size=2, crop=16)
    return model, train(model, blur(), slices(), recipe, checkpoint=path, **settings)


def keep_training(folder, steps, slow=0.0, die_in=None, at=1, forbid_at=0):
    """The job whose runs are broken: a training of `steps` steps, and its weights at the end.

    On a slow disk every write takes `slow` seconds, and so does the arithmetic of a step. The
    process dies when it calls `die_in` for the `at`-th time. At the step `forbid_at` it loses the
    right to write in its folder.
    """
    fsync, check_loss = os.fsync, training.check_loss

    def slow_fsync(file):
        if not stat.S_ISDIR(os.fstat(file).st_mode):
            time.sleep(slow)
        fsync(file)

    def slow_check(run, recipe):
        time.sleep(slow)
        check_loss(run, recipe)
        if run.step + 1 == forbid_at:
            os.chmod(folder, 0o555)

    os.fsync, training.check_loss = slow_fsync, slow_check
    if die_in is not None:
        module, name = die_in.split(".")
        owner = {"os": os, "checkpoint": checkpoint, "training": training}[module]
        function, calls = getattr(owner, name), []

        def deadly(*arguments, **settings):
            calls.append(arguments)
            if len(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **settings)

        setattr(owner, name, deadly)
    model, _ = a_run(Path(folder, "run.ckpt"), steps, validation_set=slices(1), validate_every=8)
    torch.save(model.state_dict(), Path(folder, "weights.pth"))


def command(arguments, folder):
    """The job of a person: `ippy ...`."""
    os.chdir(folder)
    main([str(argument) for argument in arguments], prog_name="ippy")


def serve():
    """Do what the lines on stdin order: fork a process for a job, or wait for one."""
    with tempfile.TemporaryDirectory() as folder:
        # What is imported late is imported now, once, and while there is a right to read it.
        a_run(Path(folder, "run.ckpt"), steps=1, validation_set=slices(1))
        training.make_optimiser(SimpleCNN(1, 1, 4), Recipe(optimiser="adam"))
    importlib.import_module("ippy.figures")
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            status = os.waitpid(order["wait"], 0)[1]
            print(os.waitstatus_to_exitcode(status), flush=True)
        elif pid := os.fork():
            print(pid, flush=True)
        else:
            do(**order)


def do(job, settings, log, limit, nobody):
    """Do a job in a new process, and end it; `limit` is the largest file that the disk takes."""
    code = 1
    try:
        with open(log, "w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        torch.set_num_threads(1)
        if limit is not None:
            import resource  # which Windows does not have

            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if nobody and os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        globals()[job](**settings)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Nursery:
    """The test's end of `serve`."""

    def __init__(self, folder):
        self.log = folder / "log"
        self.server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # No graphics card: its threads do not survive a fork.
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )

    def order(self, **order):
        self.server.stdin.write(json.dumps(order, default=str) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def start(self, job, limit=None, nobody=False, log=None, **settings):
        log = log or self.log
        return self.order(job=job, settings=settings, log=log, limit=limit, nobody=nobody)

    def wait(self, pid):
        return self.order(wait=pid)

    def do(self, job, **settings):
        """Do a job to its end; return its exit code and what it said."""
        code = self.wait(self.start(job, **settings))
        return code, self.log.read_text()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    if sys.platform != "linux":
        pytest.skip("forks processes, as only Linux does safely, and kills them")
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.server.stdin.close()
    nursery.server.wait()


def kept(folder):
    """All that a run keeps, but for the time it took."""
    state = torch.load(folder / "run.ckpt", weights_only=True)
    state["progress"].pop("seconds")
    for entry in state["progress"]["history"]:
        del entry["seconds"]
    if (folder / "weights.pth").exists():
        state["weights"] = torch.load(folder / "weights.pth", weights_only=True)
    return state


def assert_same(mine, theirs, place="run"):
    assert type(mine) is type(theirs), place
    if isinstance(mine, dict):
        assert mine.keys() == theirs.keys(), place
        for key in mine:
            assert_same(mine[key], theirs[key], f"{place}/{key}")
    elif isinstance(mine, torch.Tensor):
        assert mine.dtype == theirs.dtype and torch.equal(mine, theirs), place
    else:
        assert mine == theirs, place


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def until(happens, seconds=60):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def unbroken(nursery, tmp_path_factory):
    """The folder of a run of so many steps that nothing disturbed."""
    done = {}

    def of(steps):
        if steps not in done:
            done[steps] = tmp_path_factory.mktemp("unbroken")
            code, said = nursery.do("keep_training", folder=done[steps], steps=steps)
            assert code == 0, said
        return done[steps]

    return of


def test_two_processes_with_one_seed_come_to_the_same_weights(nursery, unbroken, tmp_path):
    code, said = nursery.do("keep_training", folder=tmp_path, steps=24)
    assert code == 0, said
    assert_same(kept(tmp_path), kept(unbroken(24)))
    assert files(tmp_path) == ["run.ckpt", "run.jsonl", "weights.pth"]
    history = training.read_history(tmp_path / "run.jsonl")
    assert [entry["step"] for entry in history] == [4, 8, 12, 16, 20, 24]
    assert ["psnr" in entry for entry in history] == [False, True] * 3


# What the process calls for the so-manieth time when it dies; the step that is kept then; what is
# half written. A run saves once at its start and after every step; each time it calls os.fsync for
# the checkpoint, its folder, the history, and its folder again.
DEATHS = [
    ("training.save_checkpoint", 1, None, []),
    ("os.fsync", 1, None, ["run.ckpt"]),
    ("os.replace", 5, 1, ["run.ckpt"]),
    ("os.fsync", 14, 4, []),
    ("training.load_checkpoint", 1, 4, []),
    ("os.fsync", 15, 7, ["run.jsonl"]),
    ("checkpoint.sync_folder", 10, 11, []),
    ("training.check_loss", 4, 14, []),
    ("checkpoint.write_history", 6, 19, []),
]


def test_death_at_the_worst_moments_costs_nothing(nursery, unbroken, tmp_path):
    for place, at, step, half_written in DEATHS:
        where = {"folder": tmp_path, "steps": 24, "die_in": place, "at": at}
        code, said = nursery.do("keep_training", **where)
        assert code == -signal.SIGKILL, (place, said)
        left_over = [name for name in files(tmp_path) if name.endswith(".tmp")]
        assert [name.split(".tmp")[0].rpartition(".")[0] for name in left_over] == half_written
        there = (tmp_path / "run.ckpt").exists()
        assert (kept(tmp_path)["progress"]["step"] if there else None) == step, place
    code, said = nursery.do("keep_training", folder=tmp_path, steps=24)
    assert code == 0, said
    assert_same(kept(tmp_path), kept(unbroken(24)))
    assert files(tmp_path) == ["run.ckpt", "run.jsonl", "weights.pth"]


@pytest.mark.slow
def test_kill_9_at_20_random_moments_costs_nothing(nursery, unbroken, tmp_path):
    """Wherever the process is: starting, computing, writing. A run that is done begins anew."""
    moments = random.Random(0)
    kills = writes = done = 0
    steps = 80
    while kills < 20 or done == 0:
        pid = nursery.start("keep_training", folder=tmp_path, steps=steps, slow=0.01)
        if kills < 20:
            time.sleep(moments.uniform(0, 0.4))
            os.kill(pid, signal.SIGKILL)
        code = nursery.wait(pid)
        if code == 0:
            done += 1
            assert_same(kept(tmp_path), kept(unbroken(steps)))
            for name in ("run.ckpt", "weights.pth"):
                (tmp_path / name).unlink()
        else:
            assert code == -signal.SIGKILL, nursery.log.read_text()
            kills += 1
            writes += any(tmp_path.glob("*.tmp"))
            assert len(list(tmp_path.glob("*.tmp"))) <= 1  # the next start clears it away
    print(f"{kills} kills, {writes} of them while a file was written; {done} runs finished")
    assert 3 <= writes <= 19


def test_signals_are_noted_and_their_handlers_come_back(monkeypatch):
    came = []
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.signal(number, lambda number, frame: came.append(number))
        ours = signal.getsignal(number)
        try:
            with Interruption() as interruption:
                assert interruption.signal == 0
                signal.raise_signal(number)
                assert interruption.signal == number
                with pytest.raises(Interrupted, match="at once, by the second") as caught:
                    signal.raise_signal(number)
                assert caught.value.signal == number
            assert signal.getsignal(number) is ours
            with pytest.raises(ZeroDivisionError), Interruption():
                raise ZeroDivisionError
            assert signal.getsignal(number) is ours
            interruption._before = {number: None}  # C's own handler, which Python cannot name
            interruption.__exit__()
            assert signal.getsignal(number) is signal.SIG_DFL
        finally:
            signal.signal(number, before)
    assert came == []


@pytest.mark.skipif(sys.platform == "win32", reason="no terminal hangs up there")
def test_a_terminal_that_is_closed_keeps_the_run_unless_nohup_ignores_it():
    """What the process was started to ignore, by nohup or in a script's background, it ignores."""
    before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGHUP)}
    try:
        with Interruption() as interruption:
            for number in before:
                signal.raise_signal(number)
            assert interruption.signal == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGHUP)
            assert interruption.signal == signal.SIGHUP
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# A command, what is called when Ctrl-C comes, and what is then said to be kept.
COMMANDS = {
    "data check": (["data", "check", "slices"], "ippy.data.load_image", "what was there before is"),
    "data make": (
        ["data", "make", "--root", "new"],
        "ippy.phantoms.write_dataset",
        "what was there before is whole: give the command again",
    ),
    "data import": (
        ["data", "import", "scans", "out", "--series", ""],
        "ippy.dicom.to_grey",
        "out keeps the slices that are written: the same command goes on with the rest",
    ),
    "train, before the first step": (
        ["train", "mine.pth", "--data", "slices", *map(str, TINY)],
        "ippy.training.train",
        "nothing was kept yet",
    ),
    "evaluate": (
        ["evaluate", "net.pth", "--data", "slices", "--split", "train", "--size", "24"],
        "ippy.cli.evaluate.tuned",
        "what was there before is whole: give the command again",
    ),
}


@pytest.mark.parametrize(("typed", "place", "kept"), COMMANDS.values(), ids=COMMANDS.keys())
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(root, tmp_path, monkeypatch, typed, place, kept):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPPY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "slices").symlink_to(root)
    (tmp_path / "scans").mkdir()
    scan = dcmread(get_testdata_file("CT_small.dcm"))
    for number in range(3):
        scan.ImagePositionPatient[2], scan.SOPInstanceUID = number, f"1.2.{number}"
        scan.save_as(tmp_path / "scans" / f"{number}.dcm")
    save_weights(SimpleCNN(1, 1, 4), tmp_path / "net.pth")
    module, _, name = place.rpartition(".")
    real, calls = getattr(importlib.import_module(module), name), []

    def struck(*arguments, **settings):
        calls.append(arguments)
        if len(calls) == (2 if name == "to_grey" else 1):
            signal.raise_signal(signal.SIGINT)
        return real(*arguments, **settings)

    monkeypatch.setattr(place, struck)
    result = CliRunner().invoke(main, typed)
    assert result.exit_code == 130 and "Aborted" not in result.output
    said = result.stderr.strip().splitlines()[-1]
    assert said.startswith("Stopped; ") and kept in said
    if name == "to_grey":
        result = CliRunner().invoke(main, typed)
        assert result.exit_code == 0 and "out: 2 slices written, 1 kept" in result.output
        assert not list(tmp_path.rglob("*.unfinished"))


def test_the_books_own_weights_are_stopped_as_any_others(monkeypatch):
    def stopped(*_, **__):
        raise Interrupted("training was stopped after step 5 of 12; it is kept", signal.SIGTERM)

    monkeypatch.setattr("ippy.weights.make_weights", stopped)
    result = CliRunner().invoke(main, ["train", "--weights", "CNN"])
    assert result.exit_code == 143
    assert result.stderr.endswith("Stopped; training was stopped after step 5 of 12; it is kept.\n")


def test_an_interruption_is_a_keyboard_interrupt():
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert Interrupted("by hand").signal == signal.SIGINT
    assert Interrupted("elsewhere", 0).signal == signal.SIGTERM
    assert Interrupted("by kill", signal.SIGTERM).signal == signal.SIGTERM
    assert str(Interrupted("by hand")) == "by hand"


def test_a_thread_installs_nothing(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    seen = []

    def look(*_):
        seen.append([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])

    model = SimpleCNN(1, 1, 4)
    model.register_forward_hook(look)
    thread = threading.Thread(target=a_run, args=(tmp_path / "run.ckpt", 3, model))
    thread.start()
    thread.join()
    assert seen == [before] * 3


@pytest.fixture
def loud():
    """Nothing ends these tests, should a signal not be noted."""

    def complain(number, frame):
        raise AssertionError(f"signal {number} was not noted")

    before = {n: signal.signal(n, complain) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def struck(step, *numbers):
    """A network that gets signals in the middle of a step."""
    model, calls = SimpleCNN(1, 1, 4), []

    def strike(*_):
        calls.append(1)
        if len(calls) == step:
            for number in numbers:
                signal.raise_signal(number)

    model.register_forward_hook(strike)
    return model


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_notebook_gets_interrupted_and_goes_on(number, tmp_path):
    path = tmp_path / "run.ckpt"
    with pytest.raises(Interrupted) as caught:
        a_run(path, model=struck(5, number), save_every=500)
    assert caught.value.signal == number
    said = str(caught.value)
    assert said.startswith("training was stopped after step 5 of 12")
    assert f"{path} keeps it, and the same call goes on from there" in said
    assert torch.load(path, weights_only=True)["progress"]["step"] == 5
    model, history = a_run(path)
    whole, whole_history = a_run()
    assert_same(dict(model.state_dict()), dict(whole.state_dict()))
    assert [e["loss"] for e in history] == [e["loss"] for e in whole_history]
    with pytest.raises(Interrupted, match="nothing was kept, for want of a checkpoint"):
        a_run(model=struck(5, number))


@pytest.mark.usefixtures("loud")
def test_a_second_signal_is_obeyed_at_once(tmp_path):
    path = tmp_path / "run.ckpt"
    with pytest.raises(Interrupted, match="stopped at once, by the second signal"):
        a_run(path, model=struck(5, signal.SIGINT, signal.SIGTERM), save_every=3)
    assert torch.load(path, weights_only=True)["progress"]["step"] == 3
    assert files(tmp_path) == ["run.ckpt", "run.jsonl"]
    assert_same(dict(a_run(path)[0].state_dict()), dict(a_run()[0].state_dict()))


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("kept", [True, False])
def test_a_signal_in_the_last_step_is_obeyed_and_finds_the_run_done(tmp_path, kept):
    path, model = tmp_path / "run.ckpt" if kept else None, struck(12, signal.SIGINT)
    with pytest.raises(Interrupted, match="when all 12 steps were done; the model is trained"):
        a_run(path, model=model)
    assert not model.training
    assert_same(dict(model.state_dict()), dict(a_run()[0].state_dict()))
    if kept:  # and the same call finds nothing left to do
        again, history = a_run(path)
        assert history[-1]["step"] == 12
        assert_same(dict(again.state_dict()), dict(model.state_dict()))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of slices that everybody may read, nobody included."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    rng = np.random.default_rng(0)
    for number in range(5):
        path = folder / "train" / f"P{number // 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 * rng.random((SIZE, SIZE)) ** 3).astype(np.uint8)).save(path)
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


@pytest.fixture(scope="module")
def whole(nursery, root, tmp_path_factory):
    """The weights that `ippy train` comes to when nothing stops it, as bytes."""
    folder = tmp_path_factory.mktemp("whole")
    code, said = nursery.do(
        "command", arguments=["train", "mine.pth", "--data", root, *TINY], folder=folder
    )
    assert code == 0, said
    assert files(folder) == ["mine.json", "mine.jsonl", "mine.png", "mine.pth"]
    return (folder / "mine.pth").read_bytes()


def stopped(nursery, root, folder, number):
    """Start `ippy train`, stop it with a signal while it trains; return its exit code and words."""
    arguments = ["train", "mine.pth", "--data", root, *TINY]
    pid = nursery.start("command", arguments=arguments, folder=folder)
    until((folder / "mine.ckpt").exists)
    os.kill(pid, number)
    return nursery.wait(pid), nursery.log.read_text()


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_stops_and_resumes(nursery, root, whole, tmp_path, number, expected):
    code, said = stopped(nursery, root, tmp_path, number)
    assert code == expected, said
    assert said.endswith("Stopped; mine.ckpt keeps the run: --resume goes on with it.\n")
    assert "Traceback" not in said
    assert files(tmp_path) == ["mine.ckpt", "mine.jsonl"]
    assert 0 < torch.load(tmp_path / "mine.ckpt", weights_only=True)["progress"]["step"] < 120
    arguments = ["train", "mine.pth", "--data", root, *TINY]
    code, said = nursery.do("command", arguments=arguments, folder=tmp_path)
    assert code == 2
    assert "--resume goes on with it, --force starts again" in said
    code, said = nursery.do("command", arguments=[*arguments, "--resume"], folder=tmp_path)
    assert code == 0, said
    assert (tmp_path / "mine.pth").read_bytes() == whole
    assert files(tmp_path) == ["mine.json", "mine.jsonl", "mine.png", "mine.pth"]


def test_a_full_disk_costs_nothing_that_was_kept(nursery, root, whole, tmp_path):
    stopped(nursery, root, tmp_path, signal.SIGTERM)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    resume = ["train", "mine.pth", "--data", root, *TINY, "--resume"]
    code, said = nursery.do("command", arguments=resume, folder=tmp_path, limit=3000)
    assert code == 2, said
    assert "Error: the run cannot be kept in mine.ckpt (File too large); what was kept" in said
    assert "Make room or choose another folder, then go on from it" in said
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
    code, said = nursery.do("command", arguments=resume, folder=tmp_path)
    assert code == 0, said
    assert (tmp_path / "mine.pth").read_bytes() == whole


@pytest.fixture
def handed_over():
    """A folder that belongs to whom the jobs of `nobody` run as, root having rights everywhere."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.getuid() == 0:
            if not all(parent.stat().st_mode & 0o001 for parent in folder.parents):
                pytest.skip("the temporary folder is closed to other users")
            os.chown(folder, NOBODY, NOBODY)
        yield folder
        folder.chmod(0o755)


def test_a_read_only_folder_is_refused_before_the_training(nursery, root, handed_over):
    resume = ["train", "mine.pth", "--data", root, *TINY]
    (handed_over / "mine.ckpt").write_bytes(b"precious")
    handed_over.chmod(0o555)
    for more in (["--resume"], ["--force"]):
        code, said = nursery.do(
            "command", arguments=[*resume, *more], folder=handed_over, nobody=True
        )
        assert code == 2, said
        assert "Error: checkpoint mine.ckpt cannot be written (Permission denied); choose" in said
    assert (handed_over / "mine.ckpt").read_bytes() == b"precious"
    assert files(handed_over) == ["mine.ckpt"]


def test_a_folder_that_becomes_read_only_costs_nothing_that_was_kept(
    nursery, unbroken, handed_over
):
    code, said = nursery.do("keep_training", folder=handed_over, steps=24, forbid_at=7, nobody=True)
    assert code == 1
    assert "OSError: the run cannot be kept in" in said.splitlines()[-1]
    assert "(Permission denied)" in said.splitlines()[-1]
    assert kept(handed_over)["progress"]["step"] == 6
    handed_over.chmod(0o755)
    code, said = nursery.do("keep_training", folder=handed_over, steps=24, nobody=True)
    assert code == 0, said
    assert_same(kept(handed_over), kept(unbroken(24)))


def test_a_closed_lid_changes_nothing(nursery, unbroken, tmp_path):
    """A process that sleeps in the middle of its training wakes up and comes to the same end."""
    pid = nursery.start("keep_training", slow=0.005, folder=tmp_path, steps=24)
    for _ in range(3):
        until((tmp_path / "run.ckpt").exists)
        time.sleep(0.05)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(pid, signal.SIGCONT)
    assert nursery.wait(pid) == 0
    assert_same(kept(tmp_path), kept(unbroken(24)))


def test_two_trainings_do_not_share_a_checkpoint(nursery, root, unbroken, tmp_path):
    where = {"folder": tmp_path, "steps": 24}
    first = nursery.start("keep_training", slow=0.02, log=tmp_path / "first.log", **where)
    until((tmp_path / "run.ckpt").exists)
    code, said = nursery.do("keep_training", **where)
    assert code == 1
    assert f"ValueError: process {first} on {platform.node()} is training with checkpoint" in said
    assert "wait for it, stop it, or give another name" in said.splitlines()[-1]
    for more in ("--resume", "--force"):
        arguments = ["train", "run.pth", "--data", root, *TINY, more]
        code, said = nursery.do("command", arguments=arguments, folder=tmp_path)
        assert code == 2
        assert f"Error: process {first} on {platform.node()} is training with" in said
    assert nursery.wait(first) == 0
    (tmp_path / "first.log").unlink()
    assert files(tmp_path) == ["run.ckpt", "run.jsonl", "weights.pth"]
    assert_same(kept(tmp_path), kept(unbroken(24)))
    FileLock(tmp_path / "run.ckpt.lock").acquire(timeout=0)


if __name__ == "__main__":
    serve()
