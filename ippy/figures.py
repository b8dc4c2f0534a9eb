"""The plots that the notebooks call: each function takes tensors and returns a `Figure`.

The returned figure is closed for pyplot, so that a notebook cell that ends in the call shows it
once. Pictures stand in grey on one scale across a row, errors on a perceptual map with one
shared colour bar.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
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


def show_images(
    images: Mapping[str, Tensor],
    *,
    limits: tuple[float, float] | None = None,
    columns: int | None = None,
) -> Figure:
    """Pictures side by side in grey, all on one scale.

    Parameters
    ----------
    images
        Title → picture, (H, W), (1, H, W) or (1, 1, H, W).
    limits
        Grey values of black and white; the smallest and largest value of all pictures by default.
    columns
        Pictures in a row; all of them by default.

    Raises
    ------
    ValueError
        No picture is given, one is not a single picture, or `limits` do not increase.
    """
    pictures = _pictures("images", images)
    low, high = _limits(limits, pictures)
    with mpl.rc_context(STYLE):
        fig, axes = _row(pictures, columns=columns)
        for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
            ax.imshow(picture, cmap="gray", vmin=low, vmax=high)
            _frame(ax, title)
    return _closed(fig)


def show_errors(
    errors: Mapping[str, Tensor],
    *,
    limit: float | None = None,
    log: bool = False,
    floor: float = 1e-8,
    columns: int | None = None,
    label: str = "absolute error",
) -> Figure:
    """Maps of |error| side by side, with one colour bar for all of them.

    Parameters
    ----------
    errors
        Title → error, (H, W), (1, H, W) or (1, 1, H, W); the sign is dropped.
    limit
        Error at the bright end of the bar; the largest of all maps by default.
    log
        Logarithmic bar from `floor` to `limit`: it tells rounding (1e-7) from a real error.
    columns
        Maps in a row; all of them by default.
    label
        What the bar measures.

    Raises
    ------
    ValueError
        No map is given, one is not a single picture, or `limit` is not positive (above `floor`
        where `log` is set).
    """
    maps = {title: np.abs(error) for title, error in _pictures("errors", errors).items()}
    low = floor if log else 0.0
    if limit is None:
        limit = max(max(float(error.max()) for error in maps.values()), 10 * low or 1e-12)
    if not limit > low:
        raise ValueError(f"limit must be above {low:g}, the dark end of the bar, got {limit:g}")
    norm = LogNorm(low, limit) if log else Normalize(low, limit)
    with mpl.rc_context(STYLE):
        fig, axes = _row(maps, columns=columns, bar=True)
        for ax, (title, error) in zip(axes, maps.items(), strict=True):
            image = ax.imshow(np.maximum(error, low), cmap="magma", norm=norm)
            _frame(ax, title)
        bar = fig.colorbar(image, ax=list(axes), fraction=0.05, pad=0.02, aspect=18)
        bar.set_label(label)
    return _closed(fig)


def show_curves(
    x: Tensor | Sequence[float],
    curves: Mapping[str, Tensor | Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    marker: str | None = None,
) -> Figure:
    """Curves over one axis, told apart by colour and by line style.

    Parameters
    ----------
    x
        Places along the axis, (n,).
    curves
        Name in the legend → values at `x`, (n,).
    xlabel, ylabel
        What the axes measure, with the unit.
    xscale, yscale
        "linear" or "log".
    marker
        Marker at each value, as matplotlib names them; none by default.

    Raises
    ------
    ValueError
        No curve is given, or one does not have a value for each place.
    """
    places = np.asarray(x, dtype=float)
    if not curves:
        raise ValueError("curves must hold at least one curve, got none; pass {name: values}")
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(WIDTH * 0.8, 3.2), layout="constrained")
        for name, curve in curves.items():
            values = np.asarray(curve, dtype=float)
            if values.shape != places.shape:
                raise ValueError(
                    f"curves[{name!r}] must have one value for each place, shape {places.shape}, "
                    f"got {values.shape}"
                )
            ax.plot(places, values, label=name, marker=marker, markersize=4)
        ax.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
        ax.grid(True)
        if len(curves) > 3:
            fig.legend(loc="outside upper center", ncols=3, frameon=False)
        elif len(curves) > 1:
            ax.legend(frameon=False)
    return _closed(fig)


def show_numbers(
    grids: Mapping[str, Tensor],
    *,
    marks: Mapping[str, tuple[int, int]] | None = None,
    columns: int | None = None,
) -> Figure:
    """Small images with each value written in its pixel, all on one grey scale.

    Parameters
    ----------
    grids
        Title → image, (H, W), (1, H, W) or (1, 1, H, W).
    marks
        Title → pixel (row, column) to outline; none by default.
    columns
        Images in a row; all of them by default.

    Raises
    ------
    ValueError
        No image is given, one is not a single image, or a mark has no image.
    """
    values = _pictures("grids", grids)
    if unknown := set(marks or {}) - set(values):
        raise ValueError(f"marks must name titles of grids, got {unknown}; there are {set(values)}")
    low, high = _limits(None, values)
    with mpl.rc_context(STYLE):
        fig, axes = _row(values, columns=columns)
        for ax, (title, value) in zip(axes, values.items(), strict=True):
            ax.imshow(value, cmap="gray", vmin=low, vmax=high)
            for place in np.arange(-0.5, max(value.shape)):
                ax.axhline(place, color="#8a8779", linewidth=0.5)
                ax.axvline(place, color="#8a8779", linewidth=0.5)
            for (i, j), number in np.ndenumerate(value):
                dark = number < (low + high) / 2
                words = f"{number:.2g}".replace("-", "\N{MINUS SIGN}")
                colour = "white" if dark else "black"
                ax.text(j, i, words, ha="center", va="center", color=colour)
            if marks and title in marks:
                row, column = marks[title]
                box = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=RED, lw=3)
                ax.add_patch(box)
            _frame(ax, title)
    return _closed(fig)


def show_kernels(kernels: Mapping[str, Tensor], *, columns: int | None = None) -> Figure:
    """Kernels on one grey scale: a cross at the centre pixel, a ring at the centre of mass.

    Parameters
    ----------
    kernels
        Title → kernel, (kh, kw) or (1, 1, kh, kw), of a sum that is not zero.
    columns
        Kernels in a row; all of them by default.

    Raises
    ------
    ValueError
        No kernel is given, one is not a single kernel, or its sum is zero.
    """
    values = _pictures("kernels", kernels)
    low, high = _limits(None, values)
    with mpl.rc_context(STYLE):
        fig, axes = _row(values, columns=columns)
        for ax, (title, value) in zip(axes, values.items(), strict=True):
            if value.sum() == 0:
                raise ValueError(
                    f"kernels[{title!r}] must have a sum other than 0, or it has no centre of "
                    "mass; use show_signed"
                )
            rows, places = np.indices(value.shape)
            mass = value / value.sum()
            ax.imshow(value, cmap="gray", vmin=low, vmax=high)
            height, width = value.shape
            ax.plot(width // 2, height // 2, "+", color=RED, markersize=14, mew=2)
            ring: dict[str, Any] = {"markersize": 13, "mew": 2, "mfc": "none", "mec": "#4fb3d9"}
            ax.plot((mass * places).sum(), (mass * rows).sum(), "o", **ring)
            _frame(ax, title)
    return _closed(fig)


def show_spectrum(
    responses: Mapping[str, Tensor], *, floor: float = 1e-3, columns: int | None = None
) -> Figure:
    """Magnitudes over the frequencies, zero frequency in the middle, on one logarithmic bar.

    Parameters
    ----------
    responses
        Title → magnitude as `torch.fft.fft2` orders it, (H, W), (1, H, W) or (1, 1, H, W).
    floor
        Magnitude at the dark end of the bar.
    columns
        Maps in a row; all of them by default.

    Raises
    ------
    ValueError
        No map is given, one is not a single picture, or none rises above `floor`.
    """
    values = _pictures("responses", responses)
    high = max(float(value.max()) for value in values.values())
    if not 0 < floor < high:
        raise ValueError(
            f"floor must be positive and below the largest value {high:g}, got {floor:g}"
        )
    norm = LogNorm(floor, high)
    with mpl.rc_context(STYLE):
        fig, axes = _row(values, columns=columns, bar=True, labelled=True)
        for ax, (title, value) in zip(axes, values.items(), strict=True):
            centred = np.fft.fftshift(np.maximum(value, floor))
            extent = (-0.5, 0.5, 0.5, -0.5)
            image = ax.imshow(centred, cmap="viridis", norm=norm, extent=extent)
            ax.set(title=title, xlabel="cycles per pixel, across", xticks=[-0.5, 0, 0.5])
            ax.set(yticks=[-0.5, 0, 0.5])
        axes[0].set_ylabel("cycles per pixel, down")
        bar = fig.colorbar(image, ax=list(axes), fraction=0.05, pad=0.02, aspect=18)
        bar.set_label("magnitude")
    return _closed(fig)


def show_signed(
    maps: Mapping[str, Tensor],
    *,
    limit: float | None = None,
    columns: int | None = None,
    label: str = "value",
) -> Figure:
    """Kernels, matrices or gradients: blue below zero, white at zero, red above, one shared bar.

    Parameters
    ----------
    maps
        Title → values, (H, W), (1, H, W) or (1, 1, H, W).
    limit
        The bar runs from -limit to limit; the largest magnitude of all maps by default.
    columns
        Maps in a row; all of them by default.
    label
        What the bar measures.

    Raises
    ------
    ValueError
        No map is given, one is not a single picture, or `limit` is not positive.
    """
    values = _pictures("maps", maps)
    if limit is None:
        limit = max(float(np.abs(value).max()) for value in values.values()) or 1.0
    if not limit > 0:
        raise ValueError(f"limit must be positive, the red end of the bar, got {limit:g}")
    with mpl.rc_context(STYLE):
        fig, axes = _row(values, columns=columns, bar=True)
        for ax, (title, value) in zip(axes, values.items(), strict=True):
            image = ax.imshow(value, cmap="RdBu_r", vmin=-limit, vmax=limit)
            _frame(ax, title)
            for spine in ax.spines.values():
                spine.set(visible=True, color="#9aa5b1")
        bar = fig.colorbar(image, ax=list(axes), fraction=0.05, pad=0.02, aspect=18)
        bar.set_label(label)
    return _closed(fig)


def show_points(groups: Mapping[str, Sequence[float] | Tensor], *, ylabel: str) -> Figure:
    """One column of points per group, such as one per seed, with a bar at their mean.

    Parameters
    ----------
    groups
        Name under the column → its values, (n,).
    ylabel
        What the values measure, with the unit.

    Raises
    ------
    ValueError
        No group is given, or one is empty.
    """
    if not groups:
        raise ValueError("groups must hold at least one group, got none; pass {name: values}")
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(WIDTH * 0.8, 3.0), layout="constrained")
        for place, (name, group) in enumerate(groups.items()):
            values = np.asarray(group, dtype=float)
            if values.size == 0:
                raise ValueError(f"groups[{name!r}] must hold at least one value, got none")
            beside = np.linspace(-0.12, 0.12, values.size) if values.size > 1 else [0.0]
            ax.plot(place + np.asarray(beside), values, "o", color=BLUE, markersize=5)
            mean = float(values.mean())
            ax.plot([place - 0.25, place + 0.25], [mean, mean], color=RED, linestyle="-")
        ax.set_xticks(range(len(groups)), list(groups))
        ax.set(ylabel=ylabel, xlim=(-0.5, len(groups) - 0.5))
        ax.grid(True, axis="y")
    return _closed(fig)


def show_tradeoff(
    families: Mapping[str, Mapping[str, tuple[float, float]]],
    *,
    xlabel: str,
    ylabel: str,
    xscale: str = "log",
) -> Figure:
    """What is gained against what it costs: labelled points, one line and marker per family.

    Parameters
    ----------
    families
        Name in the legend → {label of the point: (x, y)}.
    xlabel, ylabel
        What the axes measure, with the unit.
    xscale
        "linear" or "log".

    Raises
    ------
    ValueError
        No family is given, or one has no point.
    """
    if not families or not all(families.values()):
        raise ValueError("families must hold at least one family, each with a point, got none")
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(WIDTH * 0.85, 3.6), layout="constrained")
        for (name, points), marker in zip(families.items(), "osD^vP", strict=False):
            x, y = zip(*points.values(), strict=True)
            ax.plot(x, y, marker=marker, label=name, markersize=6)
            for label, place in points.items():
                ax.annotate(label, place, xytext=(6, -11), textcoords="offset points", fontsize=9)
        ax.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale)
        ax.margins(0.12)
        ax.grid(True)
        ax.legend(frameon=False)
    return _closed(fig)


def show_spread(
    x: Tensor | Sequence[float],
    runs: Mapping[str, Sequence[Sequence[float]] | Tensor],
    *,
    xlabel: str,
    ylabel: str,
    yscale: str = "linear",
) -> Figure:
    """Repeated runs over one axis: the median of each group, and a band from lowest to highest.

    Parameters
    ----------
    x
        Places along the axis, (n,).
    runs
        Name in the legend → one row per run, (runs, n).
    xlabel, ylabel
        What the axes measure, with the unit.
    yscale
        "linear" or "log".

    Raises
    ------
    ValueError
        No group is given, or a run does not have a value for each place.
    """
    places = np.asarray(x, dtype=float)
    if not runs:
        raise ValueError("runs must hold at least one group, got none; pass {name: rows}")
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(WIDTH * 0.8, 3.4), layout="constrained")
        for name, rows in runs.items():
            values = np.asarray(rows, dtype=float)
            if values.ndim != 2 or values.shape[1:] != places.shape:
                raise ValueError(
                    f"runs[{name!r}] must be (runs, {places.size}), one row per run and one value "
                    f"for each place, got shape {values.shape}"
                )
            (median,) = ax.plot(places, np.median(values, axis=0), label=name)
            colour = median.get_color()
            ax.fill_between(places, values.min(0), values.max(0), color=colour, alpha=0.2, lw=0)
        ax.set(xlabel=xlabel, ylabel=ylabel, yscale=yscale)
        ax.grid(True)
        ax.legend(frameon=False)
    return _closed(fig)


def show_descent(
    loss: Tensor,
    extent: tuple[float, float, float, float],
    paths: Mapping[str, Tensor],
    *,
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Contours of a loss over two parameters, with the way that each optimiser took.

    Parameters
    ----------
    loss
        Values on a grid, (rows, columns), the parameter `xlabel` changing along a row.
    extent
        The grid's limits: left, right, bottom, top.
    paths
        Name in the legend → the points that were visited, (steps, 2), x first.
    xlabel, ylabel
        Names of the two parameters.

    Raises
    ------
    ValueError
        `loss` is not a grid, or a path is not made of pairs.
    """
    values = _picture("loss", loss)
    rows, columns = values.shape
    left, right, bottom, top = extent
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(WIDTH * 0.8, 3.6), layout="constrained")
        grid = np.linspace(left, right, columns), np.linspace(bottom, top, rows)
        positive = np.maximum(values, 1e-12)
        levels = np.geomspace(positive.min() + 1e-6 * positive.max(), positive.max(), 14)
        ax.contour(*grid, positive, levels=levels, colors="#9aa5b1", linewidths=1)
        for (name, path), marker in zip(paths.items(), "osD^vP", strict=False):
            points = np.asarray(path.detach().cpu(), dtype=float)
            if points.ndim != 2 or points.shape[1] != 2:
                raise ValueError(f"paths[{name!r}] must be (steps, 2), got shape {points.shape}")
            ax.plot(points[:, 0], points[:, 1], marker=marker, markersize=3.5, label=name)
        ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(left, right), ylim=(bottom, top))
        ax.legend(frameon=True, facecolor=PAPER)
    return _closed(fig)


