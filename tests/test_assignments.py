"""Assignments: solutions cut where nbgrader cuts, and nbgrader's own commands from end to end."""

import ast
import csv
import getpass
import html
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book"))

import assignments  # noqa: E402
import exercises  # noqa: E402
from exercises import Exercise  # noqa: E402

STARTER = '''def my_f(x, k):  # (H, W) -> (H, W)
    """Return something."""
    raise NotImplementedError("your code here")'''


def exercise(starter: str, *solution: str) -> Exercise:
    def cell(source, *tags):
        return new_code_cell(source, metadata={"tags": list(tags)})

    return Exercise(
        "Title",
        "ex-f",
        "1.1",
        [new_markdown_cell("Write."), cell(starter, "starter"), cell("checks.f(my_f)", "check")],
        [
            new_markdown_cell("So."),
            *(cell(source, "solution") for source in solution),
            cell("checks.f(my_f)", "check"),
            # What follows only shows something, and may use names anew.
            cell("x = 3\ndef once(z):\n    return 0\nprint(my_f(x, once(x)))", "solution"),
        ],
    )


def students_version(source: str) -> str:
    """What is left when nbgrader has put its stub in place of the solution."""
    stub = rf"\1{assignments.STUB}"
    return re.sub(
        r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION$",
        lambda match: match.expand(stub.replace('"', '"')),
        source,
        flags=re.DOTALL | re.MULTILINE,
    )


def test_the_solution_stands_in_the_starter():
    made = assignments.solved(
        exercise(STARTER, "def my_f(x, k):\n    # why\n    y = x + k\n    return y")
    )
    assert made == (
        "def my_f(x, k):  # (H, W) -> (H, W)\n"
        '    """Return something."""\n'
        "    ### BEGIN SOLUTION\n"
        "    # why\n"
        "    y = x + k\n"
        "    return y\n"
        "    ### END SOLUTION"
    )
    assert students_version(made) == STARTER


@pytest.mark.parametrize(
    "solution",
    [
        "def my_f(x, k):\n    return x + k",
        "def my_f(x, k): return x + k",
        'def my_f(x, k):\n    """Of its own."""\n    return x + k',
        "def my_f(x, k):\n\n    return (\n        x\n        + k\n    )",
        "def my_f(image, kernel):\n    return image + kernel",
        "import math\n\ndef my_f(x, k):\n    return math.fsum([x, k])",
        "from operator import add as plus\n\ndef my_f(x, k):\n    return plus(x, k)",
        "ONE = 1\n\ndef once(z):\n    return ONE * z\n\ndef my_f(x, k):\n    return once(x) + k",
        "def half(f):\n    return lambda x, k: f(x, k) / 2\n\n"
        "@half\ndef my_f(x, k):\n    return 2 * (x + k)",
        "x = 100\n\ndef my_f(x, k):\n    return x + k",
        "def my_f(x, k):\n    return x if k == 0 else my_f(x, k - 1) + 1",
        "class Sum:\n    def __call__(self, a, b):\n        return a + b\n\n"
        "def my_f(x, k):\n    return Sum()(x, k)",
    ],
)
def test_solutions_of_many_kinds_still_work_there(solution: str):
    made = assignments.solved(exercise(STARTER, solution))
    assert students_version(made) == STARTER
    names: dict = {}
    exec(made, names)
    assert names["my_f"](2, 3) == 5
    assert "x = 3" not in made


def test_a_class_is_cut_method_by_method():
    head = "class my_f:\n    def __init__(self, v):\n        self.v = v\n\n    def go(self, x):\n"
    blank, full = "        raise NotImplementedError('here')", "        return self.v + x"
    made = assignments.solved(exercise(head + blank, head + full))
    assert students_version(made) == (head + blank).replace("'here'", '"your code here"')
    names: dict = {}
    exec(made, names)
    assert names["my_f"](2).go(3) == 5


@pytest.mark.parametrize(
    ("starter", "solution", "message"),
    [
        ("my_f = ...", "my_f = 3", "ex-f: the starter has no function that only raises"),
        (STARTER, "def other(x, k):\n    return 1", "ex-f: the solution does not define my_f"),
        (STARTER, "my_f = max", "ex-f: the solution does not define my_f"),
    ],
)
def test_what_does_not_fit_is_told(starter: str, solution: str, message: str):
    with pytest.raises(ValueError, match=message):
        assignments.solved(exercise(starter, solution))


