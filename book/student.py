"""Write the students' copy of the notebooks: no solutions, no outputs, ready to be run.

    python run.py student FOLDER

The folder holds the notebooks, drawings within, the package `ippy` with its weights, the list of
what has to be installed, and a README. Run it again after the book has changed: what a student has
changed meanwhile is never overwritten, and the last lines say which files these are.
"""

import argparse
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
import exercises  # they lie beside this file
import files

ROOT = Path(__file__).resolve().parent.parent
# What was written by this program, by name: a file with another hash is the student's own.
RECORD = ".written.json"
PAGES = ("glossary.md", "limits.md", "notation.md")
README = """# How convolutional networks restore images: your copy

    python -m venv .venv
    .venv/bin/pip install -r requirements.txt      (Windows: .venv\\Scripts\\pip)
    .venv/bin/jupyter lab 01-convolution.ipynb     (Windows: .venv\\Scripts\\jupyter)

Run a notebook from its top, cell by cell. In an exercise, replace the line that raises
`NotImplementedError`, run that cell and then the one below it, which tells you what it thinks of
your answer. New to PyTorch? Begin with `primer.ipynb`.

The first run draws the synthetic CT slices of the course and keeps them; this takes a minute. Your
own slices: set the variable `IPPY_DATA` to a folder that holds `train` and `test`. The package
`ippy` lies beside the notebooks, to be opened and read.
"""


def student_notebook(path: Path) -> str:
    """The text of one notebook as a student gets it."""
    notebook = nbformat.read(path, as_version=4)
    try:
        notebook = exercises.in_plain_markdown(notebook, exercises.chapter_of(path))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    notebook = exercises.with_drawings(exercises.without_outputs(notebook))
    for cell in notebook.cells:
        # The code of a question gives its answer away; JupyterLab folds it.
        if {"remove-input", "hide-input"} & set(exercises.tags(cell)):
            cell.metadata["jupyter"] = {"source_hidden": True}
    return nbformat.writes(notebook) + "\n"


def student_page(path: Path) -> str:
    """The text of a page that the notebooks link to, for readers without the book's directives."""
    text = exercises.without_roles(path.read_text(encoding="utf-8"))
    inside = re.search(r"^:::\{glossary\}\n(.*?)^:::$", text, re.DOTALL | re.MULTILINE)
    if inside:
        entries = re.sub(r"^(\S.*)$", r"**\1**\n", inside[1], flags=re.MULTILINE)
        text = text.replace(inside[0], re.sub(r"^  ", "", entries, flags=re.MULTILINE))
    return text


def requirements() -> str:
    """The packages that the notebooks need, as pyproject.toml names them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    return "".join(f"{line}\n" for line in sorted(needed))


def contents() -> Iterator[tuple[str, bytes]]:
    """Every file of the copy: its name in the folder, with slashes, and what it holds."""
    book = ROOT / "book"
    for path in sorted(book.glob("*.ipynb")):
        yield path.name, student_notebook(path).encode()
    for name in PAGES:
        yield name, student_page(book / name).encode()
    for path in sorted((ROOT / "ippy").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(ROOT).as_posix(), path.read_bytes()
    for path in sorted((ROOT / "weights").iterdir()):
        if path.suffix in {".pth", ".json", ".safetensors"}:
            yield f"ippy/_weights/{path.name}", path.read_bytes()
    yield "requirements.txt", requirements().encode()
    yield "README.md", README.encode()


def write_files(folder: Path, wanted: Iterable[tuple[str, bytes]]) -> list[str]:
    """Write files to `folder`; return the names of those that were changed there and are left.

    Raises ValueError if the folder is the project itself or lies within its book or package, and
    OSError if one cannot be written; the same call then goes on where it stopped.
    """
    folder = folder.resolve()
    if folder in (ROOT, *ROOT.parents) or any(
        (ROOT / own) in (folder, *folder.parents) for own in ("book", "ippy", "tests", "weights")
    ):
        raise ValueError(f"the folder must lie outside of the project's own, got {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    record, kept = _read_record(folder / RECORD), []
    for name, content in wanted:
        path, digest = folder / name, hashlib.sha256(content).hexdigest()
        if path.is_symlink() or path.exists():
            there = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            if there is None or there not in (record.get(name), digest):
                kept.append(name)
                continue
        record[name] = digest
        files.write(path, content)
        # After every file: a run that is stopped must not take its own files for the student's.
        if name.endswith(".ipynb"):
            files.write(folder / RECORD, _as_json(record))
    files.write(folder / RECORD, _as_json(record))
    return kept


def _read_record(path: Path) -> dict[str, str]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}  # then every file that differs is taken for the student's
    return record if isinstance(record, dict) else {}


def _as_json(record: dict[str, str]) -> bytes:
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def main() -> int:
    parser = argparse.ArgumentParser(
        "python run.py student", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="where the copy goes")
    folder = parser.parse_args().folder
    try:
        kept = write_files(folder, contents())
    except (OSError, ValueError) as error:
        print(f"The copy was not made: {error}", file=sys.stderr)
        return 1
    print(f"The students' copy is in {folder}.")
    if kept:
        print("Left as they are, because they have been changed there:")
        print("".join(f"  {name}\n" for name in kept), end="")
        print("To get the new version of one, move it away and run this again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
