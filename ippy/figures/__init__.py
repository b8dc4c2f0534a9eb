"""The plots that the notebooks call: each function takes tensors and returns a `Figure`.

The returned figure is closed for pyplot, so that a notebook cell that ends in the call shows it
once. Pictures stand in grey on one scale across a row, errors on a perceptual map with one
shared colour bar.
"""

from ippy.figures.curves import (
    show_curves,
    show_descent,
    show_history,
    show_points,
    show_spread,
    show_tradeoff,
    show_training,
)
from ippy.figures.pictures import (
    show_errors,
    show_images,
    show_kernels,
    show_numbers,
    show_reconstructions,
    show_signed,
    show_spectrum,
)
from ippy.figures.style import INK, PAPER, RED, STYLE, WIDTH

__all__ = [
    "INK",
    "PAPER",
    "RED",
    "STYLE",
    "WIDTH",
    "show_curves",
    "show_descent",
    "show_errors",
    "show_history",
    "show_images",
    "show_kernels",
    "show_numbers",
    "show_points",
    "show_reconstructions",
    "show_signed",
    "show_spectrum",
    "show_spread",
    "show_tradeoff",
    "show_training",
]
