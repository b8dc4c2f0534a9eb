"""The drawings of chapter 1: `python book/figures/convolution.py`.

The numbers are those of the chapter's cells, and the results are computed by the code that the
chapter runs. A test holds the drawings to both.
"""

import torch
import torch.nn.functional as F
from networks import BLUE, INK, PALE, RED, Drawing, grid

from ippy.operators import Blurring

X = torch.tensor(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 2, 1, 0, 0],
        [0, 2, 4, 3, 1, 0],
        [0, 1, 3, 5, 2, 0],
        [0, 0, 1, 2, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]
)
KERNEL = torch.tensor([[0, 1, 0], [2, 3, 0], [0, 0, -1]])
PIXEL = (2, 2)
MINUS = "\N{MINUS SIGN}"


def worked_example() -> None:
    """One output pixel: the window, the turned kernel, the products and their sum."""
    i, j = PIXEL
    window = X[i - 1 : i + 2, j - 1 : j + 2]
    turned = KERNEL.flip(0, 1)
    products = window * turned
    y = Blurring(tuple(X.shape), kernel=KERNEL.double())(X.double()).long()
    drawing = Drawing(
        440,
        396,
        "One pixel of a convolution, by hand",
        "Above, a 6 by 6 image x, a 3 by 3 kernel k and the 6 by 6 result y. The window around "
        "row 2, column 2 of x is outlined, and so is that pixel of y. Below, the window times the "
        f"kernel turned by half a turn gives nine products, whose sum is {int(products.sum())}.",
    )
    cell, above = 25, 40
    image, result = 10, 430 - 6 * cell
    for left, name, values in ((image, "image x", X), (result, "result y = k ∗ x", y)):
        drawing.text(left + 3 * cell, 26, name, 14, weight="bold")
        grid(drawing, left, above, values, cell)
    corner = image + cell * (j - 1), above + cell * (i - 1)
    drawing.box(*corner, 3 * cell, 3 * cell, stroke=BLUE, thickness="3.5")
    place = result + cell * j, above + cell * i
    drawing.box(*place, cell, cell, stroke=RED, thickness="3.5")
    drawing.text(220, 26, "kernel k", 14, weight="bold")
    grid(drawing, 220 - 1.5 * cell, above, KERNEL, cell)
    drawing.line((220, 120), (220, 240), INK, 2, arrow=True)
    drawing.text(212, 210, "half a turn,", 13, anchor="end")
    drawing.text(212, 228, "as ∗ demands", 13, anchor="end")
    drawing.line((image + 2.5 * cell, 196), (58, 240), BLUE, 2, arrow=True)

    top, side = 272, 32
    panels = ((10, "window of x", window), (172, "kernel, turned", turned))
    for left, name, values in (*panels, (334, "products", products)):
        drawing.text(left + 1.5 * side, top - 12, name, 14, weight="bold")
        grid(drawing, left, top, values, side)
    drawing.box(10, top, 3 * side, 3 * side, stroke=BLUE, thickness="3.5")
    drawing.text(139, top + 56, "×", 24)
    drawing.text(301, top + 56, "=", 24)
    terms = [int(value) for value in products.flatten() if value]
    total = " + ".join(map(str, terms)).replace("+ -", f"{MINUS} ").replace("-", MINUS)
    tip = place[0] + cell / 2, above + 6 * cell + 5
    drawing.line((382, 240), tip, RED, 2, arrow=True)
    drawing.text(376, 214, f"sum {int(products.sum())}", 14, RED, anchor="start", weight="bold")
    drawing.text(374, top + 3 * side + 20, total, 14)
    drawing.save("convolution.svg")


