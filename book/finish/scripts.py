"""Scripts: none on a page that has no use for it, and none with remarks for its authors."""

import re
from pathlib import Path

# Scripts that only some pages need, and what shows that a page does.
NEEDED_FOR = {
    "design-tabs": re.compile(r'class="[^"]*\bsd-tab-set\b'),
    "togglebutton": re.compile(r'class="[^"]*\b(?:toggle|dropdown)\b'),
    # The theme's icons, all two thousand of them; the style sheet has those that are shown.
    "fontawesome": re.compile(r"(?!)"),
}
# Whole lines only: what looks like a remark within a line may be part of a text.
REMARK = re.compile(r"^[ \t]*// .*\n|^[ \t]+", re.MULTILINE)


def leave_out(text: str) -> str:
    """The page without the scripts that it has no use for.

    >>> leave_out('<p>a</p><script src="_static/design-tabs.js"></script>')
    '<p>a</p>'
    """
    for script, sign in NEEDED_FOR.items():
        if not sign.search(text):
            text = re.sub(rf"\s*<script\b[^>]*/{script}\.js[^>]*></script>", "", text)
    return text


def shorten(site: Path) -> None:
    """Take lines of comments and indentation out of the site's scripts."""
    for file in [*(site / "_static").rglob("*.js")]:
        if file.name == "fontawesome.js":
            file.unlink()
        elif "mathjax" not in file.parts:
            file.write_text(REMARK.sub("", file.read_text(encoding="utf-8")), encoding="utf-8")
