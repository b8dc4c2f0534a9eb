"""The drawings of the primer and of chapters 2 and 5: `python book/figures/networks.py`.

Each drawing is an SVG on a light ground of its own, so that it reads on a dark page too. Numbers
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
        720,
        250,
        "From a dense layer to a convolution",
        "Three panels, each with a row of eight input pixels below and eight output pixels above. "
        "Dense: every pair is joined, 64 weights. Local: each output is joined to its three "
        "nearest inputs, 22 different weights. Convolution: the same links, but three line "
        "styles repeat, 3 weights.",
    )
    pixels, reach = 8, 1
    local = sum(abs(i - j) <= reach for i in range(pixels) for j in range(pixels))
    panels = [
        ("dense", f"{pixels**2} weights", "every pixel to every pixel"),
        ("local", f"{local} weights", "only neighbours, each with its own"),
        ("convolution", f"{2 * reach + 1} weights", "only neighbours, the same three"),
    ]
    for number, (name, count, words) in enumerate(panels):
        left = 30 + 232 * number
        drawing.text(left + 98, 32, name, 16, weight="bold")
        drawing.text(left + 98, 214, count, 15, weight="bold")
        drawing.text(left + 98, 235, words, 12)
        for i in range(pixels):
            for j in range(pixels):
                near = abs(i - j) <= reach
                if number and not near:
                    continue
                colour, thickness, dash = (INK, 0.7, "none") if not number else (INK, 1.5, "none")
                if number == 2:
                    colour = (RED, BLUE, GREEN)[j - i + 1]
                    thickness, dash = 2.2, ("none", "6 3", "2 2")[j - i + 1]
                start, end = (left + 28 * j, 172), (left + 28 * i, 72)
                drawing.line(start, end, colour, thickness, dash=dash)
        for i in range(pixels):
            drawing.box(left + 28 * i - 8, 172, 16, 16, PALE)
            drawing.box(left + 28 * i - 8, 56, 16, 16, "#ffffff")
    drawing.text(8, 186, "x", 14, slant="italic", anchor="start")
    drawing.text(8, 70, "y", 14, slant="italic", anchor="start")
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
        720,
        330,
        "One output pixel of a convolution with two input channels",
        "Two 3 by 3 windows, one per input channel, each beside its own 3 by 3 slab of weights. "
        f"Products are summed per channel, giving {sums[0]:g} and {sums[1]:g}, then over channels "
        f"with the bias {bias:g}: the output pixel is {sums.sum() + bias:g}.",
    )
    drawing.text(141, 30, "window of the input", 14, weight="bold")
    drawing.text(321, 30, "one filter", 14, weight="bold")
    drawing.text(141, 48, "(2, 3, 3)", 12)
    drawing.text(321, 48, "(2, 3, 3)", 12)
    drawing.text(622, 110, "one output pixel", 14, weight="bold")
    for channel, colour in enumerate((BLUE, RED)):
        top = 66 + 126 * channel
        grid(drawing, 90, top, window[channel], 34, stroke=colour, thickness="1.5")
        grid(drawing, 270, top, filter_[channel], 34, stroke=colour, thickness="1.5")
        drawing.text(231, top + 58, "\N{MULTIPLICATION SIGN}", 22)
        drawing.text(82, top + 56, f"channel {channel}", 12, colour, anchor="end")
        words = f"products sum to {sums[channel]:g}".replace("-", "\N{MINUS SIGN}")
        drawing.line((376, top + 51), (400, top + 51), colour, 2, arrow=True)
        drawing.text(470, top + 56, words, 13, colour)
        drawing.line((540, top + 51), (596, 166 + 22 * channel), colour, 2, arrow=True)
    total = f"{sums[0]:g} + {sums[1]:g} + {bias:g}".replace("-", "\N{MINUS SIGN}")
    drawing.box(600, 155, 44, 44, "#ffffff", thickness="2.5")
    drawing.text(622, 183, f"{sums.sum() + bias:g}".replace("-", "\N{MINUS SIGN}"), 16)
    drawing.text(622, 142, total, 13)
    drawing.text(622, 252, "summed over channels,", 12)
    drawing.text(622, 269, "plus the bias", 12)
    drawing.text(360, 316, "A second filter, again (2, 3, 3), makes the second output map.", 13)
    drawing.save("channels.svg")


def architecture() -> None:
    """`SimpleCNN(1, 1, 32)`, with the number of parameters of each layer."""
    model = SimpleCNN(1, 1, 32)
    layers = [model.conv1, model.conv2, model.conv3]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    drawing = Drawing(
        720,
        290,
        "The network SimpleCNN",
        "From left to right: the measurement, one map of 256 by 256; a convolution and a ReLU give "
        "32 maps; a second convolution and ReLU give 32 maps; a third convolution gives one map, "
        f"the reconstruction. The layers have {counts[0]:,}, {counts[1]:,} and {counts[2]:,} "
        f"parameters, {count_parameters(model):,} together.",
    )

    def maps(left: float, number: int, fill: str) -> None:
        for k in range(number - 1, -1, -1):
            drawing.box(left + 5 * k, 82 - 5 * k + 20, 74, 74, fill)

    stacks = [
        (24.0, 1, PALE, "y_delta", "(1, 256, 256)"),
        (214.0, 5, "#cfe3ec", "32 maps", "(32, 256, 256)"),
        (414.0, 5, "#cfe3ec", "32 maps", "(32, 256, 256)"),
        (622.0, 1, PALE, "x_hat", "(1, 256, 256)"),
    ]
    for left, number, fill, name, shape in stacks:
        maps(left, number, fill)
        drawing.text(left + 37, 196, name, 14, weight="bold")
        drawing.text(left + 37, 214, shape, 12)
    for k, (start, end) in enumerate([(102, 208), (312, 408), (512, 616)]):
        middle = (start + end) / 2
        drawing.line((start, 139), (end, 139), BLUE, 2.5, arrow=True)
        drawing.text(middle, 128, f"conv{k + 1}", 13, BLUE, weight="bold")
        drawing.text(middle, 157, "then ReLU" if k < 2 else "no ReLU", 12)
        weight = tuple(layers[k].weight.shape)
        drawing.text(middle, 246, f"{weight}", 12, BLUE)
        drawing.text(middle, 264, f"{counts[k]:,} parameters", 12)
    seen = receptive_field(model)
    words = f"{count_parameters(model):,} parameters; each output pixel sees {seen} × {seen} pixels"
    drawing.text(360, 36, words, 15, weight="bold")
    drawing.text(360, 284, "weight shapes: (outputs, inputs, rows, columns)", 12)
    drawing.save("cnn-architecture.svg")


def pyramid() -> None:
    """The receptive field of three 3x3 layers, seen from the side."""
    drawing = Drawing(
        720,
        300,
        "The receptive field grows by two pixels per layer",
        "Four rows of eleven pixels, from the measurement below to the output on top. One output "
        "pixel is joined to three pixels of the row below it, those to five, those to seven "
        "pixels of the measurement.",
    )
    rows = ["measurement", "after conv1", "after conv2", "output"]
    seen = [7, 5, 3, 1]
    cell, left, middle = 36, 190, 5

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
        for column in range(11):
            x, y = centre(row, column)
            inside = abs(column - middle) <= reach
            drawing.box(
                x - 14, y - 12, 28, 24, "#cfe3ec" if inside else "#ffffff",
                stroke=BLUE if inside else "#9aa5b1", thickness="2" if inside else "1",
            )  # fmt: skip
        drawing.text(176, centre(row, 0)[1] + 5, name, 13, anchor="end")
        words = f"{seen[row]} pixel" + ("s" if seen[row] > 1 else "")
        drawing.text(602, centre(row, 0)[1] + 5, words, 13, BLUE, anchor="start", weight="bold")
    drawing.text(360, 284, "Each 3 × 3 layer adds one pixel on every side.", 13)
    drawing.save("receptive-field.svg")


def heads() -> None:
    """Where a final activation sits, and the residual network."""
    drawing = Drawing(
        720,
        290,
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
    drawing.text(24, 34, "plain network", 14, weight="bold", anchor="start")
    drawing.text(56, 83, "y_delta", 14)
    drawing.line((88, 78), (118, 78), INK, 2, arrow=True)
    drawing.box(122, 56, 132, 44, "#cfe3ec", round="6", stroke=BLUE)
    drawing.text(188, 83, "conv1, conv2, conv3", 12)
    drawing.line((254, 78), (304, 78), INK, 2, arrow=True)
    drawing.text(278, 69, "z", 15, slant="italic")
    drawing.box(308, 22, 320, 112, "#ffffff", round="6")
    z = torch.linspace(-3, 3, 61)
    for k, (name, curve) in enumerate(curves.items()):
        middle = 350 + 79 * k
        drawing.line((middle - 32, 78), (middle + 32, 78), "#9aa5b1", 1)
        drawing.line((middle, 48), (middle, 108), "#9aa5b1", 1)
        points = [
            (middle + 10 * float(a), 78 - 22 * float(b))
            for a, b in zip(z, curve(z), strict=True)
            if abs(float(b)) <= 1.35
        ]
        drawing.path(points, RED, 2.5)
        drawing.text(middle, 126, name, 13)
    drawing.text(468, 40, "one of these heads", 12, weight="bold")
    drawing.line((628, 78), (658, 78), INK, 2, arrow=True)
    drawing.text(684, 83, "x_hat", 14)

    drawing.text(24, 172, "residual network", 14, weight="bold", anchor="start")
    drawing.text(56, 225, "y_delta", 14)
    drawing.line((88, 220), (118, 220), INK, 2, arrow=True)
    drawing.box(122, 198, 132, 44, "#cfe3ec", round="6", stroke=BLUE)
    drawing.text(188, 225, "conv1, conv2, conv3", 12)
    drawing.line((254, 220), (304, 220), INK, 2, arrow=True)
    drawing.text(278, 211, "z", 15, slant="italic")
    drawing.box(308, 198, 82, 44, "#ffffff", round="6")
    drawing.text(349, 225, "tanh", 14, RED)
    drawing.line((390, 220), (560, 220), INK, 2, arrow=True)
    drawing.text(475, 211, "correction in (−1, 1)", 12)
    drawing.circle(576, 220, 13, "#ffffff")
    drawing.text(576, 226, "+", 18)
    drawing.line((589, 220), (658, 220), INK, 2, arrow=True)
    drawing.text(684, 225, "x_hat", 14)
    drawing.line((102, 220), (102, 270), GREEN, 2, dash="6 3")
    drawing.line((102, 270), (576, 270), GREEN, 2, dash="6 3")
    drawing.line((576, 270), (576, 235), GREEN, 2, arrow=True)
    drawing.text(340, 263, "the measurement itself goes past", 12, GREEN)
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
        720,
        250,
        "Values flow forward, derivatives flow back",
        "A graph: a times y, plus b, gives x_hat; minus x gives the error; squared gives the loss. "
        "Below each node stands the derivative of the loss with respect to it.",
    )
    nodes = [
        (70, 70, "a", f"{a.item():g}", slope_a.item()),
        (70, 170, "b", f"{b.item():g}", slope_b.item()),
        (205, 70, "a · y", f"{a.item() * y:.1f}", slope),
        (350, 120, "x_hat = a·y + b", f"{x_hat.item():.1f}", slope),
        (510, 120, "error = x_hat − x", f"{error.item():.1f}", slope),
        (650, 120, "loss = error²", f"{loss.item():.2f}", 1.0),
    ]
    for start, end in [(0, 2), (2, 3), (1, 3), (3, 4), (4, 5)]:
        x0, y0 = nodes[start][:2]
        x1, y1 = nodes[end][:2]
        shift = 0 if y0 == y1 else (10 if y1 > y0 else -10)
        drawing.line((x0 + 30, y0 + shift / 2), (x1 - 32, y1 - shift), BLUE, 2, arrow=True)
    for left, top, name, value, gradient in nodes:
        drawing.box(left - 28, top - 18, 56, 36, "#ffffff", round="6", thickness="1.5")
        drawing.text(left, top + 6, value.replace("-", "\N{MINUS SIGN}"), 15, weight="bold")
        drawing.text(left, top - 26, name, 13)
        words = f"d = {gradient:.2f}".replace("-", "\N{MINUS SIGN}")
        drawing.text(left, top + 36, words, 13, RED)
    drawing.text(360, 26, f"y = {y}, x = {x}", 13)
    drawing.line((160, 222), (204, 222), BLUE, 2, arrow=True)
    drawing.text(212, 227, "values, forward", 13, BLUE, anchor="start")
    drawing.line((424, 222), (380, 222), RED, 2, arrow=True)
    words = "d: derivative of the loss, backward"
    drawing.text(432, 227, words, 13, RED, anchor="start")
    drawing.save("autograd.svg")


if __name__ == "__main__":
    for draw in (connections, channels, architecture, pyramid, heads, autograd):
        draw()