def show_training(
    losses: Sequence[float] | Tensor,
    validation: Mapping[int, float],
    *,
    window: int = 25,
) -> Figure:
    """The course of a training in decibel: -10 log10(loss) step by step, and the held-out PSNR.

    Parameters
    ----------
    losses
        Mean squared error of the batch at step 1, 2, ..., (n,), all positive.
    validation
        Step → PSNR of the validation slices after that step, in dB.
    window
        Steps over which the loss is averaged for the smooth curve.

    Raises
    ------
    ValueError
        A loss is not positive, or there are fewer losses than `window`.
    """
    values = np.asarray(losses, dtype=float)
    if values.ndim != 1 or values.size < window:
        raise ValueError(f"losses must hold at least window = {window} values, got {values.shape}")
    if not (values > 0).all():
        raise ValueError(f"losses must be positive, got {values.min():g} at least once")
    steps = np.arange(1, values.size + 1)
    smooth = np.convolve(values, np.full(window, 1 / window), mode="valid")
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(WIDTH * 0.8, 3.2), layout="constrained")
        decibel = -10 * np.log10(values)
        ax.plot(steps, decibel, color="#9aa5b1", linestyle="-", lw=0.7, label="one batch")
        ax.plot(steps[window - 1 :], -10 * np.log10(smooth), label=f"mean of {window} batches")
        ax.plot(list(validation), list(validation.values()), "o--", label="validation slices")
        ax.set(xlabel="step", ylabel="-10 log10(loss), PSNR [dB]")
        ax.set_ylim(bottom=max(decibel.min(), float(np.quantile(decibel, 0.02)) - 3))
        ax.grid(True)
        ax.legend(frameon=False, loc="lower right")
    return _closed(fig)


