"""The plots: one scale across a row, one bar for all maps, and figures that show once."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm, Normalize, to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from ippy import figures
from ippy.figures import (
    PAPER,
    RED,
    show_curves,
    show_errors,
    show_images,
    show_kernels,
    show_numbers,
    show_spectrum,
)

DARK = torch.tensor([[0.125, 0.25], [0.375, 0.5]])
LIGHT = torch.tensor([[[[0.5, -0.625], [0.75, 0.875]]]])
PAIR = {"dark": DARK, "light": LIGHT}
ROWS = [show_images, show_errors, show_numbers, show_kernels, show_spectrum]


def curves(values):
    return show_curves([1, 2], values, xlabel="x", ylabel="y")


def pictures(fig: Figure) -> list:
    """The axes that hold a picture, and not the colour bar's."""
    return [ax for ax in fig.axes if ax.images]


def bar(fig: Figure):
    (ax,) = [ax for ax in fig.axes if not ax.images and ax.get_visible()]
    return ax


def limits(fig: Figure) -> set[tuple[float, float]]:
    return {tuple(ax.images[0].get_clim()) for ax in pictures(fig)}


@pytest.mark.parametrize("show", [*ROWS, curves])
def test_a_figure_is_closed_and_in_the_house_style(show):
    before = dict(mpl.rcParams)
    fig = show({"dark": torch.tensor([1.0, 2.0])} if show is curves else PAIR)
    assert isinstance(fig, Figure)
    assert plt.get_fignums() == []
    assert to_hex(fig.get_facecolor()) == PAPER
    assert fig.get_figwidth() <= 7.5
    sizes = [text.get_fontsize() for text in fig.findobj(Text) if text.get_text()]
    assert min(sizes) >= 9
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("show", ROWS)
def test_a_row_shows_each_picture_under_its_title_and_leaves_it_alone(show):
    images = {"dark": DARK.clone(), "light": LIGHT.clone().requires_grad_()}
    fig = show(images)
    assert [ax.get_title() for ax in pictures(fig)] == ["dark", "light"]
    assert all(ax.images[0].get_array().shape == (2, 2) for ax in pictures(fig))
    assert torch.equal(images["dark"], DARK) and torch.equal(images["light"], LIGHT)


@pytest.mark.parametrize("show", ROWS)
def test_a_row_has_one_scale(show):
    assert len(limits(show(PAIR))) == 1


@pytest.mark.parametrize("show", ROWS)
def test_columns_break_a_row(show):
    three = {"a": DARK, "b": DARK, "c": DARK}
    fig = show(three, columns=2)
    rows = [ax.get_subplotspec().rowspan.start for ax in pictures(fig)]
    assert rows == [0, 0, 1]
    assert len(fig.axes) - len(rows) == (show in (show_errors, show_spectrum))
    fig = show({**three, "d": DARK, "e": DARK})
    assert [ax.get_subplotspec().rowspan.start for ax in pictures(fig)] == [0] * 5
    assert fig.get_figwidth() == pytest.approx(figures.WIDTH)


@pytest.mark.parametrize("show", ROWS)
def test_four_pictures_make_a_square_and_long_titles_take_two_lines(show):
    title = "Wiener, one constant for all of its waves"
    fig = show({"a": DARK, title: DARK, "c": DARK, "d": DARK})
    rows = [ax.get_subplotspec().rowspan.start for ax in pictures(fig)]
    assert rows == [0, 0, 1, 1]
    first, second = pictures(fig)[:2]
    assert len(second.get_title().split("\n")) == 2
    assert second.get_title().replace("\n", " ") == title
    fig.draw_without_rendering()
    right, left = first.title.get_window_extent().x1, second.title.get_window_extent().x0
    assert right < left and second.title.get_window_extent().y1 < fig.bbox.y1


@pytest.mark.parametrize("show", ROWS)
def test_bad_pictures_are_named(show):
    with pytest.raises(ValueError, match="at least one picture, got none"):
        show({})
    with pytest.raises(ValueError, match=r"\['batch'\] must be one picture.*got shape \(2, 1, 4"):
        show({"batch": torch.ones(2, 1, 4, 4)})
    with pytest.raises(ValueError, match=r"\['line'\] must be one picture.*got shape \(4,\)"):
        show({"line": torch.ones(4)})


