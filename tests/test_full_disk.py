"""A disk that fills up at any writer: what was there stays, nothing half stands, and help is given.

The disk is made small by the system's limit of a file's size, which every write meets, ours and
those of the libraries that write for us.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from pydicom.data import get_testdata_file

from ippy import weights
from ippy.checkpoint import read_history, write_history
from ippy.cli import main
from ippy.cli.shared import write_json
from ippy.models import SimpleCNN, load_weights, save_weights
from ippy.phantoms import write_dataset

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
SIZE = 16


@contextmanager
def full_beyond(limit: int) -> Iterator[None]:
    """No file may grow beyond so many bytes; Python turns the signal into an OSError."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


WRITERS: dict[str, Callable[[Path, int], object]] = {
    "weights": lambda path, n: save_weights(SimpleCNN(1, 1, n), path),
    "history": lambda path, n: write_history(
        [{"step": s, "loss": 0.5} for s in range(99 * n)], path
    ),
    "description": lambda path, n: write_json({"kernel": [[0.5] * 99 * n]}, path),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
@pytest.mark.parametrize("limit", [0, 1, 700])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, write, limit):
    write(tmp_path / "file", 1)
    before = contents(tmp_path)
    with full_beyond(limit), pytest.raises(OSError, match="File too large"):
        write(tmp_path / "file", 4)
    assert contents(tmp_path) == before
    write(tmp_path / "file", 4)
    assert contents(tmp_path) != before


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slices, a network and a scan in an empty folder, where commands are given."""
    monkeypatch.setenv("IPPY_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    rng = np.random.default_rng(0)
    for number in range(4):
        place = tmp_path / "slices" / ("train", "test")[number % 2] / "P"
        place.mkdir(parents=True, exist_ok=True)
        grey = rng.integers(0, 255, (SIZE, SIZE), np.uint8)
        Image.fromarray(grey).save(place / f"{number}.png")
    monkeypatch.setenv("IPPY_DATA", str(tmp_path / "slices"))
    torch.manual_seed(0)
    save_weights(SimpleCNN(1, 1, 4), folder / "net.pth")
    (tmp_path / "scan").mkdir()
    shutil.copy(get_testdata_file("CT_small.dcm"), tmp_path / "scan")
    return folder


def ippy(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(word) for word in words])
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result.exit_code, result.output


ADVICE = "what was there before is whole: make room or choose another folder"
COMMANDS = {
    "export": (["export", "net.pth", "net.safetensors"], 500),
    "scores": (["evaluate", "net.pth", "--size", SIZE, "--json", "scores.json"], 300),
    "import": (["data", "import", "../scan", "out", "--series", ""], 1500),
}


@pytest.mark.parametrize(("words", "limit"), COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_loses_nothing_and_can_be_given_again(here, words, limit):
    ippy("data", "check")  # what the cache keeps, it keeps now
    before = contents(here)
    with full_beyond(limit):
        code, said = ippy(*words)
    assert code == 2 and said.count(ADVICE) == 1, said
    after = contents(here)
    assert {name: after[name] for name in before} == before
    assert {Path(name).name for name in after.keys() - before.keys()} <= {"import.json"}
    code, said = ippy(*words)
    assert code == 0, said
    assert len(contents(here)) > len(before)


def test_slices_are_made_all_or_none(here, monkeypatch):
    monkeypatch.setattr(
        "ippy.phantoms.write_dataset",
        lambda root, progress: write_dataset(root, 1, 1, 1, 1, size=32, workers=1, progress=False),
    )
    before = contents(here)
    with full_beyond(300):
        code, said = ippy("data", "make", "--root", "new")
    assert code == 2 and ADVICE in said
    assert contents(here) == before
    assert list((here / "new").iterdir()) == []
    assert ippy("data", "make", "--root", "new")[0] == 0
    assert sorted(p.name for p in (here / "new").iterdir()) == ["test", "train"]
    code, said = ippy("data", "make", "--root", "new")
    assert code == 2 and "has a folder train already; name a new folder" in said


def test_a_training_whose_picture_does_not_fit_is_kept(here):
    """The curve is the largest of what is written at the end; the network is not lost with it."""
    train = ["train", "mine.pth", "--preset", "tiny", "--steps", 2, "--size", SIZE]
    train += ["--n-filters", 2]
    ippy(*train[:1], "first.pth", *train[2:])
    with full_beyond(os.path.getsize("first.png") - 1):
        code, said = ippy(*train)
    assert code == 2 and "File too large" in said
    assert "the trained network is whole in mine.ckpt: make room, then use --resume" in said
    code, said = ippy(*train, "--resume")
    assert code == 0, said
    files = ["mine.json", "mine.jsonl", "mine.png", "mine.pth"]
    assert sorted(path.name for path in here.glob("mine.*")) == files
    assert Path("mine.pth").read_bytes() == Path("first.pth").read_bytes()
    load_weights(SimpleCNN(1, 1, 2), "mine.pth")
    assert read_history("mine.jsonl")[-1]["step"] == 2


def test_a_manifest_is_not_lost(here, monkeypatch):
    """The book's weights are made again; their list does not fit."""
    manifest = here / "manifest.json"
    manifest.write_text(json.dumps({"CNN": {"sha256": "x", "scores": [0.5] * 2000}}))
    before = manifest.read_bytes()
    with full_beyond(500), pytest.raises(OSError, match="File too large"):
        weights.write_atomically(before * 2, manifest)
    assert manifest.read_bytes() == before
    assert weights.read_manifest(here)["CNN"]["sha256"] == "x"
