"""What Sphinx leaves behind is made small, quick and readable for everyone.

    Sphinx's pages → markup → formulas → pictures → scripts → styles → versions → notebooks
    to take away → one archive

Each step is a file of this folder and works on the folder of the built site, in place. A page
that Sphinx did not write again has been through all this before: every step leaves its own work
as it is.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import files  # book/files.py

from . import archive, formulas, markup, notebooks, pictures, scripts, styles, versions


def finish(site: Path) -> Path:
    """Finish the site in this folder; the path of its archive."""
    pages = {page: page.read_text(encoding="utf-8") for page in sorted(site.rglob("*.html"))}
    pages = {page: markup.mend(text) for page, text in pages.items() if "_static" not in page.parts}
    pages = {page: formulas.keep_room(text) for page, text in pages.items()}
    pages = {page: pictures.fit(text, page.parent) for page, text in pages.items()}
    pages = {page: scripts.leave_out(text) for page, text in pages.items()}
    scripts.shorten(site, "".join(pages.values()))
    pages = styles.bundle(pages, site)
    _remove_what_no_page_needs(site, "".join(pages.values()))
    for page, text in pages.items():
        files.write(page, versions.stamp(text, page.parent).encode())
    notebooks.offer(site, site.parents[1] / "book")
    return archive.pack(site)


def _remove_what_no_page_needs(site: Path, text: str) -> None:
    """Delete what the theme brings for others, and pictures that no page shows any more."""
    static = site / "_static"
    unused = [*site.rglob("*.map"), *static.glob("*.html")]
    unused += static.glob("scripts/*.LICENSE.txt")
    unused += [file for file in (static / "vendor").rglob("*") if file.is_file()]
    unused += [picture for picture in site.glob("_images/*") if picture.name not in text]
    for file in unused:
        file.unlink(missing_ok=True)
