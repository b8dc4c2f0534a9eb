"""The drawings of the primer and of chapters 2 and 5: `python book/figures/networks.py`.

Each drawing is an SVG on a light ground of its own, so that it reads on a dark page too, and at
most 440 pixels wide where that is possible, so that its letters can be read on a telephone. Numbers
in a drawing are computed here by the same code that the chapters run.
"""

from pathlib import Path
from xml.sax.saxutils import escape

import torch

from ippy.models import SimpleCNN, count_parameters, receptive_field

FOLDER = Path(__file__).resolve().parent
GROUND, INK, PALE = "#fbfaf6", "#1f2933", "#d9d6cc"
BLUE, RED, GREEN = "#0b6e99", "#b8472f", "#4f7f32"


class Drawing:
    """An SVG under construction; coordinates in pixels, y down."""

    def __init__(self, width: int, height: int, title: str, description: str) -> None:
        self.size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        self.parts = [
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{GROUND}"/>',
        ]

    def text(
        self, x: float, y: float, words: str, size: int = 13, colour: str = INK, **more: str
    ) -> None:
        style = {"anchor": "middle", "weight": "normal", "slant": "normal", **more}
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{style["anchor"]}" font-weight="{style["weight"]}" '
            f'font-style="{style["slant"]}">{escape(words)}</text>'
        )

    def box(
        self, x: float, y: float, width: float, height: float, fill: str = "none", **more: str
    ) -> None:
        style = {"stroke": INK, "thickness": "1", "round": "0", "dash": "none", **more}
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" '
            f'stroke="{style["stroke"]}" stroke-width="{style["thickness"]}" '
            f'rx="{style["round"]}" stroke-dasharray="{style["dash"]}"/>'
        )

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        colour: str = INK,
        thickness: float = 1.5,
        arrow: bool = False,
        dash: str = "none",
    ) -> None:
        tip = f' marker-end="url(#tip-{colour[1:]})"' if arrow else ""
        self.parts.append(
            f'<line x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}" '
            f'stroke="{colour}" stroke-width="{thickness:g}" stroke-dasharray="{dash}"{tip}/>'
        )

    def path(self, points: list[tuple[float, float]], colour: str, thickness: float = 2) -> None:
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{joined}" fill="none" stroke="{colour}" '
            f'stroke-width="{thickness:g}"/>'
        )

    def circle(self, x: float, y: float, radius: float, fill: str, stroke: str = INK) -> None:
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{stroke}"/>'
        )

    def save(self, name: str) -> None:
        tips = "".join(
            f'<marker id="tip-{colour[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{colour}"/></marker>'
            for colour in (INK, BLUE, RED, GREEN)
        )
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {self.size} role="img" '
            'font-family="DejaVu Sans, Verdana, sans-serif">',
            f"<defs>{tips}</defs>",
            *self.parts,
            "</svg>",
        ]
        (FOLDER / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def connections() -> None:
    """Dense, local, and local with shared weights, on a row of eight pixels."""
    drawing = Drawing(
        440,
        262,
        "From a dense layer to a convolution",
        "Three panels, each with a row of eight input pixels below and eight output pixels above. "
        "Dense: every pair is joined, 64 weights. Local: each output is joined to its three "
        "nearest inputs, 22 different weights. Convolution: the same links, but three line "
        "styles repeat, 3 weights.",
    )
    pixels, reach, pitch = 8, 1, 16
    local = sum(abs(i - j) <= reach for i in range(pixels) for j in range(pixels))
    panels = [
        ("dense", f"{pixels**2} weights", "every pixel", "to every pixel"),
        ("local", f"{local} weights", "only neighbours,", "each with its own"),
        ("convolution", f"{2 * reach + 1} weights", "only neighbours,", "the same three"),
    ]
    for number, (name, count, *words) in enumerate(panels):
        left = 32 + 142 * number
        middle = left + pitch * (pixels - 1) / 2
        drawing.text(middle, 28, name, 15, weight="bold")
        drawing.text(middle, 208, count, 15, weight="bold")
        for line, part in enumerate(words):
            drawing.text(middle, 230 + 18 * line, part, 13)
        for i in range(pixels):
            for j in range(pixels):
                near = abs(i - j) <= reach
                if number and not near:
                    continue
                colour, thickness, dash = (INK, 0.7, "none") if not number else (INK, 1.5, "none")
                if number == 2:
                    colour = (RED, BLUE, GREEN)[j - i + 1]
                    thickness, dash = 2.2, ("none", "6 3", "2 2")[j - i + 1]
                start, end = (left + pitch * j, 168), (left + pitch * i, 60)
                drawing.line(start, end, colour, thickness, dash=dash)
        for i in range(pixels):
            drawing.box(left + pitch * i - 6, 168, 12, 12, PALE)
            drawing.box(left + pitch * i - 6, 48, 12, 12, "#ffffff")
    drawing.text(6, 179, "y", 15, slant="italic", anchor="start")
    drawing.text(6, 59, "h", 15, slant="italic", anchor="start")
    drawing.save("connections.svg")


def grid(
    drawing: Drawing, left: float, top: float, values: torch.Tensor, cell: int, **style: str
) -> None:
    """Write a 2-D tensor of whole numbers into squares."""
    fill = style.pop("fill", "#ffffff")
    for i, row in enumerate(values.tolist()):
        for j, value in enumerate(row):
            drawing.box(left + cell * j, top + cell * i, cell, cell, fill, **style)
            words = f"{value:g}".replace("-", "\N{MINUS SIGN}")
            drawing.text(left + cell * (j + 0.5), top + cell * (i + 0.68), words, 14)


def channels() -> None:
    """One output pixel of a convolution with two input channels."""
    window = torch.tensor(
        [[[1.0, 2, 0], [0, 3, 1], [2, 1, 1]], [[0.0, 1, 2], [1, 1, 0], [3, 0, 1]]]
    )
    filter_ = torch.tensor(
        [[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], [[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]]
    )
    bias = 5.0
    sums = (window * filter_).sum(dim=(1, 2))
    drawing = Drawing(
        440,
        300,
        "One output pixel of a convolution with two input channels",
        "Two 3 by 3 windows, one per input channel, each beside its own 3 by 3 slab of weights. "
        f"Products are summed per channel, giving {sums[0]:g} and {sums[1]:g}, then over channels "
        f"with the bias {bias:g}: the output pixel is {sums.sum() + bias:g}.",
    )
    for left, name in ((14, "window"), (134, "one filter")):
        drawing.text(left + 42, 26, name, 15, weight="bold")
        drawing.text(left + 42, 46, "(2, 3, 3)", 13)
    for channel, colour in enumerate((BLUE, RED)):
        top = 60 + 106 * channel
        grid(drawing, 14, top, window[channel], 28, stroke=colour, thickness="1.5")
        grid(drawing, 134, top, filter_[channel], 28, stroke=colour, thickness="1.5")
        drawing.text(116, top + 49, "\N{MULTIPLICATION SIGN}", 20)
        words = f"sum {sums[channel]:g}".replace("-", "\N{MINUS SIGN}")
        drawing.text(232, top + 36, f"channel {channel}", 13, colour, anchor="start")
        drawing.text(232, top + 56, words, 15, colour, anchor="start", weight="bold")
        drawing.line((306, top + 42), (374, 142 + 22 * channel), colour, 2, arrow=True)
    total = f"{sums[0]:g} + {sums[1]:g} + {bias:g}".replace("-", "\N{MINUS SIGN}")
    drawing.text(400, 118, "output", 15, weight="bold")
    drawing.box(378, 132, 44, 44, "#ffffff", thickness="2.5")
    drawing.text(400, 160, f"{sums.sum() + bias:g}".replace("-", "\N{MINUS SIGN}"), 16)
    drawing.text(392, 202, total, 14)
    drawing.text(392, 222, f"(bias {bias:g})", 13)
    drawing.text(220, 286, "A second filter, again (2, 3, 3), makes the second map.", 13)
    drawing.save("channels.svg")


def architecture() -> None:
    """`SimpleCNN(1, 1, 32)`, with the number of parameters of each layer."""
    model = SimpleCNN(1, 1, 32)
    layers = [model.conv1, model.conv2, model.conv3]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    drawing = Drawing(
        440,
        452,
        "The network SimpleCNN",
        "From top to bottom: the measurement, one map of 256 by 256; a convolution and a ReLU give "
        "32 maps; a second convolution and ReLU give 32 maps; a third convolution gives one map, "
        f"the reconstruction. The layers have {counts[0]:,}, {counts[1]:,} and {counts[2]:,} "
        f"parameters, {count_parameters(model):,} together.",
    )
    seen = receptive_field(model)
    words = f"{count_parameters(model):,} parameters; a pixel sees {seen} × {seen} pixels"
    drawing.text(220, 28, words, 15, weight="bold")
    stacks = [
        (1, PALE, "y_delta", "(1, 256, 256)"),
        (5, "#cfe3ec", "32 maps", "(32, 256, 256)"),
        (5, "#cfe3ec", "32 maps", "(32, 256, 256)"),
        (1, PALE, "x_hat", "(1, 256, 256)"),
    ]
    for row, (number, fill, name, shape) in enumerate(stacks):
        top = 56 + 106 * row
        for k in range(number - 1, -1, -1):
            drawing.box(44 + 4 * k, top - 4 * k, 52, 52, fill)
        drawing.text(136, top + 24, name, 15, anchor="start", weight="bold")
        drawing.text(220, top + 24, shape, 14, anchor="start")
        if row == len(layers):
            break
        then = ", then ReLU" if row < 2 else ", no ReLU"
        weight = tuple(layers[row].weight.shape)
        drawing.line((70, top + 56), (70, top + 86), BLUE, 2.5, arrow=True)
        drawing.text(136, top + 66, f"conv{row + 1}{then}", 14, BLUE, anchor="start", weight="bold")
        words = f"weight {weight}: {counts[row]:,} parameters"
        drawing.text(136, top + 86, words, 13, anchor="start")
    words = "Axes of a weight: outputs, inputs, rows, columns."
    drawing.text(220, 442, words, 13)
    drawing.save("cnn-architecture.svg")


def pyramid() -> None:
    """The receptive field of three 3x3 layers, seen from the side."""
    drawing = Drawing(
        440,
        300,
        "The receptive field grows by two pixels per layer",
        "Four rows of nine pixels, from the measurement below to the output on top. One output "
        "pixel is joined to three pixels of the row below it, those to five, those to seven "
        "pixels of the measurement.",
    )
    rows = ["measurement", "after conv1", "after conv2", "output"]
    seen = [7, 5, 3, 1]
    cell, left, middle = 27, 110, 4

    def centre(row: int, column: int) -> tuple[float, float]:
        return left + cell * (column + 0.5), 238 - 66 * row

    for row in range(1, 4):
        reach = seen[row] // 2
        for column in range(middle - reach, middle + reach + 1):
            x, y = centre(row, column)
            for step in (-1, 0, 1):
                x_below, y_below = centre(row - 1, column + step)
                drawing.line((x_below, y_below - 12), (x, y + 12), BLUE, 1.2)
    for row, name in enumerate(rows):
        reach = seen[row] // 2
        for column in range(2 * middle + 1):
            x, y = centre(row, column)
            inside = abs(column - middle) <= reach
            drawing.box(
                x - 11, y - 12, 22, 24, "#cfe3ec" if inside else "#ffffff",
                stroke=BLUE if inside else "#9aa5b1", thickness="2" if inside else "1",
            )  # fmt: skip
        drawing.text(102, centre(row, 0)[1] + 5, name, 13, anchor="end")
        words = f"{seen[row]} pixel" + ("s" if seen[row] > 1 else "")
        drawing.text(360, centre(row, 0)[1] + 5, words, 14, BLUE, anchor="start", weight="bold")
    drawing.text(220, 284, "Each 3 × 3 layer adds one pixel on every side.", 14)
    drawing.save("receptive-field.svg")


def heads() -> None:
    """Where a final activation sits, and the residual network."""
    drawing = Drawing(
        440,
        384,
        "A final activation sits between the last convolution and the output",
        "Above: the measurement goes through three convolutions to the pre-activation z; a head, "
        "one of none, ReLU, sigmoid, tanh, turns z into the reconstruction. Below: in the "
        "residual network tanh of z is added to the measurement, which skips the convolutions.",
    )
    curves = {
        "none": lambda z: z,
        "ReLU": torch.relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }
    drawing.text(16, 28, "plain network", 14, weight="bold", anchor="start")
    drawing.text(46, 69, "y_delta", 14)
    drawing.line((78, 64), (104, 64), INK, 2, arrow=True)
    drawing.box(108, 42, 160, 44, "#cfe3ec", round="6", stroke=BLUE)
    drawing.text(188, 69, "three convolutions", 13)
    drawing.line((188, 86), (188, 114), INK, 2, arrow=True)
    drawing.text(204, 105, "z", 15, slant="italic")
    drawing.box(16, 118, 344, 118, "#ffffff", round="6")
    z = torch.linspace(-3, 3, 61)
    for k, (name, curve) in enumerate(curves.items()):
        middle = 62 + 84 * k
        drawing.line((middle - 34, 180), (middle + 34, 180), "#9aa5b1", 1)
        drawing.line((middle, 150), (middle, 210), "#9aa5b1", 1)
        points = [
            (middle + 11 * float(a), 180 - 22 * float(b))
            for a, b in zip(z, curve(z), strict=True)
            if abs(float(b)) <= 1.35
        ]
        drawing.path(points, RED, 2.5)
        drawing.text(middle, 228, name, 14)
    drawing.text(188, 138, "one of these heads", 13, weight="bold")
    drawing.line((360, 180), (386, 180), INK, 2, arrow=True)
    drawing.text(412, 185, "x_hat", 14)

    drawing.text(16, 272, "residual network", 14, weight="bold", anchor="start")
    drawing.text(46, 317, "y_delta", 14)
    drawing.line((78, 312), (104, 312), INK, 2, arrow=True)
    drawing.box(108, 290, 100, 44, "#cfe3ec", round="6", stroke=BLUE)
    drawing.text(158, 308, "three con-", 13)
    drawing.text(158, 324, "volutions", 13)
    drawing.line((208, 312), (244, 312), INK, 2, arrow=True)
    drawing.text(224, 303, "z", 15, slant="italic")
    drawing.box(248, 290, 58, 44, "#ffffff", round="6")
    drawing.text(277, 317, "tanh", 14, RED)
    drawing.line((306, 312), (334, 312), INK, 2, arrow=True)
    drawing.text(300, 280, "correction in (−1, 1)", 13)
    drawing.circle(350, 312, 13, "#ffffff")
    drawing.text(350, 318, "+", 18)
    drawing.line((363, 312), (386, 312), INK, 2, arrow=True)
    drawing.text(412, 317, "x_hat", 14)
    drawing.line((92, 312), (92, 352), GREEN, 2, dash="6 3")
    drawing.line((92, 352), (350, 352), GREEN, 2, dash="6 3")
    drawing.line((350, 352), (350, 328), GREEN, 2, arrow=True)
    drawing.text(221, 372, "the measurement itself goes past", 13, GREEN)
    drawing.save("heads.svg")


def autograd() -> None:
    """The graph of one squared error, with values forward and derivatives backward."""
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(0.1, requires_grad=True)
    y, x = 0.3, 0.9
    x_hat = a * y + b
    error = x_hat - x
    loss = error**2
    slope_a, slope_b = torch.autograd.grad(loss, (a, b))
    slope = 2 * error.item()
    drawing = Drawing(
        440,
        288,
        "Values flow forward, derivatives flow back",
        "A graph: a times y, plus b, gives x_hat; minus x gives the error; squared gives the loss. "
        "Below each node stands the derivative of the loss with respect to it.",
    )
    nodes = [
        (46, 70, "a", f"{a.item():g}", slope_a.item()),
        (46, 166, "b", f"{b.item():g}", slope_b.item()),
        (140, 70, "a · y", f"{a.item() * y:.1f}", slope),
        (250, 118, "x_hat = a·y+b", f"{x_hat.item():.1f}", slope),
        (376, 118, "error = x_hat − x", f"{error.item():.1f}", slope),
        (376, 222, "", f"{loss.item():.2f}", 1.0),
    ]
    for start, end in [(0, 2), (2, 3), (1, 3), (3, 4)]:
        x0, y0 = nodes[start][:2]
        x1, y1 = nodes[end][:2]
        shift = 0 if y0 == y1 else (10 if y1 > y0 else -10)
        drawing.line((x0 + 30, y0 + shift / 2), (x1 - 32, y1 - shift), BLUE, 2, arrow=True)
    drawing.line((376, 164), (376, 200), BLUE, 2, arrow=True)
    drawing.text(338, 227, "loss = error²", 13, anchor="end")
    for left, top, name, value, gradient in nodes:
        drawing.box(left - 28, top - 18, 56, 36, "#ffffff", round="6", thickness="1.5")
        drawing.text(left, top + 6, value.replace("-", "\N{MINUS SIGN}"), 15, weight="bold")
        drawing.text(left + 8 * (name[:1] == "x"), top - 26, name, 13)
        words = f"d = {gradient:.2f}".replace("-", "\N{MINUS SIGN}")
        drawing.text(left, top + 37, words, 14, RED)
    drawing.text(340, 28, f"y = {y}, x = {x}", 14)
    drawing.line((18, 248), (56, 248), BLUE, 2, arrow=True)
    drawing.text(66, 253, "values, forward", 14, BLUE, anchor="start")
    drawing.line((56, 272), (18, 272), RED, 2, arrow=True)
    drawing.text(66, 277, "d: derivative of the loss, backward", 14, RED, anchor="start")
    drawing.save("autograd.svg")


if __name__ == "__main__":
    for draw in (connections, channels, architecture, pyramid, heads, autograd):
        draw()
