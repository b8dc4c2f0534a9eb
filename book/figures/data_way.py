"""The drawing of the data's way, chapter 3: `python book/figures/data_way.py`.

The small pictures in it are computed, from the embedded data and the shipped weights.
"""

import base64
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ippy.course import NOISE_LEVEL, blurring, datasets, load_model
from ippy.noise import gaussian_noise

FOLDER = Path(__file__).resolve().parent
SIDE = 84
TOP, LEFT, DETAIL = 96, 96, 64
BRIGHTER, STRONGER = 1.6, 20
MARKER = (
    '<marker id="{0}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{1}"/></marker>'
)


def thumbnail(image: Tensor, x: float, y: float) -> str:
    """A detail of an image in [0, 1] as an embedded picture with a frame."""
    detail = image[0, 0, TOP : TOP + DETAIL, LEFT : LEFT + DETAIL]
    bright = (BRIGHTER * detail).clamp(0, 1).mul(255).round()
    file = io.BytesIO()
    Image.fromarray(bright.numpy().astype(np.uint8)).save(file, format="PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    place = f'x="{x:g}" y="{y:g}" width="{SIDE}" height="{SIDE}"'
    return (
        f'<image {place} href="data:image/png;base64,{data}" style="image-rendering:pixelated"/>'
        f'<rect {place} fill="none" stroke="#1f2933" stroke-width="1.5"/>'
    )


def text(x: float, y: float, words: str, size: int = 14, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}">{words}</text>'


def box(x: float, y: float, width: float, height: float, dash: str = "") -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="10" fill="#ffffff" '
        f'stroke="#0b6e99" stroke-width="2" stroke-dasharray="{dash}"/>'
    )


def arrow(path: str, learning: bool = False) -> str:
    colour, dash, tip = ("#c8553d", "7 4", "b") if learning else ("#1f2933", "none", "a")
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dash}" marker-end="url(#{tip})"/>'
    )


def main() -> None:
    x = datasets()[1][0][None]
    K = blurring()
    y = K(x)
    e = gaussian_noise(y, NOISE_LEVEL, torch.Generator().manual_seed(0))
    with torch.no_grad():
        x_hat = load_model("CNN")(y + e)
    above, below = 46, 226  # the measurement goes to the right, the answer comes back to the left
    upper, lower = above + SIDE / 2, below + SIDE / 2
    parts = [
        thumbnail(x, 16, above),
        box(126, upper - 24, 40, 48),
        text(146, upper + 6, "K", 18),
        thumbnail(y, 192, above),
        f'<circle cx="322" cy="{upper:g}" r="15" fill="#ffffff" stroke="#0b6e99" '
        'stroke-width="2"/>',
        text(322, upper + 7, "+", 20),
        thumbnail(0.5 / BRIGHTER + STRONGER * e, 348, above),
        thumbnail(y + e, 280, below),
        box(146, lower - 30, 96, 60),
        text(194, lower - 2, "network"),
        text(194, lower + 18, "f"),
        thumbnail(x_hat, 16, below),
        arrow(f"M102 {upper:g} H122"),
        arrow(f"M168 {upper:g} H188"),
        arrow(f"M278 {upper:g} H303"),
        arrow(f"M347 {upper:g} H341"),
        arrow(f"M322 {upper + 16:g} V{below - 4}"),
        arrow(f"M278 {lower:g} H246"),
        arrow(f"M144 {lower:g} H104"),
        text(58, above - 10, "slice x"),
        text(234, above - 10, "y = Kx"),
        text(390, above - 27, "noise e,"),
        text(390, above - 10, f"{STRONGER} × stronger"),
        text(322, below + SIDE + 20, "y_delta"),
        text(58, below + SIDE + 20, "x_hat"),
        box(6, 158, 108, 40),
        text(60, 183, "loss(x_hat, x)"),
        arrow(f"M58 {above + SIDE + 2} V154"),
        arrow(f"M58 {below - 2} V202"),
        text(68, 149, "the target: known, for we simulate", 13, "start"),
        arrow(f"M116 178 H194 V{lower - 34:g}", learning=True),
        text(155, 171, "gradient", 13),
    ]
    title = "The data's way"
    description = (
        "The slice x is blurred by K to y. The noise e is added, which gives the measurement "
        "y_delta. The network f makes the reconstruction x_hat of it. The loss compares x_hat "
        "with x, and its gradient goes back to the network."
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="440" height="346" viewBox="0 0 440 346" '
        f'font-family="sans-serif" role="img"><title>{title}</title><desc>{description}</desc>'
        "<defs>"
        f"{MARKER.format('a', '#1f2933')}{MARKER.format('b', '#c8553d')}</defs>"
        '<rect width="440" height="346" rx="12" fill="#fbfaf6"/>'
        f'<g fill="#1f2933">{"".join(parts)}</g></svg>\n'
    )
    (FOLDER / "data-way.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
