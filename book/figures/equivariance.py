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
        440,
        382,
        "Translation equivariance as a square",
        "Four small pictures at the corners of a square. Top left x, an L of bright pixels. Top "
        "right f(x), the same L blurred. Bottom left T_v x, the L two rows lower and four columns "
        "to the right. Bottom right: both ways, first f and then the shift, or first the shift "
        "and then f, end in the same picture.",
    )
    cell = 13
    corners = {
        "x": (14, 40, x),
        "f(x)": (296, 40, f(x)),
        "Tᵥ x": (14, 238, shift(x)),
        "f(Tᵥ x) = Tᵥ f(x)": (296, 238, f(shift(x))),
    }
    for name, (left, top, image) in corners.items():
        drawing.text(left + 65, top - 12, name, 15, weight="bold", slant="italic")
        picture(drawing, left, top, image, cell)
    for middle, colour in ((92, BLUE), (290, RED)):
        drawing.line((154, middle), (286, middle), colour, 3, arrow=True)
        drawing.text(220, middle - 28, "f: blur it,", 14, colour)
        drawing.text(220, middle - 11, "or restore it", 14, colour)
    for middle, colour in ((79, RED), (361, BLUE)):
        drawing.line((middle, 150), (middle, 208), colour, 3, arrow=True)
        drawing.text(middle + 12, 184, "Tᵥ", 16, colour, anchor="start", slant="italic")
    drawing.text(222, 172, f"v = {SHIFT}:", 13)
    drawing.text(222, 190, f"{SHIFT[0]} rows down,", 13)
    drawing.text(222, 208, f"{SHIFT[1]} columns right", 13)
    drawing.text(220, 369, "blue: first f, then Tᵥ   ·   red: first Tᵥ, then f", 13)
    drawing.save("equivariance.svg")


def ring() -> None:
    """Where f(T_v x) and T_v f(x) must agree: p and p − v both r pixels inside."""
    drawing = Drawing(
        440,
        452,
        "Where equivariance must hold under zero padding",
        "A square picture. A grey ring of width r stands along its border: there f(T_v x) has met "
        "the padding. A striped cross of two bands, each 2 r wide, v[0] rows down and v[1] columns "
        "to the right, is the same ring moved by v and come around the border: there T_v f(x) has "
        "met it. The four green rectangles between them are where the two must agree.",
    )
    left, top, side, r, (down, right) = 110, 16, 220, 15, (76, 98)
    drawing.box(left, top, side, side, PALE, thickness="2")
    rows = ((r, down - r), (down + r, side - r))
    columns = ((r, right - r), (right + r, side - r))
    drawing.box(left, top + down - r, side, 2 * r, "#f3d9d1", stroke=RED, dash="7 4")
    drawing.box(left + right - r, top, 2 * r, side, "#f3d9d1", stroke=RED, dash="7 4")
    for first, last in rows:
        for start, end in columns:
            place = (left + start, top + first, end - start, last - first)
            drawing.box(*place, "#dcebd2", stroke=GREEN, thickness="3")
    # Stripes, so that the moved ring is told from the grey one without colour, too.
    for n in range(4, side, 12):
        drawing.line((left + n, top + down - r), (left + n, top + down + r), RED, 1)
        drawing.line((left + right - r, top + n), (left + right + r, top + n), RED, 1)
    drawing.box(left, top, side, side, thickness="2")
    drawing.line((left, top), (left + right, top + down), INK, 2.5, arrow=True)
    drawing.text(left + 66, top + 40, "v", 17, slant="italic", weight="bold")
    middle = left + (columns[1][0] + columns[1][1]) / 2, top + (rows[1][0] + rows[1][1]) / 2
    drawing.text(middle[0], middle[1] + 5, "agree", 16, weight="bold")
    edge = top + side - 40
    drawing.line((left - 26, edge), (left - 1, edge), INK, 1.5, arrow=True)
    drawing.line((left + r + 26, edge), (left + r + 1, edge), INK, 1.5, arrow=True)
    drawing.text(left - 34, edge + 5, "r", 16, slant="italic")
    notes = [
        ("grey ring", "p less than r inside: f(Tᵥ x) has met the padding", INK),
        ("striped, moved by v", "p − v less than r inside: Tᵥ f(x) has met it", RED),
        ("green", "both r pixels inside: neither has seen the border", GREEN),
    ]
    for number, (name, words, colour) in enumerate(notes):
        height = 264 + 43 * number
        drawing.text(20, height, name, 14, colour, anchor="start", weight="bold")
        drawing.text(20, height + 18, words, 14, anchor="start")
    drawing.text(20, 396, "r = 3: SimpleCNN, three layers of 3×3", 14, anchor="start")
    drawing.text(20, 416, "r = 4: a 9×9 blur", 14, anchor="start")
    drawing.text(20, 436, "r = 7: the network after the blur", 14, anchor="start")
    drawing.save("ring.svg")


DRAWINGS = (square, ring)

if __name__ == "__main__":
    for draw in DRAWINGS:
        draw()
