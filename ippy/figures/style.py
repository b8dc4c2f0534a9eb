"""What all figures have in common: colours, lettering, and how pictures are laid out.

A telephone shows a page 360 pixels wide: there a figure shrinks to half its size, and its letters
with it. So they are as large as those of the text, and no figure is wider than it needs to be.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

PAPER, INK, BLUE, RED, GREEN = "#fbfaf6", "#1f2933", "#0b6e99", "#c8553d", "#6a994e"

# matplotlib 3.11 types the keys as one long Literal that 3.8 does not know: hence Any.
STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.family": "sans-serif",
    "font.size": 11.5,
    "axes.titlesize": 11.5,
    "axes.labelsize": 11.5,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#d9d6cc",
    "lines.linewidth": 1.8,
    "axes.prop_cycle": cycler(
        color=[BLUE, RED, GREEN, INK, "#8e6c8a", "#b08900"],
        linestyle=["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1))],
    ),
    "image.cmap": "gray",
    "image.interpolation": "nearest",
}

WIDTH = 6.4  # inches


def pictures_of(argument: str, images: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    if not images:
        raise ValueError(f"{argument} must hold at least one picture, got none")
    return {title: picture_of(f"{argument}[{title!r}]", image) for title, image in images.items()}


def picture_of(argument: str, image: Tensor) -> np.ndarray:
    array = np.asarray(image.detach().cpu())
    if array.ndim < 2 or array.ndim > 4 or any(size != 1 for size in array.shape[:-2]):
        raise ValueError(
            f"{argument} must be one picture, (H, W), (1, H, W) or (1, 1, H, W), "
            f"got shape {array.shape}; index the batch and the channel first"
        )
    return array.reshape(array.shape[-2:]).astype(float)


def limits_of(
    limits: tuple[float, float] | None, pictures: Mapping[str, np.ndarray]
) -> tuple[float, float]:
    if limits is None:
        low = min(float(picture.min()) for picture in pictures.values())
        high = max(float(picture.max()) for picture in pictures.values())
        return low, high if high > low else low + 1.0
    low, high = limits
    if not low < high:
        raise ValueError(f"limits must be (black, white) with black < white, got {limits}")
    return low, high


def row_of_axes(
    pictures: Mapping[str, np.ndarray],
    *,
    columns: int | None = None,
    bar: bool = False,
    labelled: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Axes in rows of `columns`, as high as the pictures ask for and 6.4 inches wide at most."""
    if columns is None:
        columns = 2 if len(pictures) == 4 else len(pictures)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    side = min(2.6 if rows == 1 else 2.3, (WIDTH - 0.8 * bar) / columns)
    tallest = max(picture.shape[0] / picture.shape[1] for picture in pictures.values())
    lines = max(lettered(title, side).count("\n") + 1 for title in pictures)
    height = (side * min(tallest, 2.0) + 0.15 + 0.22 * lines) * rows + 0.45 * labelled
    size = (side * columns + 0.8 * bar, height)
    fig, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    axes = list(grid.flat)
    for ax in axes[len(pictures) :]:
        ax.remove()
    return fig, axes[: len(pictures)]


def lettered(title: str, side: float) -> str:
    """The title in as many lines as it takes above a picture that is `side` inches wide."""
    characters = int(72 * side / (0.58 * STYLE["axes.titlesize"]))
    return textwrap.fill(title, characters, break_long_words=False, break_on_hyphens=False)


def frame(ax: Axes, title: str) -> None:
    cells = ax.get_gridspec()
    inches = ax.figure.bbox.width / ax.figure.dpi / (cells.ncols if cells else 1)
    ax.set_title(lettered(title, inches))
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def closed(fig: Figure) -> Figure:
    plt.close(fig)
    return fig
