"""Each benchmark runs, small, and prints its table; what it measures is not tested here."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
PADDINGS = ("zeros", "circular", "reflect", "replicate")
SMALL = {
    "operators": (
        *("--kernels", "3", "--images", "16", "--batches", "2", "--paddings", *PADDINGS),
        *("--table", "--threads", "1"),
    ),
    "imports": ("--rounds", "1"),
}


def run(name: str, *arguments: str) -> list[str]:
    command = [sys.executable, BENCHMARKS / f"{name}.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def printed() -> Iterator[Callable[[str], list[str]]]:
    """printed("imports"): what that one has printed; these run at the same time."""
    with ThreadPoolExecutor() as pool:
        runs = {name: pool.submit(run, name, *arguments) for name, arguments in SMALL.items()}
        yield lambda name: runs[name].result()


def numbers(lines: list[str], start: str) -> list[float]:
    """The numbers in the one line that starts so."""
    (line,) = (line for line in lines if line.startswith(start))
    return [float(word.rstrip("%")) for word in line[len(start) :].split()]


@pytest.mark.slow
def test_the_training_step_and_the_epoch():
    lines = run("throughput", "--rounds", "1", "--slices", "3", "--threads", "1")
    assert "1 threads" in lines[0]
    plain, ours = (numbers(lines, name) for name in ("plain", "ours"))
    assert plain[3] == 1
    assert ours[3] == pytest.approx(plain[0] / ours[0], rel=0.02)
    assert 0 < ours[-1] < 2 * plain[-1], "the gradient must be as exact as the plain loop's"
    assert numbers(lines, "Pillow")[1] == 1
    assert numbers(lines, "later epochs")[1] > 20


@pytest.mark.slow
@pytest.mark.parametrize("padding", PADDINGS)
def test_blurring_against_its_peers(printed, padding: str):
    lines = printed("operators")
    rows = [line.split() for line in lines[2:-1]]
    assert [row[0] for row in rows if row[1] == padding] == ["forward", "adjoint"]
    assert f"{2 * len(PADDINGS)} cases" in lines[-1]


@pytest.mark.slow
def test_the_import(printed):
    lines = printed("imports")
    torch, ippy = (numbers(lines, name) for name in ("torch", "ippy"))
    assert torch[2:] == [1, 1]
    assert ippy[2] == pytest.approx(ippy[0] / torch[0], rel=0.02)
