"""One style sheet in the place of nine: the rules that can apply, and the icons that are shown.

The theme's sheets weigh 0.6 MB, its icons another 1.5 MB of script. Of the rules remain those whose
classes and ids occur in a page or in a script; of the icon font those glyphs that the remaining
rules show, inside the sheet itself.
"""

import base64
import io
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont

logging.getLogger("fontTools").setLevel(logging.WARNING)

LINK = re.compile(r'\s*<link\b[^>]*\brel="stylesheet"[^>]*>')
HREF = re.compile(r'\bhref="([^"?]+)')
ICON_FONT = "vendor/fontawesome/webfonts/fa-solid-900.ttf"
IMPORT = re.compile(r'@import\s*"([^"]+)";')
ADDRESS = re.compile(r'url\("?([^")]+)"?\)')
SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script>", re.DOTALL)
NAMED = re.compile(r'\b(?:class|id)="([^"]*)"')  # an element's names in a page
WORD = re.compile(r"[\w-]+")
ASKED = re.compile(r"[.#](-?[A-Za-z_][\w-]*)")  # a class or an id that a selector asks for
BRACKETS = re.compile(r"\([^()]*\)|\[[^\]]*\]")  # what one of several, or none, has to match
VARIABLE = re.compile(r"(?<=[{;])(--[\w-]+):")
VARIABLE_SET = re.compile(r"(?<=[{;])(--[\w-]+):(?:\"[^\"]*\"|[^;{}\"])*(?:;|(?=\}))")
READ = re.compile(r"var\(\s*(--[\w-]+)")
GLYPH = re.compile("[\ue000-\uf8ff]")  # Unicode leaves these to fonts
SHEET = "site.css"
MADE_OF = "/* Made of "


def bundle(pages: dict[Path, str], site: Path) -> dict[Path, str]:
    """Write the one style sheet of all pages, and let them link to it."""
    themed = {page: text for page, text in pages.items() if LINK.search(text)}
    target = site / "_static" / SHEET
    linked = {sheet for page, text in themed.items() for sheet in _sheets(text, page)}
    if linked - {target}:  # Sphinx has written at least one page, and all its style sheets
        longest = max((_sheets(text, page) for page, text in themed.items()), key=len)
        sheets = [*dict.fromkeys([*longest, *_sheets_before(target), *sorted(linked)])]
        sheets = [sheet for sheet in sheets if sheet != target and sheet.exists()]
        scripts = [file for file in target.parent.rglob("*.js") if file.parent.name != "mathjax"]
        used = words(themed.values(), (script.read_text("utf-8") for script in scripts))
        rules = trim("\n".join(_read(sheet, target.parent) for sheet in sheets), used)
        rules = with_icons(without_unread_variables(rules, used), target.parent / ICON_FONT)
        names = " ".join(sheet.relative_to(target.parent).as_posix() for sheet in sheets)
        target.write_text(f"{MADE_OF}{names} */\n{rules}", encoding="utf-8")
        for sheet in sheets:
            sheet.unlink()
    return pages | {page: _link(text, page, target) for page, text in themed.items()}


def _sheets_before(target: Path) -> list[Path]:
    """What the style sheet of an earlier build was made of; pages of that build still need it."""
    if not target.exists():
        return []
    first = target.read_text("utf-8").partition("\n")[0]
    return [target.parent / name for name in first.removeprefix(MADE_OF).split()[:-1]]


def words(pages: Iterable[str], scripts: Iterable[str]) -> set[str]:
    """All names that an element has in a page, or that a script may give to one.

    >>> sorted(words(['<p class="a b" id="c">d</p><script>e()</script>'], ['f("g-h")']))
    ['a', 'b', 'c', 'e', 'f', 'g-h']
    """
    found: set[str] = set()
    for text in pages:
        found.update(WORD.findall(" ".join(NAMED.findall(text) + SCRIPT.findall(text))))
    for text in scripts:
        found.update(WORD.findall(text))
    return found


def trim(css: str, used: set[str]) -> str:
    """The rules that can apply to an element whose classes and ids are among the names `used`.

    >>> trim(".a, .b:hover { color: red } .c .a { color: blue } p > :not(.d) { top: 0 }", {"a"})
    '.a{color: red}p > :not(.d){top: 0}'
    >>> trim("@media print { .b { color: red } } @media screen { .a { top: 0 } }", {"a"})
    '@media screen{.a{top: 0}}'
    """
    rules = tinycss2.parse_stylesheet(css, skip_whitespace=True)
    return "".join(_kept(rules, used))


