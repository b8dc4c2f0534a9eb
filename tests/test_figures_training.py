"""The figures of the training chapter: what is drawn where, and what is refused."""

import math

import matplotlib.pyplot as plt
import numpy
import pytest
import torch
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ippy.figures import show_history, show_reconstructions, show_training


def points(line: Line2D) -> tuple[list[float], list[float]]:
    return numpy.asarray(line.get_xdata()).tolist(), numpy.asarray(line.get_ydata()).tolist()


def test_training_curve_shows_decibel_of_each_loss_their_mean_and_the_validation() -> None:
    losses = [0.1, 0.01, 0.001, 0.01]
    fig = show_training(losses, {0: 12.0, 4: 31.0}, window=2)
    (ax,) = fig.axes
    one, mean, validation = ax.lines
    assert points(one) == ([1, 2, 3, 4], pytest.approx([10, 20, 30, 20]))
    means = [-10 * math.log10(v) for v in (0.055, 5.5e-3, 5.5e-3)]
    assert points(mean) == ([2, 3, 4], pytest.approx(means))
    assert points(validation) == ([0, 4], [12.0, 31.0])
    assert ax.get_legend() is None  # it stands above the curves, which fill the axes
    (legend,) = fig.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["one batch", "mean of 2 batches", "validation slices"]
    assert ax.get_xlabel() == "step" and "dB" in ax.get_ylabel()


def test_the_picture_of_a_history_shows_its_losses_and_what_was_watched() -> None:
    history: list[dict[str, float]] = [
        {"step": 50, "loss": 0.1},
        {"step": 100, "loss": 1e-3, "psnr": 24.0},
        {"step": 130, "loss": 1e-4, "psnr": 31.5},
    ]
    (ax,) = show_history(history).axes
    loss, watched = ax.lines
    assert points(loss) == ([50, 100, 130], pytest.approx([10, 30, 40]))
    assert points(watched) == ([100, 130], [24.0, 31.5])
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["training loss", "slices watched"]
    assert ax.get_xlabel() == "step" and "dB" in ax.get_ylabel()


def test_the_picture_of_a_history_does_without_watched_slices() -> None:
    (ax,) = show_history([{"step": 5, "loss": 0.01}]).axes
    assert [points(line) for line in ax.lines] == [([5], pytest.approx([20]))]
    with pytest.raises(ValueError, match="history must hold at least one entry, got none"):
        show_history([])


def test_training_curve_is_not_squeezed_by_the_first_steps() -> None:
    losses = [1e6, *[1e-3] * 199]
    (ax,) = show_training(losses, {200: 30.0}).axes
    assert ax.get_ylim()[0] == pytest.approx(27)


def test_training_curve_takes_as_many_losses_as_its_window() -> None:
    assert show_training(torch.full((25,), 0.01), {25: 20.0}).axes


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([0.1] * 24, "window = 25"),
        (torch.ones(5, 30), "got \\(5, 30\\)"),
        ([0.1] * 30 + [0.0], "positive, got 0 at least once"),
        ([0.1] * 30 + [float("nan")], "positive"),
    ],
)
def test_training_curve_refuses(losses: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show_training(losses, {})  # type: ignore[arg-type]


def slices() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    x = torch.rand(1, 1, 8, 10, generator=torch.Generator().manual_seed(0))
    return x, {"measurement": x + 0.5, "network": (x - 0.25)[0, 0]}


def test_reconstructions_stand_beside_the_slice_with_their_errors_beneath() -> None:
    x, pictures = slices()
    fig = show_reconstructions(x, pictures)
    top, bottom = fig.axes[:3], fig.axes[3:6]
    assert [ax.get_title() for ax in top] == ["slice x", "measurement", "network"]
    shown = [numpy.asarray(ax.images[0].get_array()) for ax in [*top, *bottom]]
    for image, expected in zip(shown[:3], [x, *pictures.values()], strict=True):
        assert image == pytest.approx(expected.reshape(8, 10).double().numpy())
    assert shown[3] == pytest.approx(x.reshape(8, 10).double().numpy())
    assert shown[4] == pytest.approx(numpy.full((8, 10), 0.5), abs=1e-6)
    assert shown[5] == pytest.approx(numpy.full((8, 10), 0.25), abs=1e-6)
    assert all(ax.images[0].get_clim() == (0, 1) for ax in [*top, bottom[0]])
    assert [ax.images[0].get_clim() for ax in bottom[1:]] == [pytest.approx((0, 0.5))] * 2
    assert fig.axes[6].get_ylabel() == "absolute error"
    assert not bottom[0].patches


def test_the_detail_is_magnified_and_framed() -> None:
    x, pictures = slices()
    fig = show_reconstructions(x, pictures, detail=(4, 3, 4), limits=(0.1, 0.7), limit=2.0)
    picture = x.reshape(8, 10).double().numpy()
    assert numpy.asarray(fig.axes[0].images[0].get_array()) == pytest.approx(picture[4:8, 3:7])
    assert numpy.asarray(fig.axes[3].images[0].get_array()) == pytest.approx(picture)
    assert numpy.asarray(fig.axes[4].images[0].get_array()).shape == (4, 4)
    (frame,) = fig.axes[3].patches
    assert isinstance(frame, Rectangle)
    assert (*frame.get_xy(), frame.get_width(), frame.get_height()) == (2.5, 3.5, 4, 4)
    assert fig.axes[4].images[0].get_clim() == (0, 2)
    assert all(ax.images[0].get_clim() == (0.1, 0.7) for ax in fig.axes[:4])


def test_the_error_bar_ignores_a_few_wild_pixels() -> None:
    x = torch.zeros(40, 40)
    wrong = torch.full((40, 40), 0.1)
    wrong[0, 0] = 100
    fig = show_reconstructions(x, {"network": wrong})
    assert fig.axes[3].images[0].get_clim() == pytest.approx((0, 0.1))


def test_a_perfect_reconstruction_has_a_map_too() -> None:
    fig = show_reconstructions(torch.zeros(4, 4), {"network": torch.zeros(4, 4)})
    assert fig.axes[3].images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("detail", [(-1, 0, 4), (0, -1, 4), (5, 0, 4), (0, 7, 4)])
def test_a_detail_outside_the_slice_is_refused(detail: tuple[int, int, int]) -> None:
    x, pictures = slices()
    with pytest.raises(ValueError, match="detail must lie within the slice"):
        show_reconstructions(x, pictures, detail=detail)


def test_pictures_must_be_there_and_fit() -> None:
    x, _ = slices()
    with pytest.raises(ValueError, match=r"reconstructions\['network'\] must have the size of x"):
        show_reconstructions(x, {"network": x[..., :5]})
    with pytest.raises(ValueError, match="reconstructions must hold at least one picture"):
        show_reconstructions(x, {})
    with pytest.raises(ValueError, match="limits must be"):
        show_reconstructions(x, {"network": x}, limits=(1, 0))


def test_figures_are_closed_so_that_a_cell_shows_them_once() -> None:
    x, pictures = slices()
    show_reconstructions(x, pictures)
    show_training([0.1] * 30, {})
    assert plt.get_fignums() == []
