"""Room for formulas: a page's lines must not move when they are typeset."""

import functools
import re
from html import unescape

FORMULA = re.compile(
    r'([(“‘]*)<span class="(math notranslate nohighlight)">\\\((.*?)\\\)</span>([.,:;?!)”’]*)',
    re.DOTALL,
)
# What the renderer reads and matplotlib does not, and something as wide that both read.
IN_OTHER_WORDS = [
    (r"\s+", " "),
    (r"\\[lr]Vert(?![a-zA-Z])", r"\\|"),
    (r"\\[lr]vert(?![a-zA-Z])", "|"),
    (r"\\big(?![a-zA-Z])", ""),
    (r"\\([lg])e(?![a-zA-Z])", r"\\\1eq"),
    (r"\\top(?![a-zA-Z])", "T"),
    (r"\\square(?![a-zA-Z])", "D"),
    (r"\\(?:begin|end)\{\w+\}|&|\\\\", " "),
    (r"\\t?frac *(\w) *(\w)", r"\\frac{\1}{\2}"),
    (r"\\t?frac *(\w)", r"\\frac{\1}"),
    (r"\\(mathbf|mathrm|mathcal|mathbb|overline|sqrt) *(\\?\w)", r"\\\1{\2}"),
    (r"\\(?:operatorname|text)(?![a-zA-Z])", r"\\mathrm"),
]
# The renderer makes its letters as high as those of the text around, which most systems write in
# a font of about this height beside that of Computer Modern.
ENLARGED = 1.21


def keep_room(text: str) -> str:
    r"""The page in which every formula within a line says how wide it will be.

    >>> keep_room('<span class="math notranslate nohighlight">\\(y\\)</span>')
    '<span class="math notranslate nohighlight" style="--ippy-width:0.6em">\\(y\\)</span>'

    A browser may end a line between a formula and a comma or bracket: they are held together.

    >>> keep_room('<span class="math notranslate nohighlight">\\(y\\)</span>, a').count("ippy-held")
    1
    """

    def sized(found: re.Match[str]) -> str:
        before, kind, formula, after = found.groups()
        style = f"--ippy-width:{width(unescape(formula)):.1f}em"
        span = f'<span class="{kind}" style="{style}">\\({formula}\\)</span>'
        held = f'<span class="ippy-held">{before}{span}{after}</span>'
        return held if before or after else span

    return FORMULA.sub(sized, text)


@functools.cache
def width(formula: str) -> float:
    """The ems that a formula takes, which matplotlib sets in the same font as the renderer.

    >>> round(width("x"), 1), round(width("K x = 0"), 1)
    (0.7, 3.8)
    """
    import matplotlib as mpl
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    for known, other in IN_OTHER_WORDS:
        formula = re.sub(known, other, formula)
    size = 100
    with mpl.rc_context({"mathtext.fontset": "cm"}):
        try:
            box = MathTextParser("path").parse(
                f"${formula.strip()}$", dpi=72, prop=FontProperties(size=size)
            )
        except ValueError:  # a command that it does not know: about half an em a letter
            return 0.6 * len(re.sub(r"\\[a-zA-Z]+|[\s{}_^]", "", formula))
    return float(ENLARGED * box.width / size)