def show_reconstructions(
    x: Tensor,
    reconstructions: Mapping[str, Tensor],
    *,
    detail: tuple[int, int, int] | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    limit: float | None = None,
) -> Figure:
    """A slice beside its reconstructions, magnified, and their error maps with one shared bar.

    Below the slice stands the whole of it, with a frame around the detail that the others show.

    Parameters
    ----------
    x
        The true slice, (H, W), (1, H, W) or (1, 1, H, W).
    reconstructions
        Title → picture of the size of `x`.
    detail
        (top row, left column, side) of the square to magnify; the whole slice by default.
    limits
        Grey values of black and white.
    limit
        Error at the bright end of the bar; by default the 99.5 % quantile of all maps.

    Raises
    ------
    ValueError
        A picture is not of the size of `x`, the detail leaves the slice, or `limits` do not
        increase.
    """
    truth = _picture("x", x)
    pictures = _pictures("reconstructions", reconstructions)
    low, high = _limits(limits, pictures)
    for title, picture in pictures.items():
        if picture.shape != truth.shape:
            raise ValueError(
                f"reconstructions[{title!r}] must have the size of x, {truth.shape}, "
                f"got {picture.shape}"
            )
    top, left, side = detail or (0, 0, max(truth.shape))
    if detail and not (0 <= top <= truth.shape[0] - side and 0 <= left <= truth.shape[1] - side):
        raise ValueError(f"detail must lie within the slice, {truth.shape}, got {detail}")
    window = np.s_[top : top + side, left : left + side]
    errors = {title: np.abs(picture - truth)[window] for title, picture in pictures.items()}
    if limit is None:
        limit = float(np.quantile(list(errors.values()), 0.995)) or 1.0
    columns = len(pictures) + 1
    with mpl.rc_context(STYLE):
        size = (WIDTH, 2 * ((WIDTH - 0.7) / columns) + 0.4)
        fig, axes = plt.subplots(2, columns, figsize=size, layout="constrained")
        for ax, (title, picture) in zip(
            axes[0], {"slice x": truth, **pictures}.items(), strict=True
        ):
            ax.imshow(picture[window], cmap="gray", vmin=low, vmax=high)
            _frame(ax, title)
        axes[1, 0].imshow(truth, cmap="gray", vmin=low, vmax=high)
        _frame(axes[1, 0], "")
        if detail:
            corner = (left - 0.5, top - 0.5)
            axes[1, 0].add_patch(
                mpl.patches.Rectangle(corner, side, side, fill=False, ec="#ffcf56")
            )
        for ax, error in zip(axes[1, 1:], errors.values(), strict=True):
            image = ax.imshow(error, cmap="magma", vmin=0, vmax=limit)
            _frame(ax, "")
        bar = fig.colorbar(image, ax=list(axes[1, 1:]), fraction=0.05, pad=0.02, aspect=14)
        bar.set_label("absolute error")
    return _closed(fig)


def _pictures(argument: str, images: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    if not images:
        raise ValueError(f"{argument} must hold at least one picture, got none")
    return {title: _picture(f"{argument}[{title!r}]", image) for title, image in images.items()}


def _picture(argument: str, image: Tensor) -> np.ndarray:
    array = np.asarray(image.detach().cpu())
    if array.ndim < 2 or array.ndim > 4 or any(size != 1 for size in array.shape[:-2]):
        raise ValueError(
            f"{argument} must be one picture, (H, W), (1, H, W) or (1, 1, H, W), "
            f"got shape {array.shape}; index the batch and the channel first"
        )
    return array.reshape(array.shape[-2:]).astype(float)


def _limits(
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


def _row(
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


def _frame(ax: Axes, title: str) -> None:
    ax.set_title(title)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _closed(fig: Figure) -> Figure:
    plt.close(fig)
    return fig
