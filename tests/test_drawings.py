"""The drawings of the book show the numbers of its cells, and are what their scripts draw."""

import importlib.util
import json
import sys
from itertools import chain
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
import scipy.ndimage
import scipy.signal
import torch

from ippy.operators import Blurring

BOOK = Path(__file__).resolve().parent.parent / "book"
DRAWINGS = {
    "convolution": ["convolution.svg", "sizes.svg", "paddings.svg"],
    "equivariance": ["equivariance.svg", "ring.svg"],
}
SVG = "{http://www.w3.org/2000/svg}"


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load book/figures/NAME.py, which imports the drawing tools that lie beside it."""
    monkeypatch.syspath_prepend(str(BOOK / "figures"))
    spec = importlib.util.spec_from_file_location(f"drawings_{name}", BOOK / f"figures/{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(name: str) -> list[str]:
    tree = ElementTree.parse(BOOK / "figures" / name)
    return ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]


def worked_example() -> dict[str, torch.Tensor]:
    """What the cell of chapter 1 that is tagged `worked-example` computes."""
    cells = json.loads((BOOK / "01-convolution.ipynb").read_text(encoding="utf-8"))["cells"]
    (cell,) = [c for c in cells if "worked-example" in c["metadata"].get("tags", [])]
    names: dict[str, torch.Tensor] = {"torch": torch}
    exec("".join(cell["source"]), names)
    return names


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_what_their_script_draws(name, monkeypatch, tmp_path):
    module = script(name, monkeypatch)
    monkeypatch.setattr(sys.modules["networks"], "FOLDER", tmp_path)
    for function in vars(module).values():
        if (
            getattr(function, "__module__", "") == module.__name__
            and function.__name__ != "picture"
        ):
            function()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(DRAWINGS[name])
    for drawing in DRAWINGS[name]:
        stored = (BOOK / "figures" / drawing).read_text(encoding="utf-8")
        assert (tmp_path / drawing).read_text(encoding="utf-8") == stored, f"run {name}.py again"


def test_drawing_and_cell_compute_with_the_same_numbers(monkeypatch):
    module, cell = script("convolution", monkeypatch), worked_example()
    assert torch.equal(module.X, cell["image"].long())
    assert torch.equal(module.KERNEL, cell["kernel"].long())
    i, j = module.PIXEL
    y = Blurring((6, 6), kernel=cell["kernel"])(cell["image"])
    assert int(y[i, j]) == int(cell["products"].sum())
    assert f"sum {int(y[i, j])}" in words("convolution.svg")


def test_each_drawing_says_what_it_shows_and_brings_its_own_ground():
    for name in chain.from_iterable(DRAWINGS.values()):
        root = ElementTree.parse(BOOK / "figures" / name).getroot()
        assert root.find(f"{SVG}title").text and len(root.find(f"{SVG}desc").text) > 80
        ground = next(root.iter(f"{SVG}rect"))
        assert ground.get("fill") == "#fbfaf6"
        assert (ground.get("width"), ground.get("height")) == (
            root.get("width"),
            root.get("height"),
        )
        sizes = [float(text.get("font-size")) for text in root.iter(f"{SVG}text")]
        assert min(sizes) >= 12 and float(root.get("width")) <= 720


def test_libraries_lean_to_different_sides_with_an_even_kernel():
    """Chapter 1 says so, and does not need scipy to be read."""
    point, box = torch.zeros(7, 7), torch.full((2, 2), 0.25)
    point[3, 3] = 1
    ours = Blurring((7, 7), kernel=box)(point)
    image = scipy.ndimage.convolve(point.numpy(), box.numpy(), mode="constant")
    signal = scipy.signal.convolve2d(point.numpy(), box.numpy(), mode="same")
    assert torch.equal(ours, torch.from_numpy(image))
    assert torch.equal(ours.roll((1, 1), (0, 1)), torch.from_numpy(signal))