def test_images_are_grey_from_the_darkest_to_the_brightest_pixel():
    fig = show_images(PAIR)
    assert limits(fig) == {(-0.625, 0.875)}
    assert {ax.images[0].get_cmap().name for ax in pictures(fig)} == {"gray"}
    assert np.allclose(pictures(fig)[0].images[0].get_array(), DARK)
    assert limits(show_images(PAIR, limits=(0, 1))) == {(0, 1)}
    assert limits(show_images({"even": torch.full((3, 3), 0.5)})) == {(0.5, 1.5)}
    with pytest.raises(ValueError, match=r"limits must be .* got \(1, 0\)"):
        show_images(PAIR, limits=(1, 0))


def test_tall_pictures_make_a_tall_figure_but_not_endlessly():
    flat, tall, taller = (show_images({"x": torch.rand(h, 4)}) for h in (2, 8, 80))
    assert flat.get_figheight() < tall.get_figheight() == taller.get_figheight()


def test_errors_drop_the_sign_and_share_one_bar():
    fig = show_errors(PAIR, label="how wrong")
    assert limits(fig) == {(0, 0.875)}
    assert np.allclose(pictures(fig)[1].images[0].get_array(), LIGHT[0, 0].abs())
    assert isinstance(pictures(fig)[0].images[0].norm, Normalize)
    assert bar(fig).get_ylabel() == "how wrong"
    assert limits(show_errors(PAIR, limit=2.0)) == {(0, 2)}
    with pytest.raises(ValueError, match="limit must be above 0"):
        show_errors(PAIR, limit=0.0)


def test_errors_of_zero_and_on_a_logarithmic_bar():
    assert limits(show_errors({"none": torch.zeros(2, 2)})) == {(0, 1e-12)}
    fig = show_errors({"none": torch.zeros(2, 2), "some": DARK}, log=True, floor=1e-6)
    assert limits(fig) == {(1e-6, 0.5)}
    assert isinstance(pictures(fig)[0].images[0].norm, LogNorm)
    assert float(pictures(fig)[0].images[0].get_array().min()) == 1e-6
    assert limits(show_errors({"none": torch.zeros(2, 2)}, log=True)) == {(1e-8, 1e-7)}
    with pytest.raises(ValueError, match="limit must be above 1e-08"):
        show_errors(PAIR, limit=1e-9, log=True)


def test_curves_are_told_apart_by_colour_and_line():
    fig = show_curves(
        torch.tensor([1.0, 10.0]),
        {"up": torch.tensor([1.0, 2.0]), "down": [2.0, 1.0]},
        xlabel="steps",
        ylabel="loss",
        xscale="log",
        yscale="log",
        marker="o",
    )
    (ax,) = fig.axes
    up, down = ax.get_lines()
    assert up.get_xdata().tolist() == [1, 10] and up.get_ydata().tolist() == [1, 2]
    assert down.get_ydata().tolist() == [2, 1]
    assert up.get_color() != down.get_color() and up.get_linestyle() != down.get_linestyle()
    assert up.get_marker() == "o"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("steps", "loss")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["up", "down"]


def test_a_legend_is_left_out_for_one_curve_and_put_outside_for_many():
    assert curves({"one": [1, 2]}).axes[0].get_legend() is None
    many = curves({name: [1, 2] for name in "abcd"})
    assert many.axes[0].get_legend() is None
    assert [text.get_text() for text in many.legends[0].get_texts()] == list("abcd")
    assert not curves({"one": [1, 2], "two": [1, 2]}).legends


def test_bad_curves_are_named():
    with pytest.raises(ValueError, match="at least one curve, got none"):
        curves({})
    with pytest.raises(ValueError, match=r"curves\['short'\] must have .*\(2,\), got \(1,\)"):
        curves({"short": [1]})


