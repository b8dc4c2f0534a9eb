"""Two ways to the same corner, in a real browser: random pictures and weights, against torch."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from browser import Visit
from pictures import as_asset, replace

from ippy.course import blurring
from ippy.evaluation import measure
from ippy.explorers.assets import network_asset
from ippy.explorers.equivariance import Equivariance, boxes_measured
from ippy.explorers.pages import write_pages
from ippy.models import SimpleCNN

COUNT = itertools.count()
RANDOM = np.random.default_rng()


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    """A random picture in 8 bits, which the page gets in place of slice 1."""
    grey = RANDOM.integers(0, 256, size=(256, 256))
    return torch.tensor(grey, dtype=torch.float32)[None, None] / 255


@pytest.fixture(scope="module")
def model() -> SimpleCNN:
    """A network with random weights, which the page gets in place of the trained one."""
    torch.manual_seed(int(RANDOM.integers(2**31)))
    return SimpleCNN(1, 1, 8)


@pytest.fixture(scope="module")
def shared(browser, explorer_site, addresses, picture, model):
    write_pages(explorer_site, ["equivariance"])
    with Visit(browser, addresses["http"], 1000, "light") as visited:
        replace(visited, "slice/1", as_asset(picture[0, 0]))
        replace(visited, "weights/CNN", network_asset(model))
        visited.open(f"{addresses['http']}explorers/equivariance.html")
        yield visited


@pytest.fixture
def at(shared) -> Callable:
    def go(**state):
        told = "&".join(f"{key}={value}" for key, value in state.items())
        for hash in (f"#equivariance:visit={next(COUNT)}", f"#equivariance:{told}"):
            shared.page.evaluate("hash => { location.hash = hash; }", hash)
        shared.wait()
        return shared.page

    return go


def table(page) -> list[list[float]]:
    """Number of pixels, largest difference, norm: where equal by theory, and elsewhere."""
    return page.locator("tbody tr").evaluate_all(
        "r => r.map((e) => [...e.cells].slice(1).map((c) => +c.dataset.value))"
    )


def numbers(page, name: str) -> str:
    return page.locator(f"dt:text-is('{name}') + dd").inner_text()


def promised(shape, v, r: int, circular: bool) -> torch.Tensor:
    """Pixels p such that p and p − v both lie r pixels inside, one by one: Theorem 4.2."""
    height, width = shape
    mask = torch.zeros(shape, dtype=torch.bool)
    for i in range(r, height - r):
        for j in range(r, width - r):
            row, column = i - v[0], j - v[1]
            if circular:
                row, column = row % height, column % width
            mask[i, j] = r <= row < height - r and r <= column < width - r
    return mask


def map_by_torch(kind: str, padding: str, model: SimpleCNN):
    """The same map in torch, for pictures in double precision."""
    same = SimpleCNN(1, 1, 8, padding_mode=padding).double()
    same.load_state_dict(model.state_dict())
    K = blurring(padding=padding)
    known = {"CNN": same, "blur": K, "both": lambda z: same(K(z))}
    return known.get(kind) or Equivariance(function=kind, padding=padding).f


@pytest.mark.parametrize(
    ("kind", "r"),
    [("CNN", 3), ("blur", 4), ("both", 7), ("stride", 5), ("pooling", 5), ("smoothed", 9)],
)
@pytest.mark.parametrize("padding", ["zeros", "circular"])
@pytest.mark.parametrize("entering", ["circular", "zeros"])
def test_random_weights_on_a_random_picture(at, picture, model, kind, r, padding, entering):
    v = [int(RANDOM.integers(1, 60) * sign) for sign in RANDOM.permutation([2, -2])]
    explorer = Equivariance(rows=v[0], columns=v[1], entering=entering)
    page = at(slice=1, function=kind, padding=padding, entering=entering, rows=v[0], columns=v[1])
    f = map_by_torch(kind, padding, model)
    z = measure(picture, blurring(), 0.01, seed=0) if kind == "CNN" else picture
    z = z.double()
    with torch.no_grad():
        apart = (f(explorer.shift(z)) - explorer.shift(f(z)))[0, 0]
        scale = float(f(z).double().norm())
    endless = padding == entering == "circular"
    mask = (
        torch.ones(256, 256, dtype=bool)
        if endless
        else promised((256, 256), v, r, entering == "circular")
    )
    for found, where in zip(table(page), (mask, ~mask), strict=True):
        part = apart[where]
        largest = float(part.abs().max()) if len(part) else 0
        assert found[0] == int(where.sum())
        assert found[1] == pytest.approx(largest, abs=1e-5)
        assert found[2] == pytest.approx(float(part.double().norm()), abs=1e-5 * scale)
    assert table(page)[0][1] < 1e-5
    if not endless:
        assert table(page)[1][1] > 1e-3


def test_an_odd_shift_and_a_stride_differ_everywhere(at, picture, model):
    for kind in ("stride", "pooling", "smoothed"):
        page = at(slice=1, function=kind, padding="circular", rows=0, columns=3)
        f, z = map_by_torch(kind, "circular", model), picture.double()
        apart = f(z.roll(3, -1)) - f(z).roll(3, -1)
        nowhere, everywhere = table(page)
        assert nowhere[0] == 0
        expected = [65536, float(apart.abs().max()), float(apart.norm())]
        assert everywhere == pytest.approx(expected, rel=1e-5, abs=1e-5)
        assert "no multiple of the stride 2" in page.locator(".verdict").inner_text()
        assert numbers(page, "Ring") == "none explains it"
        share = float((apart.abs() > 1e-5).float().mean())
        assert float(
            numbers(page, "Pixels differing by > 1e−5").rstrip(" %\u00a0")
        ) == pytest.approx(100 * share, abs=0.06)


def test_the_mlp_is_pythons(at):
    page = at(function="mlp", rows=40, columns=-128)
    explorer = Equivariance(function="mlp", rows=40, columns=-128)
    assert explorer.v == (3, -8)
    assert numbers(page, "v") == "(3, −8)"
    apart = explorer.difference()
    expected = [256, float(apart.abs().max()), float(apart.norm())]
    assert table(page)[1] == pytest.approx(expected, abs=1e-5)
    captions = page.locator("figure .caption").all_inner_texts()
    x = boxes_measured()[0]
    for caption, answer in zip(
        captions[1:3],
        (explorer.f(explorer.shift(explorer.z)), explorer.shift(explorer.f(explorer.z))),
        strict=True,
    ):
        error = (answer - explorer.shift(x)).square().mean()
        assert float(caption.split()[0]) == pytest.approx(
            float(-10 * torch.log10(error)), abs=0.051
        )
    assert "differ everywhere" in page.locator(".verdict").inner_text()


def test_opens_on_the_two_rings_of_the_chapter(visit):
    """With the trained network and its slice: what Python finds, which is what the chapter says."""
    difference = Equivariance().difference().abs()
    share, largest = float((difference > 1e-5).float().mean()), float(difference.max())
    for width, theme in ((360, "dark"), (1280, "light")):
        with visit("equivariance", width=width, theme=theme) as visited:
            page = visited.page
            assert numbers(page, "Pixels differing by > 1e−5") == f"{100 * share:.1f}\u00a0%"
            assert numbers(page, "Ring") == "3 pixels; by theory at most 3"
            assert table(page)[1][1] == pytest.approx(largest, abs=1e-5)
            verdict = page.locator(".verdict").inner_text()
            assert "two rings of 3 pixels" in verdict and f"{largest:.4f}" in verdict
            page.wait_for_function(
                "text => document.querySelector('.ippy-unseen').textContent === text", arg=verdict
            )
            assert visited.axe() == []
            assert visited.too_wide() == []


def test_nothing_moved_and_nothing_bordered_agree(at):
    page = at(rows=0, columns=0)
    assert "Nothing has been moved" in page.locator(".verdict").inner_text()
    assert table(page)[0] == [65536, 0, 0]
    page = at(padding="circular")
    assert "agree at every pixel" in page.locator(".verdict").inner_text()
    assert numbers(page, "Ring").startswith("0 pixels")


def test_dragging_moves_the_picture_and_its_numbers(at, shared):
    page = at(rows=0, columns=0)
    canvas = page.locator("canvas").first
    before = canvas.evaluate("c => c.toDataURL()")
    canvas.focus()
    for key in ("ArrowDown", "Shift+ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    shared.wait()
    assert numbers(page, "v") == "(1, 9)"
    assert page.get_by_label("v, columns right").input_value() == "9"
    assert canvas.evaluate("c => c.toDataURL()") != before
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 50, box["y"] + 50 + box["height"] / 4, steps=4)
    page.mouse.up()
    shared.wait()
    assert numbers(page, "v") == "(65, 9)"
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 50, box["y"] + 50 + box["height"] / 2, steps=4)
    page.mouse.up()
    shared.wait()
    assert numbers(page, "v") == "(−63, 9)"  # over the edge and in again
    page = at(function="mlp", rows=0, columns=0)
    canvas.focus()
    page.keyboard.press("ArrowRight")
    shared.wait()
    assert numbers(page, "v") == "(0, 1)"
