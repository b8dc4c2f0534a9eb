"""Inside a trained network: its maps, its filters, and what one pixel of its output is made of."""

from __future__ import annotations

import functools
import re
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ippy import course
from ippy.evaluation import measure
from ippy.explorers import assets
from ippy.explorers.base import Explorer
from ippy.explorers.parameters import choice, numbers, whole
from ippy.metrics import psnr
from ippy.models import SimpleCNN
from ippy.weights import read_manifest

MOST_FILTERS = 256
# Of the shipped weights, those that end in no head and are no step of another comparison.
FAMILIES = re.compile(r"(CNN|filters|kernel|circular|noise)\b")


def shipped_networks() -> dict[str, str]:
    """The shipped networks to look into, name → what it is: one run of each family.

    >>> shipped_networks()["CNN"]
    'CNN: 32 filters of 3 × 3'
    """
    found: dict[str, str] = {}
    for name, entry in read_manifest().items():
        if not FAMILIES.match(name) or entry["recipe"].get("seed", 0) != 0:
            continue
        filters, size = (entry["architecture"].get(key, 3) for key in ("n_filters", "kernel_size"))
        found[name] = f"{_family(name)}: {filters} filters of {size} × {size}"
    return found


def _family(name: str) -> str:
    """A name without the number of its run: "filters-8-0" is a run of "filters-8".

    >>> _family("filters-8-0"), _family("filters-8"), _family("CNN")
    ('filters-8', 'filters-8', 'CNN')
    """
    return re.sub(r"^([a-zA-Z]+-\d+|circular)-\d+$", r"\1", name)


@functools.cache
def ranking(name: str = "CNN", layer: int = 1, size: int = 96) -> tuple[int, ...]:
    """The filters of a shipped network by the PSNR that is lost without each, most important first.

    Measured on `size` × `size` pixels in the middle of the first slice, so that it takes no time.
    """
    x = assets.chosen_slice(0)  # (1, 1, 256, 256)
    y_delta = measure(x, course.blurring(), course.NOISE_LEVEL, seed=0)
    edge = (x.shape[-1] - size) // 2
    middle = (..., slice(edge, edge + size), slice(edge, edge + size))
    model = course.load_model(name)
    lost = losses(model, y_delta[middle], x[middle], layer)
    return tuple(lost.argsort(descending=True).tolist())


@torch.no_grad()
def losses(model: SimpleCNN, y_delta: Tensor, x: Tensor, layer: int = 1) -> Tensor:
    """psnr(f(y), x) − psnr(f_k(y), x) in dB, f_k being f without filter k of the layer; (K,)."""
    whole_network = psnr(model(y_delta), x).mean()
    filters = range(model.conv1.out_channels)
    without = [psnr(switched_off(model, [(layer, k)])(y_delta), x).mean() for k in filters]
    return whole_network - torch.stack(without)


def switched_off(model: SimpleCNN, filters: list[tuple[int, int]]) -> SimpleCNN:
    """A copy of `model` in which the given (layer, filter) answer zero everywhere.

    >>> model = SimpleCNN(1, 1, 4)
    >>> switched_off(model, [(1, 2)]).conv1.weight[2].abs().sum().item()
    0.0
    """
    damaged = SimpleCNN(
        model.conv1.in_channels,
        model.conv3.out_channels,
        model.conv1.out_channels,
        model.conv1.kernel_size[0],
        padding_mode=model.conv1.padding_mode,
        residual=model.residual,
    )
    damaged.load_state_dict(model.state_dict())
    damaged.final_activation = model.final_activation
    layers = {1: damaged.conv1, 2: damaged.conv2}
    with torch.no_grad():
        for layer, k in filters:
            layers[layer].weight[k] = 0
            bias = layers[layer].bias
            if bias is not None:
                bias[k] = 0
    return damaged.eval()