def test_numbers_are_written_in_their_pixels():
    fig = show_numbers({"a": torch.tensor([[1.0, -2.0], [0.25, 3.0]])}, marks={"a": (1, 0)})
    (ax,) = pictures(fig)
    written = {text.get_position(): text for text in ax.texts}
    words = {place: text.get_text() for place, text in written.items()}
    assert words == {(0, 0): "1", (1, 0): "\N{MINUS SIGN}2", (0, 1): "0.25", (1, 1): "3"}
    assert written[1, 0].get_color() == "white" and written[1, 1].get_color() == "black"
    (box,) = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert box.get_bbox().bounds == (-0.5, 0.5, 1, 1)
    assert not show_numbers({"a": DARK}).axes[0].patches
    with pytest.raises(ValueError, match=r"marks must name titles of grids, got \{'b'\}"):
        show_numbers({"a": DARK}, marks={"b": (0, 0)})


def luminance(colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in mpl.colors.to_rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other) -> float:
    """WCAG 2.2: 4.5 is asked of small letters."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_numbers_and_words_stand_out_from_what_is_beneath_them():
    fig = figures.show_numbers({"greys": torch.linspace(0, 1, 100).view(10, 10)})
    (shown,) = fig.axes[0].images
    for text in fig.axes[0].texts:
        column, row = map(int, text.get_position())
        grey = shown.cmap(shown.norm(shown.get_array()[row, column]))
        assert contrast(text.get_color(), grey) >= 4.5, text.get_text()
    for what in ("axes.titlecolor", "axes.labelcolor", "text.color", "xtick.color"):
        assert contrast(figures.STYLE[what], figures.STYLE["figure.facecolor"]) >= 4.5


def test_a_line_separates_the_numbers():
    (ax,) = pictures(show_numbers({"a": torch.rand(2, 3)}))
    upright = {line.get_xdata()[0] for line in ax.get_lines() if len(set(line.get_xdata())) == 1}
    assert {-0.5, 0.5, 1.5, 2.5} <= upright


@pytest.mark.parametrize("shape", [(3, 3), (4, 2)])
def test_kernels_show_their_centre_and_their_centre_of_mass(shape):
    kernel = torch.zeros(shape)
    kernel[0, 0], kernel[2, 1] = 3.0, 1.0
    (ax,) = pictures(show_kernels({"k": kernel}))
    cross, ring = ax.get_lines()
    assert (cross.get_marker(), ring.get_marker()) == ("+", "o")
    assert [*cross.get_xdata(), *cross.get_ydata()] == [shape[1] // 2, shape[0] // 2]
    assert [*ring.get_xdata(), *ring.get_ydata()] == [0.25, 0.5]
    assert to_rgba(cross.get_color()) == to_rgba(RED)


def test_a_kernel_without_mass_has_no_centre():
    with pytest.raises(ValueError, match=r"kernels\['edge'\] must have a sum other than 0"):
        show_kernels({"edge": torch.tensor([[1.0, -1.0]])})


def test_a_spectrum_has_frequency_zero_in_the_middle():
    response = torch.full((4, 6), 1e-5)
    response[0, 0] = 1.0
    fig = show_spectrum({"flat": response, "weak": response / 2})
    image = pictures(fig)[0].images[0]
    assert np.unravel_index(np.argmax(image.get_array()), (4, 6)) == (2, 3)
    assert limits(fig) == {(1e-3, 1.0)}
    assert float(image.get_array().min()) == 1e-3
    assert isinstance(image.norm, LogNorm)
    assert image.get_extent() == [-0.5, 0.5, 0.5, -0.5]
    assert bar(fig).get_ylabel() == "magnitude"
    assert bar(show_spectrum({"flat": response}, label="factor |H|")).get_ylabel() == "factor |H|"
    assert "across" in fig.get_supxlabel() and "down" in pictures(fig)[0].get_ylabel()
    with pytest.raises(ValueError, match="floor must be positive and below the largest value 1"):
        show_spectrum({"flat": response}, floor=1.0)
    with pytest.raises(ValueError, match="floor must be positive"):
        show_spectrum({"flat": response}, floor=0.0)


def test_the_style_is_readable():
    assert figures.STYLE["font.size"] >= 9
    assert figures.STYLE["figure.dpi"] * figures.WIDTH <= 900
