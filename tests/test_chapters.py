"""The form that the five chapters share, read from the notebooks with their stored outputs."""

import ast
import re
import sys
from pathlib import Path

import nbformat
import pytest

from ippy import checks

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book"))

import exercises  # noqa: E402

CHAPTERS = exercises.chapters()
LINES = 14
# One idea of more lines than that: the training loop, which a reader must see whole.
LONG = {"03-end-to-end": ["optimiser = torch.optim.Adam"]}
DEFINITION = re.compile(
    r"^(?:\(([\w-]+)\)=\n+)?> \*\*(Definition|Theorem)(?: (\d)\.(\d+))?[^*]*\*\*", re.MULTILINE
)


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path: Path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def known(path: Path, notebook):
    return exercises.read_exercises(notebook, exercises.chapter_of(path))


def prose(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def printed(cell) -> str:
    """What a cell shows as plain text."""
    shown = []
    for output in cell.outputs:
        shown.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "".join(shown)


def code_lines(cell) -> int:
    """Lines with code in them: neither blank nor comment, docstrings and brackets included."""
    lines = (line.strip() for line in cell.source.splitlines())
    return sum(bool(line) and not line.startswith(("#", "%")) for line in lines)


def test_there_are_five_chapters():
    assert [exercises.chapter_of(path) for path in CHAPTERS] == [1, 2, 3, 4, 5]


def test_enough_exercises_and_all_are_solved(known):
    assert len(known) >= 10
    assert sum(one.check is not None for one in known) >= 5
    for one in known:
        assert one.statement, one.label
        assert one.solution, one.label
        assert one.solution[0].cell_type == "markdown", f"{one.label}: first say why"
        assert (one.starter is None) == (one.check is None), one.label


def test_labels_are_unique_in_the_whole_book():
    labels = []
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        found = exercises.read_exercises(nbformat.read(path, as_version=4))
        labels += [one.label for one in found]
    assert sorted(set(labels)) == sorted(labels)
    assert all(re.fullmatch(r"ex-[\w-]+", label) for label in labels)


def test_starters_are_not_begun_and_solutions_are_right(known):
    for one in known:
        if one.check is None:
            continue
        assert printed(one.check).startswith("○"), f"{one.label}: {printed(one.check)}"
        solved = [cell for cell in one.solution if "check" in exercises.tags(cell)]
        assert len(solved) == 1, one.label
        assert printed(solved[0]).startswith("✓"), f"{one.label}: {printed(solved[0])}"


def test_a_check_is_called_as_its_exercise(path: Path, known):
    for one in known:
        if one.check is None:
            continue
        name = one.label.removeprefix("ex-").replace("-", "_")
        assert f"checks.{name}(" in one.check.source, one.label
        check = checks.catalogue()[name]
        assert check.chapter == exercises.chapter_of(path)


def test_every_check_of_the_catalogue_has_its_exercise():
    asked = set()
    for path in CHAPTERS:
        for one in exercises.read_exercises(nbformat.read(path, as_version=4)):
            if one.check is not None:
                asked.add(one.label.removeprefix("ex-").replace("-", "_"))
    assert asked == set(checks.catalogue())


def test_starters_begin_with_my_and_are_used_nowhere_else(notebook, known):
    inside = {id(cell) for one in known for cell in [*one.statement, *one.solution]}
    own = {cell.source for one in known for cell in [*one.statement, *one.solution]}
    elsewhere = "\n".join(
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and id(cell) not in inside and cell.source not in own
    )
    for one in known:
        if one.starter is None:
            continue
        names = [n.name for n in ast.parse(one.starter.source).body if hasattr(n, "name")]
        assert names, one.label
        for name in names:
            assert name.lower().startswith("my"), f"{one.label}: {name}"
            assert not re.search(rf"\b{name}\b", elsewhere), f"{one.label}: {name}"


def test_solutions_are_folded_in_the_notebook(known):
    for one in known:
        for cell in one.solution_code:
            assert cell.metadata.get("jupyter", {}).get("source_hidden"), one.label


def test_no_cell_is_long(path: Path, notebook):
    first = exercises.first_code(notebook)
    for cell in notebook.cells:
        # Imports, and what the reader does not see, may be longer.
        seen = cell is not first and not {"remove-input", "hide-input", "solution"} & set(
            exercises.tags(cell)
        )
        if cell.cell_type == "code" and seen:
            if any(mark in cell.source for mark in LONG.get(path.stem, [])):
                continue
            lines = code_lines(cell)
            assert lines <= LINES, f"{lines} lines: {cell.source[:80]}"


def test_the_time_to_read_is_counted(path: Path, notebook):
    """200 words and a dozen lines of code a minute, up to the exercises, to ten minutes."""
    cells = notebook.cells
    headings = [k for k, cell in enumerate(cells) if re.match(r"## .*[Ee]xercises", cell.source)]
    read = cells[: headings[0]]
    words = sum(len(cell.source.split()) for cell in read if cell.cell_type == "markdown")
    lines = sum(code_lines(cell) for cell in read if cell.cell_type == "code")
    said = int(re.search(r"\b(\d+) minutes", cells[0].source)[1])
    assert abs(said - (words / 200 + lines / 12)) < 8
    index = (ROOT / "book" / "index.md").read_text("utf-8")
    table = dict(re.findall(r"\((\S+)\.ipynb\) \|.*\|\s(\d+)\smin", index))
    assert int(table[path.stem]) == said
    whole = sum(int(minutes) for minutes in table.values()) / 60
    assert float(re.search(r"All of it \| \|\s(\S+)\sh", index)[1]) == whole


def test_every_figure_has_a_caption_and_says_what_is_seen(notebook):
    figures = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for alt in re.findall(r"!\[([^\]]*)\]\(", cell.source):
                figures += 1
                assert len(alt) > 30, alt
            continue
        pictures = [
            o for o in cell.outputs if {"image/png", "image/svg+xml"} & set(o.get("data", {}))
        ]
        if pictures:
            figures += 1
            book = cell.metadata.get("mystnb", {})
            place = cell.source[:60]
            assert len(book.get("figure", {}).get("caption", "")) > 15, place
            assert len(book.get("image", {}).get("alt", "")) > 30, place
    assert figures >= 5


def test_three_to_five_questions_with_their_stored_answers(notebook):
    asked = [cell for cell in notebook.cells if "question" in exercises.tags(cell)]
    assert 3 <= len(asked) <= 5
    for cell in asked:
        assert "remove-input" in exercises.tags(cell)
        assert re.match(r"(choose|number)\(", cell.source), cell.source[:60]
        data = [output.data for output in cell.outputs if "data" in output]
        assert len(data) == 1, cell.source[:60]
        assert 'class="ippy-question"' in data[0]["text/html"]
        assert "<details>" in data[0]["text/html"]


def test_definitions_are_numbered_without_gaps_and_can_be_linked_to(path: Path, notebook):
    chapter = str(exercises.chapter_of(path))
    counts = {"Definition": 0, "Theorem": 0}
    for anchor, kind, of, number in DEFINITION.findall(prose(notebook)):
        counts[kind] += 1
        assert (of, number) == (chapter, str(counts[kind])), (kind, of, number)
        assert anchor.startswith("def-" if kind == "Definition" else "thm-"), (kind, number)
    assert counts["Definition"] >= 2


def numbers() -> dict[str, str]:
    """What each anchor of the book is called: def-convolution, "Definition 1.2"."""
    found: dict[str, str] = {}
    for path in CHAPTERS:
        text = prose(nbformat.read(path, as_version=4))
        for anchor, kind, of, number in DEFINITION.findall(text):
            assert anchor not in found, anchor
            found[anchor] = f"{kind} {of}.{number}"
    return found


@pytest.mark.parametrize(
    "page",
    sorted([*(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]),
    ids=lambda page: page.name,
)
def test_links_to_definitions_carry_the_right_number(page: Path):
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        text = prose(nbformat.reads(text, as_version=4))
    called = numbers()
    for said, target in re.findall(r"\[([^\[\]]+)\]\([\w.-]*#((?:def|thm)-[\w-]+)\)", text):
        assert target in called, f"{page.name}: no {target}"
        number = re.search(r"(Definition|Theorem)\s+(\d\.\d+)", said)
        if number:
            assert f"{number[1]} {number[2]}" == called[target], f"{page.name}: {said}"


def test_further_reading_names_three_to_six_works_and_why(notebook):
    text = prose(notebook).partition("## Further reading")[2]
    entries = re.split(r"^- ", text, flags=re.MULTILINE)[1:]
    assert 3 <= len(entries) <= 6
    for entry in entries:
        assert "{cite:" in entry, entry[:60]
        without = re.sub(r"\{cite:\w\}`[^`]*`", "", entry)
        assert len(without.split()) >= 6, entry[:60]
