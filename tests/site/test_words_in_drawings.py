"""The book's drawings, as a browser shows them: whether their words can be read."""

from pathlib import Path

import pytest
from browser import Visit

FIGURES = Path(__file__).resolve().parents[2] / "book" / "figures"
# WCAG 2.2, 1.4.3: 4.5, and 3 for large words. For each word the first filled shape beneath it.
PALE = """() => {
    const {min, max} = Math;
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = (colour) => {
        const [r, g, b] = numbers(colour).map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const isFilled = (shape) => {
        const {fill, fillOpacity, opacity} = getComputedStyle(shape);
        return fill.startsWith("rgb") && (numbers(fill)[3] ?? 1) * fillOpacity * opacity > 0.5;
    };
    const words = [...document.querySelectorAll("text, tspan")].filter((element) =>
        [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    return words.map((word) => {
        const {left, top, width, height} = word.getBoundingClientRect();
        const beneath = document.elementsFromPoint(left + width / 2, top + height / 2)
            .filter((shape) => !shape.closest("text") && shape.tagName !== "svg").find(isFilled);
        if (!beneath) return `${word.textContent}: on nothing`;
        const {fill, fontSize} = getComputedStyle(word);
        const [one, other] = [fill, getComputedStyle(beneath).fill].map(luminance);
        const contrast = (max(one, other) + 0.05) / (min(one, other) + 0.05);
        const isPale = contrast < (parseFloat(fontSize) >= 24 ? 3 : 4.5);
        return isPale && `${word.textContent}: ${contrast.toFixed(2)} on ${beneath.tagName}`;
    }).filter(Boolean);
}"""


@pytest.fixture(scope="module")
def window(browser):
    with Visit(browser, FIGURES.as_uri(), 1000, "light") as visit:
        visit.page.set_viewport_size(
            {"width": 1000, "height": 2000}
        )  # all of it has to be in sight
        yield visit


@pytest.mark.parametrize("drawing", sorted(FIGURES.glob("*.svg")), ids=lambda file: file.stem)
def test_words_stand_out_from_what_is_beneath_them(window: Visit, drawing: Path):
    page = window.open(drawing.as_uri())
    assert page.locator("text").count() > 0
    assert page.evaluate(PALE) == []
