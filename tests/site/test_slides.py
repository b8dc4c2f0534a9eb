"""A deck for each chapter: from disk, every slide fits, formulas are set, nothing is fetched."""

import json
import re
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

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


def markdown(source: str, kind: str = "slide"):
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


def test_a_heading_begins_a_slide_and_what_stands_before_it_does_not():
    columns = slides.deck([markdown("## One\n\n> a"), markdown("> b\n\n(place)=\n## Two\n\n> c")])
    assert re.findall(r"<h2>(\w+)|<p>(\w)", columns) == [
        ("One", ""), ("", "a"), ("", "b"), ("Two", ""), ("", "c")
    ]  # fmt: skip
    assert columns.count("<section><section>") == 2


def test_a_heading_takes_the_next_slide_or_the_first_words_but_no_equal_heading():
    deck = slides.deck([markdown("## One\n\nWords."), markdown("> box", "subslide")])
    assert deck.count("<section>") == 2 and "box" in deck
    deck = slides.deck([markdown("### One\n\nWords."), markdown("### Two\n\n> b", "subslide")])
    assert deck.count("<section>") == 3
    assert deck.index("Words.") < deck.index("notes") < deck.index("Two")


def test_code_is_shown_where_it_defines_something_or_prints_nothing():
    printed = [new_output("stream", text="result")]
    for source, outputs, shown in [
        ("def f(): pass", printed, True),
        ("x = 1", [], True),
        ("print(1)", printed, False),
    ]:
        seen, said = slides.show_code(new_code_cell(source, outputs=outputs))
        assert (source in seen) == shown != (source in said)
        assert ("result" in seen) == bool(outputs)


def test_an_explorer_is_in_the_state_of_its_cell():
    state = {"parameters": {"padding": {"initial": 0}, "taps": {"initial": [0, 1.5]}}}
    text = (
        '<div class="ippy-explorer" data-explorer="window"><script type="application/json" '
        f'class="ippy-state">{json.dumps(state)}</script></div>'
    )
    assert 'window.html#window:padding=0&amp;taps=0,1.5"' in slides.explorer(text)


def test_citations_are_authors_and_years_and_links_lead_to_the_site():
    assert "(Zhang, 2019)" in slides.render("{cite:p}`zhang2019making`")
    assert "../html/book/limits.html#a" in slides.render("[l](limits.md#a)")
    assert slides.render("{term}`shown <known>`") == "<p>shown</p>\n"


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
        # A slide out of sight has no size: each is looked at in turn.
        seen = page.evaluate(r"""() => {
            const slides = [...document.querySelectorAll(".slides section section")];
            const found = { slides: slides.length, tall: [], small: [], empty: [] };
            for (const slide of slides) {
                const { h, v } = Reveal.getIndices(slide);
                Reveal.slide(h, v);
                const zoom = Number(slide.style.zoom);
                const cells = [...slide.querySelectorAll(".cell")];
                const height = slide.scrollHeight * zoom;
                if (!(height > 0 && height <= 720)) found.tall.push([h, v, height]);
                if (zoom < 0.5) found.small.push([h, v, zoom]);
                const isFull = (it) => it.textContent.trim() || it.querySelector("img, iframe");
                if (!cells.some(isFull)) found.empty.push([h, v]);
            }
            return {
                ...found,
                formulas: document.querySelectorAll("mjx-container").length,
                unset: [...document.querySelectorAll(".cell")]
                    .filter((cell) => /\\\(|\\\[/.test(cell.textContent)).length,
                roles: [...document.querySelectorAll(".cell, .notes")]
                    .filter((cell) => /\{[\w:]+\}`/.test(cell.textContent)).length,
                notes: document.querySelectorAll("aside.notes").length,
                broken: [...document.images].filter((image) => !image.naturalWidth).length,
                outside: [...document.querySelectorAll(".slides a")]
                    .filter((link) => link.getAttribute("href").startsWith("#")).length,
            };
        }""")
        assert faults == []
        assert seen["slides"] >= 20
        assert seen["tall"] == [] and seen["small"] == [] and seen["empty"] == []
        assert seen["formulas"] >= 3
        assert seen["unset"] == 0 and seen["roles"] == 0
        assert seen["notes"] >= 8
        assert seen["broken"] == 0 and seen["outside"] == 0
        page.evaluate("Reveal.slide(0, 0)")
        page.keyboard.press("Space")
        page.wait_for_function("Reveal.getIndices().h + Reveal.getIndices().v > 0")
    finally:
        page.close()
