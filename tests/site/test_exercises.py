"""Exercises in the built book: numbered, solutions folded, and gone without a trace by one switch.

A small book with the project's own settings is built twice, with solutions and without.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from browser import DESKTOP, Visit, serve
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
TOC = """format: jb-book
root: book/index
parts:
  - caption: Chapters
    numbered: true
    chapters:
      - file: book/01-convolution
"""
SECRETS = ("secretprose", "secretcode", "secretoutput", "secretreason")
# What the theme itself breaks, as measured without any of ours.
THEME = ("label-content-name-mismatch", "region")


def code(source: str, *tags: str):
    return new_code_cell(source, metadata={"tags": list(tags)})


def chapter():
    cells = [
        "# Chapter\n\nSee [the exercise](#ex-double).",
        code("from ippy.questions import choose, number"),
        code(
            "choose('Pick', {'one': 'Yes.', 'two': 'No.'}, right='one')", "remove-input", "question"
        ),
        code("number('How many?', right=12)", "remove-input", "question"),
        "## Exercises",
        ":::{exercise-start} Double it\n:label: ex-double\n:::\n\nDouble $x$.",
        code("def my_double(x):\n    raise NotImplementedError('your code here')", "starter"),
        code("print('not begun')", "check"),
        ":::{exercise-end}\n:::",
        ":::{solution-start} ex-double\n:class: dropdown\n:::\n\nThe secretprose of it.",
        code("def my_double(secretcode):\n    return 2 * secretcode", "solution"),
        code("print('secret' + 'output')", "check"),
        ":::{solution-end}\n:::",
        ":::{exercise-start} Why?\n:label: ex-why\n:::\n\nWhy double?",
        ":::{exercise-end}\n:::",
        ":::{solution-start} ex-why\n:class: dropdown\n:::\n\nFor a secretreason.",
        ":::{solution-end}\n:::",
        "## Further reading",
    ]
    made = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=made, metadata={"kernelspec": kernel})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one chapter, built with solutions; then once more without them."""
    root = tmp_path_factory.mktemp("project")
    (root / "book").mkdir()
    for path in [
        ROOT / "_config.yml",
        *(ROOT / "book").glob("*.py"),
        *(ROOT / "book").glob("*.bib"),
    ]:
        shutil.copyfile(path, root / path.relative_to(ROOT))
    for name in ("static", "finish"):
        shutil.copytree(ROOT / "book" / name, root / "book" / name)
    (root / "_toc.yml").write_text(TOC)
    (root / "book" / "index.md").write_text("# Book\n")
    nbformat.write(chapter(), root / "book" / "01-convolution.ipynb")
    for switch in ([], ["--without-solutions"]):
        command = [sys.executable, str(root / "book" / "build.py"), *switch]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return root


@pytest.fixture(scope="module")
def whole(project: Path) -> Path:
    return project / "_build" / "html"


@pytest.fixture(scope="module")
def without(project: Path) -> Path:
    return project / "_build" / "without-solutions" / "_build" / "html"


def holding(folder: Path, words) -> set[str]:
    """The words that occur in any file of a folder, whatever its kind, packed files included."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and "mathjax" not in path.parts:
            contents = [path.read_bytes()]
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as packed:
                    contents += [packed.read(name) for name in packed.namelist()]
            found |= {word for word in words for c in contents if word.encode() in c}
    return found


pytestmark = pytest.mark.slow


def test_solutions_are_in_the_book(whole: Path):
    assert holding(whole, SECRETS) == set(SECRETS)


def test_by_one_switch_no_trace_of_them_is_left(project: Path, without: Path):
    page = (without / "book" / "01-convolution.html").read_text()
    assert "Double it" in page
    assert "not begun" in page
    assert (without / "_sources" / "book" / "01-convolution.ipynb").is_file()
    assert holding(project / "_build" / "without-solutions", SECRETS) == set()
    assert "solution" not in page.replace("/without-solutions/", "")


def test_the_notebook_itself_is_left_alone(project: Path):
    text = (project / "book" / "01-convolution.ipynb").read_text()
    assert all(word in text for word in ("secretprose", "secretcode", "secretreason"))


def test_exercises_are_numbered_and_can_be_linked_to(whole: Path):
    page = (whole / "book" / "01-convolution.html").read_text()
    for number, title in (("1.1", "Double it"), ("1.2", "Why?")):
        assert re.search(rf"Exercise {number} *</span> *\({re.escape(title)}\)", page), title
        assert f"Solution to Exercise {number} ({title})" in page
    assert 'href="#ex-double"' in page


def test_ids_are_unique(whole: Path):
    ids = re.findall(r'\bid="([^"]+)"', (whole / "book" / "01-convolution.html").read_text())
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert "ex-double" in ids


def test_questions_share_one_script(whole: Path):
    page = (whole / "book" / "01-convolution.html").read_text()
    assert page.count('class="ippy-question"') == 2
    assert 'class="ippy-questions"' not in page
    assert len(re.findall(r'src="\.\./_static/questions\.js', page)) == 1
    assert "questions.js" not in (whole / "book" / "index.html").read_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_solution_opens_with_the_keyboard(browser, whole: Path, theme: str):
    with serve(whole) as address, Visit(browser, address, DESKTOP, theme) as visit:
        page = visit.open(f"{address}book/01-convolution.html")
        solution = page.locator("details.solution").first
        assert not page.get_by_text("secretprose").is_visible()
        solution.locator("summary").focus()
        page.keyboard.press("Enter")
        assert page.get_by_text("secretprose").is_visible()
        page.get_by_label("two").check()
        page.get_by_role("button", name="Check").first.click()
        assert page.locator("output").first.inner_text() == "✗ two: No."
        assert visit.faults == []
        broken = visit.axe(*THEME)
        visit.faults.clear()  # axe looks for a sheet of the theme's at a wrong address
        assert broken == []


def test_print_leaves_out_what_is_folded(browser, whole: Path):
    with Visit(browser, whole.as_uri(), DESKTOP, "light") as visit:
        page = visit.open((whole / "book" / "01-convolution.html").as_uri())
        page.locator("details.solution summary").nth(1).click()
        page.emulate_media(media="print")
        shown = [solution.is_visible() for solution in page.locator("details.solution").all()]
        assert shown == [False, True]
