"""Curves and points: trainings, trade-offs, and what several seeds make of the same thing."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ippy.figures.style import BLUE, PAPER, RED, STYLE, WIDTH, closed, picture_of


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
        fig, ax = plt.subplots(figsize=(WIDTH * 0.9, 3.2), layout="constrained")
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
            fig.legend(loc="outside upper center", ncols=2, frameon=False)
        elif len(curves) > 1:
            ax.legend(frameon=False)
    return closed(fig)


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
        fig, ax = plt.subplots(figsize=(WIDTH * 0.9, 3.0), layout="constrained")
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
    return closed(fig)


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
        fig, ax = plt.subplots(figsize=(WIDTH * 0.95, 3.6), layout="constrained")
        for (name, points), marker in zip(families.items(), "osD^vP", strict=False):
            x, y = zip(*points.values(), strict=True)
            ax.plot(x, y, marker=marker, label=name, markersize=6)
            for label, place in points.items():
                ax.annotate(label, place, xytext=(6, -11), textcoords="offset points", fontsize=10)
        ax.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale)
        ax.margins(0.12)
        ax.grid(True)
        ax.legend(frameon=False)
    return closed(fig)


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
        fig, ax = plt.subplots(figsize=(WIDTH * 0.9, 3.4), layout="constrained")
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
    return closed(fig)


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
    values = picture_of("loss", loss)
    rows, columns = values.shape
    left, right, bottom, top = extent
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(WIDTH * 0.9, 3.6), layout="constrained")
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
    return closed(fig)


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
        fig, ax = plt.subplots(figsize=(WIDTH * 0.9, 3.2), layout="constrained")
        decibel = -10 * np.log10(values)
        ax.plot(steps, decibel, color="#9aa5b1", linestyle="-", lw=0.7, label="one batch")
        ax.plot(steps[window - 1 :], -10 * np.log10(smooth), label=f"mean of {window} batches")
        ax.plot(list(validation), list(validation.values()), "o--", label="validation slices")
        ax.set(xlabel="step", ylabel="−10 log₁₀(loss), PSNR [dB]")
        ax.set_ylim(bottom=max(decibel.min(), float(np.quantile(decibel, 0.02)) - 3))
        ax.grid(True)
        fig.legend(loc="outside upper center", ncols=3, frameon=False)
    return closed(fig)


def show_history(history: Sequence[Mapping[str, float]]) -> Figure:
    """The course of a training, as `ippy.training.train` returns it, in decibels.

    Parameters
    ----------
    history
        Entries with "step" and "loss", some with the "psnr" of the slices that were watched.

    Raises
    ------
    ValueError
        There is no entry.
    """
    if not history:
        raise ValueError("history must hold at least one entry, got none")
    watched = {entry["step"]: entry["psnr"] for entry in history if "psnr" in entry}
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(WIDTH * 0.9, 3.2), layout="constrained")
        decibel = -10 * np.log10([entry["loss"] for entry in history])
        ax.plot([entry["step"] for entry in history], decibel, label="training loss")
        if watched:
            ax.plot(list(watched), list(watched.values()), "o--", label="slices watched")
        ax.set(xlabel="step", ylabel="−10 log₁₀(loss), PSNR [dB]")
        ax.grid(True)
        ax.legend(frameon=False, loc="lower right")
    return closed(fig)
