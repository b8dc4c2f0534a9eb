"""Pictures: slices, reconstructions, errors, kernels and spectra, in grey or on perceptual maps."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ippy.figures.style import (
    RED,
    STYLE,
    WIDTH,
    closed,
    frame,
    lettered,
    limits_of,
    picture_of,
    pictures_of,
    row_of_axes,
)


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
        Pictures in a row; all of them by default, but four in two rows.

    Raises
    ------
    ValueError
        No picture is given, one is not a single picture, or `limits` do not increase.
    """
    pictures = pictures_of("images", images)
    low, high = limits_of(limits, pictures)
    with mpl.rc_context(STYLE):
        fig, axes = row_of_axes(pictures, columns=columns)
        for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
            ax.imshow(picture, cmap="gray", vmin=low, vmax=high)
            frame(ax, title)
    return closed(fig)


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
    maps = {title: np.abs(error) for title, error in pictures_of("errors", errors).items()}
    low = floor if log else 0.0
    if limit is None:
        limit = max(max(float(error.max()) for error in maps.values()), 10 * low or 1e-12)
    if not limit > low:
        raise ValueError(f"limit must be above {low:g}, the dark end of the bar, got {limit:g}")
    norm = LogNorm(low, limit) if log else Normalize(low, limit)
    with mpl.rc_context(STYLE):
        fig, axes = row_of_axes(maps, columns=columns, bar=True)
        for ax, (title, error) in zip(axes, maps.items(), strict=True):
            image = ax.imshow(np.maximum(error, low), cmap="magma", norm=norm)
            frame(ax, title)
        bar = fig.colorbar(image, ax=list(axes), fraction=0.05, pad=0.02, aspect=18)
        bar.set_label(label)
    return closed(fig)


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
    truth = picture_of("x", x)
    pictures = pictures_of("reconstructions", reconstructions)
    low, high = limits_of(limits, pictures)
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
        inches = (WIDTH - 0.8) / columns
        lines = max(lettered(title, inches).count("\n") + 1 for title in pictures)
        size = (WIDTH, 2 * inches + 0.2 + 0.22 * lines)
        fig, axes = plt.subplots(2, columns, figsize=size, layout="constrained")
        for ax, (title, picture) in zip(
            axes[0], {"slice x": truth, **pictures}.items(), strict=True
        ):
            ax.imshow(picture[window], cmap="gray", vmin=low, vmax=high)
            frame(ax, title)
        axes[1, 0].imshow(truth, cmap="gray", vmin=low, vmax=high)
        frame(axes[1, 0], "")
        if detail:
            corner = (left - 0.5, top - 0.5)
            axes[1, 0].add_patch(
                mpl.patches.Rectangle(corner, side, side, fill=False, ec="#ffcf56")
            )
        for ax, error in zip(axes[1, 1:], errors.values(), strict=True):
            image = ax.imshow(error, cmap="magma", vmin=0, vmax=limit)
            frame(ax, "")
        bar = fig.colorbar(image, ax=list(axes[1, 1:]), fraction=0.05, pad=0.02, aspect=14)
        bar.set_label("absolute error")
    return closed(fig)


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
    values = pictures_of("grids", grids)
    if unknown := set(marks or {}) - set(values):
        raise ValueError(f"marks must name titles of grids, got {unknown}; there are {set(values)}")
    low, high = limits_of(None, values)
    with mpl.rc_context(STYLE):
        fig, axes = row_of_axes(values, columns=columns)
        for ax, (title, value) in zip(axes, values.items(), strict=True):
            ax.imshow(value, cmap="gray", vmin=low, vmax=high)
            for place in np.arange(-0.5, max(value.shape)):
                ax.axhline(place, color="#8a8779", linewidth=0.5)
                ax.axvline(place, color="#8a8779", linewidth=0.5)
            for (i, j), number in np.ndenumerate(value):
                # At 0.46 of the way black and white stand out alike, by 4.6 each.
                dark = number < low + 0.46 * (high - low)
                # Two digits tell a fraction; a large number needs all before its point.
                words = f"{number:.2g}" if abs(number) < 10 else f"{number:.0f}"
                words = words.replace("-", "\N{MINUS SIGN}")
                colour = "white" if dark else "black"
                ax.text(j, i, words, ha="center", va="center", color=colour)
            if marks and title in marks:
                row, column = marks[title]
                box = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=RED, lw=3)
                ax.add_patch(box)
            frame(ax, title)
    return closed(fig)


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
    values = pictures_of("kernels", kernels)
    low, high = limits_of(None, values)
    with mpl.rc_context(STYLE):
        fig, axes = row_of_axes(values, columns=columns)
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
            frame(ax, title)
    return closed(fig)


def show_spectrum(
    responses: Mapping[str, Tensor],
    *,
    floor: float = 1e-3,
    columns: int | None = None,
    label: str = "magnitude",
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
    label
        What the bar measures.

    Raises
    ------
    ValueError
        No map is given, one is not a single picture, or none rises above `floor`.
    """
    values = pictures_of("responses", responses)
    high = max(float(value.max()) for value in values.values())
    if not 0 < floor < high:
        raise ValueError(
            f"floor must be positive and below the largest value {high:g}, got {floor:g}"
        )
    norm = LogNorm(floor, high)
    with mpl.rc_context(STYLE):
        fig, axes = row_of_axes(values, columns=columns, bar=True, labelled=True)
        for ax, (title, value) in zip(axes, values.items(), strict=True):
            centred = np.fft.fftshift(np.maximum(value, floor))
            extent = (-0.5, 0.5, 0.5, -0.5)
            image = ax.imshow(centred, cmap="viridis", norm=norm, extent=extent)
            frame(ax, title)
            ax.set(xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5])
            ax.label_outer()
        fig.supxlabel("cycles per pixel, across", fontsize=STYLE["axes.labelsize"])
        axes[0].set_ylabel("cycles per pixel, down")
        bar = fig.colorbar(image, ax=list(axes), fraction=0.05, pad=0.02, aspect=18)
        bar.set_label(label)
    return closed(fig)


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
    values = pictures_of("maps", maps)
    if limit is None:
        limit = max(float(np.abs(value).max()) for value in values.values()) or 1.0
    if not limit > 0:
        raise ValueError(f"limit must be positive, the red end of the bar, got {limit:g}")
    with mpl.rc_context(STYLE):
        fig, axes = row_of_axes(values, columns=columns, bar=True)
        for ax, (title, value) in zip(axes, values.items(), strict=True):
            image = ax.imshow(value, cmap="RdBu_r", vmin=-limit, vmax=limit)
            frame(ax, title)
            for spine in ax.spines.values():
                spine.set(visible=True, color="#9aa5b1")
        bar = fig.colorbar(image, ax=list(axes), fraction=0.05, pad=0.02, aspect=18)
        bar.set_label(label)
    return closed(fig)