def without_unread_variables(css: str, used: set[str]) -> str:
    """The rules without variables that neither a rule nor a script reads.

    >>> without_unread_variables(":root{--a:1;--b:var(--a);--c:2}p{top:var(--b)}", set())
    ':root{--a:1;--b:var(--a);}p{top:var(--b)}'
    """
    while unread := set(VARIABLE.findall(css)) - set(READ.findall(css)) - used:
        css = VARIABLE_SET.sub(lambda found: "" if found[1] in unread else found[0], css)
    return css


def _kept(rules: list[Any], used: set[str]) -> Iterator[str]:
    for rule in rules:
        if rule.type == "comment" and rule.value.startswith("!"):  # a licence
            yield f"/*{rule.value}*/"
        elif rule.type == "qualified-rule":
            selectors = _split(tinycss2.serialize(rule.prelude))
            selectors = [one for one in selectors if _asked(one) <= used]
            if selectors:
                yield ",".join(selectors) + "{" + _tidy(rule.content) + "}"
        elif rule.type == "at-rule" and rule.content is None:
            yield rule.serialize()
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports"):
            inner = tinycss2.parse_rule_list(rule.content, skip_whitespace=True)
            if kept := "".join(_kept(inner, used)):
                yield f"@{rule.at_keyword} {tinycss2.serialize(rule.prelude).strip()}{{{kept}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword != "font-face":
            yield rule.serialize()


def _split(selectors: str) -> list[str]:
    """The selectors of a list; a comma in brackets separates none.

    >>> _split("a, b:is(c, d) e")
    ['a', 'b:is(c, d) e']
    """
    parts = re.split(r",(?![^(]*\))", selectors)
    return [part.strip() for part in parts]


def _asked(selector: str) -> set[str]:
    """The names without which nothing matches."""
    while BRACKETS.search(selector):
        selector = BRACKETS.sub("", selector)
    return set(ASKED.findall(selector))


def _tidy(content: list[Any]) -> str:
    """Declarations without their comments."""
    kept = [token for token in content if token.type != "comment"]
    return tinycss2.serialize(kept).strip().rstrip(";")


def with_icons(css: str, font: Path) -> str:
    """The style sheet with the glyphs of an icon font that it shows, as a font of its own."""
    shown = {ord(glyph) for glyph in GLYPH.findall(css)}
    options = subset.Options(flavor="woff", notdef_outline=True, layout_features=[])
    options.name_IDs = ["*"]  # they tell the author and the licence
    whole = TTFont(font, recalcTimestamp=False)
    part = subset.Subsetter(options)
    part.populate(unicodes=shown)
    part.subset(whole)
    whole.flavor = "woff"
    file = io.BytesIO()
    whole.save(file)
    data = base64.b64encode(file.getvalue()).decode()
    face = '@font-face{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;'
    return f'{css}{face}src:url("data:font/woff;base64,{data}") format("woff")}}\n'


def _sheets(text: str, page: Path) -> list[Path]:
    """The style sheets that a page links to, in order."""
    links = [HREF.search(link)[1] for link in LINK.findall(text)]  # type: ignore[index]
    return [(page.parent / link).resolve() for link in links]


def _read(sheet: Path, folder: Path) -> str:
    """A style sheet, and those that it imports, with addresses as seen from another folder."""

    def moved(found: re.Match[str]) -> str:
        if found[1].startswith(("data:", "#")):
            return found[0]
        return f'url("{Path(os.path.relpath(sheet.parent / found[1], folder)).as_posix()}")'

    text = ADDRESS.sub(moved, sheet.read_text("utf-8")).replace('@charset "UTF-8";', "")
    return IMPORT.sub(lambda found: _read((sheet.parent / found[1]).resolve(), folder), text)


def _link(text: str, page: Path, sheet: Path) -> str:
    """The page with one link to that sheet, in the place of its first one."""
    href = Path(os.path.relpath(sheet, page.parent)).as_posix()
    first = LINK.search(text)
    assert first is not None
    text = LINK.sub("", text)
    start = first.start()
    return f'{text[:start]}\n    <link rel="stylesheet" href="{href}" />{text[start:]}'
