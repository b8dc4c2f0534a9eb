"""Make slides of the chapters, for a projector without a network.

    python run.py slides             all chapters, into _build/slides
    python run.py slides 04          those whose file name contains 04

A cell is on the slides if its Jupyter metadata says so (`slideshow.slide_type`, in JupyterLab's
property inspector): "slide" begins a new one, "subslide" one below it, "fragment" and "-" go on,
"skip" and no mark leave the cell out. Of a Markdown cell the headings, boxes, formulas, drawings,
lists and tables are shown; its running prose becomes the speaker's notes (press S). Of a code cell
the results are shown, and the code where it defines something or has no result; other code is in
the notes. A heading takes the next slide onto its own, and what a cell says before its first
heading stays with the slides before.
"""

import argparse
import base64
import html
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent))
import files  # it lies beside this file

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "_build" / "slides"
PARTS = ROOT / "book" / "deck"  # the page, its style, and reveal.js
# What a block of Markdown begins with if it stays on the slide.
SHOWN = re.compile(r"#|>|!\[|\$\$|\||[-*] |\d+\. |:::")
DEFINITION = re.compile(r"^(?:def|class) ", re.MULTILINE)
CITED = re.compile(r"\{cite:([pt])\}`([^`]+)`")
HEADING = re.compile(r"\n\n(?=(?:\([\w-]+\)=\n)?#{1,4} )")


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
    from exercises import _citation  # it lies beside this file
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    source = CITED.sub(_citation, source)
    source = re.sub(r"\{(?:term|eq|numref)\}`([^`<]+?)\s*(?:<[^`]*>)?`", r"\1", source)
    reader = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=formula)
    text = reader.render(source)
    return re.sub(r'href="([\w-]+)\.(?:ipynb|md)', r'href="../html/book/\1.html', text)


def formula(content: str, options: dict[str, Any]) -> str:
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{left}{html.escape(content)}{right}"


@dataclass
class Part:
    """What goes onto one slide together: what is shown, and the prose that is said to it."""

    kind: str
    shown: str
    said: str = ""
    level: int = 0  # of the heading that it begins with
    bare: bool = False  # nothing but headings so far


def parts(cell: Any, kind: str) -> Iterator[Part]:
    """A cell cut before its headings, as it stands on the slides."""
    if cell.cell_type != "markdown":
        yield Part(kind, *show_code(cell))
        return
    for number, source in enumerate(HEADING.split(cell.source)):
        shown, said = split_prose(source)
        level = len(shown) - len(shown.lstrip("#"))
        if number or level == 0:
            kind = "slide" if level in (1, 2) else "subslide" if kind == "slide" else kind
        bare = level > 0 and "\n" not in shown
        yield Part(
            kind, f'<div class="cell">{render(shown)}</div>' if shown else "", said, level, bare
        )


def show_code(cell: Any) -> tuple[str, str]:
    """The results of a code cell, with its code if that is what there is to see."""
    results = "".join(result(output, cell) for output in cell.get("outputs", []))
    is_picture = "<iframe" in results or "<img" in results
    if results and (is_picture or not DEFINITION.search(cell.source)):
        return f'<div class="cell">{results}</div>', f"```\n{cell.source}\n```"
    code = f"<pre><code>{html.escape(cell.source)}</code></pre>"
    return f'<div class="cell">{code}{results}</div>', ""


def result(output: Any, cell: Any) -> str:
    if output.output_type == "stream":
        return f"<pre>{html.escape(output.text)}</pre>"
    data = output.get("data", {})
    if 'class="ippy-explorer"' in data.get("text/html", ""):
        return explorer(data["text/html"])
    if "image/png" in data:
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        picture = "data:image/png;base64," + data["image/png"].strip()
        caption = cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")
        said = f"<figcaption>{render(caption)}</figcaption>" if caption else ""
        return f'<figure><img alt="{html.escape(alt)}" src="{picture}">{said}</figure>'
    return f"<pre>{html.escape(data.get('text/plain', ''))}</pre>"


def explorer(text: str) -> str:
    """The explorer's own page, in the state that the cell has given it."""
    name = re.findall(r'data-explorer="(\w+)"', text)[0]
    found = re.search(r'class="ippy-state">(.*?)</script>', text, re.DOTALL)
    parameters = json.loads(found[1])["parameters"] if found else {}
    values = "&".join(f"{key}={written(it['initial'])}" for key, it in parameters.items())
    page = html.escape(f"../html/explorers/{name}.html#{name}:{values}")
    return f'<iframe src="{page}" title="{name}" loading="lazy"></iframe>'


def written(value: Any) -> str:
    """A value as an explorer reads it from its page's address.

    >>> written(True), written([1, 0.5]), written("the blur")
    ('1', '1,0.5', 'the%20blur')
    """
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return ",".join(written(number) for number in value)
    return quote(str(value))


def deck(cells: list[Any]) -> str:
    """The sections of a deck: columns of slides, as reveal.js wants them."""
    columns: list[list[Part]] = []
    for cell in cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "skip")
        if kind in ("skip", "notes", ""):
            continue
        for part in parts(cell, kind):
            last = columns[-1][-1] if columns else None
            if last is None or (part.kind == "slide" and part.shown):
                columns.append([part])
            elif part.kind == "subslide" and part.shown and not joins(last, part):
                columns[-1].append(part)
            else:
                is_late = part.kind == "fragment"
                last.shown += f'<div class="fragment">{part.shown}</div>' if is_late else part.shown
                last.said = f"{last.said}\n\n{part.said}"
                last.level = part.level or last.level
                last.bare = last.bare and (part.bare or not part.shown)
    return "\n".join(
        "<section>" + "".join(f"<section>{slide(part)}</section>" for part in column) + "</section>"
        for column in columns
    )


def joins(heading: Part, part: Part) -> bool:
    """Whether the slide before has only a heading, and this is what stands below it."""
    return heading.bare and (part.level == 0 or part.level > heading.level)


def slide(part: Part) -> str:
    """A slide with its notes; a heading that stands alone gets the first words of the prose."""
    first, said = part.said.strip().partition("\n\n")[0], render(part.said)
    words = f'<div class="cell">{render(first)}</div>' if part.bare else ""
    notes = f'<aside class="notes">{said}</aside>' if said else ""
    return part.shown + words + notes


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
    filled = filled.replace('href="#', f'href="../html/book/{path.stem}.html#')
    target = OUT / f"{path.stem}.html"
    files.write(target, embed_drawings(filled).encode())
    return target


def write(chapters: list[Path]) -> list[Path]:
    """The decks of these notebooks, with what they need beside them."""
    for folder in (PARTS / "reveal", ROOT / "book" / "static" / "mathjax"):
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            files.copy(file, OUT / file.relative_to(folder.parent))
    files.copy(PARTS / "slides.css", OUT / "slides.css")
    return [make(chapter) for chapter in chapters]


def main() -> int:
    parser = argparse.ArgumentParser("python run.py slides", description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="?", default="", help="part of a chapter's file name")
    options = parser.parse_args()
    chapters = sorted(p for p in (ROOT / "book").glob("0*.ipynb") if options.part in p.name)
    if not chapters:
        parser.error(f"part must be in a chapter's file name, got {options.part!r}; use 01")
    try:
        decks = write(chapters)
    except OSError as error:
        print(f"The slides were not made: {error}", file=sys.stderr)
        return 1
    for target in decks:
        print(target.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
