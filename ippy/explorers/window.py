"""The worked example: one output pixel of a convolution, number by number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import TraitError, validate

from ippy.explorers.base import Explorer
from ippy.explorers.parameters import choice, flag, numbers, whole

# The drawing of chapter 1; one bright pixel, which a convolution answers with its kernel; an edge;
# and numbers that tell where they come from.
PICTURES = {
    "drawing": [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 2, 1, 0, 0],
        [0, 2, 4, 3, 1, 0],
        [0, 1, 3, 5, 2, 0],
        [0, 0, 1, 2, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ],
    "point": [[int((i, j) == (2, 3)) for j in range(6)] for i in range(6)],
    "edge": [[0, 0, 0, 4, 4, 4]] * 6,
    "counting": [[10 * (i + 1) + j + 1 for j in range(6)] for i in range(6)],
}
KERNEL = [0, 1, 0, 2, 3, 0, 0, 0, -1]


class Window(Explorer):
    """z[i, j] = Σ w[s, t] x[i·stride + s·dilation − padding, j·stride + t·dilation − padding].

    w is the kernel after half a turn for a convolution, the kernel as it is for a
    cross-correlation. `taps` holds a square kernel by rows; it is shown, cut or framed with zeros
    about its element (m // 2, m // 2), with `kernel_size` rows and columns. `row` and `column` are
    the place in the result, counted from 0, whose window is shown.

    >>> window = Window(stride=2)
    >>> window.result
    tensor([[ 0.,  2.,  0.],
            [ 4., 20.,  4.],
            [ 0.,  6., -2.]])
    """

    title = "Convolution by hand"
    alt = (
        "A 6 by 6 image of small numbers with a 3 by 3 window around row 2, column 2; the kernel "
        "after half a turn; and the result, where the nine products add up to 20."
    )
    heights = (1420, 820, 650)

    picture = choice(
        "drawing",
        {
            "drawing": "the drawing's",
            "point": "one bright pixel",
            "edge": "an edge",
            "counting": "11, 12, 13, …",
        },
        label="Image",
    )
    operation = choice(
        "convolution",
        ["convolution", "cross-correlation"],
        label="Operation",
    )
    taps = numbers(KERNEL, length=25, low=-99, high=99, label="Kernel")
    kernel_size = whole(3, 1, 5, label="Kernel size m")
    padding = whole(1, 0, 3, label="Padding p")
    padding_mode = choice(
        "zeros", ["zeros", "circular", "reflect", "replicate"], label="Beyond the border"
    )
    stride = whole(1, 1, 4, label="Stride s")
    dilation = whole(1, 1, 2, label="Dilation d")
    row = whole(2, 0, 11, label="Row")
    column = whole(2, 0, 11, label="Column")
    predict = flag(False, label="Let me predict: hide the sums")

    @classmethod
    def assets(cls) -> dict[str, Callable[[], dict[str, Any]]]:
        return {"window/pictures": lambda: dict(PICTURES)}

    @validate("taps")
    def _are_square(self, proposal: dict[str, Any]) -> list[float]:
        return square(proposal["value"])

    @property
    def image(self) -> Tensor:
        """The image x, shape (6, 6)."""
        return torch.tensor(PICTURES[self.picture], dtype=torch.float32)

    @property
    def kernel(self) -> Tensor:
        """The kernel as written, shape (kernel_size, kernel_size)."""
        return resized(self.taps, self.kernel_size)

    @property
    def result(self) -> Tensor:
        """What `conv2d` makes of the image, shape (n_out, n_out): see Definition 1.4."""
        w = self.kernel.flip(0, 1) if self.operation == "convolution" else self.kernel
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        padded = F.pad(self.image[None, None], (self.padding,) * 4, mode=mode)
        answer = F.conv2d(padded, w[None, None], stride=self.stride, dilation=self.dilation)
        return answer[0, 0]

    def fallback(self) -> Figure:
        from ippy.figures import show_numbers

        grids = {"image": self.image, "kernel": self.kernel, "result": self.result}
        last = self.result.shape[0] - 1
        return show_numbers(grids, marks={"result": (min(self.row, last), min(self.column, last))})


def resized(taps: Sequence[float], size: int) -> Tensor:
    """A square kernel with `size` rows: cut, or framed with zeros, about its element (m//2, m//2).

    >>> resized([1, 2, 3, 4, 5, 6, 7, 8, 9], 2)
    tensor([[1., 2.],
            [4., 5.]])
    """
    given = math.isqrt(len(taps))
    kernel = torch.tensor(list(taps), dtype=torch.float32).reshape(given, given)
    before = size // 2 - given // 2
    after = size - given - before
    return F.pad(kernel, (before, after, before, after))


def square(taps: list[float]) -> list[float]:
    """The numbers themselves if they fill a square; a TraitError if not."""
    if not taps or math.isqrt(len(taps)) ** 2 != len(taps):
        raise TraitError(
            f"taps must be a square kernel by rows, such as 9 or 25 numbers, got {len(taps)}"
        )
    return taps
