"""Two ways to the same corner, on the side of Python."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ippy import course
from ippy.explorers.equivariance import (
    NETWORKS,
    Equivariance,
    boxes,
    boxes_measured,
    random_network,
    trained_mlp,
)

ROOT = Path(__file__).resolve().parent.parent


def gap(function: str, **state) -> float:
    explorer = Equivariance(function=function, **state)
    return float(explorer.difference().norm() / explorer.f(explorer.z).norm())


def told_in_the_chapter(pattern: str) -> float:
    """A number among the stored outputs of chapter 4."""
    chapter = json.loads((ROOT / "book" / "04-equivariance.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in chapter["cells"] for output in cell.get("outputs", [])]
    text = "".join("".join(output.get("text", "")) for output in outputs)
    return float(re.search(pattern, text)[1])


def test_opens_on_the_numbers_of_the_chapter():
    difference = Equivariance().difference().abs()
    share = told_in_the_chapter(r"differ by more than 1e-5: ([\d.]+) %")
    assert 100 * float((difference > 1e-5).float().mean()) == pytest.approx(share, abs=0.06)
    largest = told_in_the_chapter(r"largest difference: ([\d.]+)")
    assert float(difference.max()) == pytest.approx(largest, abs=6e-3)


@pytest.mark.parametrize(
    ("kind", "by_one"), [("stride", 0.254), ("pooling", 0.250), ("smoothed", 0.006)]
)
def test_random_networks_are_those_of_the_chapter(kind: str, by_one: float):
    assert gap(kind, padding="circular", rows=0, columns=1) == pytest.approx(by_one, abs=5e-4)
    assert gap(kind, padding="circular", rows=0, columns=2) < 1e-6


@pytest.mark.parametrize("function", ["CNN", "blur", "both"])
def test_circular_padding_makes_the_whole_picture_the_inside(function: str):
    assert gap(function, padding="circular") < 1e-6
    assert gap(function, padding="zeros") > 1e-3


@pytest.mark.parametrize("kind", NETWORKS)
def test_radius_is_how_far_an_output_pixel_looks(kind: str):
    """Measured by gradients, over output pixels of every phase and several random pictures."""
    reach = 0
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        for i, j in [(32, 32), (33, 33), (32, 33)]:
            z = torch.rand(1, 1, 64, 64, generator=generator, requires_grad=True)
            random_network(kind, "zeros")(z)[0, 0, i, j].backward()
            places = z.grad[0, 0].nonzero()
            reach = max(reach, int((places - torch.tensor([i, j])).abs().max()))
    assert reach == NETWORKS[kind]


def test_what_f_is_applied_to():
    x = course.datasets()[1][0][None]
    assert torch.equal(Equivariance(function="blur").z, x)
    assert torch.equal(Equivariance(function="stride").z, x)
    noise = Equivariance().z - course.blurring()(x)
    assert float(noise.norm() / course.blurring()(x).norm()) == pytest.approx(0.01, rel=1e-3)
    assert not torch.equal(Equivariance(slice=1).z, Equivariance().z)
    assert Equivariance(function="mlp").z.shape == (1, 1, 16, 16)


@pytest.mark.parametrize("v", [(2, 0), (-2, 0), (0, 3), (-1, -4), (9, 0), (0, -9)])
def test_shift_with_zeros_entering(v):
    z = torch.rand(1, 1, 7, 8)
    moved = Equivariance(rows=v[0], columns=v[1], entering="zeros").shift(z)
    for i in range(7):
        for j in range(8):
            row, column = i - v[0], j - v[1]
            there = z[0, 0, row, column] if 0 <= row < 7 and 0 <= column < 8 else 0
            assert moved[0, 0, i, j] == there
    assert torch.equal(Equivariance(rows=v[0], columns=v[1]).shift(z), z.roll(v, (-2, -1)))


def test_a_pixel_of_the_mlp_is_16_of_the_sliders():
    places = {-128: -8, -9: -1, -8: 0, 7: 0, 8: 1, 24: 2, 128: 8}
    for rows, expected in places.items():
        assert Equivariance(function="mlp", rows=rows, columns=0).v == (expected, 0)
        assert Equivariance(rows=rows, columns=0).v == (rows, 0)


def test_boxes_lie_in_the_left_half():
    x = boxes(50, torch.Generator().manual_seed(3))
    assert x.shape == (50, 1, 16, 16) and float(x[..., 8:].abs().max()) == 0
    assert float(x.amin()) == 0 and float(x[x > 0].min()) >= 0.3 and float(x.max()) <= 1


def test_the_mlp_has_learnt_the_left_and_fails_on_the_right():
    x, y_delta = boxes_measured()
    model = trained_mlp()

    def psnr(a, b):
        return float(-10 * torch.log10((a - b).square().mean()))

    measured = psnr(y_delta, x)
    assert psnr(model(y_delta), x) > measured + 2
    assert psnr(model(y_delta.roll(8, -1)), x.roll(8, -1)) < measured - 5
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_training_the_mlp_leaves_torchs_own_randomness_and_threads_alone():
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    trained_mlp.__wrapped__()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_the_page_gets_the_very_same_weights():
    asset = json.loads(json.dumps(Equivariance.assets()["equivariance/mlp"]()))
    layers = [layer for layer in trained_mlp() if isinstance(layer, torch.nn.Linear)]
    for layer, told in zip(layers, asset["dense"], strict=True):
        whole = np.frombuffer(base64.b64decode(told["int8"]), dtype=np.int8)
        weight = torch.from_numpy(whole.copy()).reshape(told["shape"]) * told["scale"]
        assert torch.equal(weight, layer.weight)
        bias = np.frombuffer(base64.b64decode(told["bias"]["float32"]), dtype="<f4")
        assert np.array_equal(bias, layer.bias.numpy())
    assert len(json.dumps(asset)) < 60_000
    radius = Equivariance.assets()["equivariance/random"]()["radius"]
    assert radius == {"CNN": 3, "blur": 4, "both": 7, **NETWORKS}


def test_fallback_is_the_map_of_the_difference():
    axes = Equivariance(function="blur").fallback().axes
    assert axes[0].images[0].get_array().shape == (256, 256)
