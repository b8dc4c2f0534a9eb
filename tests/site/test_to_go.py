"""The notebooks that the pages offer, in JupyterLab: pictures are there, nothing is left raw."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from lab import jupyter_lab

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))
from finish import notebooks  # noqa: E402  found through the line above

BOOK = ROOT / "book"
NAMES = sorted(path.name for path in BOOK.glob("*.ipynb"))


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site's sources, as Sphinx fills it, after the step."""
    site = tmp_path_factory.mktemp("to go")
    folder = site / "_sources" / "book"
    folder.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(BOOK / name, folder)
    notebooks.offer(site, BOOK)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_what_is_offered_is_the_notebook_in_plain_markdown(offered: Path, name: str):
    given = nbformat.read(BOOK / name, as_version=4)
    taken = nbformat.read(offered / name, as_version=4)
    nbformat.validate(taken)
    code = [
        [(cell.id, cell.source, cell.outputs) for cell in made.cells if cell.cell_type == "code"]
        for made in (given, taken)
    ]
    assert code[0] == code[1]
    for cell in taken.cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"^:::|\{\w[\w:-]*\}`|^\([\w-]+\)=", cell.source, re.MULTILINE)
            assert "](figures/" not in cell.source
    ids = [cell.id for cell in taken.cells]
    assert len(set(ids)) == len(ids)


def test_doing_it_again_changes_nothing(offered: Path):
    before = {path.name: path.read_bytes() for path in offered.iterdir()}
    notebooks.offer(offered.parents[1], BOOK)
    assert {path.name: path.read_bytes() for path in offered.iterdir()} == before


@pytest.mark.slow
def test_jupyterlab_shows_every_drawing_and_folds_the_solutions(
    browser, offered: Path, tmp_path: Path
):
    """The Markdown of a chapter, from the file alone: no folder of drawings beside it."""
    name = "03-end-to-end.ipynb"
    notebook = nbformat.read(offered / name, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    nbformat.write(notebook, tmp_path / name)
    drawings = (BOOK / name).read_text(encoding="utf-8").count("](figures/")
    solutions = sum(cell.source.startswith("#### Solution") for cell in notebook.cells)
    with jupyter_lab(tmp_path) as address:
        page = browser.new_context(viewport={"width": 1400, "height": 20_000}).new_page()
        page.goto(f"{address}lab/tree/{name}?reset")
        page.wait_for_function(
            """(wanted) => [...document.querySelectorAll(".jp-RenderedMarkdown img")]
                .filter((image) => image.alt && image.naturalWidth > 600).length === wanted""",
            arg=drawings,
            timeout=90_000,
        )
        folded = page.get_by_text(re.compile(r"\d+ cells? hidden"))
        folded.nth(solutions - 1).wait_for(timeout=60_000)
        assert folded.count() == solutions > 10
        page.context.close()
