"""What one visit of a page of the built site shows: faults, bytes, shifts, widths, barriers."""

import gzip
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from browser import DESKTOP, PHONE, Visit
from playwright.sync_api import Browser, Page

from ippy.explorers import names

TOC = Path(__file__).resolve().parents[2] / "_toc.yml"
CHAPTERS = re.findall(r"(?:file|root): (\S+)", TOC.read_text())
EXPLORERS = [f"explorers/{name}" for name in names()]
PAGES = [*CHAPTERS, "index", "search", "genindex", *EXPLORERS]

THEMES = ("light", "dark")
# A window of 1280 pixels enlarged twice has room for as many CSS pixels as one of 640.
ZOOMED = 640
# Before its script has come, `MathJax` holds the page's wishes only.
TYPESET = """async () => {
    while (window.MathJax && !MathJax.startup?.promise)
        await new Promise((go) => setTimeout(go, 20));
    await window.MathJax?.startup.promise;
}"""
# Every picture comes into sight, as for somebody who reads to the end.
SCROLL = """async () => {
    const seen = [...document.images].filter((image) => image.offsetParent);
    for (const image of seen) {
        image.scrollIntoView();
        for (let waited = 0; !image.complete && waited < 5000; waited += 20)
            await new Promise((done) => setTimeout(done, 20));
    }
    scrollTo(0, document.documentElement.scrollHeight);
    await new Promise((done) => setTimeout(done, 50));
    scrollTo(0, 0);
}"""
# A chapter has a thousand coloured words and a hundred formulas, all made alike: axe sees the first
# of each colour, and three formulas. What they were made of has their size.
THIN = """() => {
    const colours = new Set();
    for (const line of document.querySelectorAll(".highlight pre")) {
        const before = colours.size;
        for (const word of line.querySelectorAll("span")) colours.add(word.className);
        if (colours.size === before) line.textContent = line.textContent;
    }
    for (const formula of [...document.querySelectorAll("mjx-container")].slice(3)) {
        const {width, height} = formula.getBoundingClientRect();
        formula.innerHTML = `<span style="display: inline-block; width: ${width}px;
            height: ${height}px; overflow: hidden">x</span>`;
    }
}"""
SHIFT = """() => new Promise((done) => {
    new PerformanceObserver((list) => done(list.getEntries()
        .filter((entry) => !entry.hadRecentInput)
        .reduce((sum, entry) => sum + entry.value, 0)))
        .observe({type: "layout-shift", buffered: true});
    setTimeout(() => done(0), 200);
})"""
# Where the Tab key stops, in its order; and which of these stops do not show that they are one.
STOPS = """() => {
    const candidates = "a[href], button, input, select, textarea, summary, [tabindex]";
    const stops = [...document.querySelectorAll(candidates)].filter((e) => e.tabIndex >= 0
        && !e.disabled && e.checkVisibility({visibilityProperty: true}) && !e.closest("[inert]"));
    const unmarked = stops.filter((e) => {
        e.focus({preventScroll: true});
        // A hidden radio button or check box is marked by its label.
        const seen = e.matches("input") && getComputedStyle(e).opacity === "0" ? e.labels[0] : e;
        const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(seen);
        const {width, height} = seen.getBoundingClientRect();
        const isMarked = (outlineStyle !== "none" && parseFloat(outlineWidth) >= 1)
            || boxShadow !== "none";
        return e.tabIndex > 0 || document.activeElement !== e || !isMarked || width * height < 9;
    }).map((e) => e.outerHTML.slice(0, 120));
    document.activeElement.blur();
    return {first: stops[0].getAttribute("href"), unmarked};
}"""
MOVING = """() => [...document.querySelectorAll("body *")].filter((e) => {
    const {animationName, transitionDuration} = getComputedStyle(e);
    return animationName !== "none" || parseFloat(transitionDuration) > 0;
}).map((e) => `${e.tagName}.${e.className}`)"""
# Words that a box without a way to scroll cuts off. What is for ears only is a dot to the eye.
CUT_OFF = """() => [...document.querySelectorAll("body *")].filter((e) => {
    const {overflowX, overflowY} = getComputedStyle(e);
    const hides = (overflow) => ["hidden", "clip"].includes(overflow);
    if (!hides(overflowX) && !hides(overflowY) || e.closest(".math") || e.clientWidth <= 1)
        return false;
    return e.textContent.trim() && e.checkVisibility({visibilityProperty: true})
        && (hides(overflowX) && e.scrollWidth > e.clientWidth + 1
            || hides(overflowY) && e.scrollHeight > e.clientHeight + 1);
}).map((e) => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 40)}`)"""
FIRST_VIEW = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
UNTYPESET = """() => [...document.querySelectorAll(".math")]
    .filter((e) => !e.querySelector("mjx-container") || e.querySelector("mjx-merror"))
    .map((e) => e.textContent.slice(0, 80))"""
