"""Every page of the built site, in a real browser, with every outside address out of reach."""

import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import DESKTOP, PHONE, Visit, serve
from crawl import SHIFT, Record, look, settle

from ippy.explorers import names

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text())
EXPLORERS = [f"explorers/{name}" for name in names()]
PAGES = [*CHAPTERS, "index", "search", "genindex", *EXPLORERS]
MEGABYTE = 1_000_000
# How far a page may jump while it loads. On a phone the glossary's first screen has a formula in
# nearly every short line, and one line more or less moves all below it.
SHIFT_ALLOWED = {"book/glossary": 0.2}
# What a browser asks for by a name that stays, and why that is no harm.
KEPT_NAMES = re.compile(
    r"mathjax/output/"  # the renderer's own fonts, which change with its version only
    r"|explorers/[\w/-]+\.js$"  # core.js asks for these with a hash of their content behind them
)


@pytest.fixture(scope="module")
def looked(browser, site: Path, weighed: dict[str, Record]) -> Callable[[str], Record]:
    """looked("book/index"): what a visit from disk has shown; each page is visited once."""

    @cache
    def once(name: str) -> Record:
        weighed[name] = look(browser, site, name)
        return weighed[name]

    return once


@pytest.fixture(scope="module")
def http(site: Path):
    with serve(site) as address:
        yield address


def test_every_page_is_known(site: Path):
    built = {page.relative_to(site).with_suffix("").as_posix() for page in site.rglob("*.html")}
    assert built == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_from_disk_all_is_there_and_nothing_else_is_asked_for(looked, name: str):
    record = looked(name)
    assert record.faults == []
    assert record.untypeset == [], "formulas that stayed as they were written"
    assert record.empty_pictures == []


@pytest.mark.parametrize("name", PAGES)
def test_over_http_and_on_a_phone_as_well(browser, http: str, name: str):
    with Visit(browser, http, PHONE, "dark", has_touch=True) as visit:
        page = visit.open(f"{http}{name}.html")
        settle(page)
        allowed = SHIFT_ALLOWED.get(name, 0.1)
        assert page.evaluate(SHIFT) < allowed, "the page jumps while it loads"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_weighs_less_than_a_megabyte_and_does_not_jump(looked, name: str):
    record = looked(name)
    heaviest = sorted(record.sent.items(), key=lambda item: -item[1])[:12]
    assert record.beside_mathematics(record.sent) < MEGABYTE, heaviest
    assert record.shift < 0.1
    assert not [file for file in record.loaded if "fontawesome" in file or "widget" in file]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_bars_the_way(looked, name: str):
    """No violation of a rule of axe-core in any theme and width; there is no list of exceptions."""
    assert {place: found for place, found in looked(name).barriers.items() if found} == {}


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(looked, name: str):
    """At 360 pixels, enlarged twice, and on a desktop; wide things scroll in their own box."""
    assert {width: found for width, found in looked(name).sideways.items() if found} == {}


def test_what_is_loaded_can_be_kept_for_ever(browser, site: Path, http: str):
    for name in ("book/index", "book/01-convolution", "search", "explorers/window"):
        with Visit(browser, http, DESKTOP, "light") as visit:
            settle(visit.open(f"{http}{name}.html"))
            for url in visit.requests:
                path = urlsplit(url).path.lstrip("/")
                if url.startswith(http) and not path.endswith(".html"):
                    hashed = re.fullmatch(r"v=[0-9a-f]{8}", urlsplit(url).query)
                    assert hashed or KEPT_NAMES.search(path), url


@pytest.mark.parametrize("over", ["file", "http"])
def test_the_search_finds_a_page(browser, site: Path, http: str, over: str):
    address = http if over == "http" else site.as_uri() + "/"
    with Visit(browser, address, DESKTOP, "light") as visit:
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


def test_the_theme_switch_works_and_is_remembered(browser, site: Path):
    address = site.as_uri() + "/"
    with Visit(browser, address, DESKTOP, "light") as visit:
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


def test_icons_are_drawn(browser, site: Path):
    """Each icon has a glyph in the style sheet's font; without one it would be an empty box."""
    address = site.as_uri() + "/"
    with Visit(browser, address, PHONE, "light") as visit:
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


def test_whoever_wants_no_motion_gets_none(browser, site: Path):
    address = site.as_uri() + "/"
    with Visit(browser, address, DESKTOP, "light", reduced_motion="reduce") as visit:
        page = visit.open(f"{address}book/01-convolution.html")
        moving = page.evaluate("""() => [...document.querySelectorAll("body *")].filter((e) => {
            const style = getComputedStyle(e);
            return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0;
        }).map((e) => e.className)""")
        assert moving == []


class Anchors(HTMLParser):
    """The ids of a page, and where its links lead."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.ids += [value for key, value in attributes if key == "id" and value]
        self.targets += [given[key] or "" for key in ("href", "src") if key in given]
        if tag == "img":
            self.pictures.append(given)


@pytest.fixture(scope="module")
def parsed(site: Path) -> dict[Path, Anchors]:
    return {page: Anchors(page.read_text("utf-8")) for page in site.rglob("*.html")}


def test_no_link_and_no_anchor_is_broken(site: Path, parsed: dict[Path, Anchors]):
    broken = []
    for page, anchors in parsed.items():
        for target in anchors.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            # An explorer's own address begins with its name and a colon.
            here = not parts.fragment or ":" in parts.fragment or file.suffix != ".html"
            if not file.exists() or not (here or unquote(parts.fragment) in parsed[file].ids):
                broken.append(f"{page.relative_to(site)}: {target}")
    assert broken == []


def test_no_name_is_given_twice_in_a_page(site: Path, parsed: dict[Path, Anchors]):
    for page, anchors in parsed.items():
        twice = {name for name in anchors.ids if anchors.ids.count(name) > 1}
        assert not twice, f"{page.relative_to(site)}: {twice}"


def test_every_picture_tells_its_size_and_what_it_shows(site: Path, parsed: dict[Path, Anchors]):
    for page, anchors in parsed.items():
        for picture in anchors.pictures:
            assert (picture.get("alt") or "").strip(), (page.name, picture)
            if not (picture["src"] or "").startswith("data:"):
                assert picture.get("width") and picture.get("height"), (page.name, picture)
                assert "_images" not in picture["src"] or ".png" not in picture["src"]


def test_each_notebook_can_be_downloaded(site: Path):
    for name in CHAPTERS:
        if (ROOT / f"{name}.ipynb").exists():
            page = (site / f"{name}.html").read_text("utf-8")
            assert f'href="../_sources/{name}.ipynb"' in page
            assert (site / "_sources" / f"{name}.ipynb").is_file()
