"""The notebooks that the pages offer, as they are read elsewhere: in JupyterLab, Colab, an editor.

There the book's directives mean nothing and its folder of drawings is far away. So exercises and
solutions get headings, and drawings lie within. JupyterLab folds the solutions.
"""

import sys
from pathlib import Path
from typing import Any

import nbformat

sys.path.insert(0, str(Path(__file__).parents[1]))
import exercises  # book/exercises.py


def offer(site: Path, book: Path) -> None:
    """Write them in place of the copies that Sphinx has made of the notebooks in `book`."""
    for source in sorted(book.glob("*.ipynb")):
        copy = site / "_sources" / "book" / source.name
        # A page that Sphinx has written again comes with a fresh copy; any other has been here.
        if copy.is_file() and copy.read_bytes() == source.read_bytes():
            notebook = nbformat.read(source, as_version=4)
            text = nbformat.writes(to_go(notebook, exercises.chapter_of(source)))
            copy.write_text(text + "\n", encoding="utf-8", newline="\n")


def to_go(notebook: Any, chapter: int | None) -> Any:
    """A copy of the notebook to be read without the book."""
    plain = exercises.in_plain_markdown(notebook, chapter, solutions=True)
    result = exercises.with_drawings(plain)
    cells = []
    for cell in result.cells:
        if cell.cell_type == "markdown" and cell.source.startswith(exercises.SOLUTION):
            heading, _, text = cell.source.partition("\n")
            title = nbformat.v4.new_markdown_cell(heading, id=f"{cell.id}-title"[-64:])
            title.metadata["jp-MarkdownHeadingCollapsed"] = True
            cells.append(title)
            cell.source = text.strip("\n")
        cells.append(cell)
    result.cells = [cell for cell in cells if cell.source.strip()]
    return result
