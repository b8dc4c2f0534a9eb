"""The exercises of a notebook: what is asked, what checks it, what solves it.

An exercise stands between `exercise-start` and `exercise-end`, its solution between
`solution-start` and `solution-end`; cells that begin and end them hold the directives of
sphinx-exercise, as in

    :::{exercise-start} Convolution by hand
    :label: ex-convolve
    :::

The student's copy, the assignments and the book without solutions are all made from what is read
here.
"""

import base64
import copy
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

BOOK = Path(__file__).resolve().parent
DIRECTIVE = re.compile(
    r"^:::\{(exercise|solution)-(start|end)\}[ ]*(.*)\n((?:[ ]*:[\w-]+:.*\n)*):::[ ]*$\n*",
    re.MULTILINE,
)
SOLUTION = "#### Solution of exercise"
DRAWING = re.compile(r"\]\(figures/([\w-]+)\.svg\)")
# A solution in another form would be left in what students get.
OTHER_FORM = re.compile(r"^[:`]{3,}\{(?:exercise|solution)\}|<summary>\s*Solution", re.MULTILINE)


@dataclass
class Exercise:
    """One exercise; `statement` and `solution` are its cells, without the directives."""

    title: str
    label: str
    number: str  # "1.3", as the book numbers it
    statement: list[Any] = field(default_factory=list)
    solution: list[Any] = field(default_factory=list)

    @property
    def starter(self) -> Any | None:
        """The code cell that the student fills in, or None if the exercise has no code."""
        return next((cell for cell in self.statement if "starter" in tags(cell)), None)

    @property
    def check(self) -> Any | None:
        """The code cell that checks it, or None."""
        return next((cell for cell in self.statement if "check" in tags(cell)), None)

    @property
    def solution_code(self) -> list[Any]:
        return [cell for cell in self.solution if "solution" in tags(cell)]


@dataclass
class Mark:
    """One directive: kind "exercise" or "solution", where "start" or "end"."""

    kind: str
    where: str
    argument: str = ""
    label: str = ""


def chapters() -> list[Path]:
    """The notebooks of the numbered chapters, in order."""
    return sorted(path for path in BOOK.glob("*.ipynb") if chapter_of(path))


def chapter_of(path: Path) -> int | None:
    """The number of a chapter, None for other notebooks: 01-convolution.ipynb is chapter 1."""
    number = re.match(r"(\d\d)-", path.name)
    return int(number[1]) if number else None


def tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def first_code(notebook: Any) -> Any:
    """The cell of imports: the first code after the one that installs the course in Colab."""
    return next(
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "remove-cell" not in tags(cell)
    )


def read_exercises(notebook: Any, chapter: int | None = None) -> list[Exercise]:
    """The exercises of a notebook, each with its solution.

    Raises ValueError if a directive is missing, crossed or of another form, a label is used twice,
    or a cell tagged "solution" stands outside of a solution.
    """
    found: dict[str, Exercise] = {}
    opened: Mark | None = None
    for item in _items(notebook.cells):
        if not isinstance(item, Mark):
            if "solution" in tags(item) and (opened is None or opened.kind != "solution"):
                raise ValueError(f"this cell stands outside of a solution: {item.source[:60]!r}")
            if opened is not None:
                exercise = found[opened.label]
                cells = exercise.statement if opened.kind == "exercise" else exercise.solution
                cells.append(item)
        elif item.where == "start":
            if opened is not None:
                raise ValueError(f"{item.label} begins before {opened.label} has ended")
            if item.kind == "exercise":
                if item.label in found or not item.label:
                    raise ValueError(f"the label {item.label!r} of {item.argument!r} is not unique")
                number = f"{chapter}.{len(found) + 1}" if chapter else str(len(found) + 1)
                found[item.label] = Exercise(item.argument, item.label, number)
            elif item.label not in found:
                raise ValueError(f"a solution to {item.label!r}: no such exercise stands before it")
            opened = item
        else:
            if opened is None or opened.kind != item.kind:
                raise ValueError(f"{item.kind}-end without a {item.kind}-start before it")
            opened = None
    if opened is not None:
        raise ValueError(f"{opened.kind}-end is missing for {opened.label}")
    return list(found.values())


def without_solutions(notebook: Any) -> Any:
    """A copy of the notebook in which no solution is left; all else stays as it is."""
    return _rewritten(notebook, lambda mark: mark)


def in_plain_markdown(notebook: Any, chapter: int | None = None, solutions: bool = False) -> Any:
    """A copy whose exercises begin with a heading; its solutions too, if they are kept.

    JupyterLab and Colab do not know the book's directives.
    """
    numbers = {e.label: e.number for e in read_exercises(notebook, chapter)}

    def heading(mark: Mark) -> str | None:
        if mark.where == "end":
            return None
        if mark.kind == "solution":
            return f"{SOLUTION} {numbers[mark.label]}"
        return f'<a id="{mark.label}"></a>\n\n### Exercise {numbers[mark.label]}. {mark.argument}'

    result = _rewritten(notebook, heading, solutions)
    for cell in result.cells:
        if cell.cell_type == "markdown":
            cell.source = without_roles(cell.source)
    return result


