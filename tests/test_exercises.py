"""Exercises as they are read from a notebook, and what is left when solutions are taken out."""

import base64
import hashlib
import io
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book"))

import exercises  # noqa: E402

START = ":::{exercise-start} Convolve\n:label: ex-convolve\n:::\n\nWrite it."
END = ":::{exercise-end}\n:::"
SOLUTION = ":::{solution-start} ex-convolve\n:class: dropdown\n:::\n\nsecret words"
SOLUTION_END = ":::{solution-end}\n:::"


def code(source: str, *tags: str):
    return new_code_cell(source, metadata={"tags": list(tags)}, outputs=[])


def notebook(*cells):
    made = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    return new_notebook(cells=made)


def chapter():
    return notebook(
        "# Chapter\n\n(def-x)=\n> {term}`kernel`, {cite:t}`kingma2015adam`",
        code("import torch"),
        "## Exercises",
        START,
        code("def my_convolve(x): raise NotImplementedError", "starter"),
        code("checks.convolve(my_convolve)", "check"),
        END,
        SOLUTION,
        code("def my_convolve(x): return 'secret code'", "solution"),
        code("checks.convolve(my_convolve)", "check"),
        SOLUTION_END,
        ":::{exercise-start} Why?\n:label: ex-why\n:::\n\nWhy pad?\n\n:::{exercise-end}\n:::",
        SOLUTION.replace("convolve", "why").replace("words", "reason")
        + f"\n\n{SOLUTION_END}\n## Further reading",
    )


def sources(made) -> list[str]:
    return [cell.source for cell in made.cells]


def test_exercises_are_read_with_their_parts():
    first, second = exercises.read_exercises(chapter(), chapter=3)
    assert (first.title, first.label, first.number) == ("Convolve", "ex-convolve", "3.1")
    assert [cell.source for cell in first.statement][:1] == ["Write it."]
    assert first.starter.source.startswith("def my_convolve")
    assert first.check.source == "checks.convolve(my_convolve)"
    assert [cell.source for cell in first.solution_code] == [
        "def my_convolve(x): return 'secret code'"
    ]
    assert first.solution[0].source == "secret words"
    assert (second.number, second.starter, second.check) == ("3.2", None, None)
    assert [cell.source for cell in second.statement] == ["Why pad?"]
    assert [cell.source for cell in second.solution] == ["secret reason"]


def test_without_solutions_all_else_stays():
    made = chapter()
    before = sources(made)
    left = sources(exercises.without_solutions(made))
    assert left == [*before[:7], before[11], "## Further reading"]
    assert sources(made) == before  # a copy


def test_plain_markdown_has_headings_instead_of_directives():
    left = sources(exercises.in_plain_markdown(chapter(), 3))
    assert "secret" not in "\n".join(left)
    assert ":::" not in "\n".join(left)
    assert "### Exercise 3.1. Convolve\n\nWrite it." in left[3]
    assert left[0] == ('# Chapter\n\n<a id="def-x"></a>\n\n> kernel, Kingma and Ba (2015)')
    assert left[-2].endswith("### Exercise 3.2. Why?\n\nWhy pad?")


def test_outputs_can_be_cleared():
    made = chapter()
    made.cells[1].outputs = [nbformat.v4.new_output("stream", text="1")]
    made.cells[1].execution_count = 4
    cleared = exercises.without_outputs(made)
    assert (cleared.cells[1].outputs, cleared.cells[1].execution_count) == ([], None)
    assert made.cells[1].execution_count == 4


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([START, "text"], "exercise-end is missing for ex-convolve"),
        ([END], "exercise-end without"),
        ([START, SOLUTION], "begins before ex-convolve has ended"),
        ([START, SOLUTION_END], "solution-end without"),
        ([SOLUTION, SOLUTION_END], "no such exercise"),
        ([START, END, START, END], "'ex-convolve' of 'Convolve' is not unique"),
        ([":::{exercise-start} X\n:::", END], "not unique"),
        ([START, END, ":::{solution} ex-convolve\nsecret\n:::"], "not :::{solution}"),
        (["```{solution} ex-convolve\nsecret\n```"], "not ```{solution}"),
        (["<details>\n<summary>Solution</summary>\nsecret</details>"], "not <summary>Solution"),
        ([START, END, code("secret", "solution")], "outside of a solution"),
        ([START, code("secret", "solution"), END], "outside of a solution"),
    ],
)
def test_what_could_leave_a_solution_behind_is_refused(cells, message):
    made = notebook(*cells)
    for use in (exercises.read_exercises, exercises.without_solutions):
        with pytest.raises(ValueError, match=message.replace("{", r"\{")):
            use(made)