EMPTY_PICTURES = """() => [...document.images]
    .filter((image) => image.offsetParent && !image.naturalWidth)
    .map((image) => image.src.slice(0, 120))"""
# The page must not scroll sideways; what is wide scrolls in a box of its own.
SIDEWAYS = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
    [...document.querySelectorAll("body *")].filter((e) => {
        for (let box = e.parentElement; box; box = box.parentElement) {
            if (box !== document.body && box !== document.documentElement
                && getComputedStyle(box).overflowX !== "visible") return false;
        }
        return e.getBoundingClientRect().right > innerWidth + 1;
    }).map((e) => `${e.tagName}.${e.className}`)"""


@dataclass
class Record:
    """One page, visited."""

    faults: list[str] = field(default_factory=list)
    loaded: dict[str, int] = field(default_factory=dict)  # its files and their bytes
    sent: dict[str, int] = field(default_factory=dict)  # the same, as a server sends them
    first_view: float = 0.0  # milliseconds
    shift: float = 0.0
    untypeset: list[str] = field(default_factory=list)
    empty_pictures: list[str] = field(default_factory=list)
    first_stop: str | None = None  # where the first link leads that the Tab key comes to
    unmarked: list[str] = field(default_factory=list)
    moving: list[str] = field(default_factory=list)
    sideways: dict[int, list[str]] = field(default_factory=dict)  # by width
    cut_off: dict[int, list[str]] = field(default_factory=dict)  # the same
    barriers: dict[tuple[str, int], list[str]] = field(default_factory=dict)  # by theme, width

    def beside_mathematics(self, sizes: dict[str, int]) -> int:
        """The bytes of all but the mathematics renderer and its fonts."""
        return sum(size for name, size in sizes.items() if "mathjax" not in name)


def look(browser: Browser, site: Path, name: str) -> Record:
    """Everything about one page, opened from disk once and seen in every theme and width."""
    record = Record()
    with Visit(browser, site.as_uri() + "/", DESKTOP, "light", reduced_motion="reduce") as visit:
        page = visit.open(f"{site.as_uri()}/{name}.html")
        settle(page)
        record.loaded = {f.relative_to(site).as_posix(): f.stat().st_size for f in files(visit)}
        record.sent = {f.relative_to(site).as_posix(): sent(f) for f in files(visit)}
        record.first_view = page.evaluate(FIRST_VIEW)
        record.shift = page.evaluate(SHIFT)
        record.untypeset = page.evaluate(UNTYPESET)
        record.empty_pictures = page.evaluate(EMPTY_PICTURES)
        page.keyboard.press("Tab")  # who uses the keyboard is shown where it is
        record.first_stop, record.unmarked = page.evaluate(STOPS).values()
        record.moving = page.evaluate(MOVING)
        for width in (DESKTOP, ZOOMED, PHONE):
            resize(visit, width)
            record.sideways[width] = page.evaluate(SIDEWAYS)
            record.cut_off[width] = page.evaluate(CUT_OFF)
        page.evaluate(THIN)
        for width in (PHONE, DESKTOP):
            resize(visit, width)
            for theme in THEMES:
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                visit.wait()
                record.barriers[theme, width] = visit.axe()
        record.faults, visit.faults = visit.faults, []
    return record


def look_on_smaller_screen(
    browser: Browser, http: str, name: str, width: int
) -> tuple[float, list[str]]:
    """How far a page jumps that comes over http, under a finger; and the addresses it asks for."""
    with Visit(browser, http, width, "dark", has_touch=True) as visit:
        page = visit.open(f"{http}{name}.html")
        settle(page)
        return page.evaluate(SHIFT), [url for url in visit.requests if url.startswith(http)]


def settle(page: Page) -> None:
    """Until the mathematics is typeset and every picture has been in sight."""
    page.evaluate(TYPESET)
    page.evaluate(SCROLL)


def resize(visit: Visit, width: int) -> None:
    size = {"width": width, "height": 900}
    if visit.page.viewport_size == size:
        return
    visit.page.set_viewport_size(size)
    visit.page.wait_for_timeout(400)  # the theme looks anew at what can be scrolled after 0.3 s
    visit.wait()


def files(visit: Visit) -> list[Path]:
    """The files of the site that a visit from disk has asked for."""
    asked = {urlsplit(url).path for url in visit.requests if url.startswith("file:")}
    return [Path(unquote(path)) for path in sorted(asked)]


@cache  # most files belong to many pages
def sent(file: Path) -> int:
    """The bytes of a file on their way: every server for static pages compresses text."""
    content = file.read_bytes()
    text = file.suffix in {".html", ".css", ".js", ".svg"}
    return len(gzip.compress(content, 6)) if text else len(content)
