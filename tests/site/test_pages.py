"""Every page of the built site, in a real browser, with every outside address out of reach."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ahead import Ahead
from browser import DESKTOP, PHONE, Visit
from crawl import CHAPTERS, FIRST_VIEW, PAGES, Record, look, look_on_smaller_screen

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1_000_000
TABLET = 768
SHIFT_ALLOWED = 0.1  # beyond this a page jumps while it loads
# What a browser asks for by a name that stays, and why that is no harm.
KEPT_NAMES = re.compile(
    r"mathjax/output/"  # the renderer's own fonts, which change with its version only
    r"|^(?:book|explorers)/[\w-]+\.html$|^\w+\.html$"  # the pages themselves
)


@pytest.fixture(scope="module")
def looked(ahead: Ahead, site: Path, weighed: dict[str, Record]) -> Callable[[str], Record]:
    """looked("book/index"): what a visit from disk has shown; each page is visited once."""

    def once(name: str) -> Record:
        weighed[name] = ahead(look, site, name)
        return weighed[name]

    return once


@pytest.fixture(scope="module")
def on_smaller_screen(ahead: Ahead, http: str) -> Callable[[str, int], tuple[float, list[str]]]:
    """on_smaller_screen("book/index", 360): what that visit over http has shown."""
    return partial(ahead, look_on_smaller_screen, http)


def test_every_page_is_known(site: Path):
    built = {page.relative_to(site).with_suffix("").as_posix() for page in site.rglob("*.html")}
    assert built == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_from_disk_all_is_there_and_nothing_else_is_asked_for(looked, name: str):
    record = looked(name)
    assert record.faults == []
    assert record.untypeset == [], "formulas that stayed as they were written"
    assert record.empty_pictures == []


@pytest.mark.parametrize("width", [PHONE, TABLET])
@pytest.mark.parametrize("name", PAGES)
def test_over_http_and_on_smaller_screens_as_well(on_smaller_screen, name: str, width: int):
    shift, asked = on_smaller_screen(name, width)
    assert shift < SHIFT_ALLOWED, "the page jumps while it loads"
    for url in asked:
        hashed = re.fullmatch(r"v=[0-9a-f]{8}", urlsplit(url).query)
        named = KEPT_NAMES.search(urlsplit(url).path.lstrip("/"))
        assert hashed or named, f"{url} could not be kept for ever"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_weighs_less_than_a_megabyte_and_does_not_jump(looked, name: str):
    """All that it loads when it is read to its end, as it lies on the disk."""
    record = looked(name)
    heaviest = sorted(record.loaded.items(), key=lambda item: -item[1])[:12]
    assert record.beside_mathematics(record.loaded) < MEGABYTE, heaviest
    assert record.shift < SHIFT_ALLOWED
    assert not [file for file in record.loaded if "fontawesome" in file or "widget" in file]


@pytest.mark.parametrize("name", PAGES)
def test_something_is_in_sight_within_a_second(looked, browser, site: Path, name: str):
    """From disk; a machine that is busy with something else gets more tries."""
    seen = [looked(name).first_view]
    while seen[-1] >= 1000 and len(seen) < 6:
        with Visit(browser, site.as_uri() + "/", DESKTOP, "light") as visit:
            seen.append(visit.open(f"{site.as_uri()}/{name}.html").evaluate(FIRST_VIEW))
    assert 0 < seen[-1] < 1000, seen


@pytest.mark.parametrize("name", PAGES)
def test_nothing_bars_the_way(looked, name: str):
    """No violation of a rule of axe-core in any theme and width; there is no list of exceptions."""
    assert {place: found for place, found in looked(name).barriers.items() if found} == {}


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(looked, name: str):
    """At 360 pixels, enlarged twice, and on a desktop; wide things scroll in their own box."""
    assert {width: found for width, found in looked(name).sideways.items() if found} == {}


@pytest.mark.parametrize("name", PAGES)
def test_no_words_are_cut_off(looked, name: str):
    assert {width: found for width, found in looked(name).cut_off.items() if found} == {}


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_all_and_shows_where_it_is(looked, name: str):
    record = looked(name)
    assert record.unmarked == []
    if not name.startswith("explorers/"):  # these have nothing that one might want to skip
        assert record.first_stop == "#main-content"


@pytest.mark.parametrize("name", PAGES)
def test_whoever_wants_no_motion_gets_none(looked, name: str):
    assert looked(name).moving == []


def test_what_the_book_says_of_a_visit_is_so(looked):
    said = (ROOT / "book" / "instructors.md").read_text("utf-8")
    chapters, landing = re.search(
        r"chapter\s+sends\s+about\s+(\d+)\s+kB.*?laboratory\s+about\s+(\d+)\s+kB", said, re.DOTALL
    ).groups()
    for name in CHAPTERS:
        record = looked(name)
        sent = record.beside_mathematics(record.sent) / 1e3
        if re.match(r"book/0\d", name):
            assert sent == pytest.approx(float(chapters), rel=0.25), name
        if name == "book/index":
            assert sent == pytest.approx(float(landing), rel=0.25)


@pytest.mark.parametrize("over", ["file", "http"])
def test_the_search_finds_a_page(either, site: Path, http: str, over: str):
    address = http if over == "http" else site.as_uri() + "/"
    with Visit(either, address, DESKTOP, "light") as visit:
        page = visit.open(f"{address}book/notation.html")
        page.keyboard.press("Control+k")
        page.locator("#pst-search-dialog input").fill("adjoint")
        page.keyboard.press("Enter")
        found = page.locator("#search-results li a")
        found.first.wait_for(timeout=10_000)
        targets = found.evaluate_all("all => all.map((a) => a.getAttribute('href'))")
        assert any(target.startswith("book/01-convolution.html") for target in targets)
        found.first.click()
        page.wait_for_url("**/book/*.html*")
        assert page.locator("article").count() == 1


def test_the_theme_switch_works_and_is_remembered(either, site: Path):
    address = site.as_uri() + "/"
    with Visit(either, address, DESKTOP, "light") as visit:
        page = visit.open(f"{address}book/limits.html")
        background = "getComputedStyle(document.body).backgroundColor"
        seen = {}
        for _ in range(3):
            page.locator(".theme-switch-button").first.click()
            mode = page.evaluate("document.documentElement.dataset.mode")
            seen[mode] = page.evaluate(background)
            icon = page.locator(".theme-switch-button .theme-switch:visible")
            assert icon.get_attribute("data-mode") == mode
        assert set(seen) == {"auto", "light", "dark"}
        assert seen["auto"] == seen["light"] != seen["dark"]
        while page.evaluate("document.documentElement.dataset.mode") != "dark":
            page.locator(".theme-switch-button").first.click()
        page.reload()
        assert page.evaluate(background) == seen["dark"]


def test_the_menu_of_downloads(either, site: Path):
    """By keyboard and by hand; it goes away by itself."""
    address = site.as_uri() + "/"
    with Visit(either, address, PHONE, "light") as visit:
        page = visit.open(f"{address}book/notation.html")
        button, menu = page.get_by_label("Download this page"), page.locator("#download-menu")
        assert not menu.is_visible()
        button.focus()
        page.keyboard.press("Enter")
        assert menu.is_visible()
        box = menu.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#download-menu') !== null")
        page.keyboard.press("Escape")
        assert not menu.is_visible()
        button.click()
        assert menu.is_visible()
        page.mouse.click(PHONE / 2, 700)
        assert not menu.is_visible()


def test_back_to_the_top_of_a_long_page(browser, site: Path):
    address = site.as_uri() + "/"
    with Visit(browser, address, PHONE, "light", reduced_motion="reduce") as visit:
        page = visit.open(f"{address}book/01-convolution.html")
        button = page.locator("#pst-back-to-top")
        page.evaluate("scrollTo(0, 5000)")
        page.wait_for_timeout(100)
        assert not button.is_visible()
        page.evaluate("scrollTo(0, 4500)")
        button.wait_for(state="visible")
        button.click()
        page.wait_for_function("scrollY === 0")
        button.wait_for(state="hidden")


def test_icons_are_drawn(either, site: Path):
    """Each icon has a glyph in the style sheet's font; without one it would be an empty box."""
    address = site.as_uri() + "/"
    with Visit(either, address, PHONE, "light") as visit:
        page = visit.open(f"{address}book/01-convolution.html")
        icons = page.evaluate("""async () => {
            await document.fonts.load('900 16px "Font Awesome 6 Free"', "\\uf002");
            return [...document.querySelectorAll("i[class*=fa-]")].map((icon) => {
                const style = getComputedStyle(icon, "::before");
                return [icon.className, style.content.replaceAll('"', ""), style.fontFamily,
                    document.fonts.check('900 16px "Font Awesome 6 Free"', style.content)];
            });
        }""")
        glyphs = icon_glyphs(site)
        assert len(icons) >= 8
        for classes, content, family, available in icons:
            assert "Font Awesome 6 Free" in family and available, classes
            assert len(content) == 1 and ord(content) in glyphs, classes


