"""The figures of the primer and of chapters 2 and 5, and their drawings."""

import runpy
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from ippy.data import project_root
from ippy.figures import show_descent, show_points, show_signed, show_spread, show_tradeoff

DRAWINGS = [
    "autograd.svg",
    "channels.svg",
    "cnn-architecture.svg",
    "connections.svg",
    "heads.svg",
    "receptive-field.svg",
]


def legend(ax: Axes) -> list[str]:
    box = ax.get_legend()
    assert box is not None
    return [text.get_text() for text in box.get_texts()]


def test_signed_maps_share_a_scale_that_is_symmetric_around_zero() -> None:
    maps = {"one": torch.tensor([[-3.0, 1.0]]), "two": torch.tensor([[[0.5], [2.0]]])}
    first, second, bar = show_signed(maps, label="weight").axes
    assert [ax.get_title() for ax in (first, second)] == ["one", "two"]
    assert np.asarray(first.images[0].get_array()).tolist() == [[-3, 1]]
    assert np.asarray(second.images[0].get_array()).tolist() == [[0.5], [2]]
    for ax in (first, second):
        assert ax.images[0].get_clim() == (-3, 3)
        assert ax.images[0].get_cmap().name == "RdBu_r"
        assert all(spine.get_visible() for spine in ax.spines.values())
    assert bar.get_ylabel() == "weight"


def test_signed_maps_take_a_limit_and_a_number_of_columns() -> None:
    fig = show_signed({str(k): torch.ones(2, 2) for k in range(6)}, limit=0.5, columns=3)
    assert fig.axes[5].images[0].get_clim() == (-0.5, 0.5)
    rows = [round(ax.get_subplotspec().rowspan.start) for ax in fig.axes[:6]]  # type: ignore[union-attr]
    assert rows == [0, 0, 0, 1, 1, 1]


def test_signed_maps_of_zeros_are_white_and_refuse_nonsense() -> None:
    assert show_signed({"none": torch.zeros(2, 2)}).axes[0].images[0].get_clim() == (-1, 1)
    with pytest.raises(ValueError, match=r"limit must be positive, .* got 0"):
        show_signed({"one": torch.ones(2, 2)}, limit=0.0)
    with pytest.raises(ValueError, match="maps must hold at least one picture"):
        show_signed({})


def test_points_stand_in_a_column_with_their_mean() -> None:
    (ax,) = show_points({"relu": torch.tensor([1.0, 2.0, 6.0]), "tanh": [4.0]}, ylabel="dB").axes
    dots, mean, single, single_mean = ax.lines
    assert np.asarray(dots.get_ydata()).tolist() == [1, 2, 6]
    assert np.asarray(dots.get_xdata()) == pytest.approx([-0.12, 0, 0.12])
    assert np.asarray(mean.get_ydata()).tolist() == [3, 3]
    assert np.asarray(mean.get_xdata()) == pytest.approx([-0.25, 0.25])
    assert np.asarray(single.get_xdata()).tolist() == [1]
    assert np.asarray(single_mean.get_xdata()) == pytest.approx([0.75, 1.25])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["relu", "tanh"]
    assert ax.get_ylabel() == "dB" and ax.get_xlim() == (-0.5, 1.5)


def test_points_refuse_what_cannot_be_shown() -> None:
    with pytest.raises(ValueError, match="groups must hold at least one group"):
        show_points({}, ylabel="dB")
    with pytest.raises(ValueError, match=r"groups\['relu'\] must hold at least one value"):
        show_points({"relu": []}, ylabel="dB")


