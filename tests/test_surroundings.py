"""Where and how the command line is started: what a terminal can show, and what may be written."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
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


@pytest.mark.slow
def test_a_whole_round_leaves_the_project_as_it_is(course):
    """Train, evaluate and export in a folder of one's own, beside a project that is read only."""
    small = ["--preset", "tiny", "--steps", "2", "--n-filters", "4", "--size", "32"]
    for arguments in (
        ["train", "mine.pth", "--data", "Mayo", *small],
        ["evaluate", "mine.pth", "--data", "Mayo"],
        ["export", "mine.pth", "mine.safetensors"],
    ):
        run = start(arguments, course)
        assert run.returncode == 0, run.stderr.decode()
    made = {path.name for path in course.iterdir()} - {"Mayo", "cache"}
    assert {"mine.pth", "mine.json", "mine.png", "mine.safetensors"} <= made
