"""A disk that fills up at any writer: what was there stays, nothing half stands, and help is given.

The disk is made small by the system's limit of a file's size, which every write meets, ours and
those of the libraries that write for us. First the commands of the package, then those that make
something of the book.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from nbformat.v4 import new_markdown_cell, new_notebook, writes
from PIL import Image
from pydicom.data import get_testdata_file
from pypdf import PdfWriter
from pypdf.generic import NameObject, TextStringObject

from ippy import weights
from ippy.checkpoint import read_history, write_history
from ippy.cli import main
from ippy.cli.shared import write_json
from ippy.models import SimpleCNN, load_weights, save_weights
from ippy.phantoms import write_dataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "book"))
import address
import assignments
import build
import finish
import print as printing
import publish
import slides
import student
from finish import archive

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


def test_a_picture_of_a_curve_is_replaced_whole_or_not_at_all(here):
    """A training that is made again, with --force, where the last one has left its picture."""
    train = ["train", "mine.pth", "--preset", "tiny", "--steps", 2, "--size", SIZE, "--force"]
    train += ["--n-filters", 2, "--seed"]
    ippy(*train, 0)
    before = Path("mine.png").read_bytes()
    with full_beyond(len(before) - 2000):
        code, said = ippy(*train, 1)
    assert code == 2 and "use --resume" in said
    assert Path("mine.png").read_bytes() == before


# What makes something of the book. Each row prepares a command for so many bytes of what lies in
# `source`; it is then started, and writes into `kept`.

Command = Callable[[int], Callable[[], int]]
BYTES = np.random.default_rng(0).integers(0, 256, 9000, np.uint8).tobytes()  # not to be packed


def started(module: Any, monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["program", *map(str, words)])
    return module.main()


def copying(module: object) -> Callable[..., Command]:
    """A students' copy, or a course folder for nbgrader."""

    def prepare(source: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
        def command(n: int) -> Callable[[], int]:
            content = [("a.ipynb", BYTES[:n]), ("source/b.ipynb", BYTES[-n:])]
            monkeypatch.setattr(module, "contents", lambda *_: content)
            return lambda: started(module, monkeypatch, kept)

        return command

    return prepare


def decks(source: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Slides of one chapter."""
    for name in ("book/static/mathjax", "parts/reveal/plugin"):
        (source / name).mkdir(parents=True)
    (source / "parts" / "page.html").write_text("$title $slides")
    for name in ("slides.css", "reveal/plugin/notes.js"):
        (source / "parts" / name).write_text("short")
    for name, place in {"ROOT": source, "PARTS": source / "parts", "OUT": kept}.items():
        monkeypatch.setattr(slides, name, place)

    def command(n: int) -> Callable[[], int]:
        mark = {"slideshow": {"slide_type": "slide"}}
        cells = [new_markdown_cell(f"# {word}", metadata=mark) for word in ("A", BYTES[:n].hex())]
        (source / "book" / "01-a.ipynb").write_text(writes(new_notebook(cells=cells)))
        return lambda: started(slides, monkeypatch)

    return command


class Paper:
    """In place of a browser's page: prints as many bytes as it is told."""

    size = 0

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None

    def evaluate(self, *_: object) -> list:
        return [[1, "Title", "title"]]

    def pdf(self, **_: object) -> bytes:
        document, content = PdfWriter(), io.BytesIO()
        sheet = document.add_blank_page(100, 100)
        sheet[NameObject("/Picture")] = TextStringObject(BYTES[: self.size].hex())
        document.write(content)
        return content.getvalue()


def paper(source: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Two chapters, and the book that they make, which is larger than either."""
    (source / "book" / "figures").mkdir(parents=True)
    (source / "_build" / "html").mkdir(parents=True)
    for name in ("_build/html/index.html", "book/figures/hero.png", "_config.yml"):
        (source / name).touch()
    (source / "_build" / "pdf").symlink_to(kept)
    (source / "_toc.yml").write_text("root: book/a\n- file: book/b\n")
    monkeypatch.setattr(printing, "ROOT", source)

    @contextmanager
    def browser() -> Iterator[Paper]:
        yield Paper()

    monkeypatch.setattr(printing, "chromium", browser)

    def command(n: int) -> Callable[[], int]:
        monkeypatch.setattr(Paper, "size", n)
        return lambda: started(printing, monkeypatch)

    return command


MAKERS = {
    "students' copy": (copying(student), "The copy was not made: ", "a.ipynb", 2000),
    "assignments": (copying(assignments), "The assignments were not made: ", "a.ipynb", 2000),
    "slides": (decks, "The slides were not made: ", "01-a.html", 4000),
    "chapters on paper": (paper, "are what they were: ", "a.pdf", 4000),
    "book on paper": (paper, "are what they were: ", "book.pdf", 9000),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


@pytest.mark.parametrize(("prepare", "words", "file", "limit"), MAKERS.values(), ids=MAKERS.keys())
def test_what_is_made_of_the_book_says_which_file_and_keeps_the_old_one(
    source, kept, monkeypatch, capsys, prepare, words, file, limit
):
    command = prepare(source, kept, monkeypatch)
    assert command(1000)() == 0
    before, again = contents(kept), command(2500)
    with full_beyond(limit):
        assert again() == 1
    said = capsys.readouterr().err
    assert words in said and f"{file} cannot be written (File too large); what was" in said
    assert "make room or choose another folder" in said and "Traceback" not in said
    assert contents(kept) == before
    assert again() == 0
    assert contents(kept).keys() == before.keys()
    assert len(contents(kept)[file]) > len(before[file])


def test_the_archive_of_the_site_stays_and_the_next_build_makes_all_pages_anew(
    tmp_path, monkeypatch, capsys
):
    """What was cut short while the site was finished would be taken for finished."""
    site = tmp_path / build.SITE
    site.mkdir(parents=True)
    for name in ("FINGERPRINT", "REREAD"):
        (tmp_path / name).touch()
        monkeypatch.setattr(build, name, tmp_path / name)
    for name in (*build.STRICT, "IPPY_FINGERPRINT", "IPPY_REREAD"):
        monkeypatch.setenv(name, "")
    for name in ("forget_stale_results", "forget_stale_pages"):
        monkeypatch.setattr(build, name, lambda *_: None)
    monkeypatch.setattr(build, "_jupyter_book", lambda *_: 0)
    monkeypatch.setattr("finish.finish", archive.pack)
    stamp = site.with_name("site-fingerprint")
    stamp.touch()
    (site / "a").write_bytes(BYTES[:1000])
    (site / ".unfinished-1-all.zip").touch()  # of a build that was killed
    assert build.build(tmp_path) == 0 and stamp.exists()
    before = contents(site)
    assert before.keys() == {"a", f"{archive.NAME}.zip"}
    (site / "b").write_bytes(BYTES[:1000])
    with full_beyond(1500):
        assert build.build(tmp_path) == 1
    assert f"{archive.NAME}.zip cannot be written (File too large)" in capsys.readouterr().err
    assert contents(site) == before | {"b": BYTES[:1000]} and not stamp.exists()
    assert build.build(tmp_path) == 0
    assert len(contents(site)[f"{archive.NAME}.zip"]) > 2000


def test_a_page_is_finished_whole_or_not_at_all(tmp_path, monkeypatch):
    page = tmp_path / "_build" / "html" / "a.html"
    (page.parent / "_static").mkdir(parents=True)
    page.write_text("<p>" + "word " * 300)
    before = page.read_bytes()
    for step in ("markup.mend", "formulas.keep_room", "scripts.leave_out"):
        monkeypatch.setattr(f"finish.{step}", lambda text: text)
    monkeypatch.setattr("finish.pictures.fit", lambda text, folder: 2 * text)
    monkeypatch.setattr("finish.scripts.shorten", lambda *_: None)
    monkeypatch.setattr("finish.styles.bundle", lambda pages, site: pages)
    with full_beyond(2000), pytest.raises(OSError, match=r"a\.html cannot be written"):
        finish.finish(page.parent)
    assert page.read_bytes() == before


def test_notebooks_and_settings_of_the_book_are_not_cut_short(tmp_path, monkeypatch):
    """`python run.py execute` and `python run.py address` change what cannot be made again."""
    path = tmp_path / "book" / "01-a.ipynb"
    path.parent.mkdir()
    long = new_markdown_cell("see https://one.example/a/b " + "word " * 300)
    path.write_text(writes(new_notebook(cells=[long])) + "\n")
    for name in ("README.md", "CITATION.cff"):
        (tmp_path / name).touch()
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://one.example/a/b\n")
    monkeypatch.setattr("nbclient.NotebookClient.execute", lambda self: None)
    monkeypatch.setenv("IPPY_DATA", "")
    for name in build.STRICT:
        monkeypatch.setenv(name, "")
    before = path.read_bytes()
    with full_beyond(1000):
        with pytest.raises(OSError, match=r"01-a\.ipynb cannot be written"):
            build.store_outputs([path])
        with pytest.raises(OSError, match=r"01-a\.ipynb cannot be written"):
            address.change("https://github.com/c/d", tmp_path)
    assert path.read_bytes() == before
    assert build.store_outputs([path]) == 0
    address.change("https://github.com/c/d", tmp_path)


@pytest.mark.skipif(shutil.which("git") is None, reason="no git on this machine")
@pytest.mark.parametrize(
    ("limit", "words"),
    {
        "no room for a copy": (400, r"page\.html cannot be written \(File too large\)"),
        "none for git": (800, r"git \w[\w-]+ has ended with .* make room"),
    }.values(),
)
def test_a_site_is_published_whole_or_not_at_all(tmp_path, monkeypatch, capsys, limit, words):
    def git(*command: str) -> str:
        command = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org", *command)
        done = subprocess.run(command, cwd=tmp_path / "near", check=True, capture_output=True)
        return done.stdout.decode()

    site = tmp_path / "near" / build.SITE
    site.mkdir(parents=True)
    git("init", "-q", "--bare", "../far.git")
    git("init", "-q")
    git("remote", "add", "origin", "../far.git")
    git("commit", "-q", "--allow-empty", "-m", "Begin")
    (site / "index.html").write_text("first")
    monkeypatch.setattr(publish, "ROOT", tmp_path / "near")
    assert started(publish, monkeypatch, "2027") == 0
    before = git("ls-remote", "origin")
    for number in range(12):
        (site / f"{number}.html").write_text(f"{number}")
    (site / "page.html").write_text(BYTES[:300].hex())
    with full_beyond(limit):
        assert started(publish, monkeypatch, "2028") == 1
    said = capsys.readouterr().err
    assert said.startswith("Nothing was published: ") and re.search(words, said), said
    assert git("ls-remote", "origin") == before
    assert started(publish, monkeypatch, "2028") == 0
    assert git("ls-remote", "origin") != before
