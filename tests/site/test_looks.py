"""What the book's own style sheet promises to the eye, as a browser shows it."""

from pathlib import Path

import pytest
from browser import PHONE, Visit

CHAPTER = "02-cnn"
# Code of the text; that of an exercise stands in a box, which takes a few letters of its room.
SCROLLING = """() => [...document.querySelectorAll(".cell_input pre")]
    .filter((code) => !code.closest(".admonition") && code.scrollWidth > code.clientWidth + 1)
    .map((code) => code.textContent.slice(0, 60))"""
FILTERS = """() => [...document.querySelectorAll(".bd-article img")]
    .map((image) => [image.classList.contains("ippy-ink"), getComputedStyle(image).filter])"""


@pytest.mark.parametrize("width", [1240, 1280, 1366, 1440])
def test_no_line_of_code_scrolls_where_the_window_has_room(browser, site: Path, width: int):
    with Visit(browser, site.as_uri(), width, "light") as visit:
        page = visit.open(f"{site.as_uri()}/book/{CHAPTER}.html")
        assert page.locator(".bd-sidebar-secondary").is_visible()
        assert page.evaluate(SCROLLING) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_are_light_on_dark_in_the_dark_and_slices_stay_as_they_are(
    browser, site: Path, theme: str
):
    with Visit(browser, site.as_uri(), 1280, theme) as visit:
        found = visit.open(f"{site.as_uri()}/book/{CHAPTER}.html").evaluate(FILTERS)
    assert {ink for ink, _ in found} == {True, False}
    for ink, shown in found:
        assert ("invert" in shown) == (ink and theme == "dark")


def test_a_phone_shows_both_names_and_the_curtain_on_its_first_screen(browser, site: Path):
    with Visit(browser, site.as_uri(), PHONE, "light") as visit:
        page = visit.open(f"{site.as_uri()}/book/index.html")
        names = page.locator(".curtain .bar-numbers").bounding_box()
        picture = page.locator(".curtain canvas").bounding_box()
        slider = page.get_by_label("Move the curtain").bounding_box()
        assert names and picture and slider
        assert names["y"] < picture["y"] < slider["y"] < 740 - slider["height"]
