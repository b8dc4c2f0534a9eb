"""A convolution on a slice: the kernel, what it does, and what goes wrong at the border."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import validate

from ippy import course
from ippy.explorers import assets
from ippy.explorers.base import Explorer
from ippy.explorers.parameters import choice, flag, number, numbers, whole
from ippy.explorers.window import resized, square
from ippy.operators import Blurring, gaussian_kernel, motion_kernel

CUT = 64  # side of the cut-out, in pixels
PADDINGS = ["zeros", "circular", "reflect", "replicate"]


class Convolution(Explorer):
    """k ∗ x on a slice x, and |K_cut(x_cut) − (Kx)_cut|: the border error of a cut-out.

    The slice is the larger picture. A cut-out of 64×64 pixels with its upper left corner at (`top`,
    `left`) is convolved with some padding; the truth is cut out of the convolved slice, so that it
    was made with the real neighbours. They differ in a ring as wide as the kernel's radius.

    `kernel_type` is one of the names below or "painted": then `taps` is the kernel, a square by
    rows, cut or framed with zeros to `kernel_size`, and divided by its sum if `normalised`. Sobel's
    and Laplace's kernels are 3×3. Set `kernel` to show a kernel of one's own.

    >>> explorer = Convolution(kernel_type="motion", kernel_size=9, angle=45, padding="reflect")
    >>> explorer.K
    Blurring(img_shape=(256, 256), kernel 9×9, padding='reflect')
    >>> explorer.kernel = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    >>> explorer.kernel_type, explorer.kernel.sum()
    ('painted', tensor(1.))
    """

    title = "Convolution on a slice"
    alt = (
        "A slice, the slice after the blur, and a cut-out of 64 by 64 pixels blurred with zeros "
        "beyond its border: the error against the true blur fills a ring 4 pixels wide."
    )
    heights = (2300, 1660, 1040)

    slice = whole(0, 0, assets.last_slice, label="Slice")
    kernel_type = choice(
        lambda: course.BLUR["kernel_type"],
        {
            "identity": "identity",
            "shift": "shift to the right",
            "box": "box (mean)",
            "gaussian": "Gaussian",
            "motion": "motion",
            "fading": "fading streak",
            "sobel": "Sobel (edges)",
            "laplacian": "Laplacian",
            "painted": "painted by you",
        },
        label="Kernel",
    )
    kernel_size = whole(
        lambda: min(11, course.BLUR.get("kernel_size", 3)),
        3,
        11,
        step=2,
        label="Size",
        unit="pixels",
    )
    angle = number(
        lambda: course.BLUR.get("motion_angle", 0.0) % 180,
        0,
        180,
        step=1,
        label="Angle of the motion",
        unit="°",
    )
    variance = number(
        lambda: course.BLUR.get("kernel_variance", 4.0),
        0.1,
        16,
        step=0.1,
        label="Variance",
        unit="pixels²",
    )
    taps = numbers([1.0], length=121, low=-10, high=10, label="Painted kernel")
    normalised = flag(True, label="Divide by the sum")
    brush = number(1, -1, 1, step=0.1, label="Brush")
    operation = choice(
        "convolution",
        {"convolution": "convolution", "cross-correlation": "cross-correlation"},
        label="Operation",
    )
    padding = choice("zeros", PADDINGS, label="Padding of the cut-out")
    top = whole(128, 0, 256 - CUT, label="Cut-out: first row")
    left = whole(96, 0, 256 - CUT, label="Cut-out: first column")

    @validate("taps")
    def _are_square(self, proposal: dict[str, Any]) -> list[float]:
        return square(proposal["value"])

    @property
    def kernel(self) -> Tensor:
        """The kernel as written, shape (m, m). Setting it paints that kernel."""
        if self.kernel_type == "painted":
            kernel = resized(self.taps, self.kernel_size)
            total = kernel.sum()
            return kernel / total if self.normalised and abs(total) > 1e-6 else kernel
        return named_kernel(self.kernel_type, self.kernel_size, self.angle, self.variance)

    @kernel.setter
    def kernel(self, kernel: Tensor) -> None:
        m = kernel.shape[-1]
        if kernel.numel() != m * m or m % 2 == 0 or m > 11:
            raise ValueError(
                "kernel must have the shape (m, m) with m = 1, 3, …, 11, "
                f"got {tuple(kernel.shape)}; frame it with zeros to an odd square"
            )
        with self.hold_trait_notifications():
            self.kernel_type, self.normalised = "painted", False
            self.kernel_size, self.taps = max(3, m), [float(tap) for tap in kernel.flatten()]

    @property
    def K(self) -> Blurring:
        """The operator on slices of 256×256 pixels, with the kernel half-turned if it is a
        cross-correlation: what the sliders describe."""
        return self._blurring(course.IMG_SHAPE, self.padding)

    def border_error(self, padding: str | None = None) -> Tensor:
        """K_cut(x_cut) − (Kx)_cut for the slice x, shape (64, 64)."""
        x = assets.chosen_slice(self.slice)[0]  # (1, 256, 256)
        cut = (0, slice(self.top, self.top + CUT), slice(self.left, self.left + CUT))
        truth = self._blurring(course.IMG_SHAPE, "zeros")(x)[cut]
        return self._blurring((CUT, CUT), padding or self.padding)(x[cut]) - truth

    def fallback(self) -> Figure:
        from ippy.figures import show_errors

        return show_errors({padding: self.border_error(padding) for padding in PADDINGS})

    def _blurring(self, shape: tuple[int, int], padding: str) -> Blurring:
        turned = self.operation == "cross-correlation"
        kernel = self.kernel.flip(0, 1) if turned else self.kernel
        return Blurring(shape, kernel=kernel, padding=padding)


def named_kernel(kernel_type: str, size: int, angle: float = 0.0, variance: float = 1.0) -> Tensor:
    """The kernel of that name, shape (size, size); (3, 3) for "sobel" and "laplacian".

    >>> named_kernel("shift", 3)
    tensor([[0., 0., 0.],
            [0., 0., 1.],
            [0., 0., 0.]])
    """
    r = size // 2
    if kernel_type == "motion":
        return motion_kernel(size, angle)
    if kernel_type == "gaussian":
        return gaussian_kernel(size, variance)
    if kernel_type == "sobel":
        return torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]) / 8
    if kernel_type == "laplacian":
        return torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    kernel = torch.zeros(size, size)
    if kernel_type == "identity":
        kernel[r, r] = 1
    elif kernel_type == "shift":
        kernel[r, -1] = 1
    elif kernel_type == "box":
        kernel[:] = 1 / size**2
    elif kernel_type == "fading":
        kernel[r, r:] = 0.6 ** torch.arange(r + 1)
        kernel /= kernel.sum()
    else:
        raise ValueError(f"kernel_type must be the name of a kernel, got {kernel_type!r}")
    return kernel
