"""What all figures have in common: colours, lettering, and how pictures are laid out."""

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
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
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

WIDTH = 7.5


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
    """Axes in rows of `columns`, as high as the pictures ask for and 7.5 inches wide at most."""
    columns = min(columns or len(pictures), len(pictures))
    rows = -(-len(pictures) // columns)
    side = min(2.6, (WIDTH - 0.7 * bar) / columns)
    tallest = max(picture.shape[0] / picture.shape[1] for picture in pictures.values())
    margin = 0.35 + 0.45 * labelled
    size = (side * columns + 0.7 * bar, (side * min(tallest, 2.0) + margin) * rows)
    fig, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    axes = list(grid.flat)
    for ax in axes[len(pictures) :]:
        ax.remove()
    return fig, axes[: len(pictures)]


def frame(ax: Axes, title: str) -> None:
    ax.set_title(title)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def closed(fig: Figure) -> Figure:
    plt.close(fig)
    return fig
