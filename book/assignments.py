"""Make a course folder for nbgrader: one assignment a chapter, from the chapter's own exercises.

    python run.py assignments FOLDER               all chapters
    python run.py assignments FOLDER convolution   those whose file name contains the word

In FOLDER, nbgrader's own commands then do the rest: `nbgrader generate_assignment 01-convolution`,
and so on. Code exercises are graded by the book's checks, written ones by a person. What is in
FOLDER already is not overwritten if it differs from what this program wrote.
"""

import argparse
import ast
import copy
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

sys.path.insert(0, str(Path(__file__).parent))
import exercises
from exercises import Exercise
from student import write_files

POINTS = {"code": 2, "written": 2}
STUB = 'raise NotImplementedError("your code here")'
CONFIG = f'''"""nbgrader's settings for this course; see its documentation for all others."""

c = get_config()  # noqa: F821  nbgrader defines it

c.CourseDirectory.course_id = "ippy"
# What a student finds in place of a solution; the checks take it for "not begun".
c.ClearSolutions.code_stub = {{"python": {STUB!r}}}
c.ClearSolutions.text_stub = "*Your answer.*"
# The first cell loads torch, and the first run in a new account draws the slices.
c.Execute.timeout = 300
'''
README = """# An nbgrader course made from the book

Each folder in `source` is one assignment. On Linux or macOS, in this folder:

    nbgrader generate_assignment 01-convolution    makes release/, and proves that solutions pass
    nbgrader release_assignment 01-convolution     hands it out through the exchange
    nbgrader collect 01-convolution                after the students' fetch and submit
    nbgrader autograde 01-convolution
    nbgrader formgrader                            in JupyterLab, for the written exercises
    nbgrader generate_feedback 01-convolution
    nbgrader export                                grades.csv

nbgrader's exchange (release, fetch, submit, collect) does not work on Windows, nor between
machines that share no folder. There, hand out `release/` by any other way, put what comes back to
`submitted/STUDENT/01-convolution/01-convolution.ipynb` (or use `nbgrader zip_collect`), and go on
with `nbgrader autograde`.

Whoever grades and whoever solves needs the package `ippy` of the book installed.
"""


def assignment(notebook: Any, chapter: int) -> Any:
    """The instructor's version of a chapter's assignment: solutions in it, marked for nbgrader."""
    title = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
    cells = [
        _read_only(f"# Chapter {chapter}: {title}\n\n{_instructions()}", "instructions"),
        _imports(notebook),
    ]
    for exercise in exercises.read_exercises(notebook, chapter):
        cells += list(_exercise_cells(exercise))
    plain = exercises.in_plain_markdown(new_notebook(cells=cells))
    plain.metadata = copy.deepcopy(notebook.metadata)
    return exercises.without_outputs(plain)


def _instructions() -> str:
    return (
        "Replace each line that raises `NotImplementedError`, run its cell, then the one below it: "
        "it says what it thinks of your answer, and you may try as often as you like. In written "
        "exercises, double-click the text *Your answer* and replace it."
    )


def _imports(notebook: Any) -> Any:
    """The chapter's imports, which starters and solutions may count on."""
    first = exercises.first_code(notebook)
    return _marked(new_code_cell(first.source), "imports", locked=True)


def _exercise_cells(exercise: Exercise) -> Iterator[Any]:
    heading = f"## Exercise {exercise.number}. {exercise.title}\n\n"
    name = exercise.label.removeprefix("ex-")
    for n, cell in enumerate(exercise.statement):
        if cell is exercise.starter:
            yield _marked(new_code_cell(solved(exercise)), f"{name}-answer", solution=True)
        elif cell is exercise.check:
            yield _marked(
                new_code_cell(graded_check(cell.source)),
                f"{name}-check",
                locked=True,
                grade=True,
                points=_points(exercise, "code"),
            )
        elif cell.cell_type == "code":
            yield _marked(new_code_cell(cell.source), f"{name}-given-{n}", locked=True)
        else:
            yield _read_only(heading + cell.source, f"{name}-{n}")
            heading = ""
    if exercise.starter is None:
        yield _marked(
            new_markdown_cell(_written(exercise)),
            f"{name}-answer",
            solution=True,
            grade=True,
            points=_points(exercise, "written"),
        )


def solved(exercise: Exercise) -> str:
    """The starter with the solution in it, between the lines that nbgrader cuts out.

    The lines of the starter up to its `raise` stay, so that the student's version keeps the
    function's head and docstring. Helpers that the solution defines go into the first function.

    Raises ValueError if the starter has no function that raises, or the solution does not fit it.
    """
    starter = exercise.starter.source
    code = _solution_before_check(exercise)
    blanks = {name: f for name, f in _functions(starter).items() if _is_blank(f)}
    if not blanks:
        raise ValueError(f"{exercise.label}: the starter has no function that only raises")
    bodies = _functions(code)
    lines, first = starter.splitlines(), next(iter(blanks))
    for name, blank in reversed(blanks.items()):
        if name not in bodies:
            raise ValueError(f"{exercise.label}: the solution does not define {name}")
        raising = blank.body[-1]
        body = _body(code, bodies[name], blank)
        helpers = _helpers(code, bodies, blanks) if name == first else ""
        body = f"### BEGIN SOLUTION\n{helpers}{body}\n### END SOLUTION"
        indent = " " * raising.col_offset
        lines[raising.lineno - 1 : raising.end_lineno] = textwrap.indent(body, indent).splitlines()
    return "\n".join(lines)


def _solution_before_check(exercise: Exercise) -> str:
    """The code that solves it; what stands after the check only shows something."""
    parts = []
    for cell in exercise.solution:
        if "check" in exercises.tags(cell):
            break
        if cell.cell_type == "code":
            parts.append(cell.source)
    return "\n".join(parts)