@pytest.mark.parametrize("path", exercises.chapters(), ids=lambda path: path.stem)
def test_every_chapter_makes_an_assignment(path: Path):
    whole = nbformat.read(path, as_version=4)
    made = assignments.assignment(whole, exercises.chapter_of(path))
    nbformat.validate(made)
    marks = [cell.metadata.nbgrader for cell in made.cells]
    names = [mark.grade_id for mark in marks]
    assert len(set(names)) == len(names)
    for cell in made.cells:
        if cell.metadata.nbgrader.solution and cell.cell_type == "code":
            left = students_version(cell.source)
            assert "SOLUTION" not in left
            ast.parse(left)
            ast.parse(cell.source)
    known = exercises.read_exercises(whole, exercises.chapter_of(path))
    checked = [e for e in known if e.starter is not None]
    assert len(checked) >= 5
    graded = [mark for mark in marks if mark.grade]
    assert len(graded) == len(known)
    assert sum(mark.points for mark in graded) >= 2 * len(known)
    for one in checked:
        name = one.label.removeprefix("ex-")
        check = made.cells[names.index(f"{name}-check")]
        assert check.metadata.nbgrader.locked
        assert f".{name}(" in check.source
        assert ".require()" in check.source


def test_points_can_be_set_in_the_notebook():
    one = exercise(STARTER, STARTER.replace("raise", "return"))
    assert assignments._points(one, "code") == 2
    one.statement[0].metadata["points"] = 5
    made = list(assignments._exercise_cells(one))
    assert [c.metadata.nbgrader.points for c in made if c.metadata.nbgrader.grade] == [5]


@pytest.mark.slow
@pytest.mark.parametrize("path", exercises.chapters(), ids=lambda path: path.stem)
def test_solutions_need_nothing_but_the_first_cell(path: Path):
    """As when nbgrader runs the instructor's version: every check passes, none warns."""
    made = assignments.assignment(
        nbformat.read(path, as_version=4), exercises.chapter_of(path) or 0
    )
    names: dict = {"__name__": "__main__"}
    with warnings.catch_warnings(action="error", category=UserWarning):
        for cell in made.cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, cell.metadata.nbgrader.grade_id, "exec"), names)
    torch.set_printoptions(profile="default")  # a chapter sets them, for itself


# From here on: nbgrader itself, with one chapter and three students.

CHAPTER = "01-convolution"
WRONG = """def my_convolve(x, k):
    return F.conv2d(x[None, None], k[None, None], padding=tuple(s // 2 for s in k.shape))[0, 0]
"""