def sizes() -> None:
    """The same 3×3 kernel on a 6×6 image: valid, same, and two strided ones."""
    drawing = Drawing(
        440,
        388,
        "Four output sizes of one kernel",
        "A 3 by 3 kernel on a 6 by 6 image. Valid: 4 by 4. Same, with one ring of zeros: 6 by 6. "
        "Stride 2 with the ring: 3 by 3. Stride 2 without it: 2 by 2, and the last row and column "
        "of the image are never read.",
    )
    n, k, cell = 6, 3, 13
    settings = [("valid", 0, 1), ("same", 1, 1), ("stride 2, padded", 1, 2), ("stride 2", 0, 2)]
    for number, (name, padding, stride) in enumerate(settings):
        across, down = 220 * (number % 2), 194 * (number // 2)
        size = F.conv2d(
            torch.zeros(1, 1, n, n), torch.zeros(1, 1, k, k), padding=padding, stride=stride
        ).shape[-1]
        left, top, middle = across + 23, down + 49, down + 88
        drawing.text(across + 110, down + 24, name, 15, weight="bold")
        for row in range(-padding, n + padding):
            for column in range(-padding, n + padding):
                inside = 0 <= row < n and 0 <= column < n
                read = max(row, column) < (size - 1) * stride + k - padding
                style = {} if inside else {"stroke": "#8a8779", "dash": "2 2"}
                corner = left + cell * column, top + cell * row
                fill = ("#ffffff" if inside else "none") if read else PALE
                drawing.box(*corner, cell, cell, fill, **style)
                if not inside or not read:
                    words = "×" if inside else "0"
                    drawing.text(corner[0] + cell / 2, corner[1] + 11, words, 12)
        for place, colour, dash in ((0, BLUE, "none"), (1, RED, "6 3")):
            corner = left + cell * (place * stride - padding), top - cell * padding
            drawing.box(*corner, k * cell, k * cell, stroke=colour, thickness="3", dash=dash)
        drawing.line((across + 116, middle), (across + 132, middle), INK, 2, arrow=True)
        left, top = across + 171 - size * cell / 2, middle - size * cell / 2
        for row in range(size):
            for column in range(size):
                drawing.box(left + cell * column, top + cell * row, cell, cell, "#ffffff")
        drawing.box(left, top, cell, cell, stroke=BLUE, thickness="3")
        drawing.box(left + cell, top, cell, cell, stroke=RED, thickness="3", dash="6 3")
        drawing.text(across + 62, down + 166, f"p = {padding}, s = {stride}", 14)
        drawing.text(across + 172, down + 166, f"{n}×{n} → {size}×{size}", 14, weight="bold")
    drawing.save("sizes.svg")


def paddings() -> None:
    """What stands beyond both ends of a row of six pixels, for each padding."""
    drawing = Drawing(
        440,
        328,
        "Four ways to go on beyond the border",
        "A row of six pixels with the values 1 to 6 and three more on each side. Zeros: 0 0 0. "
        "Circular: 4 5 6 before, 1 2 3 after. Reflect: 4 3 2 before, 5 4 3 after. Replicate: "
        "1 1 1 before, 6 6 6 after.",
    )
    row, reach, cell, left = torch.arange(1.0, 7.0), 3, 34, 16
    meanings = {
        "zeros": "black outside",
        "circular": "the other end follows",
        "reflect": "a mirror at the border pixel",
        "replicate": "the border pixel goes on",
    }
    drawing.text(left + cell * 6, 24, "the image", 14, BLUE, weight="bold")
    for number, (name, meaning) in enumerate(meanings.items()):
        mode = "constant" if name == "zeros" else name
        padded = F.pad(row[None, None], (reach, reach), mode=mode)[0, 0]
        top = 56 + 70 * number
        drawing.text(left, top - 8, name, 15, anchor="start", weight="bold")
        drawing.text(left + 12 * cell, top - 8, meaning, 14, anchor="end")
        for place, value in enumerate(padded.tolist()):
            inside = reach <= place < reach + len(row)
            style = {} if inside else {"stroke": "#8a8779", "dash": "4 3"}
            start = left + cell * place
            drawing.box(start, top, cell, cell, "#ffffff" if inside else PALE, **style)
            drawing.text(start + cell / 2, top + 23, f"{value:g}", 15)
        drawing.box(left + cell * reach, top, cell * len(row), cell, stroke=BLUE, thickness="3")
    drawing.save("paddings.svg")


DRAWINGS = (worked_example, sizes, paddings)

if __name__ == "__main__":
    for draw in DRAWINGS:
        draw()
