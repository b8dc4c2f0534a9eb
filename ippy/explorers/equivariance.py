"""Translation equivariance: move first, or answer first? Two ways, and where they differ."""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from ippy import course
from ippy.evaluation import measure
from ippy.explorers import assets
from ippy.explorers.base import Explorer
from ippy.explorers.parameters import choice, whole
from ippy.models import receptive_field
from ippy.noise import gaussian_noise
from ippy.operators import Blurring

Map = Callable[[Tensor], Tensor]
SMALL = 16  # side of the MLP's pictures


class Equivariance(Explorer):
    """f(T_v z) − T_v f(z): is the map f translation equivariant, and where not?

    z is the measurement y_delta where f restores, the slice x for the other maps, and the
    measurement of a small picture of boxes for the MLP. v = (`rows`, `columns`), in pixels of a
    slice; one pixel of the MLP's picture is 16 of these.

    >>> explorer = Equivariance(function="blur", padding="circular")
    >>> bool(explorer.difference().abs().max() < 1e-5)
    True
    """

    title = "Two ways to the same corner"
    alt = (
        "A measurement that was moved by 24 rows and 40 columns: restored after the move, and "
        "moved after the restoration. They differ in two rings of 3 pixels, one along the border "
        "and one moved along."
    )
    heights = (1640, 880, 1240)

    slice = whole(0, 0, assets.last_slice, label="Slice")
    function = choice(
        "CNN",
        {
            "CNN": "trained network",
            "blur": "blur K",
            "both": "network after blur",
            "stride": "stride 2 (random)",
            "pooling": "max pooling 2 (random)",
            "smoothed": "smoothed, stride 2",
            "mlp": "MLP on boxes",
        },
        label="The map f",
    )
    rows = whole(24, -128, 128, label="v, rows down")
    columns = whole(40, -128, 128, label="v, columns right")
    padding = choice(
        "zeros",
        {"zeros": "zeros", "circular": "circular"},
        label="Padding of f",
    )
    entering = choice(
        "circular",
        {"circular": "what left", "zeros": "zeros"},
        label="At the shift enters",
    )

    @classmethod
    def assets(cls) -> dict[str, Callable[[], dict[str, Any]]]:
        return {"equivariance/random": _random_asset, "equivariance/mlp": _mlp_asset}

    @property
    def v(self) -> tuple[int, int]:
        """The shift in pixels of the picture that f sees."""
        if self.function != "mlp":
            return self.rows, self.columns
        scale = course.IMG_SHAPE[0] // SMALL
        return math.floor(self.rows / scale + 0.5), math.floor(self.columns / scale + 0.5)

    @property
    def z(self) -> Tensor:
        """What f is applied to, shape (1, 1, H, W)."""
        if self.function == "mlp":
            return boxes_measured()[1]
        x = assets.chosen_slice(self.slice)
        if self.function != "CNN":
            return x
        return measure(x, course.blurring(), course.NOISE_LEVEL, seed=0)

    @property
    def f(self) -> Map:
        """The map that the controls describe, on tensors of the shape (1, 1, H, W)."""
        return torch.no_grad()(self._map())

    def shift(self, z: Tensor) -> Tensor:
        """T_v z.

        >>> Equivariance(rows=0, columns=1, entering="zeros").shift(torch.ones(1, 3))
        tensor([[0., 1., 1.]])
        """
        moved = torch.roll(z, self.v, dims=(-2, -1))
        if self.entering == "zeros":
            for dim, (step, size) in enumerate(zip(self.v, z.shape[-2:], strict=True), -2):
                start = 0 if step > 0 else max(0, size + step)
                moved.narrow(dim, start, min(abs(step), size)).zero_()
        return moved

    def difference(self) -> Tensor:
        """f(T_v z) − T_v f(z), shape (1, 1, H, W)."""
        f, z = self.f, self.z
        return f(self.shift(z)) - self.shift(f(z))

    def fallback(self) -> Figure:
        from ippy.figures import show_errors

        return show_errors({"|f(T z) − T f(z)|": self.difference()}, log=True)

    def _map(self) -> Map:
        if self.function == "mlp":
            return trained_mlp()
        if self.function in NETWORKS:
            return random_network(self.function, self.padding)
        K = course.blurring(padding=self.padding)
        if self.function == "blur":
            return K
        model = course.load_model("CNN", padding_mode=self.padding)
        return model if self.function == "CNN" else lambda x: model(K(x))


# The random networks of chapter 4: how each goes down in resolution, and the radius r of what one
# of its output pixels depends on.
NETWORKS = {"stride": 5, "pooling": 5, "smoothed": 9}


