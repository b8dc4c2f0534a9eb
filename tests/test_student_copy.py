"""The students' copy: nothing given away, everything there, and nothing of the student's lost."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book"))

import exercises  # noqa: E402
import student  # noqa: E402

FILES = [("01-convolution.ipynb", b"first"), ("ippy/noise.py", b"noise"), ("README.md", b"read")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student") / "copy"
    command = [sys.executable, str(ROOT / "book" / "student.py"), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert str(folder) in result.stdout
    return folder


def test_all_notebooks_are_there_without_solutions_and_outputs(copy: Path):
    made = sorted(path.name for path in copy.glob("*.ipynb"))
    assert made == sorted(path.name for path in (ROOT / "book").glob("*.ipynb"))
    for name in made:
        notebook = nbformat.read(copy / name, as_version=4)
        nbformat.validate(notebook)
        text = "\n".join(cell.source for cell in notebook.cells)
        for left in ("{solution", "{exercise", "{term}", "{cite", "<summary>Solution"):
            assert left not in text, name
        for cell in notebook.cells:
            assert "solution" not in exercises.tags(cell)
            assert not cell.get("outputs"), name


def test_starters_and_checks_are_kept(copy: Path):
    for path in exercises.chapters():
        whole = nbformat.read(path, as_version=4)
        made = [cell.source for cell in nbformat.read(copy / path.name, as_version=4).cells]
        for exercise in exercises.read_exercises(whole, exercises.chapter_of(path)):
            title = f"### Exercise {exercise.number}. {exercise.title}"
            assert sum(title in source for source in made) == 1
            if exercise.starter is not None:
                place = made.index(exercise.starter.source)
                assert exercise.check.source in made[place + 1 :]


def test_the_code_of_questions_is_folded(copy: Path):
    """It holds the answers."""
    for path in copy.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if "question" in exercises.tags(cell):
                assert cell.metadata.jupyter.source_hidden is True


def test_every_picture_and_page_that_a_notebook_shows_is_there(copy: Path):
    for path in copy.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                for target in re.findall(r"\]\(([\w./-]+\.\w+)(?:#[\w-]+)?\)", cell.source):
                    assert (copy / target).is_file(), f"{path.name}: {target}"


def test_the_glossary_can_be_read_as_plain_markdown(copy: Path):
    text = (copy / "glossary.md").read_text(encoding="utf-8")
    assert "\n**adjoint**\n\nSymbol $K^\\top$" in text
    assert "Kingma and Ba, 2015" in text
    for left in (":::", "{term}", "{cite"):
        assert left not in text


def test_what_notebooks_import_is_in_the_requirements(copy: Path):
    lines = (copy / "requirements.txt").read_text(encoding="utf-8").splitlines()
    needed = {re.split(r"[<>=!;\[ ]", line)[0].lower() for line in lines}
    packages = importlib.metadata.packages_distributions()
    for path in copy.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*%.*$", "    pass", cell.source))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                for name in {name.partition(".")[0] for name in names}:
                    if name != "ippy" and name not in sys.stdlib_module_names:
                        own = {package.lower() for package in packages[name]}
                        assert own & needed, f"{path.name} imports {name}"


@pytest.mark.slow
def test_a_notebook_runs_in_the_copy_with_the_package_beside_it(copy: Path):
    """With the packages of this environment but for the project itself, as for a student."""
    code = (
        "import ippy, ippy.course, ippy.checks, json, pathlib\n"
        "print(json.dumps([ippy.__file__, ippy.course.load_model().training]))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    place, training = json.loads(result.stdout.splitlines()[-1])
    assert Path(place).parent == copy.resolve() / "ippy"
    assert training is False


def test_a_second_run_changes_nothing(tmp_path: Path):
    assert student.write_files(tmp_path, FILES) == []
    before = {name: (tmp_path / name).read_bytes() for name, _ in FILES}
    assert student.write_files(tmp_path, FILES) == []
    assert {name: (tmp_path / name).read_bytes() for name, _ in FILES} == before


def test_new_versions_replace_what_the_student_has_not_touched(tmp_path: Path):
    student.write_files(tmp_path, FILES)
    (tmp_path / "01-convolution.ipynb").write_bytes(b"my work")
    new = [(name, content + b" anew") for name, content in FILES]
    assert student.write_files(tmp_path, new) == ["01-convolution.ipynb"]
    assert (tmp_path / "01-convolution.ipynb").read_bytes() == b"my work"
    assert (tmp_path / "ippy" / "noise.py").read_bytes() == b"noise anew"
    # and it stays the student's, however often this is run
    assert student.write_files(tmp_path, new) == ["01-convolution.ipynb"]
    assert (tmp_path / "01-convolution.ipynb").read_bytes() == b"my work"


def test_files_that_were_there_before_are_left(tmp_path: Path):
    (tmp_path / "README.md").write_bytes(b"notes of my own")
    (tmp_path / "ippy").mkdir()
    (tmp_path / "ippy" / "noise.py").symlink_to(tmp_path / "README.md")
    (tmp_path / "01-convolution.ipynb").mkdir()  # even a folder of that name
    assert student.write_files(tmp_path, FILES) == [name for name, _ in FILES]
    assert (tmp_path / "README.md").read_bytes() == b"notes of my own"


def test_a_file_that_the_student_deleted_comes_back(tmp_path: Path):
    student.write_files(tmp_path, FILES)
    (tmp_path / "README.md").unlink()
    assert student.write_files(tmp_path, FILES) == []
    assert (tmp_path / "README.md").read_bytes() == b"read"


@pytest.mark.parametrize("record", ["", "[]", "{", '{"README.md": 3}'])
def test_a_broken_record_costs_nobody_their_work(tmp_path: Path, record: str):
    student.write_files(tmp_path, FILES)
    (tmp_path / student.RECORD).write_text(record)
    (tmp_path / "README.md").write_bytes(b"mine")
    new = [(name, content + b" anew") for name, content in FILES]
    assert "README.md" in student.write_files(tmp_path, new)
    assert (tmp_path / "README.md").read_bytes() == b"mine"


@pytest.mark.parametrize("folder", [".", "..", "book", "book/copy", "ippy/x", "tests"])
def test_the_projects_own_folders_are_refused(folder: str):
    with pytest.raises(ValueError, match="outside of the project's own"):
        student.write_files(ROOT / folder, FILES)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    student.write_files(tmp_path, FILES)

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        student.write_files(tmp_path, [(name, content + b"!") for name, content in FILES])
    assert (tmp_path / "README.md").read_bytes() == b"read"
    assert list(tmp_path.rglob(".unfinished-*")) == []
