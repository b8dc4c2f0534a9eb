"""Five ways to end the same network, side by side on one measurement, and how each learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from ippy import course
from ippy.evaluation import measure
from ippy.explorers import assets
from ippy.explorers.base import Explorer
from ippy.explorers.parameters import choice, number, whole
from ippy.metrics import psnr
from ippy.models import SimpleCNN
from ippy.weights import HEADS, read_manifest

AIR = 0.02  # where the mean of the 9×9 pixels around is below it, the true slice shows air
SHUT = 0.05  # a head whose slope is below it hardly lets the error through


def runs() -> dict[str, dict[int, str]]:
    """The shipped runs of each head: head → seed → name of the weights.

    >>> runs()["none"][0]
    'head-none-0'
    """
    manifest = read_manifest()
    found: dict[str, dict[int, str]] = {}
    for head in HEADS:
        names = {name for name in manifest if name.startswith(f"head-{head}-")}
        numbers = {name.removeprefix(f"head-{head}-"): name for name in names}
        known = {int(seed): name for seed, name in numbers.items() if seed.isdecimal()}
        if known:
            found[head] = dict(sorted(known.items()))
    return found


def histories() -> dict[str, Any]:
    """What the page shows of the trainings: {"black": dB, "heads": [{"name", …, "runs": […]}]}.

    A run has failed if it ends no better than an all-black picture: less than 1 dB above it.
    """
    manifest = read_manifest()
    test_set = course.datasets()[1]
    slices = torch.stack([test_set[i] for i in range(len(test_set))])  # (N, 1, 256, 256)
    black = psnr(torch.zeros_like(slices), slices).mean().item()
    heads = []
    for head, names in runs().items():
        told = []
        for seed, name in names.items():
            entry = manifest[name]
            end = entry["scores"]["psnr"]
            history = entry["history"]
            told.append(
                {
                    "name": name,
                    "seed": seed,
                    "steps": [logged["step"] for logged in history],
                    "loss": [logged["loss"] for logged in history],
                    "psnr": end,
                    "failed": end < black + 1,
                }
            )
        architecture = {"final_activation": None, "residual": False, **HEADS[head]}
        heads.append({"name": head, **architecture, "runs": told})
    return {"black": round(black, 3), "heads": heads}


def _seeds() -> dict[int, str]:
    return {
        seed: str(seed) for seed in sorted({seed for found in runs().values() for seed in found})
    }


def _shown() -> dict[str, str]:
    return {"all": "all heads", **{head: f"{head} in front" for head in runs()}}


def air_of(x: Tensor) -> Tensor:
    """Where a slice x (N, 1, H, W) shows air, by the mean of 9×9 pixels; black beyond the border.

    Not by the pixel itself: then its noise would choose, and the chosen would be too dark.
    """
    return F.avg_pool2d(x, 9, stride=1, padding=4) < AIR


class Activations(Explorer):
    """x_hat = a(z), or y_delta + a(z): five heads a on the same z-making network, three seeds each.

    Everything is counted as in chapter 5: air is where the mean of x over the 9×9 pixels around is
    below 0.02; a head is saturated (a ReLU: silent) where |a'(z)| < 0.05; a run that ends less than
    1 dB above a black picture has failed.

    >>> activations = Activations(run=1)
    >>> sorted(activations.networks)
    ['none', 'relu', 'residual-tanh', 'sigmoid', 'tanh']
    """

    title = "Final activations"
    alt = (
        "Reconstructions of one measurement by networks that end in no head, ReLU, sigmoid, tanh "
        "and a residual tanh, on a grey scale that shows only the dark: the air around the body."
    )
    heights = (3300, 1360, 1690)

    run = choice(0, _seeds, label="Training seed")
    slice = whole(0, 0, assets.last_slice, label="Slice")
    noise_level = number(
        lambda: course.NOISE_LEVEL, 0, 0.1, step=0.005, label="Noise level", unit="%"
    )
    seed = whole(0, 0, 2**31 - 1, label="Noise")
    scale = choice("full", {"full": "0 to 1", "air": "0 to 0.06, the air"}, label="Grey scale")
    shown = choice("all", _shown, label="Histories")

    @classmethod
    def assets(cls) -> dict[str, Callable[[], dict[str, Any]]]:
        return {"activations/histories": histories}

    @property
    def x(self) -> Tensor:
        """The slice, (1, 1, 256, 256)."""
        return assets.chosen_slice(self.slice)

    @property
    def y_delta(self) -> Tensor:
        """Its measurement, (1, 1, 256, 256)."""
        return measure(self.x, course.blurring(), self.noise_level, self.seed)

    @property
    def networks(self) -> dict[str, SimpleCNN]:
        """The networks that are shown, by head."""
        found = {head: names.get(self.run) for head, names in runs().items()}
        return {head: course.load_model(name) for head, name in found.items() if name}

    @property
    def x_hats(self) -> dict[str, Tensor]:
        """Their reconstructions, (1, 1, 256, 256) each."""
        y_delta = self.y_delta
        with torch.no_grad():
            return {head: network(y_delta) for head, network in self.networks.items()}

    def shut(self) -> dict[str, tuple[float, float]]:
        """The share of pixels with |a'(z)| < 0.05, in the air and in the body, by head."""
        air, y_delta = air_of(self.x), self.y_delta
        shares = {}
        for head, network in self.networks.items():
            with torch.no_grad():
                h = torch.relu(network.conv2(torch.relu(network.conv1(y_delta))))
                z = network.conv3(h)  # (1, 1, 256, 256)
            z.requires_grad_()
            (slope,) = torch.autograd.grad(network.final_activation(z).sum(), z)
            closed = (slope.abs() < SHUT).float()
            shares[head] = (closed[air].mean().item(), closed[~air].mean().item())
        return shares

    def fallback(self) -> Figure:
        from ippy.figures import show_images

        pictures = {"x": self.x, "y_delta": self.y_delta}
        pictures |= {
            f"{head}, {psnr(x_hat, self.x).item():.1f} dB": x_hat
            for head, x_hat in self.x_hats.items()
        }
        return show_images(pictures, limits=(0, 0.06), columns=4)
