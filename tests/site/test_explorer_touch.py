"""Fingers on a phone: what they drag and pinch, and that the page still scrolls under them."""

import re

import pytest
from browser import PHONE, Visit
from playwright.sync_api import Locator, Page

STEPS = 8
Point = tuple[float, float]


class Fingers:
    """Fingers on the screen of a visited page, through which the browser's own gestures work."""

    def __init__(self, visited: Visit) -> None:
        self.page = visited.page
        self.session = visited.context.new_cdp_session(visited.page)

    def drag(self, *ways: tuple[Point, Point]) -> None:
        """One finger for each way (from, to), all at the same time."""
        starts, ends = zip(*ways, strict=True)
        for n in range(1, len(ways) + 1):  # nobody puts two fingers down at the same time
            self._send("touchStart", starts[:n])
        for step in range(1, STEPS + 1):
            part = step / STEPS
            places = [
                (x + part * (to_x - x), y + part * (to_y - y))
                for (x, y), (to_x, to_y) in zip(starts, ends, strict=True)
            ]
            self._send("touchMove", places)
            self.page.wait_for_timeout(20)  # a frame, in which the page may begin to scroll
        self.page.wait_for_timeout(100)  # a finger lifted at once would leave the page sliding
        self._send("touchMove", ends)
        self._send("touchEnd", [])
        self.page.wait_for_timeout(50)

    def _send(self, kind: str, places) -> None:
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.fixture
def on_phone(visit):
    """on_phone("demo"): a page under one's fingers."""

    def open_explorer(name: str, **more):
        visited = visit(name, width=PHONE, has_touch=True, is_mobile=True, **more)
        return visited, visited.page, Fingers(visited)

    return open_explorer


def at(element: Locator, right: float = 0.5, down: float = 0.5) -> Point:
    """A point of an element that is in sight, from its left upper corner, in shares of it."""
    box = element.bounding_box()
    return box["x"] + right * box["width"], box["y"] + down * box["height"]


def in_the_middle(element: Locator) -> Locator:
    element.evaluate("e => e.scrollIntoView({block: 'center'})")
    return element


def zoom(page: Page) -> float:
    told = page.locator(".control", has=page.get_by_label("Zoom", exact=True)).locator("output")
    return float(told.inner_text().rstrip("×"))


def readout(page: Page, name: str) -> str:
    pair = page.locator(".readout div", has=page.get_by_text(name, exact=True))
    return pair.locator("dd").inner_text()


def pixels(canvas: Locator) -> str:
    return canvas.evaluate("canvas => canvas.toDataURL()")


def test_a_finger_on_a_picture_scrolls_the_page(on_phone):
    visited, page, fingers = on_phone("demo")
    with visited:
        canvas = in_the_middle(page.locator('canvas[aria-label="Slice x"]'))
        before = page.evaluate("scrollY")
        fingers.drag((at(canvas, 0.5, 0.9), at(canvas, 0.5, 0.1)))
        assert page.evaluate("scrollY") > before + 50
        assert readout(page, "Pixel") == "–", "no pixel was picked on the way"
        page.touchscreen.tap(*at(in_the_middle(canvas), 0.25, 0.5))
        assert re.fullmatch(r"12[78], 6[345]", readout(page, "Pixel"))


def test_a_finger_takes_a_picture_along(on_phone):
    visited, page, fingers = on_phone("demo")
    with visited:
        canvas = in_the_middle(page.locator('canvas[aria-label="Signed error"]'))
        before = page.evaluate("scrollY")
        fingers.drag((at(canvas, 0.2, 0.2), at(canvas, 0.2, 0.7)))
        rows, columns = map(int, readout(page, "Moved").split(","))
        assert (abs(rows - 128) <= 1, columns) == (True, 0)
        assert page.evaluate("scrollY") == before


WIDER = {
    "both move": (((0.4, 0.5), (0.3, 0.5)), ((0.6, 0.5), (0.7, 0.5))),
    "one rests": (((0.3, 0.5), (0.3, 0.5)), ((0.5, 0.5), (0.7, 0.5))),
    "one rests, the other goes up": (((0.5, 0.8), (0.5, 0.8)), ((0.5, 0.6), (0.5, 0.4))),
}


@pytest.mark.parametrize("ways", WIDER.values(), ids=WIDER)
def test_two_fingers_enlarge_the_picture_and_not_the_page(on_phone, ways):
    visited, page, fingers = on_phone("demo")
    with visited:
        canvas = in_the_middle(page.locator('canvas[aria-label="Slice x"]'))
        before = page.evaluate("[scrollY, visualViewport.scale]")
        fingers.drag(*((at(canvas, *start), at(canvas, *end)) for start, end in ways))
        assert zoom(page) == pytest.approx(2, abs=0.15)
        assert page.evaluate("[scrollY, visualViewport.scale]") == before


def test_what_lies_between_two_fingers_stays_there(on_phone):
    visited, page, fingers = on_phone("demo")
    with visited:
        canvas = in_the_middle(page.locator('canvas[aria-label="Slice x"]'))
        fingers.drag(
            (at(canvas, 0.2, 0.25), at(canvas, 0.1, 0.25)),
            (at(canvas, 0.3, 0.25), at(canvas, 0.4, 0.25)),
        )
        assert zoom(page) == pytest.approx(3, abs=0.2)
        page.touchscreen.tap(*at(canvas, 0.25, 0.25))
        row, column = map(int, readout(page, "Pixel").split(","))
        assert abs(row - 64) <= 3 and abs(column - 64) <= 3


def test_a_finger_moves_what_is_enlarged_and_then_scrolls_again(on_phone):
    visited, page, fingers = on_phone("demo")
    with visited:
        page.get_by_label("Zoom", exact=True).fill("2")
        canvas = in_the_middle(page.locator('canvas[aria-label="Slice x"]'))
        before, drawn = page.evaluate("scrollY"), pixels(canvas)
        fingers.drag((at(canvas, 0.5, 0.8), at(canvas, 0.5, 0.3)))
        assert page.evaluate("scrollY") == before
        assert pixels(canvas) != drawn
        page.get_by_label("Zoom", exact=True).fill("0")
        in_the_middle(canvas)
        before = page.evaluate("scrollY")
        fingers.drag((at(canvas, 0.5, 0.9), at(canvas, 0.5, 0.1)))
        assert page.evaluate("scrollY") > before + 50


def test_a_finger_draws_the_curtain(on_phone):
    visited, page, fingers = on_phone("demo")
    with visited:
        canvas = in_the_middle(page.locator(".curtain canvas"))
        fingers.drag((at(canvas, 0.5), at(canvas, 0.9)))
        slider = page.get_by_label("Before and after")
        assert abs(float(slider.input_value()) - 90) <= 2
        before = page.evaluate("scrollY")
        fingers.drag((at(canvas, 0.5, 0.9), at(canvas, 0.5, 0.1)))
        assert page.evaluate("scrollY") > before + 50


def test_a_finger_paints_a_kernel(on_phone):
    visited, page, fingers = on_phone(
        "convolution", hash="#convolution:kernel_type=identity&kernel_size=3"
    )
    with visited:
        cells = page.locator("[role=gridcell]")
        in_the_middle(cells.nth(4))
        before = page.evaluate("scrollY")
        fingers.drag((at(cells.nth(0)), at(cells.nth(6))))
        page.wait_for_selector("[aria-label='row 2, column 0: 0.250']")
        assert cells.nth(3).get_attribute("aria-label") == "row 1, column 0: 0.250"
        assert page.evaluate("scrollY") == before
