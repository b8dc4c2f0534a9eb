"""The book builds without a warning from the notebooks that have just been run, and is whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))
import build  # noqa: E402  found through the line above


def test_every_page_of_the_table_of_contents_is_built(site: Path):
    toc = (ROOT / "_toc.yml").read_text()
    names = re.findall(r"(?:file|root): (\S+)", toc)
    assert len(names) >= 10
    for name in names:
        assert (site / f"{name}.html").is_file(), name


def test_pages_show_executed_results(site: Path):
    chapters = sorted((site / "book").glob("0*.html"))
    assert len(chapters) == 5
    for chapter in chapters:
        text = chapter.read_text()
        assert text.count('class="cell_output docutils container"') >= 5, chapter.name
        assert "Traceback (most recent call last)" not in text
        assert re.search(r'<img[^>]+src="\.\./_images/[^"]+\.(webp|png|svg)\?', text), chapter.name


# What every page is made with besides its source; Sphinx looks at the other files itself.
MADE_WITH = ("book/finish/markup.py", "book/static/book.css", "book/exercises.py", "ippy/x/page.js")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A project of three files, whose results have been stored."""
    for name in ("ippy/a.py", "weights/w.pth", "book/1.ipynb", *MADE_WITH):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    for name in ("BUILD", "CACHE", "FINGERPRINT"):
        place = getattr(build, name).relative_to(ROOT)
        monkeypatch.setattr(build, name, tmp_path / place)
    build.forget_stale_results()
    build.CACHE.mkdir(parents=True)
    (build.CACHE / "result").touch()
    return tmp_path


@pytest.mark.parametrize("name", ["ippy/a.py", "weights/w.pth", "ippy/new.py"])
def test_results_are_forgotten_when_what_they_depend_on_has_changed(small, name):
    build.forget_stale_results()
    assert (build.CACHE / "result").exists()
    (small / name).write_text("two")
    build.forget_stale_results()
    assert not build.CACHE.exists()


def test_results_are_kept_when_only_prose_has_changed(small):
    (small / "book" / "1.ipynb").write_text("two")
    build.forget_stale_results()
    assert (build.CACHE / "result").exists()


def test_results_are_forgotten_when_a_library_is_another(small, monkeypatch):
    monkeypatch.setattr(build.importlib.metadata, "version", lambda name: "0")
    build.forget_stale_results()
    assert not build.CACHE.exists()


@pytest.mark.parametrize("name", MADE_WITH)
def test_pages_are_forgotten_when_what_they_are_made_with_has_changed(small, name):
    build.forget_stale_pages(small)
    page = small / build.SITE / "book" / "1.html"
    page.parent.mkdir(parents=True)
    page.touch()
    build.forget_stale_pages(small)
    assert page.exists()
    (small / name).write_text("two")
    build.forget_stale_pages(small)
    assert not page.exists()


def test_a_page_without_a_source_is_deleted(small):
    build.forget_stale_pages(small)
    for name in ("1", "gone"):
        page = small / build.SITE / "book" / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
    build.forget_stale_pages(small)
    assert [page.stem for page in (small / build.SITE / "book").iterdir()] == ["1"]


def test_two_builds_at_once_do_not_meet():
    command = [sys.executable, str(ROOT / "book" / "build.py")]
    with build.alone():
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 1
        assert f"process {os.getpid()} on " in result.stderr
        assert "is building the book in" in result.stderr
        assert "Traceback" not in result.stderr
    with build.alone():  # free again
        pass
