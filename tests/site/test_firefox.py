"""The whole site once more in another browser: all there, all alive, the same numbers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browser import DESKTOP, PHONE, Visit, serve
from calculator import Calculator
from crawl import EMPTY_PICTURES, PAGES, SIDEWAYS, UNTYPESET, settle

from ippy.explorers import names
from ippy.models import SimpleCNN

# Of a file that is missing on disk Firefox tells nobody but the element that asked for it.
MISSING = """addEventListener("error", ({target}) => target !== window
    && console.error(`missing: ${target.src ?? target.href}`), true);"""
DARK = """location.protocol === "http:"
    && ["mode", "theme"].forEach((key) => localStorage.setItem(key, "dark"))"""
# For each explorer a slider that changes both what is drawn and what is told.
SLIDERS = {
    "activations": "Noise level",
    "convolution": "Angle of the motion",
    "equivariance": "v, rows down",
    "laboratory": "Angle",
    "network": "Row of the pixel",
    "window": "Kernel size m",
}
DRAWN = """() => [...document.querySelectorAll(".ippy-alive :is(canvas, svg, table)")]
    .map((e) => e.toDataURL?.() ?? e.outerHTML)"""
# The numbers, but for those beside the sliders.
TOLD = """() => {
    const body = document.querySelector(".ippy-alive .ippy-body").cloneNode(true);
    body.querySelectorAll("output").forEach((output) => output.remove());
    return body.textContent.match(/\\d+(\\.\\d+)?/g);
}"""


@pytest.fixture(scope="module", params=["file", "http"])
def window(request: pytest.FixtureRequest, firefox, site: Path) -> Iterator[Visit]:
    """A window on the site: from disk, light and wide; from a server, dark and narrow."""
    with serve(site) as http:
        over = {"file": (site.as_uri() + "/", DESKTOP), "http": (http, PHONE)}
        with Visit(firefox, *over[request.param], "light") as visit:
            visit.page.add_init_script(MISSING)
            if request.param == "http":
                visit.page.add_init_script(DARK)
            yield visit


# What computes does so alike, wherever the page has come from; from disk it is harder.
from_disk = pytest.mark.parametrize("window", ["file"], indirect=True)


@pytest.mark.parametrize("name", PAGES)
def test_all_is_there_and_nothing_else_is_asked_for(window: Visit, name: str):
    page = window.open(f"{window.allowed}{name}.html")
    settle(page)
    faults, window.faults = window.faults, []
    assert faults == []
    assert page.evaluate(UNTYPESET) == [], "formulas that stayed as they were written"
    assert page.evaluate(EMPTY_PICTURES) == []
    assert page.evaluate(SIDEWAYS) == []


@from_disk
@pytest.mark.parametrize("name", names())
def test_an_explorer_follows_its_slider(window: Visit, name: str):
    page = window.open(f"{window.allowed}explorers/{name}.html")
    drawn, told = page.evaluate(DRAWN), page.evaluate(TOLD)
    page.get_by_label(SLIDERS[name], exact=True).locator("visible=true").focus()
    page.keyboard.press("ArrowRight")
    window.wait()
    assert page.evaluate(DRAWN) != drawn
    assert page.evaluate(TOLD) != told


@from_disk
@pytest.mark.parametrize("kind", ["relaxed", "simd", "js"])
def test_its_numbers_are_torchs(window: Visit, kind: str):
    page = window.open(f"{window.allowed}explorers/window.html")
    model = SimpleCNN(1, 1, 32, final_activation="tanh", residual=True)
    y = torch.rand(64, 80)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.8)  # so that the answers are of size 1, and 1e-5 means something
        first = model.conv1(y[None, None]).relu()
        second = model.conv2(first).relu()
        x_hat = y + model.conv3(second)[0, 0].tanh()
    found = Calculator(page, kind).network(model, y, {"maps": True})
    for ours, theirs in zip(found["maps"][:2], (first[0], second[0]), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(found["x_hat"], x_hat, atol=1e-5, rtol=0)