def without_roles(text: str) -> str:
    """The book's own markup in words: terms, citations, anchors."""
    text = re.sub(r"\{term\}`([^`<]+?)(?:\s*<[^`]*>)?`", r"\1", text)
    text = re.sub(r"\{cite:(t|p)\}`([^`]+)`", _citation, text)
    return re.sub(r"^\(([\w-]+)\)=$", r'<a id="\1"></a>\n', text, flags=re.MULTILINE)


def _citation(match: re.Match[str]) -> str:
    known = _bibliography()
    works = [known.get(key.strip(), (key.strip(), "")) for key in match[2].split(",")]
    if match[1] == "t":
        return " and ".join(f"{name} ({year})" for name, year in works)
    return "(" + "; ".join(f"{name}, {year}" for name, year in works) + ")"


@cache
def _bibliography() -> dict[str, tuple[str, str]]:
    """Authors, as a text names them, and year of each work in references.bib."""
    works = {}
    entries = (BOOK / "references.bib").read_text(encoding="utf-8").split("\n@")
    for entry in entries:
        key = re.match(r"@?\w+\{([^,\s]+),", entry)
        author = re.search(r"author\s*=\s*[{\"](.+?)[}\"],?\s*\n", entry, re.DOTALL)
        year = re.search(r"year\s*=\s*[{\"]?(\d{4})", entry)
        if key and author and year:
            names = [_surname(name) for name in re.split(r"\s+and\s+", author[1])]
            said = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
            works[key[1]] = (said, year[1])
    return works


def _surname(name: str) -> str:
    plain = re.sub(r"[{}]", "", name).strip()
    return plain.split(",")[0].strip() if "," in plain else plain.split()[-1]


def with_drawings(notebook: Any) -> Any:
    """A copy that holds its drawings, so that it shows them wherever it is taken.

    As PNG in the text: Colab shows neither an SVG there nor anything attached to a cell. See
    `figures/raster.py`.
    """
    result = copy.deepcopy(notebook)
    for cell in result.cells:
        if cell.cell_type == "markdown":
            cell.source = DRAWING.sub(_drawing, cell.source)
    return result


def _drawing(match: re.Match[str]) -> str:
    content = (BOOK / "figures" / "png" / f"{match[1]}.png").read_bytes()
    return f"](data:image/png;base64,{base64.b64encode(content).decode()})"


def without_outputs(notebook: Any) -> Any:
    """A copy whose code cells have not been run."""
    result = copy.deepcopy(notebook)
    for cell in result.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return result


def _rewritten(
    notebook: Any, replace: Callable[[Mark], Mark | str | None], solutions: bool = False
) -> Any:
    """A copy in which each directive is kept, replaced by text or dropped.

    It has no solutions, unless they are asked for.
    """
    read_exercises(notebook)  # what is not in order could leave a solution behind
    result = copy.deepcopy(notebook)
    cells, inside = [], False
    for cell in result.cells:
        if cell.cell_type != "markdown" or not DIRECTIVE.search(_closed(cell)):
            if not inside:
                cells.append(cell)
            continue
        kept: list[str] = []
        for piece, text in _pieces(cell):
            if piece is None:
                if not inside:
                    kept.append(text)
                continue
            hidden = piece.kind == "solution" and not solutions
            new = None if hidden else replace(piece)
            if new is not None:
                kept.append(text if isinstance(new, Mark) else f"{new}\n\n")
            inside = hidden and piece.where == "start"
        source = "".join(kept).strip("\n")
        if source.strip():
            cell.source = source
            cells.append(cell)
    result.cells = cells
    return result


def _items(cells: Iterable[Any]) -> Iterator[Any]:
    """Cells and directives in order; a Markdown cell is cut at its directives."""
    for cell in cells:
        if cell.cell_type != "markdown":
            yield cell
            continue
        if strange := OTHER_FORM.search(cell.source):
            raise ValueError(f"write solution-start and solution-end, not {strange[0]}")
        for mark, text in _pieces(cell):
            if mark is not None:
                yield mark
            elif text.strip():
                part = copy.deepcopy(cell)
                part.source = text.strip("\n")
                yield part


def _pieces(cell: Any) -> Iterator[tuple[Mark | None, str]]:
    """The text of a cell, cut at its directives: (directive or None, its text)."""
    source, end = _closed(cell), 0
    for match in DIRECTIVE.finditer(source):
        if source[end : match.start()].strip():
            yield None, source[end : match.start()]
        kind, where, argument, options = match.groups()
        label = re.search(r":label:\s*(\S+)", options)
        name = argument.strip() if kind == "solution" else (label[1] if label else "")
        yield Mark(kind, where, argument.strip(), name), match[0]
        end = match.end()
    if source[end:].strip():
        yield None, source[end:]


def _closed(cell: Any) -> str:
    """The source with a line end after its last line, which the pattern counts on."""
    return cell.source.rstrip("\n") + "\n"
