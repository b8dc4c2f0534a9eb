"""The Python side of the explorer of the trained network."""

import pytest
import torch
from torch.nn.functional import conv2d
from traitlets import TraitError

from ippy import course
from ippy.evaluation import measure
from ippy.explorers.network import (
    Network,
    _family,
    losses,
    ranking,
    shipped_networks,
    switched_off,
)
from ippy.metrics import psnr
from ippy.models import SimpleCNN


@pytest.fixture
def model() -> SimpleCNN:
    torch.manual_seed(0)
    return SimpleCNN(1, 1, 4, 5, final_activation="sigmoid", padding_mode="circular").eval()


def test_a_filter_that_is_off_answers_zero(model: SimpleCNN):
    y = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    maps = []
    damaged = switched_off(model, [(1, 2), (2, 3)])
    damaged.conv2.register_forward_hook(lambda _, inputs, output: maps.extend([*inputs, output]))
    answer = damaged(y)
    assert maps[0][0, 2].abs().max() == 0 and maps[1][0, 3].abs().max() == 0
    assert maps[0][0, 1].abs().max() > 0 and maps[1][0, 2].abs().max() > 0
    assert not torch.equal(answer, model(y))
    assert torch.equal(switched_off(model, [])(y), model(y))  # head, size and padding are kept
    residual = SimpleCNN(1, 1, 4, residual=True)
    assert torch.equal(switched_off(residual, [])(y), residual(y))


@pytest.mark.parametrize("layer", [1, 2])
def test_losses(model: SimpleCNN, layer: int):
    generator = torch.Generator().manual_seed(2)
    x, y = torch.rand(2, 1, 1, 16, 16, generator=generator)
    lost = losses(model, y, x, layer)
    with torch.no_grad():
        expected = psnr(model(y), x) - psnr(switched_off(model, [(layer, 1)])(y), x)
        weights, bias = (model.conv1, model.conv2)[layer - 1].parameters()
        weights[1], bias[1] = 0, 0
        again = psnr(model(y), x)
    assert lost.shape == (4,)
    assert lost[1] == pytest.approx(expected.item(), abs=1e-5)
    assert psnr(model(y), x) == again
    assert lost[1] != lost[0]


def test_shipped_networks_are_one_run_each_and_none_with_a_head():
    found = shipped_networks()
    assert next(iter(found)) == "CNN" and found["CNN"].endswith("32 filters of 3 × 3")
    assert not any(name.startswith(("head-", "recipe-")) for name in found)
    assert "5 × 5" in {told.rpartition("of ")[2] for told in found.values()}
    for name, told in found.items():
        network = course.load_model(name)
        assert f": {network.conv1.out_channels} filters of" in told
    assert len(set(found.values())) == len(found)  # no two look the same
    assert _family("kernel-5-0") == "kernel-5" and _family("circular-0") == "circular"
    assert _family("noise-0-0") == "noise-0" and _family("kernel-5") == "kernel-5"


def test_the_default_filter_matters():
    network = Network()
    assert network.filter == ranking()[0]
    lost = losses(network.model, network.y_delta, network.x)
    assert lost[network.filter] > lost.median() + 1


def test_what_python_reads_is_what_the_page_shows():
    network = Network(weights="CNN", slice=1, seed=4, without_1=[7], without_2=[0, 40])
    x = network.x
    assert x.shape == (1, 1, 256, 256)
    assert torch.equal(network.y_delta, measure(x, course.blurring(), course.NOISE_LEVEL, 4))
    assert network.off == [(1, 7), (2, 0), (2, 40)]
    model = course.load_model("CNN")
    with torch.no_grad():
        h = conv2d(network.y_delta, model.conv1.weight, model.conv1.bias, padding=1).relu()
        h[:, 7] = 0
        h = conv2d(h, model.conv2.weight, model.conv2.bias, padding=1).relu()
        h[:, 0] = 0
        expected = conv2d(h, model.conv3.weight, model.conv3.bias, padding=1)
    torch.testing.assert_close(network.x_hat, expected, atol=1e-5, rtol=0)


def test_a_network_of_ones_own(model: SimpleCNN):
    network = Network(model=model, layer=2)
    assert network.weights == "own" and network.filter == 0
    y = torch.rand(1, 1, 8, 8)
    assert torch.equal(network.model(y), model(y))
    assert "weights/own" in network.html()
    assert network.fallback().axes  # fewer than eight maps are no matter
    network.weights = "CNN"
    assert network.model.conv1.out_channels == 32


@pytest.mark.parametrize(
    "wrong",
    [{"layer": 3}, {"weights": "own"}, {"filter": -1}, {"row": 256}, {"without_1": [300]}],
)
def test_wrong_values(wrong: dict):
    with pytest.raises(TraitError, match=next(iter(wrong))):
        Network(**wrong)


def test_fallback_and_host():
    network = Network(filter=3)
    titles = [ax.get_title() for ax in network.fallback().axes]
    assert titles[:4] == ["y_delta", "x_hat", "x", "x_hat without\nfilter 3"]
    assert len(titles) == 12 and titles[4] == f"map {ranking()[0]}"
    assert 'data-explorer="network"' in network.html() and "alt=" in network.html()