class Network(Explorer):
    """x_hat = W₃ ⋆ ReLU(W₂ ⋆ ReLU(W₁ ⋆ y + b₁) + b₂) + b₃: its filters, its maps, its pixels.

    A filter of a layer is switched off by setting its map to zero. As the network is piecewise
    linear, an output pixel is Σ gradient · y + constant, the sum over its receptive field.

    Args:
        model: a network of one's own, one channel in and out; it is shown as "own".

    >>> network = Network(filter=3, without_1=[0, 5])
    >>> network.off
    [(1, 0), (1, 5)]
    """

    title = "Inside the network"
    alt = (
        "The measurement, the reconstruction, the reconstruction without the most important filter "
        "of the first layer, which is spoilt, and the maps of the eight most important filters."
    )
    heights = (3770, 1950, 1950)

    weights = choice("CNN", shipped_networks, label="Network")
    slice = whole(0, 0, assets.last_slice, label="Slice")
    seed = whole(0, 0, 2**31 - 1, label="Noise")
    layer = choice(1, {1: "layer 1", 2: "layer 2"}, label="Maps of")
    order = choice("number", {"number": "number", "loss": "PSNR lost"}, label="Order")
    filter = whole(lambda: ranking()[0], 0, MOST_FILTERS - 1, label="Filter")
    without_1 = numbers(
        [], length=MOST_FILTERS, low=0, high=MOST_FILTERS - 1, label="Off in layer 1"
    )
    without_2 = numbers(
        [], length=MOST_FILTERS, low=0, high=MOST_FILTERS - 1, label="Off in layer 2"
    )
    row = whole(128, 0, 255, label="Row of the pixel")
    column = whole(70, 0, 255, label="Column of the pixel")

    def __init__(self, model: SimpleCNN | None = None, **values: Any) -> None:
        self._own = model
        if model is not None:
            values = {"weights": "own", "filter": 0, **values}
        super().__init__(**values)
        if model is not None:
            self.provide("weights/own", assets.network_asset(model))

    def choices(self) -> dict[str, dict[Any, str]]:
        return {} if self._own is None else {"weights": {"own": "your network"}}

    @property
    def off(self) -> list[tuple[int, int]]:
        """The filters that are switched off, as (layer, number)."""
        lists = {1: self.without_1, 2: self.without_2}
        return [(layer, int(k)) for layer, given in lists.items() for k in given]

    @property
    def model(self) -> SimpleCNN:
        """The network that is shown, without the filters that are switched off."""
        own = self._own if self.weights == "own" else None
        whole_network = own or course.load_model(self.weights)
        filters = whole_network.conv1.out_channels
        return switched_off(whole_network, [(layer, k) for layer, k in self.off if k < filters])

    @property
    def x(self) -> Tensor:
        """The slice, (1, 1, 256, 256)."""
        return assets.chosen_slice(self.slice)

    @property
    def y_delta(self) -> Tensor:
        """Its measurement, (1, 1, 256, 256)."""
        return measure(self.x, course.blurring(), course.NOISE_LEVEL, self.seed)

    @property
    def x_hat(self) -> Tensor:
        """The reconstruction without the filters that are switched off, (1, 1, 256, 256)."""
        with torch.no_grad():
            return self.model(self.y_delta)

    def fallback(self) -> Figure:
        from ippy.figures import show_images

        x, y_delta, model = self.x, self.y_delta, self.model
        k = min(self.filter, model.conv1.out_channels - 1)
        pictures = {"y_delta": y_delta, "x_hat": self.x_hat, "x": x}
        with torch.no_grad():
            pictures[f"x_hat without filter {k}"] = switched_off(model, [(self.layer, k)])(y_delta)
            maps = torch.relu(model.conv1(y_delta))[0]  # (n_filters, 256, 256)
        named = {title: picture.clamp(0, 1) for title, picture in pictures.items()}
        known = ranking(self.weights) if self.weights != "own" else range(len(maps))
        for number in list(known)[:8]:
            named[f"map {number}"] = maps[number] / (maps[number].max() + 1e-12)
        return show_images(named, limits=(0, 1), columns=4)