@pytest.mark.parametrize("path", exercises.chapters(), ids=lambda path: path.stem)
def test_no_solution_is_left_in_a_chapter(path: Path):
    whole = nbformat.read(path, as_version=4)
    left = exercises.without_solutions(whole)
    text = "\n".join(sources(left))
    tagged = [cell for cell in left.cells if "solution" in exercises.tags(cell)]
    assert tagged == []
    assert "solution-" not in text
    assert len(left.cells) < len(whole.cells)
    for exercise in exercises.read_exercises(whole, exercises.chapter_of(path)):
        assert exercise.solution, exercise.label
        for cell in exercise.solution:
            assert "check" in exercises.tags(cell) or cell.source not in text, exercise.label


def test_every_work_of_the_bibliography_has_authors_and_a_year():
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    known = exercises._bibliography()
    assert len(known) == text.count("\n@") + text.startswith("@")
    assert known["islam2020position"] == ("Islam et al.", "2020")


def test_solutions_get_a_heading_where_they_are_kept():
    made = exercises.in_plain_markdown(chapter(), 3, solutions=True)
    text = "\n".join(sources(made))
    assert "#### Solution of exercise 3.1\n\nsecret words" in text
    assert "#### Solution of exercise 3.2\n\nsecret reason" in text
    assert "secret code" in text and ":::" not in text
    order = [text.index(words) for words in ("Write it.", "secret words", "Why pad?", "Further")]
    assert order == sorted(order)
    assert "Solution" not in "\n".join(sources(exercises.in_plain_markdown(chapter(), 3)))


def test_a_notebook_that_holds_its_drawings_is_a_copy_and_small_as_it_was_before():
    made = notebook("before ![a ring](figures/ring.svg) after ![b](figures/ring.svg)")
    before = sources(made)
    (source,) = sources(exercises.with_drawings(made))
    assert sources(made) == before
    alt, data = re.findall(r"!\[([^]]*)\]\(data:image/png;base64,([^)]+)\)", source)[0]
    assert alt == "a ring" and source.startswith("before ") and source.count("data:image") == 2
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == (660, 678)  # the drawing has 440 × 452


def test_every_drawing_has_a_png_of_its_newest_state():
    drawings = sorted((exercises.BOOK / "figures").glob("*.svg"))
    pictures = {path.stem: path for path in (exercises.BOOK / "figures" / "png").glob("*.png")}
    assert set(pictures) == {drawing.stem for drawing in drawings}
    for drawing in drawings:
        content = drawing.read_bytes().replace(b"\r\n", b"\n")
        made_from = Image.open(pictures[drawing.stem]).text["Source"]
        advice = f"{drawing.name} has changed: python book/figures/raster.py"
        assert made_from == hashlib.sha256(content).hexdigest(), advice


def test_no_notebook_shows_a_drawing_in_another_way():
    """What `with_drawings` would not find would be missing from what is taken away."""
    for path in sorted(exercises.BOOK.glob("*.ipynb")):
        for cell in exercises.with_drawings(nbformat.read(path, as_version=4)).cells:
            if cell.cell_type == "markdown":
                assert not re.search(r"figures/|<img|\{figure\}|\{image\}", cell.source), path.name
