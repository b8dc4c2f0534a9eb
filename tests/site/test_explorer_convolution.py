"""The convolution of a slice in a real browser: random pictures and kernels, against torch."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from browser import Visit
from pictures import as_asset, replace

from ippy.course import blurring, datasets
from ippy.explorers.convolution import PADDINGS, Convolution, named_kernel
from ippy.explorers.pages import write_pages

COUNT = itertools.count()
RANDOM = np.random.default_rng()
MODES = {
    "zeros": "constant",
    "circular": "circular",
    "reflect": "reflect",
    "replicate": "replicate",
}


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    """A random picture in 8 bits, which the page gets in place of slice 1."""
    grey = RANDOM.integers(0, 256, size=(256, 256))
    return torch.tensor(grey, dtype=torch.float32) / 255


@pytest.fixture(scope="module")
def shared(browser, explorer_site, addresses, picture):
    write_pages(explorer_site, ["convolution"])
    with Visit(browser, addresses["http"], 1000, "light") as visited:
        replace(visited, "slice/1", as_asset(picture))
        visited.open(f"{addresses['http']}explorers/convolution.html")
        yield visited


@pytest.fixture
def at(shared) -> Callable:
    """at(padding="reflect"): the page in that state, everything else as it is at first."""

    def go(**state):
        told = "&".join(f"{key}={value}" for key, value in state.items())
        for hash in (f"#convolution:visit={next(COUNT)}", f"#convolution:{told}"):
            shared.page.evaluate("hash => { location.hash = hash; }", hash)
        shared.wait()
        return shared.page

    return go


def table(page) -> dict[str, list[float]]:
    """Padding → RMS in the ring, worst there, worst further in, as the page has computed them."""
    rows = page.locator("tbody tr").evaluate_all(
        """r => r.map((e) =>
             [e.cells[0].textContent, ...[...e.cells].slice(1).map((c) => +c.dataset.value)])"""
    )
    return {name: numbers for name, *numbers in rows}


def by_torch(x: torch.Tensor, kernel: torch.Tensor, flip: bool, top: int, left: int):
    """The same numbers, from conv2d."""
    r = kernel.shape[-1] // 2
    w = (kernel.flip(0, 1) if flip else kernel)[None, None].double()
    x = x[None, None].double()
    cut = (..., slice(top, top + 64), slice(left, left + 64))
    truth = F.conv2d(x, w, padding=r)[cut][0, 0]
    ring = torch.ones(64, 64, dtype=torch.bool)
    ring[r : 64 - r, r : 64 - r] = False
    found = {}
    for padding, mode in MODES.items():
        error = (F.conv2d(F.pad(x[cut], (r,) * 4, mode=mode), w)[0, 0] - truth).abs()
        rms, worst = error[ring].square().mean().sqrt(), error[ring].max()
        found[padding] = [float(rms), float(worst), float(error[~ring].max())]
    return found


def test_opens_on_the_numbers_of_the_chapter(at):
    found = table(at())
    for padding, rms in {
        "zeros": 0.0613,
        "circular": 0.0294,
        "reflect": 0.0246,
        "replicate": 0.0165,
    }.items():
        assert found[padding][0] == pytest.approx(rms, abs=5e-5)
    x = datasets()[1][0][0]
    expected = by_torch(x, blurring().kernel[0, 0], True, 128, 96)
    for padding in PADDINGS:
        assert found[padding] == pytest.approx(expected[padding], abs=1e-5)


@pytest.mark.parametrize("size", [3, 7, 11])
@pytest.mark.parametrize("operation", ["convolution", "cross-correlation"])
def test_random_kernel_on_a_random_picture(at, picture, size: int, operation: str):
    taps = RANDOM.normal(size=size * size)
    taps = np.round(taps / abs(taps).sum(), 6)  # answers of size 1, for pictures in [0, 1]
    top, left = RANDOM.integers(0, 193, size=2).tolist()
    page = at(
        slice=1,
        kernel_type="painted",
        kernel_size=size,
        taps=",".join(map(str, taps)),
        normalised=0,
        operation=operation,
        top=top,
        left=left,
    )
    kernel = torch.tensor(taps).reshape(size, size)
    expected = by_torch(picture, kernel, operation == "convolution", top, left)
    found = table(page)
    for padding in PADDINGS:
        assert found[padding] == pytest.approx(expected[padding], abs=1e-5)


@pytest.mark.parametrize("name", Convolution.kernel_type.choices(Convolution()))
def test_every_named_kernel_is_pythons(at, picture, name: str):
    page = at(slice=1, kernel_type=name, kernel_size=7, angle=70, variance=3)
    if name == "painted":
        kernel = F.pad(torch.ones(1, 1), (3, 3, 3, 3))
    else:
        kernel = named_kernel(name, 7, 70, 3)
    labels = page.locator("[role=gridcell]").evaluate_all("c => c.map((e) => e.ariaLabel)")
    shown = [float(label.partition(": ")[2].replace("−", "-")) for label in labels]
    assert shown == pytest.approx(kernel.flatten().tolist(), abs=6e-4)
    expected = by_torch(picture, kernel, True, 128, 96)
    assert table(page)["reflect"] == pytest.approx(expected["reflect"], abs=1e-5)
    told = page.locator("dl.readout dd").all_inner_texts()
    symmetric = torch.allclose(kernel, kernel.flip(0, 1), atol=1e-6)
    assert told[2] == ("leaves it" if symmetric else "changes it")
    assert float(told[0].replace("−", "-")) == pytest.approx(float(kernel.sum()), abs=6e-3)


def test_the_ring_is_as_wide_as_the_kernels_reach(at):
    assert "The errors reach 4 pixels into the cut-out" in at().inner_text("body")
    assert "The errors reach 2 pixels" in at(kernel_size=5, angle=0).inner_text("body")
    assert "No errors here" in at(kernel_type="identity").inner_text("body")
    assert "made with zeros" in at(top=192, left=0).inner_text("body")
    assert "made with zeros" not in at(top=188, left=4).inner_text("body")


def test_painting_by_mouse_and_by_keys(at):
    page = at(kernel_type="identity", kernel_size=3)
    cells = page.locator("[role=gridcell]")
    cells.nth(5).click()
    page.wait_for_function(
        "() => document.querySelector('select').selectedOptions[0].text === 'painted by you'"
    )
    assert cells.nth(5).get_attribute("aria-label") == "row 1, column 2: 0.500"
    cells.nth(5).click()  # once more: away with it
    page.wait_for_selector("[aria-label='row 1, column 2: 0.000']")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    page.wait_for_selector("[aria-label='row 2, column 2: 0.500']:focus")
    page.keyboard.press("Delete")
    page.wait_for_selector("[aria-label='row 2, column 2: 0.000']:focus")
    boxes = [cells.nth(n).bounding_box() for n in (0, 1, 2)]
    middles = [(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2) for b in boxes]
    page.mouse.move(*middles[0])
    page.mouse.down()
    for middle in middles[1:]:
        page.mouse.move(*middle)
    page.mouse.up()
    page.wait_for_selector("[aria-label='row 0, column 2: 0.250']")
    page.get_by_label("Divide by the sum").uncheck()
    page.wait_for_selector("[aria-label='row 0, column 2: 1.000']")


def test_a_touched_blur_stays_the_same_blur(at):
    """Painting a cell of the motion kernel away and back gives the numbers from before."""
    page = at()
    before = table(page)["zeros"]
    cell = page.locator("[role=gridcell]").nth(40)
    weight = cell.get_attribute("aria-label")
    cell.click()  # the largest weight becomes 1, which it is: nothing changes
    page.wait_for_selector("text=Your kernel.")
    page.wait_for_timeout(50)
    assert cell.get_attribute("aria-label") == weight
    assert table(page)["zeros"] == pytest.approx(before, abs=1e-5)


def test_what_is_drawn_follows_the_controls(at, shared):
    def drawn(n: int) -> str:
        return page.locator("canvas:not(.bar-colours)").nth(n).evaluate("c => c.toDataURL()")

    page = at()
    first = [drawn(n) for n in range(5)]
    page.get_by_label("reflect").check()
    shared.wait()
    second = [drawn(n) for n in range(5)]
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, True, False, True, False]
    page.get_by_label("Angle of the motion").fill("90")
    shared.wait()
    third = [drawn(n) for n in range(5)]
    assert [a == b for a, b in zip(second, third, strict=True)] == [
        True,
        False,
        False,
        False,
        False,
    ]
    page.locator("canvas").first.focus()
    page.keyboard.press("Shift+ArrowDown")
    shared.wait()
    assert drawn(0) != third[0]
    page.get_by_text("Link to this view").click()
    assert "top=138" in page.url and "angle=90" in page.url


def test_a_size_that_is_even_is_told(at):
    assert "must be odd" in at(kernel_size=4).locator(".ippy-problem").inner_text()
    assert not at().locator(".ippy-problem").is_visible()


def test_it_is_accessible_and_fits_a_phone(visit):
    for width, theme in ((360, "dark"), (1280, "light")):
        hash = "#convolution:kernel_type=painted&kernel_size=11"
        with visit("convolution", width=width, theme=theme, hash=hash) as visited:
            assert visited.axe() == []
            assert visited.too_wide() == []
