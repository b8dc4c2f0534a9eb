"""Scripts: none on a page that has no use for it, and none with remarks for its authors."""

import re
from pathlib import Path

# Scripts that only some pages need, and what shows that a page does.
NEEDED_FOR = {
    "design-tabs": re.compile(r'class="[^"]*\bsd-tab-set\b'),
    "togglebutton": re.compile(r'class="(?:[^"]* )?(?:toggle|admonition(?: [^"]*)? dropdown)[ "]'),
    "clipboard.min": re.compile(r'<div class="highlight">'),
    "copybutton": re.compile(r'<div class="highlight">'),
    # The theme's icons, all two thousand of them; the style sheet has those that are shown.
    "scripts/fontawesome": re.compile(r"(?!)"),
    # `markup.py` makes menus and hints without it, and a small script does what then is left.
    "scripts/bootstrap": re.compile(r'\bdata-bs-toggle="'),
}
INSTEAD = {"scripts/bootstrap": "header"}
LOADED = re.compile(r'\s*<(script)\b[^>]*\bsrc="[^>]*></script>|\s*<link rel="preload"[^>]*>')
# Whole lines only: what looks like a remark within a line may be part of a text.
REMARK = re.compile(r"^[ \t]*// .*\n|^[ \t]+", re.MULTILINE)


def leave_out(text: str) -> str:
    """The page without the scripts that it has no use for.

    >>> leave_out('<p>a</p><script src="_static/design-tabs.js"></script>')
    '<p>a</p>'
    >>> leave_out('<p>a</p><script src="_static/scripts/bootstrap.js?v=1"></script>')
    '<p>a</p><script src="_static/header.js"></script>'
    """
    unused = [script for script, sign in NEEDED_FOR.items() if not sign.search(text)]

    def kept(tag: re.Match[str]) -> str:
        for script in unused:
            if f"/{script}.js" in tag[0]:
                other = INSTEAD.get(script) if tag[1] == "script" else None
                return re.sub(rf'{script}\.js[^"]*', f"{other}.js", tag[0]) if other else ""
        return tag[0]

    return LOADED.sub(kept, text)


def shorten(site: Path, pages: str) -> None:
    """Delete scripts that no page needs; take comments and indentation out of the others."""
    static = site / "_static"
    for file in static.rglob("*.js"):
        name = file.relative_to(static).as_posix()
        if name.removesuffix(".js") in NEEDED_FOR and f"/{name}" not in pages:
            file.unlink()
        elif "mathjax" not in file.parts:
            file.write_text(REMARK.sub("", file.read_text(encoding="utf-8")), encoding="utf-8")
