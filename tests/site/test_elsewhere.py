"""The notebooks run to their end on other data and with another blur, as a reader runs them.

Slow, since every notebook is executed twice more: `python run.py elsewhere`.
"""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

BOOK = Path(__file__).resolve().parents[2] / "book"
OTHER_BLUR = "from ippy import course\ncourse.BLUR.update(kernel_size=7, motion_angle=100.0)"


@pytest.fixture(scope="session")
def other_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set in the user's layout, of slices that the embedded data do not hold."""
    from ippy.phantoms import phantom

    root = tmp_path_factory.mktemp("slices")
    for split, seeds in (("train", range(900_000, 900_008)), ("test", range(910_000, 910_003))):
        folder = root / split / "P1"
        folder.mkdir(parents=True)
        for number, seed in enumerate(seeds):
            grey = (phantom(seed, size=256) * 255).round().astype("uint8")
            Image.fromarray(grey).save(folder / f"{number}.png")
    return root


def run(notebook: Path, folder: Path, first_cell: str = "") -> None:
    content = nbformat.read(notebook, as_version=4)
    if first_cell:
        content.cells.insert(0, nbformat.v4.new_code_cell(first_cell))
    NotebookClient(
        content, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


@pytest.mark.elsewhere
@pytest.mark.parametrize("notebook", sorted(BOOK.glob("*.ipynb")), ids=lambda p: p.stem)
def test_on_other_data_from_another_folder(
    notebook: Path, other_slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("IPPY_DATA", str(other_slices))
    run(notebook, tmp_path)


@pytest.mark.elsewhere
@pytest.mark.parametrize("notebook", sorted(BOOK.glob("*.ipynb")), ids=lambda p: p.stem)
def test_with_another_blur(notebook: Path, tmp_path: Path):
    run(notebook, tmp_path, OTHER_BLUR)
