"""Where and how the command line is started: what a terminal can show, and what may be written."""

import ast
import ctypes
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ippy import distribution
from ippy.cli import main

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "book"), str(ROOT / "tests")]
import student  # noqa: E402  found through the line above
from apart import only_linux, said_apart  # noqa: E402
from finish import archive  # noqa: E402

# Ends a program at its first attempt to write, rename or delete anything inside the project.
GUARD = """
import os, sys
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate"}

def guard(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
    named = arguments and isinstance(arguments[0], str | bytes)
    if named and (writes or event in CHANGES):
        place = os.path.abspath(os.fsdecode(arguments[0]))
        if place.startswith(PROJECT + os.sep):
            os.write(2, f"{event}: {place}".encode())
            os._exit(99)

sys.addaudithook(guard)
"""
SURROUNDINGS = {
    "plain": {},
    "poor terminal": {
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "COLUMNS": "20",
        "TERM": "dumb",
    },
    "Cyrillic, no home": {"PYTHONIOENCODING": "cp1251", "HOME": os.devnull},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr", "TZ": "Asia/Kathmandu"},
}


def start(arguments: list[str], folder: Path, **surroundings: str) -> subprocess.CompletedProcess:
    """`ippy ARGUMENTS`, started in `folder`, not allowed to change anything in the project."""
    program = f"PROJECT = {str(ROOT)!r}\n{GUARD}\nfrom ippy.cli import main\nmain()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **surroundings}
    environment.update(PYTHONPATH=str(ROOT), IPPY_CACHE=str(folder / "cache"))
    return subprocess.run(
        [sys.executable, "-B", "-c", program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
    )


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A folder whose name has a space, with slices in it."""
    folder = tmp_path / "my course"
    for place in ("train/A/1.png", "test/B/1.png"):
        path = folder / "Mayo" / place
        path.parent.mkdir(parents=True)
        Image.fromarray(np.indices((40, 40)).sum(0).astype(np.uint8)).save(path)
    return folder


@pytest.mark.parametrize("surroundings", SURROUNDINGS.values(), ids=SURROUNDINGS.keys())
def test_data_are_checked_in_any_surroundings(course, surroundings):
    run = start(["data", "check", "Mayo"], course, **surroundings)
    assert (run.returncode, run.stderr) == (0, b"")
    assert b"used as           1 picture of" in run.stdout
    assert run.stdout.splitlines()[-1] == b"No faults."


def test_a_mistake_is_answered_on_a_poor_terminal(course):
    (course / "Mayo/test/B/1.png").write_bytes(b"no picture")
    weights = str(ROOT / "weights" / "CNN.pth")
    command = ["evaluate", weights, "--data", "Mayo"]
    run = start(command, course, **SURROUNDINGS["poor terminal"])
    assert run.returncode == 2
    assert b"is not a PNG picture" in run.stderr and b"Traceback" not in run.stderr


def test_names_with_letters_of_other_scripts(course):
    """Shown as far as the terminal can show them."""
    (course / "Mayo").rename(course / "Übungen 患者")
    for encoding in ("utf-8", "cp1252"):
        run = start(["data", "check", "Übungen 患者"], course, PYTHONIOENCODING=encoding)
        assert run.returncode == 0, run.stderr
        assert "Übungen 患者".encode(encoding, "replace") in run.stdout


def test_nothing_hangs_on_asserts_or_docstrings():
    """`python -OO` leaves both out; the help texts are then missing, and nothing else."""
    for path in (ROOT / "ippy").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Assert)], path


SMALL = ["--preset", "tiny", "--steps", "2", "--n-filters", "4", "--size", "32"]


@pytest.fixture
def inside(course: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The course's folder, in which commands are given to this process."""
    monkeypatch.chdir(course)
    monkeypatch.setenv("IPPY_CACHE", str(course / "cache"))
    monkeypatch.delenv("IPPY_DATA", raising=False)
    return course


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_a_closed_stream_costs_no_training(inside, monkeypatch, closed):
    """As `ippy train >&-` has one, or a program without a terminal that starts it."""
    monkeypatch.setattr(sys, closed, None)
    with pytest.raises(SystemExit) as end:
        main(["train", "mine.pth", "--data", "Mayo", *SMALL])
    monkeypatch.undo()
    assert end.value.code == 0
    assert (inside / "mine.pth").exists() and not (inside / "mine.ckpt").exists()


# What IPPY_DATA may look like, and what is said: the folder that is used, or what is wrong.
SPELLINGS = {
    "home": ("~/Mayo", "Mayo\nis used because the environment variable IPPY_DATA names it"),
    "relative": ("Mayo", "Mayo\nis used because the environment variable IPPY_DATA names it"),
    "with dots": ("Mayo/../Mayo/", "is used because the environment variable IPPY_DATA names it"),
    "a space behind it": ("Mayo ", "Mayo , which is no folder"),
    "in quotes": ('"Mayo"', '"Mayo", which is no folder'),
    "one too deep": ("Mayo/train", "pass the folder above it"),
    "one too high": (".", "pass the folder in it"),
    "of Windows, elsewhere": (".\\Mayo", ".\\Mayo, which is no folder"),
    "an archive": ("Mayo.zip", "Mayo.zip, which is no folder"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="other separators there")
@pytest.mark.parametrize(("spelling", "said"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_other_slices_never_stand_in_for_those_that_were_meant(inside, monkeypatch, spelling, said):
    monkeypatch.setenv("HOME", str(inside))
    monkeypatch.setenv("IPPY_DATA", spelling)
    (inside / "Mayo.zip").touch()
    told = CliRunner().invoke(main, ["data", "check"])
    assert said in told.output
    assert told.exit_code == (0 if "is used" in said else 2)


@pytest.mark.skipif(sys.platform == "win32", reason="accounts have folders there")
def test_an_account_without_a_home_folder(inside, monkeypatch):
    """As many a container has one; a folder called ~ must not come into being."""

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "IPPY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for arguments, said in (
        (["data", "check", "Mayo"], "set the environment variable IPPY_CACHE to a folder, or HOME"),
        (["data", "check", "~/Mayo"], "~ means nothing here, without a home folder: write it out"),
    ):
        told = CliRunner().invoke(main, arguments)
        assert told.exit_code == 2 and said in told.stderr
    assert [path.name for path in inside.iterdir()] == ["Mayo"]


@pytest.mark.skipif(sys.platform == "win32", reason="other rights there")
def test_who_keeps_files_to_himself_can_use_them_and_what_leaves_is_for_all(inside, monkeypatch):
    """Under umask 077 everything is written for oneself alone, and read again; an archive of the
    site, which goes to a server, has rights of its own."""
    before = os.umask(0o077)
    try:
        for arguments in (
            ["train", "mine.pth", "--data", "Mayo", *SMALL],
            ["train", "mine.pth", "--data", "Mayo", *SMALL, "--force"],
            ["export", "mine.pth", "mine.safetensors"],
            ["data", "check", "Mayo"],
        ):
            told = CliRunner().invoke(main, arguments)
            assert (told.exit_code, told.stderr) == (0, "")
        student.write_files(inside / "copy", [("ippy/a.py", b"")])
        (inside / "site").mkdir()
        (inside / "site" / "index.html").write_text("<p>")
        packed = archive.pack(inside / "site")
    finally:
        os.umask(before)
    made = {path for path in inside.rglob("*") if "Mayo" not in path.parts}
    assert len([path for path in made if path.parts[-3:-2] == ("slices",)]) == 3  # of two sizes
    assert {path for path in made if path.stat().st_mode & 0o077} == set()
    with zipfile.ZipFile(packed) as site:
        assert {entry.external_attr >> 16 for entry in site.infolist()} == {0o644}


def without_network() -> str:
    """What several processes are told where there is not even a loopback."""
    new_user, new_network = 0x10000000, 0x40000000  # from <sched.h>
    if ctypes.CDLL(None, use_errno=True).unshare(new_user | new_network):
        return "no right to try"
    started = time.monotonic()
    told = CliRunner().invoke(main, ["train", "a.pth", "--data", "Mayo", *SMALL, "--devices", "2"])
    assert time.monotonic() - started < 60
    return f"{told.exit_code} {told.stderr}"


@only_linux
def test_several_processes_without_a_network_are_refused_at_once(inside):
    """They would look for each other for half an hour."""
    told = said_apart(without_network)
    if told == "no right to try":
        pytest.skip("the system does not let us take the network away")
    assert told.startswith("2 Error: devices: several processes talk to each other through this")
    assert "127.0.0.1, which does not work" in told and "or use one device" in told


def test_the_same_without_the_right_to_take_the_network_away(monkeypatch):
    for error in (OSError(101, "Network is unreachable"), TimeoutError("timed out")):

        def fail(*_: object, error: OSError = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("socket.create_connection", fail)
        with pytest.raises(ConnectionError, match=r"127\.0\.0\.1, which does not work"):
            distribution.engine(2)


@pytest.mark.parametrize("place", ["192.0.2.1", None])
def test_several_computers_are_told_where_they_wait_for_each_other(inside, monkeypatch, place):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    if place:
        monkeypatch.setenv("MASTER_ADDR", place)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    told = CliRunner().invoke(main, ["train", "--data", "Mayo", *SMALL, "--nodes", "2"])
    expected = place or "no address: MASTER_ADDR is not set, see the README"
    assert f"Waiting   for 2 computers, which meet at {expected}\n" in told.stdout


@pytest.mark.slow
def test_a_whole_round_leaves_the_project_as_it_is(course):
    """Train, evaluate and export in a folder of one's own, beside a project that is read only."""
    for arguments in (
        ["train", "mine.pth", "--data", "Mayo", *SMALL],
        ["evaluate", "mine.pth", "--data", "Mayo"],
        ["export", "mine.pth", "mine.safetensors"],
    ):
        run = start(arguments, course, MPLBACKEND="module://a_notebooks.own")
        assert run.returncode == 0, run.stderr.decode()
    made = {path.name for path in course.iterdir()} - {"Mayo", "cache"}
    assert {"mine.pth", "mine.json", "mine.png", "mine.safetensors"} <= made
