"""Make slides of the chapters, for a projector without a network.

    python run.py slides             all chapters, into _build/slides
    python run.py slides 04          those whose file name contains 04

A cell is on the slides if its Jupyter metadata says so (`slideshow.slide_type`, in JupyterLab's
property inspector): "slide" begins a new one, "subslide" one below it, "fragment" and "-" go on,
"skip" and no mark leave the cell out. Of a Markdown cell the headings, boxes, formulas, drawings,
lists and tables are shown; its running prose becomes the speaker's notes (press S). Of a code cell
the results are shown, and the code unless it is tagged "hide-input" or "remove-input".
"""

import argparse
import base64
import html
import re
import shutil
import sys
from pathlib import Path
from string import Template
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "_build" / "slides"
PARTS = ROOT / "book" / "deck"  # the page, its style, and reveal.js
HIDDEN = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
# What a block of Markdown begins with if it stays on the slide.
SHOWN = re.compile(r"#|>|!\[|\$\$|\||[-*] |\d+\. |:::")


def split_prose(source: str) -> tuple[str, str]:
    """What of a Markdown cell is shown, and what is said.

    >>> split_prose("## Title\\n\\nProse.\\n\\n> **Definition.** Text")
    ('## Title\\n\\n> **Definition.** Text', 'Prose.')
    """
    blocks = [b for b in re.split(r"\n\s*\n", source) if not re.fullmatch(r"\(.*\)=", b.strip())]
    blocks = [re.sub(r"^\([\w-]+\)=\n", "", block) for block in blocks]
    shown = [block for block in blocks if SHOWN.match(block.lstrip())]
    said = [block for block in blocks if not SHOWN.match(block.lstrip())]
    return "\n\n".join(shown), "\n\n".join(said)


def render(source: str) -> str:
    """Markdown with formulas as HTML; links between pages lead to the site beside the slides."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    source = re.sub(r"\{(?:cite:[pt]|term|eq|numref)\}`([^`<]+)(?:<[^`]*>)?`", r"\1", source)
    reader = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=formula)
    text = reader.render(source)
    return re.sub(r'href="([\w-]+)\.(?:ipynb|md)', r'href="../html/book/\1.html', text)


def formula(content: str, options: dict[str, Any]) -> str:
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{left}{html.escape(content)}{right}"


def show(cell: Any) -> str:
    """One cell as it stands on a slide."""
    if cell.cell_type == "markdown":
        shown, said = split_prose(cell.source)
        notes = f'<aside class="notes">{render(said)}</aside>' if said else ""
        return f'<div class="cell">{render(shown)}</div>{notes}'
    parts = []
    if not HIDDEN & set(cell.metadata.get("tags", [])):
        parts.append(f"<pre><code>{html.escape(cell.source)}</code></pre>")
    for output in cell.get("outputs", []):
        parts.append(result(output, cell))
    return f'<div class="cell">{"".join(parts)}</div>'


def result(output: Any, cell: Any) -> str:
    if output.output_type == "stream":
        return f"<pre>{html.escape(output.text)}</pre>"
    data = output.get("data", {})
    explorer = re.search(r'data-explorer="(\w+)"', data.get("text/html", ""))
    if explorer:
        name = explorer.group(1)
        return (
            f'<iframe src="../html/explorers/{name}.html" title="{name}" loading="lazy"></iframe>'
        )
    if "image/png" in data:
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        picture = "data:image/png;base64," + data["image/png"].strip()
        caption = cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")
        said = f"<figcaption>{render(caption)}</figcaption>" if caption else ""
        return f'<figure><img alt="{html.escape(alt)}" src="{picture}">{said}</figure>'
    return f"<pre>{html.escape(data.get('text/plain', ''))}</pre>"


def deck(cells: list[Any]) -> str:
    """The sections of a deck: columns of slides, as reveal.js wants them."""
    columns: list[list[str]] = []
    for cell in cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "skip")
        if kind in ("skip", "notes", ""):
            continue
        content = show(cell)
        if kind == "slide" or not columns:
            columns.append([content])
        elif kind == "subslide":
            columns[-1].append(content)
        else:
            fragment = f'<div class="fragment">{content}</div>' if kind == "fragment" else content
            columns[-1][-1] += fragment
    return "\n".join(
        "<section>" + "".join(f"<section>{slide}</section>" for slide in column) + "</section>"
        for column in columns
    )


def embed_drawings(page: str) -> str:
    """Drawings into the page itself, so that one file and its two folders are all there is."""

    def inline(match: re.Match[str]) -> str:
        path = ROOT / "book" / match.group(1)
        kind = {".svg": "image/svg+xml", ".png": "image/png"}[path.suffix]
        return f'src="data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"'

    return re.sub(r'src="(figures/[\w.-]+)"', inline, page)


def make(path: Path) -> Path:
    """The deck of one notebook."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    page = Template((PARTS / "page.html").read_text(encoding="utf-8"))
    filled = page.substitute(title=html.escape(title), slides=deck(notebook.cells))
    target = OUT / f"{path.stem}.html"
    target.write_text(embed_drawings(filled), encoding="utf-8")
    return target


def write(chapters: list[Path]) -> list[Path]:
    """The decks of these notebooks, with what they need beside them."""
    OUT.mkdir(parents=True, exist_ok=True)
    for folder in (PARTS / "reveal", ROOT / "book" / "static" / "mathjax"):
        shutil.copytree(folder, OUT / folder.name, dirs_exist_ok=True)
    shutil.copy(PARTS / "slides.css", OUT)
    return [make(chapter) for chapter in chapters]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="?", default="", help="part of a chapter's file name")
    options = parser.parse_args()
    chapters = sorted(p for p in (ROOT / "book").glob("0*.ipynb") if options.part in p.name)
    if not chapters:
        parser.error(f"part must be in a chapter's file name, got {options.part!r}; use 01")
    for target in write(chapters):
        print(target.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