def graded_check(source: str) -> str:
    """The check as nbgrader grades it: an error takes the points, and tells the mistake.

    A warning on the way would count as an error, so there is none; `checks` is imported anew, in
    case the student has used that name.
    """
    call = ast.unparse(ast.parse(source).body[-1])
    return (
        "# Run this cell to check the answer above; it is graded as it stands.\n"
        "import warnings\n\n"
        "from ippy import checks\n\n"
        'with warnings.catch_warnings(action="ignore"):\n'
        f"    print({call}.require())"
    )


def _functions(code: str) -> dict[str, Any]:
    """Functions and methods by name, "f" or "Class.f", in the order of the code."""
    found = {}
    for node in ast.parse(code).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        found.update({prefix + f.name: f for f in inner if isinstance(f, ast.FunctionDef)})
    return found


def _is_blank(function: ast.FunctionDef) -> bool:
    last = function.body[-1]
    return isinstance(last, ast.Raise) and "NotImplementedError" in ast.unparse(last)


def _body(code: str, function: ast.FunctionDef, blank: ast.FunctionDef) -> str:
    """What stands in the starter's function: the solution's lines, from the margin.

    If its head says more than the starter's, such as a decorator or other names, the solution
    stands there whole, and is called.
    """
    lines, first = code.splitlines(), function.body[0]
    names = [argument.arg for argument in blank.args.args]
    same = names == [argument.arg for argument in function.args.args]
    if not same or function.decorator_list or first.lineno == function.lineno:
        whole = textwrap.dedent("\n".join(lines[_start(function) - 1 : function.end_lineno]))
        return f"{whole}\n\nreturn {function.name}({', '.join(names)})"
    start = first.lineno - 1
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        start = first.end_lineno or start  # the starter has a docstring of its own
    else:
        while lines[start - 1].lstrip().startswith("#"):
            start -= 1
    return textwrap.dedent("\n".join(lines[start : function.end_lineno])).strip("\n")


def _helpers(code: str, bodies: dict[str, Any], blanks: dict[str, Any]) -> str:
    """What the solution's functions use of what else it defines: imports, constants, functions."""
    tops = {name.partition(".")[0] for name in blanks}
    others = [node for node in ast.parse(code).body if getattr(node, "name", None) not in tops]
    used = set().union(*(_uses(bodies[name]) for name in blanks))
    for _ in others:  # a helper may use helpers
        used = used.union(*(_uses(node) for node in others if _defines(node) & used))
    lines = code.splitlines()
    kept = [
        "\n".join(lines[_start(node) - 1 : node.end_lineno])
        for node in others
        if _defines(node) & used
    ]
    return "\n".join(kept) + "\n\n" if kept else ""


def _start(node: Any) -> int:
    """The number of its first line, decorators included."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def _uses(node: ast.AST) -> set[str]:
    """The names that a statement reads and does not set itself."""
    inner = list(ast.walk(node))
    own = {n.arg for n in inner if isinstance(n, ast.arg)}
    own |= {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return {n.id for n in inner if isinstance(n, ast.Name)} - own


def _defines(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        names = (n for target in node.targets for n in ast.walk(target))
        return {n.id for n in names if isinstance(n, ast.Name)}
    return set()


def _written(exercise: Exercise) -> str:
    """The book's own answer, for whoever grades; nbgrader cuts it out for the students."""
    parts = [
        f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source
        for cell in exercise.solution
    ]
    return "\n\n".join(parts) or "(The book gives no answer.)"


def _points(exercise: Exercise, kind: str) -> int:
    """What it is worth: "points" in the metadata of the exercise's first cell, else 2."""
    return int(exercise.statement[0].metadata.get("points", POINTS[kind]))


def _read_only(source: str, name: str) -> Any:
    return _marked(new_markdown_cell(source), name, locked=True)


def _marked(cell: Any, name: str, **marks: Any) -> Any:
    """Tell nbgrader what a cell is."""
    cell.id = name
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade_id": name,
        "cell_type": cell.cell_type,
        "locked": False,
        "solution": False,
        "grade": False,
        "task": False,
        **marks,
    }
    return cell


def contents(part: str = "") -> Iterator[tuple[str, bytes]]:
    """Every file of the course folder: name and content."""
    for path in exercises.chapters():
        if part not in path.name:
            continue
        notebook = nbformat.read(path, as_version=4)
        try:
            made = assignment(notebook, exercises.chapter_of(path) or 0)
        except (ValueError, SyntaxError) as error:
            raise ValueError(f"{path.name}: {error}") from None
        yield f"source/{path.stem}/{path.name}", (nbformat.writes(made) + "\n").encode()
        for picture in sorted((exercises.BOOK / "figures").glob("*.svg")):
            if any(f"figures/{picture.name}" in cell.source for cell in made.cells):
                yield f"source/{path.stem}/figures/{picture.name}", picture.read_bytes()
    yield "nbgrader_config.py", CONFIG.encode()
    yield "README.md", README.encode()


def main() -> int:
    parser = argparse.ArgumentParser(
        "python run.py assignments", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="the course folder")
    parser.add_argument("part", nargs="?", default="", help="part of a chapter's file name")
    options = parser.parse_args()
    try:
        kept = write_files(options.folder, contents(options.part))
    except (OSError, ValueError) as error:
        print(f"The assignments were not made: {error}", file=sys.stderr)
        return 1
    print(f"The course folder is {options.folder}; its README.md says how to go on.")
    for name in kept:
        print(f"left as it is, because it has been changed there: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
