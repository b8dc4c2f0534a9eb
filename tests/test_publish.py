"""Publishing, to a repository on disk: years side by side, and each one fixed to its own commit."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))
import address  # noqa: E402  found through the line above
import build  # noqa: E402
import publish  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git on this machine")

OWN = "https://github.com/someone/course"
PAGE = (
    '<a href="https://mybinder.org/v2/gh/someone/course/main?urlpath=lab/tree/book/01-a.ipynb">'
    '<a href="https://colab.research.google.com/github/someone/course/blob/main/book/01-a.ipynb">'
    '<a href="https://github.com/someone/course/blob/main/book/01-a.ipynb">'
)


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
    result = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return result.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone of a bare repository, with a site that git is told to ignore, and work unfinished."""
    git(tmp_path, "init", "-q", "--bare", "far.git")
    git(tmp_path, "clone", "-q", "far.git", "near")
    near = tmp_path / "near"
    (near / ".gitignore").write_text("_build/\n")
    (near / ".git" / "info" / "exclude").write_text("_static/\n")  # a person's own habits
    git(near, "add", ".")
    git(near, "commit", "-q", "-m", "Begin")
    (near / "begun.txt").write_text("not committed yet")
    git(near, "add", "begun.txt")
    write_site(near)
    return near


def write_site(near: Path, word: str = "first") -> Path:
    site = near / "_build" / "html"
    (site / "book").mkdir(parents=True, exist_ok=True)
    (site / "_static").mkdir(exist_ok=True)
    (site / "_sources" / "book").mkdir(parents=True, exist_ok=True)
    (site / "index.html").write_text(f"<p>{word}</p>\r\n", newline="")
    (site / "book" / "01-a.html").write_text(PAGE, encoding="utf-8")
    (site / "_static" / "a.css").write_text("p {}")
    install = json.loads((ROOT / "book" / "primer.ipynb").read_text(encoding="utf-8"))
    text = json.dumps(install, indent=1).replace(address.current(), OWN)
    (site / "_sources" / "book" / "01-a.ipynb").write_text(text, encoding="utf-8")
    return site


def show(checkout: Path, name: str) -> str:
    return git(checkout.parent / "far.git", "show", f"{publish.BRANCH}:{name}")


def names(checkout: Path) -> set[str]:
    listed = git(checkout.parent / "far.git", "ls-tree", "-r", "--name-only", publish.BRANCH)
    return set(listed.splitlines())


def test_the_first_year_makes_the_branch(checkout: Path):
    publish.publish("2027", checkout / "_build" / "html", checkout)
    assert names(checkout) == {
        ".nojekyll",
        "index.html",
        "2027/index.html",
        "2027/book/01-a.html",
        "2027/_static/a.css",
        "2027/_sources/book/01-a.ipynb",
    }
    assert "url=2027/" in show(checkout, "index.html")


def test_a_second_year_leaves_the_first_one_as_it_is(checkout: Path):
    site = checkout / "_build" / "html"
    publish.publish("2027", site, checkout)
    write_site(checkout, "second")
    (site / "_static" / "a.css").unlink()
    publish.publish("2028", site, checkout)
    assert "first" in show(checkout, "2027/index.html")
    assert "second" in show(checkout, "2028/index.html")
    assert "2027/_static/a.css" in names(checkout)
    assert "2028/_static/a.css" not in names(checkout)
    page = show(checkout, "index.html")
    assert "url=2028/" in page
    assert 'href="2027/"' in page
    # and a year that is published again is replaced, files that are gone included
    publish.publish("2027", site, checkout)
    assert "second" in show(checkout, "2027/index.html")
    assert "2027/_static/a.css" not in names(checkout)
    assert "url=2028/" in show(checkout, "index.html")
    assert git(checkout.parent / "far.git", "rev-list", "--count", publish.BRANCH) == "3"


def test_unfinished_work_is_left_alone(checkout: Path):
    before = git(checkout, "status", "--short", "--branch")
    head = git(checkout, "rev-parse", "HEAD")
    publish.publish("2027", checkout / "_build" / "html", checkout)
    assert git(checkout, "status", "--short", "--branch") == before
    assert git(checkout, "rev-parse", "HEAD") == head
    assert (checkout / "_build" / "html" / "book" / "01-a.html").read_text() == PAGE


def test_what_is_launched_is_what_was_published(checkout: Path):
    publish.publish("2027", checkout / "_build" / "html", checkout)
    commit = git(checkout, "rev-parse", "HEAD")
    binder, colab, source = show(checkout, "2027/book/01-a.html").split("<a ")[1:]
    assert f"/someone/course/{commit}?urlpath=lab/tree/book/01-a.ipynb" in binder
    assert "/someone/course/blob/gh-pages/2027/_sources/book/01-a.ipynb" in colab
    assert "/someone/course/blob/main/book/01-a.ipynb" in source
    notebook = json.loads(show(checkout, "2027/_sources/book/01-a.ipynb"))
    first = "".join(notebook["cells"][1]["source"])
    assert f'"ippy-book @ git+{OWN}@{commit}"' in first


def test_a_site_is_published_byte_by_byte(checkout: Path):
    publish.publish("2027", checkout / "_build" / "html", checkout)
    command = ["git", "cat-file", "blob", f"{publish.BRANCH}:2027/index.html"]
    found = subprocess.run(command, cwd=checkout.parent / "far.git", capture_output=True)
    assert found.stdout == b"<p>first</p>\r\n"


@pytest.mark.parametrize("year", ["", "..", "a/b", ".git", "-f", "20 27", "2027\n"])
def test_a_year_is_a_plain_name(checkout: Path, year: str):
    with pytest.raises(ValueError, match="plain folder name"):
        publish.publish(year, checkout / "_build" / "html", checkout)


def test_without_a_site_nothing_is_published(checkout: Path):
    with pytest.raises(FileNotFoundError, match=r"holds no site; build it first"):
        publish.publish("2027", checkout / "_build" / "other", checkout)


def test_it_finds_what_the_build_writes():
    assert build.INDEX.parent == ROOT / publish.SITE
    assert ROOT / publish.WITHOUT == build.WITHOUT / build.SITE


def test_the_workflow_publishes_what_it_has_built():
    """With and without solutions are two sites in two places."""
    path = ROOT / ".github" / "workflows" / "publish.yml"
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["publish"]["steps"]
    both = [step["run"] for step in steps if "publish.py" in step.get("run", "")]
    assert len(both) == 2
    for script in both:
        built, published = script.splitlines()
        assert ("--without-solutions" in built) == ("--without-solutions" in published)