# Most of a command's time goes by until nbgrader has been read: all commands are forks of one
# process that has. Each line names a file for what is printed, a folder and a command.
NBGRADER = """
import json, os, runpy, sys
import nbgrader.apps
for line in sys.stdin:
    printed, where, *command = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        os.chdir(where)
        sys.argv = ["nbgrader", *command]
        sys.exit(runpy.run_module("nbgrader", run_name="__main__") and 0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Course:
    """A course folder, an exchange and a student's home; `run` is one of nbgrader's commands."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home, self.exchange = (folder / n for n in ("course", "home", "exchange"))
        for made in (self.home, self.exchange):
            made.mkdir()
        self.exchange.chmod(0o777)
        scripts = str(Path(sys.executable).parent)  # nbgrader calls the program alembic
        own = {f"JUPYTER_{n}_DIR": str(folder / n) for n in ("CONFIG", "DATA", "RUNTIME")}
        path = os.pathsep.join([scripts, os.environ["PATH"]])
        self.printed = folder / "printed.txt"
        self.nbgrader = subprocess.Popen(
            [sys.executable, "-c", NBGRADER],
            env={**os.environ, **own, "PATH": path, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, where: Path | None = None) -> str:
        order = json.dumps([str(self.printed), str(where or self.root), *command])
        print(order, file=self.nbgrader.stdin, flush=True)
        status = self.nbgrader.stdout.readline().strip()
        printed = self.printed.read_text("utf-8")
        assert status == "0", f"{command}\n{printed}"
        return printed

    def exchanged(self, *command: str, where: Path | None = None) -> str:
        places = (f"--Exchange.root={self.exchange}", f"--Exchange.cache={self.home / '.cache'}")
        return self.run(*command, CHAPTER, "--course=ippy", *places, where=where)


def answer(notebook, change) -> None:
    """Let `change` write the answers: it gets a cell's name and returns its new text, or None."""
    for cell in notebook.cells:
        text = change(cell.metadata.nbgrader.grade_id)
        if text is not None:
            cell.source = text


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    if find_spec("nbgrader") is None:  # not imported here: it wants setuptools' own distutils
        pytest.skip("nbgrader is not installed")
    if sys.platform == "win32":
        pytest.skip("nbgrader's exchange does not work on Windows")
    course = Course(tmp_path_factory.mktemp("nbgrader"))
    with course.nbgrader:  # it ends with its input
        yield course


@pytest.fixture(scope="module")
def graded(course: Course) -> Course:
    """The whole way: made, released, fetched, solved three ways, submitted, collected, graded."""
    command = [sys.executable, str(ROOT / "book" / "assignments.py"), str(course.root), CHAPTER]
    subprocess.run(command, check=True)
    source = course.root / "source" / CHAPTER / f"{CHAPTER}.ipynb"
    assert "passes all the tests" in course.run("validate", str(source))
    course.run("generate_assignment", CHAPTER)
    course.exchanged("release_assignment")
    course.exchanged("fetch_assignment", where=course.home)

    fetched = course.home / CHAPTER / f"{CHAPTER}.ipynb"
    shutil.copyfile(fetched, course.home / "fetched.ipynb")
    solutions = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in nbformat.read(source, as_version=4).cells
        if cell.metadata.nbgrader.solution
    }
    right = nbformat.read(fetched, as_version=4)
    answer(right, solutions.get)
    nbformat.write(right, fetched)
    course.exchanged("submit", where=course.home)
    course.exchanged("collect")

    # Two more come back by another way than the exchange, as on Windows.
    for student, change in {"wrong": {"convolve-answer": WRONG}, "untouched": None}.items():
        handed_in = nbformat.read(course.home / "fetched.ipynb", as_version=4)
        if change is not None:
            answer(handed_in, {**solutions, **change}.get)
        place = course.root / "submitted" / student / CHAPTER
        place.mkdir(parents=True)
        nbformat.write(handed_in, place / f"{CHAPTER}.ipynb")
    course.run("autograde", CHAPTER)
    course.run("generate_feedback", CHAPTER)
    course.run("export")
    return course


@pytest.mark.slow
def test_students_get_no_solutions(graded: Course):
    made = nbformat.read(graded.home / "fetched.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in made.cells)
    assert "SOLUTION" not in text
    whole = nbformat.read(ROOT / "book" / f"{CHAPTER}.ipynb", as_version=4)
    for one in exercises.read_exercises(whole, 1):
        assert one.title in text
        for cell in one.solution:
            assert "check" in exercises.tags(cell) or cell.source not in text, one.label
        if one.starter is not None:
            assert one.starter.source in text


@pytest.mark.slow
def test_scores_are_as_expected(graded: Course):
    with (graded.root / "grades.csv").open() as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    whole = nbformat.read(ROOT / "book" / f"{CHAPTER}.ipynb", as_version=4)
    known = exercises.read_exercises(whole, 1)
    code = 2.0 * sum(one.starter is not None for one in known)
    scores = {student: float(row["score"]) for student, row in rows.items()}
    # Written exercises count when a person has graded them.
    assert scores == {getpass.getuser(): code, "wrong": code - 2, "untouched": 0}
    assert {float(row["max_score"]) for row in rows.values()} == {2.0 * len(known)}


@pytest.mark.slow
def test_the_feedback_tells_the_mistake(graded: Course):
    from ippy.checks.convolution import NOT_FLIPPED
    from ippy.checks.verdict import NOT_BEGUN

    def feedback(student: str) -> str:
        page = graded.root / "feedback" / student / CHAPTER / f"{CHAPTER}.html"
        return html.unescape(page.read_text(encoding="utf-8"))

    assert NOT_FLIPPED.sentence in feedback("wrong")
    assert NOT_FLIPPED.hint in feedback("wrong")
    assert NOT_FLIPPED.sentence not in feedback(getpass.getuser())
    assert NOT_BEGUN.sentence in feedback("untouched")
