"""The drawings of chapter 4: `python book/figures/equivariance.py`.

The small pictures are computed by the code that the chapter runs.
"""

import torch
from networks import BLUE, GREEN, INK, PALE, RED, Drawing

from ippy.operators import Blurring

SHIFT = (2, 4)


def picture(drawing: Drawing, left: float, top: float, image: torch.Tensor, cell: int) -> None:
    """Draw an image (H, W) in [0, 1] as grey squares."""
    height, width = image.shape
    for i, row in enumerate(image.tolist()):
        for j, value in enumerate(row):
            grey = round(255 * min(max(value, 0.0), 1.0))
            colour = f"#{grey:02x}{grey:02x}{grey:02x}"
            drawing.box(left + cell * j, top + cell * i, cell, cell, colour, stroke="#777777")
    drawing.box(left, top, cell * width, cell * height, stroke=INK, thickness="2")


def square() -> None:
    """Two ways from x to the corner: first f, then T_v, or first T_v, then f."""
    x = torch.zeros(8, 10, dtype=torch.float64)
    x[1:4, 2] = x[3, 2:4] = 1.0
    f = Blurring((8, 10), kernel=torch.tensor([[0.1, 0.2, 0.4, 0.2, 0.1]]).double())

    def shift(image: torch.Tensor) -> torch.Tensor:
        return torch.roll(image, SHIFT, dims=(0, 1))

    if not torch.allclose(f(shift(x)), shift(f(x))):
        raise ValueError("the two ways must meet in the drawing; keep the object off the border")
    drawing = Drawing(
        720,
        400,
        "Translation equivariance as a square",
        "Four small pictures at the corners of a square. Top left x, an L of bright pixels. Top "
        "right f(x), the same L blurred. Bottom left T_v x, the L two rows lower and four columns "
        "to the right. Bottom right: both ways, first f and then the shift, or first the shift "
        "and then f, end in the same picture.",
    )
    cell = 15
    corners = {
        "x": (90, 44, x),
        "f(x)": (480, 44, f(x)),
        "Tᵥ x": (90, 244, shift(x)),
        "f(Tᵥ x) = Tᵥ f(x)": (480, 244, f(shift(x))),
    }
    for name, (left, top, image) in corners.items():
        drawing.text(left + 75, top - 12, name, 16, weight="bold", slant="italic")
        picture(drawing, left, top, image, cell)
    for top, colour in ((104, BLUE), (304, RED)):
        drawing.line((256, top), (464, top), colour, 3, arrow=True)
        drawing.text(360, top - 12, "f: blur it, or restore it", 14, colour)
    for left, colour, anchor in ((64, RED, "end"), (656, BLUE, "start")):
        drawing.line((left, 104), (left, 304), colour, 3, arrow=True)
        place = left + (10 if anchor == "start" else -10)
        drawing.text(place, 210, "Tᵥ", 17, colour, anchor=anchor, slant="italic")
    drawing.text(360, 200, f"v = {SHIFT}: {SHIFT[0]} rows down,", 13)
    drawing.text(360, 218, f"{SHIFT[1]} columns to the right", 13)
    drawing.text(360, 388, "blue: first f, then shift   ·   red: first shift, then f", 13)
    drawing.save("equivariance.svg")


def ring() -> None:
    """Where f(T_v x) and T_v f(x) must agree: p and p − v both r pixels inside."""
    drawing = Drawing(
        720,
        330,
        "Where equivariance must hold under zero padding",
        "A square image with a ring of width r along its border, and the same ring moved by v. "
        "The two agree at every pixel p that lies inside both inner squares: p is r pixels from "
        "the border, and so is p minus v.",
    )
    side, r, (down, right) = 220, 26, (30, 46)
    left, top = 60, 48
    drawing.box(left, top, side, side, PALE, thickness="2")
    drawing.box(left + r, top + r, side - 2 * r, side - 2 * r, "#ffffff", stroke=BLUE)
    inner = (left + r + right, top + r + down, side - 2 * r - right, side - 2 * r - down)
    drawing.box(*inner, "#dcebd2", stroke=GREEN, thickness="3")
    drawing.box(
        left + right + r,
        top + down + r,
        side - 2 * r,
        side - 2 * r,
        stroke=RED,
        thickness="2",
        dash="7 4",
    )
    drawing.box(left + right, top + down, side, side, stroke=RED, thickness="2", dash="7 4")
    drawing.line((left + side, top + 10), (left + side + right, top + 10 + down), RED, 2, True)
    drawing.text(left + side + 34, top + 14, "v", 16, RED, slant="italic", anchor="start")
    drawing.text(inner[0] + inner[2] / 2, inner[1] + inner[3] / 2 + 5, "agree", 16, weight="bold")
    drawing.text(left + 9, top + side - 80, "r", 15, slant="italic", anchor="start")
    drawing.line((left + r, top + side - 72), (left + 1, top + side - 72), INK, 1.5, arrow=True)
    drawing.line((left, top + side - 72), (left + r - 1, top + side - 72), INK, 1.5, arrow=True)
    notes = [
        ("grey ring", "f(Tᵥ x) is touched by the padding", INK),
        ("dashed, moved by v", "Tᵥ f(x) carries its ring along", RED),
        ("green", "p and p − v are both r pixels inside:", GREEN),
        ("", "neither has seen the padding", GREEN),
    ]
    for number, (name, words, colour) in enumerate(notes):
        height = 92 + 52 * number - (30 if number == 3 else 0)
        drawing.text(390, height, name, 14, colour, anchor="start", weight="bold")
        drawing.text(390, height + 20, words, 14, anchor="start")
    drawing.text(390, 270, "r = 3: SimpleCNN, three layers of 3×3", 14, anchor="start")
    drawing.text(390, 290, "r = 4: a 9×9 blur", 14, anchor="start")
    drawing.text(390, 310, "r = 7: the network after the blur", 14, anchor="start")
    drawing.save("ring.svg")


DRAWINGS = (square, ring)

if __name__ == "__main__":
    for draw in DRAWINGS:
        draw()