def test_tradeoff_labels_each_point_of_each_family() -> None:
    families = {
        "filters": {"8": (700.0, 30.0), "16": (2600.0, 31.0)},
        "kernels": {"5": (9e3, 33.0)},
    }
    (ax,) = show_tradeoff(families, xlabel="parameters", ylabel="dB").axes
    assert np.asarray(ax.lines[0].get_xdata()).tolist() == [700, 2600]
    assert np.asarray(ax.lines[0].get_ydata()).tolist() == [30, 31]
    assert ax.lines[0].get_marker() != ax.lines[1].get_marker()
    assert {text.get_text(): text.xy for text in ax.texts} == {  # type: ignore[attr-defined]
        "8": (700, 30),
        "16": (2600, 31),
        "5": (9e3, 33),
    }
    assert legend(ax) == ["filters", "kernels"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("parameters", "dB", "log")
    (linear,) = show_tradeoff(families, xlabel="", ylabel="", xscale="linear").axes
    assert linear.get_xscale() == "linear"


@pytest.mark.parametrize("families", [{}, {"filters": {}}])
def test_tradeoff_refuses_empty_families(
    families: dict[str, dict[str, tuple[float, float]]],
) -> None:
    with pytest.raises(ValueError, match="families must hold at least one family"):
        show_tradeoff(families, xlabel="", ylabel="")


def test_spread_draws_the_median_and_a_band_from_lowest_to_highest() -> None:
    runs = {"none": torch.tensor([[1.0, 5.0], [2.0, 1.0], [9.0, 3.0]])}
    (ax,) = show_spread([10, 20], runs, xlabel="step", ylabel="loss", yscale="log").axes
    (median,) = ax.lines
    assert np.asarray(median.get_xdata()).tolist() == [10, 20]
    assert np.asarray(median.get_ydata()).tolist() == [2, 3]
    (band,) = (part for part in ax.collections if isinstance(part, PolyCollection))
    corners = {tuple(corner) for corner in np.asarray(band.get_paths()[0].vertices)}
    assert corners == {(10.0, 1.0), (10.0, 9.0), (20.0, 1.0), (20.0, 5.0)}
    assert band.get_alpha() == 0.2
    assert legend(ax) == ["none"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("step", "loss", "log")


def test_spread_refuses_runs_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="runs must hold at least one group"):
        show_spread([1, 2], {}, xlabel="", ylabel="")
    for rows in (torch.ones(2), torch.ones(2, 3)):
        with pytest.raises(ValueError, match=r"runs\['relu'\] must be \(runs, 2\)"):
            show_spread([1, 2], {"relu": rows}, xlabel="", ylabel="")


def test_descent_draws_contours_and_the_way_that_was_taken() -> None:
    x, y = torch.meshgrid(torch.linspace(-1, 3, 41), torch.linspace(-2, 2, 31), indexing="xy")
    way = torch.tensor([[0.0, 1.0], [1.0, 3.5], [2.0, 0.0]])  # leaves the frame
    bowl = x**2 + (y - 1) ** 2 + 0.01
    fig = show_descent(bowl, (-1, 3, -2, 2), {"Adam": way}, xlabel="a", ylabel="b")
    (ax,) = fig.axes
    assert np.asarray(ax.lines[0].get_xydata()).tolist() == way.tolist()
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 3), (-2, 2))
    assert (ax.get_xlabel(), ax.get_ylabel(), legend(ax)) == ("a", "b", ["Adam"])
    (contours,) = ax.collections
    rings = [np.asarray(path.vertices) for path in contours.get_paths()]
    innermost = next(ring for ring in rings if len(ring) > 4)
    assert innermost.mean(axis=0) == pytest.approx([0, 1], abs=0.1)


def test_descent_refuses_a_path_that_is_not_made_of_pairs() -> None:
    with pytest.raises(ValueError, match=r"paths\['Adam'\] must be \(steps, 2\), got shape \(3,\)"):
        show_descent(torch.rand(3, 3), (0, 1, 0, 1), {"Adam": torch.ones(3)}, xlabel="", ylabel="")


def test_figures_are_closed_for_pyplot() -> None:
    plt.close("all")
    show_signed({"one": torch.ones(2, 2)})
    show_points({"one": [1.0]}, ylabel="")
    show_tradeoff({"one": {"a": (1.0, 1.0)}}, xlabel="", ylabel="")
    show_spread([1, 2], {"one": [[1.0, 2.0]]}, xlabel="", ylabel="")
    show_descent(torch.rand(3, 3), (0, 1, 0, 1), {"one": torch.ones(1, 2)}, xlabel="", ylabel="")
    assert plt.get_fignums() == []


def test_drawings_are_those_that_their_script_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project_root() / "book" / "figures"
    script = runpy.run_path(str(folder / "networks.py"))
    monkeypatch.setitem(script["Drawing"].save.__globals__, "FOLDER", tmp_path)
    for name in ("connections", "channels", "architecture", "pyramid", "heads", "autograd"):
        script[name]()
    assert sorted(path.name for path in tmp_path.iterdir()) == DRAWINGS
    for name in DRAWINGS:
        made = (tmp_path / name).read_text(encoding="utf-8")
        assert made == (folder / name).read_text(encoding="utf-8"), f"run {folder / 'networks.py'}"


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_can_be_read_aloud_and_on_a_dark_page(name: str) -> None:
    svg = "{http://www.w3.org/2000/svg}"
    root = ElementTree.parse(project_root() / "book" / "figures" / name).getroot()
    assert root.findtext(f"{svg}title") and root.findtext(f"{svg}desc")
    ground = root.find(f"{svg}rect")
    assert ground is not None
    assert (ground.get("width"), ground.get("height")) == (root.get("width"), root.get("height"))
    assert ground.get("fill") == "#fbfaf6"
    assert all(int(text.get("font-size", "0")) >= 12 for text in root.iter(f"{svg}text"))


def test_the_architecture_names_the_numbers_of_the_network() -> None:
    words = (project_root() / "book" / "figures" / "cnn-architecture.svg").read_text("utf-8")
    for number in ("320 parameters", "9,248 parameters", "289 parameters", "9,857 parameters"):
        assert number in words
    assert "7 × 7 pixels" in words and "(32, 32, 3, 3)" in words
