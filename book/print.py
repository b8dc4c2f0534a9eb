"""Print every page of the book, and the book as a whole, to PDF with the system's Chromium.

    python run.py print                       all of it, into _build/pdf
    python run.py print NAME                  only pages whose name contains NAME, no whole book
    python run.py print --without-solutions   that site, into _build/without-solutions/pdf
    python run.py print --paper letter        for North America

The site has to be built. On paper an explorer is its picture, what is folded is open, a link to a
source shows its address, and a link to another chapter leads to the very place in the whole book
and nowhere in the chapter alone. The chapters keep the page numbers that they have in the book.
"""

import argparse
import base64
import html
import io
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.constants import PageLabelStyle
from pypdf.generic import Fit, NameObject, TextStringObject

sys.path.insert(0, str(Path(__file__).parent))
import files  # it lies beside this file

# Chromium counts the objects of a document otherwise than pypdf; nothing is lost.
logging.getLogger("pypdf").setLevel(logging.ERROR)

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Playwright finds these where no PATH leads; where neither is, it says so.
CHANNELS = {"win32": "msedge", "darwin": "chrome"}
OLDEST = 131  # the first Chromium that numbers pages from a style sheet
# A picture that would be fetched when it comes into sight never comes into sight on paper. A PDF
# knows the places that are linked to within it: the links that nobody sees make those known that
# only the rest of the book asks for. The headings are handed back: their bookmarks lose spaces.
READY = """async (asked) => {
    document.querySelectorAll("details").forEach((box) => { box.open = true; });
    for (const image of document.images) image.loading = "eager";
    await Promise.all([...document.images].map((image) => image.complete || new Promise((done) => {
        image.onload = image.onerror = done;
    })));
    // Before its script has come, `MathJax` holds the page's wishes only.
    while (window.MathJax && !MathJax.startup?.promise)
        await new Promise((go) => setTimeout(go, 20));
    await window.MathJax?.startup.promise;
    const sections = [...document.querySelectorAll(".bd-article section[id]")]
        .filter((section) => section.querySelector("h1, h2, h3, h4"));
    const links = [...new Set([...asked, ...sections.map((section) => section.id)])]
        .filter((id) => document.getElementById(id))
        .map((id) => Object.assign(document.createElement("a"), { href: `#${id}`, text: "." }));
    const box = Object.assign(document.createElement("div"), {
        style: "position: absolute; left: 0; top: 0; font: 1px/1px sans-serif; opacity: 0",
    });
    box.append(...links);
    document.querySelector(".bd-article").append(box);
    return sections.map((section) => {
        const heading = section.querySelector("h1, h2, h3, h4").cloneNode(true);
        heading.querySelectorAll(".headerlink").forEach((mark) => mark.remove());
        return [Number(heading.tagName[1]), heading.textContent.trim(), section.id];
    });
}"""
SHEET = """
@page {
    size: $paper; margin: 16mm 18mm 18mm;
    @bottom-left { content: $title; font: 10px sans-serif; color: #555; }
    @bottom-right { content: counter(page); font: 10px sans-serif; color: #555; }
}
html { counter-reset: page $before; }
"""
FRONT = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>$title</title><style>
@page { size: $paper; margin: 24mm 22mm; }
body { font: 11pt/1.5 system-ui, sans-serif; }
h1 { font-size: 30pt; font-weight: 500; line-height: 1.15; margin: 30mm 0 8mm; text-wrap: balance; }
img { width: 100%; margin: 6mm 0; }
h2 { break-before: page; font-size: 20pt; font-weight: 500; }
a { color: inherit; display: flex; text-decoration: none; }
a.h1 { font-weight: 600; margin-top: 3mm; }
a.h2 { padding-left: 7mm; }
a span { border-bottom: 1px dotted #888; flex: 1; margin: 0 2mm 1.3mm; min-width: 4mm; }
</style></head><body>$body</body></html>"""


def names(part: str = "") -> list[str]:
    """The pages of the table of contents, in order, whose names contain `part`."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return [name for name in re.findall(r"(?:file|root): (\S+)", toc) if part in name]


@contextmanager
def chromium() -> Iterator[Page]:
    """An empty page of the system's browser."""
    place = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    channel = None if place else CHANNELS.get(sys.platform)
    if not (place or channel):
        raise SystemExit("no Chromium on this computer (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=place, channel=channel, args=["--no-sandbox"]
        )
        if int(browser.version.partition(".")[0]) < OLDEST:
            raise SystemExit(
                f"{place or channel} is version {browser.version}; {OLDEST} or newer is needed"
            )
        yield browser.new_page(color_scheme="light")
        browser.close()


def fill(text: str, **values: Any) -> str:
    for name, value in values.items():
        text = text.replace(f"${name}", str(value))
    return text


class Press:
    """Prints the pages of one site onto one kind of paper, and binds them."""

    def __init__(self, page: Page, site: Path, target: Path, paper: str = "A4"):
        self.page, self.site, self.target, self.paper = page, site, target, paper
        self.headings: dict[str, list[tuple[int, str, str]]] = {}
        self.asked = self._places_linked_to()

    def _places_linked_to(self) -> dict[str, set[str]]:
        """Of each page, the places that others link to."""
        found: dict[str, set[str]] = {}
        for file in self.site.rglob("book/*.html"):
            for link in re.findall(r'href="([^":#?]+)\.html#([^"]+)"', file.read_text("utf-8")):
                page = (file.parent / link[0]).resolve().relative_to(self.site.resolve())
                found.setdefault(page.as_posix(), set()).add(html.unescape(link[1]))
        return found

    def print_page(self, name: str, first: int = 1) -> Path:
        """Print one page of the site; its first sheet gets the number `first`."""
        self.page.goto((self.site / f"{name}.html").as_uri())
        self.page.emulate_media(media="print", color_scheme="light")
        self.headings[name] = self.page.evaluate(READY, sorted(self.asked.get(name, ())))
        title = json.dumps(self.headings[name][0][1], ensure_ascii=False)
        self.page.add_style_tag(
            content=fill(SHEET, paper=self.paper, title=title, before=first - 1)
        )
        target = self.target / f"{Path(name).name}.pdf"
        chapter = PdfWriter(clone_from=self._pdf())
        mend_bookmarks(chapter, [text for _, text, _ in self.headings[name]])
        chapter.set_page_label(0, len(chapter.pages) - 1, style=PageLabelStyle.DECIMAL, start=first)
        save(chapter, target)
        return target

    def _pdf(self) -> io.BytesIO:
        """The page that stands in the browser."""
        return io.BytesIO(
            self.page.pdf(
                prefer_css_page_size=True,
                scale=0.8,
                print_background=True,
                tagged=True,
                outline=True,
            )
        )

    def front(self, printed: dict[str, Path]) -> io.BytesIO:
        """The title page and the table of contents."""
        lines, number = [], 1
        for name, file in printed.items():
            reader = PdfReader(file)
            for level, text, place in self.headings[name]:
                if level <= 2:
                    goal = reader.named_destinations.get(f"/{place}")
                    sheet = reader.get_destination_page_number(goal) if goal and level > 1 else 0
                    address = f"{(self.site / name).as_uri()}.html#{place}"
                    lines.append(
                        f'<a class="h{level}" href="{address}">{html.escape(text)}'
                        f"<span></span>{number + (sheet or 0)}</a>"
                    )
            number += len(reader.pages)
        title, author = (setting(key) for key in ("title", "author"))
        picture = base64.b64encode((ROOT / "book/figures/hero.png").read_bytes()).decode()
        body = (
            f'<h1>{title}</h1><p>{author}</p><img alt="" src="data:image/png;base64,{picture}">'
            "<p>A CT slice, blurred by motion and spoilt by noise, and five chapters that build, "
            "train, measure and doubt the network that restores it. Every figure and number was "
            "computed by the cell above it. The figures that can be touched are on the book's "
            "site; here they are pictures.</p><p>Code: MIT licence. Text, drawings and figures: "
            f"CC BY 4.0.</p><h2>Contents</h2>{''.join(lines)}"
        )
        self.page.set_content(fill(FRONT, paper=self.paper, title=title, body=body))
        return self._pdf()

    def bind(self, printed: dict[str, Path], target: Path) -> None:
        """One document of all chapters, with contents, bookmarks, and links from one to another."""
        book = PdfWriter()
        book.append(PdfReader(self.front(printed)), import_outline=False)
        opening = len(book.pages)
        starts: dict[str, int] = {}
        readers: dict[str, PdfReader] = {}
        for name, file in printed.items():
            starts[name], readers[name] = len(book.pages), PdfReader(file)
            book.append(readers[name], import_outline=True)
        places = {name: reader.named_destinations for name, reader in readers.items()}
        for number, sheet in enumerate(book.pages):
            for note in [*sheet.get("/Annots", [])]:
                name, place = self.goal(note.get_object()) or ("", "")
                if name not in starts:
                    continue
                goal = places[name].get(f"/{place}")
                turn = readers[name].get_destination_page_number(goal) if goal else 0
                box, at = note.get_object()["/Rect"], starts[name] + (turn or 0)
                fit = Fit.fit_horizontally(top=cast(float, goal.top)) if goal else Fit.fit()
                cast(list, sheet["/Annots"]).remove(note)
                book.add_annotation(number, Link(rect=box, target_page_index=at, fit=fit))
        book.set_page_label(0, opening - 1, style=PageLabelStyle.LOWERCASE_ROMAN)
        book.set_page_label(opening, len(book.pages) - 1, style=PageLabelStyle.DECIMAL, start=1)
        book.page_mode = "/UseOutlines"
        book.add_metadata({"/Title": setting("title"), "/Author": setting("author")})
        save(book, target)

    def goal(self, note: dict) -> tuple[str, str] | None:
        """The page of the book, and the place on it, that a link leads to; None for elsewhere."""
        address = urlsplit(str(note.get("/A", {}).get("/URI", "")))
        if address.scheme != "file":
            return None
        file = Path(unquote(address.path))
        inside = self.site in file.parents
        name = file.relative_to(self.site).with_suffix("").as_posix() if inside else ""
        return name, unquote(address.fragment)

    def cut_loose(self, file: Path) -> None:
        """Take from a chapter the links to files that lie beside it on this computer only."""
        chapter = PdfWriter(clone_from=file)
        for sheet in chapter.pages:
            for note in [*sheet.get("/Annots", [])]:
                if self.goal(note.get_object()):
                    cast(list, sheet["/Annots"]).remove(note)
        save(chapter, file)


def save(document: PdfWriter, target: Path) -> None:
    """Write a document; on a full disk, what was there before stays."""
    with files.replacing(target) as unfinished:
        document.write(unfinished)


def setting(key: str) -> str:
    """A line of the book's settings."""
    found = re.search(rf"^{key}: (.+)$", (ROOT / "_config.yml").read_text("utf-8"), re.MULTILINE)
    return found[1].strip("\"'") if found else ""


def mend_bookmarks(document: PdfWriter, headings: list[str]) -> None:
    """Give the bookmarks the spaces back that Chromium loses where a heading's line breaks."""
    whole = {"".join(text.split()): text for text in headings}

    def mend(entry: Any) -> None:
        while entry is not None:
            entry = entry.get_object()
            text = str(entry["/Title"])
            entry[NameObject("/Title")] = TextStringObject(whole.get("".join(text.split()), text))
            mend(entry.get("/First"))
            entry = entry.get("/Next")

    outline = document.root_object.get("/Outlines")
    if outline is not None:
        mend(outline.get_object().get("/First"))


def main() -> int:
    parser = argparse.ArgumentParser("python run.py print", description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="?", default="", help="part of a page's name")
    parser.add_argument("--without-solutions", action="store_true", help="print that site")
    parser.add_argument("--paper", choices=("A4", "letter"), default="A4")
    options = parser.parse_args()
    base = BUILD / "without-solutions" if options.without_solutions else ROOT
    site, target = base / "_build" / "html", base / ("pdf" if base != ROOT else "_build/pdf")
    if not (site / "index.html").exists():
        command = "book --without-solutions" if options.without_solutions else "book"
        raise SystemExit(f"the site is not built yet; run: python run.py {command}")
    try:
        made = run(site, target, options.part, options.paper)
    except OSError as error:
        print(f"The PDFs in {target} are what they were: {error}", file=sys.stderr)
        return 1
    for file in made:
        print(f"{len(PdfReader(file).pages):4} pages  {file.relative_to(ROOT)}")
    return 0


def run(site: Path, target: Path, part: str, paper: str) -> list[Path]:
    """Print and bind; the files come to `target` when all of them are done."""
    with chromium() as page, files.set_aside(target) as aside:
        press, printed, first = Press(page, site, aside, paper), dict[str, Path](), 1
        for name in names(part):
            printed[name] = press.print_page(name, first)
            first += len(PdfReader(printed[name]).pages)
        made = [*printed.values()]
        if not part:
            made.append(aside / "book.pdf")
            press.bind(printed, made[-1])
        for file in printed.values():
            press.cut_loose(file)
        for file in made:
            os.replace(file, target / file.name)
    return [target / file.name for file in made]


if __name__ == "__main__":
    sys.exit(main())