@functools.cache
def _random_kernels() -> tuple[Tensor, Tensor, Tensor]:
    """The kernels of chapter 4's networks, drawn from the same seed."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 1, 3, 3), (8, 8, 3, 3), (1, 8, 3, 3)]
    k1, k2, k3 = (torch.randn(s, generator=generator) / (s[1] * 9) ** 0.5 for s in shapes)
    return k1, k2, k3


def _bell() -> Tensor:
    line = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    return torch.outer(line, line).repeat(8, 1, 1, 1)  # (8, 1, 5, 5)


def random_network(kind: str, padding: str) -> Map:
    """k3 ⋆ up(relu(k2 ⋆ down(relu(k1 ⋆ x)))), with down and up by 2.

    Args:
        kind: how it goes down: "stride" keeps every second pixel, "pooling" the largest of four,
            "smoothed" averages neighbours before it keeps every second, and again after going up.
        padding: "zeros" or "circular".
    """

    def conv(z: Tensor, k: Tensor, groups: int = 1) -> Tensor:
        r = k.shape[-1] // 2
        padded = F.pad(z, (r, r, r, r), mode="constant" if padding == "zeros" else padding)
        return F.conv2d(padded, k, groups=groups)

    def smooth(h: Tensor) -> Tensor:
        return conv(h, _bell().to(h), groups=8) if kind == "smoothed" else h

    def f(x: Tensor) -> Tensor:
        k1, k2, k3 = (k.to(x) for k in _random_kernels())
        h = smooth(F.relu(conv(x, k1)))  # (1, 8, H, W)
        h = F.max_pool2d(h, 2) if kind == "pooling" else h[..., ::2, ::2]
        h = F.interpolate(F.relu(conv(h, k2)), scale_factor=2)  # (1, 8, H, W)
        return conv(smooth(h), k3)

    return f


def boxes(number: int, generator: torch.Generator) -> Tensor:
    """Pictures of three bright boxes in the left half, shape (number, 1, 16, 16): chapter 4's."""
    x = torch.zeros(number, 1, SMALL, SMALL)
    grey = 0.3 + 0.7 * torch.rand(number, 3, generator=generator)
    sizes = torch.randint(2, 5, (number, 3, 2), generator=generator).tolist()
    corners = torch.rand(number, 3, 2, generator=generator).tolist()
    for n in range(number):
        for box, ((h, w), (down, right)) in enumerate(zip(sizes[n], corners[n], strict=True)):
            top, left = int(down * (SMALL + 1 - h)), int(right * (SMALL // 2 + 1 - w))
            x[n, 0, top : top + h, left : left + w] = grey[n, box]
    return x


def _measured(number: int, seed: int) -> tuple[Tensor, Tensor]:
    """Boxes and their measurements: a circular motion blur over 5 pixels and 1 % noise."""
    generator = torch.Generator().manual_seed(seed)
    K = Blurring((SMALL, SMALL), None, "motion", 5, motion_angle=20, padding="circular")
    x = boxes(number, generator)
    y = K(x)
    return x, y + gaussian_noise(y, 0.01, generator)


def boxes_measured() -> tuple[Tensor, Tensor]:
    """The picture on which the MLP is shown, x and y_delta; it has not seen it in training."""
    x, y_delta = _measured(1, seed=1)
    return x, y_delta


@functools.cache
def trained_mlp() -> nn.Sequential:
    """256 → 64 → 256 with a ReLU, trained for 500 steps on boxes that lie in the left half.

    Its weights are rounded to 8 bits each, so that a page can carry them.
    """
    x, y_delta = _measured(2000, seed=0)
    pixels, steps = SMALL * SMALL, 500
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Linear(pixels, 64), nn.ReLU(), nn.Linear(64, pixels)
    model = nn.Sequential(nn.Flatten(), *layers, nn.Unflatten(1, (1, SMALL, SMALL)))
    optimiser = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # faster for so small a network, and the same on every machine
    for _ in range(steps):
        batch = torch.randint(0, len(x), (128,), generator=generator)
        loss = (model(y_delta[batch]) - x[batch]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    torch.set_num_threads(threads)
    with torch.no_grad():
        for layer in (layers[0], layers[2]):
            whole, scale = _rounded(layer.weight)
            layer.weight.copy_(whole * scale)
    return model.requires_grad_(False)


def _rounded(weight: Tensor) -> tuple[Tensor, float]:
    """Whole numbers from -127 to 127 and the step between them."""
    scale = float(weight.abs().max() / 127)
    return (weight / scale).round(), scale


def _random_asset() -> dict[str, Any]:
    r_f = receptive_field(course.load_model("CNN")) // 2
    r_K = max(course.blurring().kernel.shape) // 2
    return {
        "kernels": [_floats(k) for k in _random_kernels()],
        "bell": _floats(_bell()),
        "radius": {"CNN": r_f, "blur": r_K, "both": r_f + r_K, **NETWORKS},
    }


def _mlp_asset() -> dict[str, Any]:
    x, y_delta = boxes_measured()
    dense = []
    for layer in trained_mlp():
        if isinstance(layer, nn.Linear):
            whole, scale = _rounded(layer.weight)
            dense.append(
                {"shape": list(whole.shape), "scale": scale, "int8": _text(whole, np.int8)}
            )
            dense[-1]["bias"] = _floats(layer.bias)
    return {"x": _floats(x[0, 0]), "y_delta": _floats(y_delta[0, 0]), "dense": dense}


def _floats(tensor: Tensor) -> dict[str, Any]:
    return {"shape": list(tensor.shape), "float32": _text(tensor, np.float32)}


def _text(tensor: Tensor, dtype: Any) -> str:
    data = tensor.detach().numpy().astype(np.dtype(dtype).newbyteorder("<"))
    return base64.b64encode(data.tobytes()).decode("ascii")
