"""Print every page of the book, and the book as a whole, to PDF with the system's Chromium.

    python run.py print            all of it, into _build/pdf
    python run.py print NAME       only pages whose name contains NAME, and no whole book

The site has to be built. On paper an explorer is its picture, a link to a source shows its address,
and a link to another chapter leads to it in the whole book and nowhere in the chapter alone.
"""

import logging
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import Fit

# Chromium counts the objects of a document otherwise than pypdf; nothing is lost.
logging.getLogger("pypdf").setLevel(logging.ERROR)

ROOT = Path(__file__).resolve().parent.parent
SITE, TARGET = ROOT / "_build" / "html", ROOT / "_build" / "pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# A picture that would be fetched when it comes into sight never comes into sight on paper.
READY = """async () => {
    document.querySelectorAll("details").forEach((box) => { box.open = true; });
    for (const image of document.images) image.loading = "eager";
    await Promise.all([...document.images].map((image) => image.complete || new Promise((done) => {
        image.onload = image.onerror = done;
    })));
    // Before its script has come, `MathJax` holds the page's wishes only.
    while (window.MathJax && !MathJax.startup?.promise)
        await new Promise((go) => setTimeout(go, 20));
    await window.MathJax?.startup.promise;
}"""
FOOT = """<div style="font: 8pt sans-serif; width: 100%; margin: 0 18mm; color: #555;
    display: flex; justify-content: space-between"><span class="title"></span>
    <span class="pageNumber"></span></div>"""


def names(part: str = "") -> list[str]:
    """The pages of the table of contents, in order, whose names contain `part`."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return [name for name in re.findall(r"(?:file|root): (\S+)", toc) if part in name]


@contextmanager
def chromium() -> Iterator[Page]:
    """An empty page of the system's browser."""
    place = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if place is None:
        raise SystemExit("no Chromium on this computer (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield browser.new_page(color_scheme="light")
        browser.close()


def print_page(page: Page, name: str) -> Path:
    """Print one page of the site."""
    page.goto((SITE / f"{name}.html").as_uri())
    page.emulate_media(media="print", color_scheme="light")
    page.evaluate(READY)
    target = TARGET / f"{Path(name).name}.pdf"
    target.parent.mkdir(parents=True, exist_ok=True)
    page.pdf(
        path=target,
        format="A4",
        scale=0.8,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT,
        margin={"top": "16mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
        tagged=True,
        outline=True,
    )
    return target


def bind(printed: dict[str, Path], target: Path) -> None:
    """One document of all chapters, with a bookmark for each and links from one to another."""
    book = PdfWriter()
    starts = {}
    for name, file in printed.items():
        starts[name] = len(book.pages)
        reader = PdfReader(file)
        title = str(reader.metadata.title if reader.metadata else name).partition(" — ")[0]
        book.append(reader, outline_item=title, import_outline=True)
    for number, page in enumerate(book.pages):
        for note in [*page.get("/Annots", [])]:
            chapter = _chapter(note.get_object())
            if chapter in starts:
                box = note.get_object()["/Rect"]
                cast(list, page["/Annots"]).remove(note)
                goal = Link(rect=box, target_page_index=starts[chapter], fit=Fit.fit_horizontally())
                book.add_annotation(number, goal)
    book.write(target)


def without_dead_links(file: Path) -> None:
    """Take from a chapter the links to files that lie beside it on this computer only."""
    chapter = PdfWriter(clone_from=file)
    for page in chapter.pages:
        for note in [*page.get("/Annots", [])]:
            if _chapter(note.get_object()) is not None:
                cast(list, page["/Annots"]).remove(note)
    chapter.write(file)


def _chapter(note: dict) -> str | None:
    """The page of the book that a link leads to, or None for a link to elsewhere."""
    address = str(note.get("/A", {}).get("/URI", ""))
    if not address.startswith("file:"):
        return None
    place = Path(unquote(urlsplit(address).path))
    return place.relative_to(SITE).with_suffix("").as_posix() if SITE in place.parents else ""


def main() -> int:
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    if not (SITE / "index.html").exists():
        raise SystemExit("the site is not built yet; run: python run.py book")
    with chromium() as page:
        printed = {name: print_page(page, name) for name in names(part)}
    if not part:
        bind(printed, TARGET / "book.pdf")
        printed["book"] = TARGET / "book.pdf"
    for name, file in printed.items():
        if name != "book":
            without_dead_links(file)
        print(f"{len(PdfReader(file).pages):4} pages  {file.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
