"""A deck for each chapter: from disk, every slide fits, formulas are set, nothing is fetched."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))
import slides  # noqa: E402  found through the line above

CHAPTERS = sorted((ROOT / "book").glob("0*.ipynb"))


@pytest.fixture(scope="module")
def decks(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "slides"
    kept, slides.OUT = slides.OUT, folder
    try:
        slides.write(CHAPTERS)
    finally:
        slides.OUT = kept
    return folder


def test_prose_is_said_and_the_rest_is_shown():
    kept = "> **Definition.** Text\n\n- a list\n\n$$ x $$\n\n![alt](figures/x.svg)"
    shown, said = slides.split_prose(f"(def-x)=\n{kept}\n\nProse $x$.")
    assert shown == kept
    assert said == "Prose $x$."


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_deck_opens_from_disk_and_every_slide_fits(decks, browser, chapter):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    # The explorers' pages belong to the site, which need not be there.
    page.route("**/explorers/*.html", lambda route: route.fulfill(body="<p>explorer</p>"))
    page.route("http*://**", lambda route: (faults.append(route.request.url), route.abort()))
    try:
        page.goto((decks / f"{chapter.stem}.html").as_uri())
        page.wait_for_function("window.fitted")
        seen = page.evaluate("""() => ({
            slides: Reveal.getTotalSlides(),
            tall: [...document.querySelectorAll(".slides section section")]
                .map((slide) => slide.scrollHeight * (slide.style.zoom || 1))
                .filter((height) => height > 720),
            formulas: document.querySelectorAll("mjx-container").length,
            unset: [...document.querySelectorAll(".cell")]
                .filter((cell) => /\\\\\\(|\\\\\\[/.test(cell.textContent)).length,
            notes: document.querySelectorAll("aside.notes").length,
            broken: [...document.images].filter((image) => !image.naturalWidth).length,
        })""")
        assert faults == []
        assert seen["slides"] >= 20
        assert seen["tall"] == []
        assert seen["formulas"] >= 3
        assert seen["unset"] == 0
        assert seen["notes"] >= 8
        assert seen["broken"] == 0
        page.keyboard.press("Space")
        page.wait_for_function("Reveal.getIndices().h + Reveal.getIndices().v > 0")
    finally:
        page.close()