def icon_glyphs(site: Path) -> set[int]:
    import base64
    import io

    from fontTools.ttLib import TTFont

    css = (site / "_static" / "site.css").read_text("utf-8")
    data = re.search(r"data:font/woff;base64,([\w+/=]+)", css)[1]
    return set(TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap())


def test_by_keyboard_alone(browser, site: Path):
    """First the way past everything to the text, and a visible mark at every stop."""
    address = site.as_uri() + "/"
    marked = """() => { const style = getComputedStyle(document.activeElement);
        return document.activeElement !== document.body
            && (style.outlineStyle !== "none" || style.boxShadow !== "none"); }"""
    with Visit(browser, address, DESKTOP, "light", reduced_motion="reduce") as visit:
        page = visit.open(f"{address}book/02-cnn.html")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
        assert page.locator("#pst-skip-link").is_visible()
        stops = []
        for _ in range(40):
            assert page.evaluate(marked), page.evaluate("document.activeElement.outerHTML")[:200]
            stops.append(
                page.evaluate("""() => { const e = document.activeElement;
                return !!e.closest("main") }""")
            )
            page.keyboard.press("Tab")
        assert stops == sorted(stops), "from the sidebar to the text, and not back"
        page.keyboard.press("Control+Home")
        page.locator("#pst-skip-link a").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('main')")
