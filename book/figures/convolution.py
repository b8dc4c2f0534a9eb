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
        720,
        440,
        "One pixel of a convolution, by hand",
        "Above, a 6 by 6 image x, a 3 by 3 kernel k and the 6 by 6 result y. The window around "
        "row 2, column 2 of x is outlined, and so is that pixel of y. Below, the window times the "
        f"kernel turned by half a turn gives nine products, whose sum is {int(products.sum())}.",
    )
    cell = 31
    for left, name, values in ((24, "image x", X), (510, "result y = k ∗ x", y)):
        drawing.text(left + 3 * cell, 34, name, 15, weight="bold")
        grid(drawing, left, 48, values, cell)
    drawing.box(
        24 + cell * (j - 1), 48 + cell * (i - 1), 3 * cell, 3 * cell, stroke=BLUE, thickness="4"
    )
    drawing.box(510 + cell * j, 48 + cell * i, cell, cell, stroke=RED, thickness="4")
    drawing.text(360, 34, "kernel k", 15, weight="bold")
    grid(drawing, 360 - 1.5 * cell, 48, KERNEL, cell)
    drawing.line((360, 150), (360, 274), INK, 2, arrow=True)
    drawing.text(372, 200, "half a turn,", 13, anchor="start")
    drawing.text(372, 218, "as ∗ demands", 13, anchor="start")
    drawing.line((24 + 3 * cell, 48 + 6 * cell + 6), (138, 274), BLUE, 2, arrow=True)

    top, side = 308, 36
    panels = ((84, "window of x", window), (306, "kernel, turned", turned))
    for left, name, values in (*panels, (528, "products", products)):
        drawing.text(left + 1.5 * side, top - 12, name, 14, weight="bold")
        grid(drawing, left, top, values, side)
    drawing.box(84, top, 3 * side, 3 * side, stroke=BLUE, thickness="4")
    drawing.text(249, top + 62, "×", 24)
    drawing.text(471, top + 62, "=", 24)
    terms = [int(value) for value in products.flatten() if value]
    total = " + ".join(map(str, terms)).replace("+ -", f"{MINUS} ").replace("-", MINUS)
    drawing.line((582, top - 34), (588, 48 + 6 * cell + 4), RED, 2, arrow=True)
    drawing.text(600, 266, f"sum {int(products.sum())}", 14, RED, anchor="start", weight="bold")
    drawing.text(582, top + 3 * side + 20, total, 13)
    drawing.save("convolution.svg")


def sizes() -> None:
    """The same 3×3 kernel on a 6×6 image: valid, same, and two strided ones."""
    drawing = Drawing(
        720,
        400,
        "Four output sizes of one kernel",
        "A 3 by 3 kernel on a 6 by 6 image. Valid: 4 by 4. Same, with one ring of zeros: 6 by 6. "
        "Stride 2 with the ring: 3 by 3. Stride 2 without it: 2 by 2, and the last row and column "
        "of the image are never read.",
    )
    n, k, cell = 6, 3, 17
    settings = [("valid", 0, 1), ("same", 1, 1), ("stride 2, padded", 1, 2), ("stride 2", 0, 2)]
    for number, (name, padding, stride) in enumerate(settings):
        middle = 92 + 179 * number
        size = F.conv2d(
            torch.zeros(1, 1, n, n), torch.zeros(1, 1, k, k), padding=padding, stride=stride
        ).shape[-1]
        left, top = middle - n * cell / 2, 74
        drawing.text(middle, 30, name, 15, weight="bold")
        for row in range(-padding, n + padding):
            for column in range(-padding, n + padding):
                inside = 0 <= row < n and 0 <= column < n
                read = max(row, column) < (size - 1) * stride + k - padding
                style = {} if inside else {"stroke": "#8a8779", "dash": "2 2"}
                drawing.box(
                    left + cell * column,
                    top + cell * row,
                    cell,
                    cell,
                    ("#ffffff" if inside else "none") if read else PALE,
                    **style,
                )
                if not inside:
                    drawing.text(left + cell * (column + 0.5), top + cell * row + 13, "0", 12)
                elif not read:
                    drawing.text(left + cell * (column + 0.5), top + cell * row + 13, "×", 12)
        for place, colour, dash in ((0, BLUE, "none"), (1, RED, "6 3")):
            drawing.box(
                left + cell * (place * stride - padding),
                top - cell * padding,
                k * cell,
                k * cell,
                stroke=colour,
                thickness="3",
                dash=dash,
            )
        drawing.line((middle, 200), (middle, 226), INK, 2, arrow=True)
        start = middle - size * cell / 2
        for row in range(size):
            for column in range(size):
                drawing.box(start + cell * column, 236 + cell * row, cell, cell, "#ffffff")
        drawing.box(start, 236, cell, cell, stroke=BLUE, thickness="3")
        drawing.box(start + cell, 236, cell, cell, stroke=RED, thickness="3", dash="6 3")
        drawing.text(middle, 364, f"p = {padding}, s = {stride}", 13)
        drawing.text(middle, 384, f"{n}×{n} → {size}×{size}", 14, weight="bold")
    drawing.save("sizes.svg")


def paddings() -> None:
    """What stands beyond both ends of a row of six pixels, for each padding."""
    drawing = Drawing(
        720,
        262,
        "Four ways to go on beyond the border",
        "A row of six pixels with the values 1 to 6 and three more on each side. Zeros: 0 0 0. "
        "Circular: 4 5 6 before, 1 2 3 after. Reflect: 4 3 2 before, 5 4 3 after. Replicate: "
        "1 1 1 before, 6 6 6 after.",
    )
    row, reach, cell, left = torch.arange(1.0, 7.0), 3, 42, 192
    meanings = {
        "zeros": "black outside",
        "circular": "the other end follows",
        "reflect": "a mirror at the border pixel",
        "replicate": "the border pixel goes on",
    }
    drawing.text(left + cell * 6, 28, "the image", 14, BLUE, weight="bold")
    for number, (name, meaning) in enumerate(meanings.items()):
        mode = "constant" if name == "zeros" else name
        padded = F.pad(row[None, None], (reach, reach), mode=mode)[0, 0]
        top = 42 + 54 * number
        drawing.text(16, top + 19, name, 15, anchor="start", weight="bold")
        drawing.text(16, top + 36, meaning, 12, anchor="start")
        for place, value in enumerate(padded.tolist()):
            inside = reach <= place < reach + len(row)
            style = {} if inside else {"stroke": "#8a8779", "dash": "4 3"}
            start = left + cell * place
            drawing.box(start, top, cell, cell, "#ffffff" if inside else PALE, **style)
            drawing.text(start + cell / 2, top + 27, f"{value:g}", 15)
        drawing.box(left + cell * reach, top, cell * len(row), cell, stroke=BLUE, thickness="3")
    drawing.save("paddings.svg")


DRAWINGS = (worked_example, sizes, paddings)

if __name__ == "__main__":
    for draw in DRAWINGS:
        draw()
