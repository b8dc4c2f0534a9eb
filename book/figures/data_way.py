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
    row, middle = 110, 110 + SIDE / 2
    parts = [
        thumbnail(x, 20, row),
        box(130, middle - 24, 46, 48),
        text(153, middle + 6, "K", 18),
        thumbnail(y, 202, row),
        thumbnail(0.5 / BRIGHTER + STRONGER * e, 290, 14),
        '<circle cx="332" cy="152" r="15" fill="#ffffff" stroke="#0b6e99" stroke-width="2"/>',
        text(332, 158, "+", 20),
        thumbnail(y + e, 374, row),
        box(484, middle - 30, 96, 60),
        text(532, middle - 2, "network"),
        text(532, middle + 18, "f"),
        thumbnail(x_hat, 612, row),
        arrow(f"M106 {middle} H126"),
        arrow(f"M178 {middle} H198"),
        arrow(f"M288 {middle} H314"),
        arrow("M332 100 V133"),
        arrow(f"M349 {middle} H370"),
        arrow(f"M460 {middle} H480"),
        arrow(f"M582 {middle} H608"),
        text(62, row + SIDE + 20, "slice x"),
        text(244, row + SIDE + 20, "y = Kx"),
        text(384, 60, f"noise e, shown {STRONGER} × stronger", 13, "start"),
        text(416, row + SIDE + 20, "y_delta"),
        text(654, row + SIDE + 20, "x_hat"),
        box(566, 264, 130, 44),
        text(631, 291, "loss(x_hat, x)"),
        arrow("M654 222 V260"),
        arrow("M62 222 V286 H562"),
        text(200, 278, "the target, known because we simulate", 13, "start"),
        arrow("M566 300 H532 V186", learning=True),
        text(524, 246, "gradient", 13, "end"),
    ]
    title = "The data's way"
    description = (
        "The slice x is blurred by K to y. The noise e is added, which gives the measurement "
        "y_delta. The network f makes the reconstruction x_hat of it. The loss compares x_hat "
        "with x, and its gradient goes back to the network."
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 330" font-family="sans-serif" '
        f'role="img"><title>{title}</title><desc>{description}</desc><defs>'
        f"{MARKER.format('a', '#1f2933')}{MARKER.format('b', '#c8553d')}</defs>"
        '<rect width="720" height="330" rx="12" fill="#fbfaf6"/>'
        f'<g fill="#1f2933">{"".join(parts)}</g></svg>\n'
    )
    (FOLDER / "data-way.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
