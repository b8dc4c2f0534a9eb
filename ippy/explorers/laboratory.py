"""The reconstruction laboratory: measure, reconstruct and judge with everything in your hands."""

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import TraitError, validate

from ippy import course
from ippy.classical import wiener
from ippy.explorers import assets
from ippy.explorers.base import Explorer
from ippy.explorers.parameters import choice, flag, number, whole
from ippy.models import SimpleCNN
from ippy.noise import gaussian_noise
from ippy.operators import Blurring
from ippy.weights import read_manifest

FINE = 512  # side of the slices on pixels half the size
VIEWS = {"x": "slice x", "y_delta": "measurement", "wiener": "Wiener filter", "network": "network"}
PADDINGS = {
    "zeros": "black (zeros)",
    "circular": "the picture again (circular)",
    "reflect": "its mirror image (reflect)",
    "replicate": "its last pixels (replicate)",
}
WORLDS = {"same": "the very K", "finer": "finer pixels", "wrong": "a slightly wrong blur"}


def networks() -> dict[str, str]:
    """The shipped networks, the book's own first, each with what sets it apart.

    Of networks that differ in nothing but their seed, the first is taken.
    """
    families: dict[str, list[str]] = {}
    manifest = read_manifest()
    for name, entry in manifest.items():
        recipe = {key: value for key, value in entry["recipe"].items() if key != "seed"}
        families.setdefault(json.dumps([entry["architecture"], recipe]), []).append(name)
    names = {
        first: first.rpartition("-")[0] if others else first for first, *others in families.values()
    }
    return {first: f"{name}: {_describe(manifest[first])}" for first, name in names.items()}


class Laboratory(Explorer):
    """y_delta = Kx + e, then x_hat = f(y_delta) beside the Wiener filter, both against x.

    The blur K is a motion of `length` pixels at `angle`, or a Gaussian of `variance` cut to
    `length` pixels. In the world "same" it measures too; in "finer" its counterpart on pixels half
    the size does, and the result is averaged; in "wrong" the measuring blur is off by `angle_off`,
    `length_off` or `variance_off`. The Wiener filter always inverts K.

    Args:
        model: a `SimpleCNN` of one's own, with one channel in and out; it is then chosen first.
        values: the parameters below, as keywords.

    Raises:
        TypeError, ValueError: model is no such network.

    >>> laboratory = Laboratory(angle=45, noise_level=0.02)
    >>> laboratory.K
    Blurring(img_shape=(256, 256), kernel 9×9, padding='zeros')
    """

    title = "Reconstruction laboratory"
    alt = (
        "A slice, its measurement with motion blur and noise, and two reconstructions with their "
        "PSNR: by a Wiener filter, sharp with ripples and grain, and by the network, sharp and "
        "calm. Below, maps of their errors, largest at edges."
    )
    heights = (2970, 1960, 1440)

    slice = whole(0, 0, assets.last_slice, label="Slice")
    brightness = number(1, 0.2, 1, step=0.05, label="Brightness")
    kernel_type = choice(
        lambda: course.BLUR["kernel_type"],
        {"motion": "motion", "gaussian": "Gaussian"},
        label="Kind",
    )
    length = whole(lambda: course.BLUR["kernel_size"], 1, 21, step=2, label="Length", unit="pixels")
    angle = number(
        lambda: course.BLUR.get("motion_angle", 0.0), 0, 180, step=1, label="Angle", unit="°"
    )
    variance = number(
        lambda: course.BLUR.get("kernel_variance", 2.0),
        0.1,
        16,
        step=0.1,
        label="Variance",
        unit="pixels²",
    )
    padding = choice("zeros", PADDINGS, label="Beyond the border")
    noise_level = number(
        lambda: course.NOISE_LEVEL, 0, 0.1, step=0.005, label="Noise level", unit="%"
    )
    seed = whole(0, 0, 2**31 - 1, label="Seed of the noise")
    weights = choice("CNN", networks, label="Weights")
    constant = number(0.01, 1e-8, 1, label="Constant", scale="log")
    world = choice("same", WORLDS, label="Measured with")
    angle_off = number(2, -45, 45, step=1, label="Angle off by", unit="°")
    length_off = whole(0, -8, 8, step=2, label="Length off by", unit="pixels")
    variance_off = number(0.5, -4, 4, step=0.1, label="Variance off by", unit="pixels²")
    left = choice("y_delta", VIEWS, label="Left of the curtain")
    right = choice("network", VIEWS, label="Right of it")
    compact = flag(False, label="Only the essentials")

    def __init__(self, model: SimpleCNN | None = None, **values: Any) -> None:
        self._own = model
        if model is not None:
            asset = assets.network_asset(model)
            if (model.conv1.in_channels, model.conv3.out_channels) != (1, 1):
                raise ValueError(
                    "model must read and write grey pictures, 1 channel, got "
                    f"{model.conv1.in_channels} and {model.conv3.out_channels}"
                )
            values = {"weights": "own", **values}
        super().__init__(**values)
        if self.compact:
            self.heights = (860, 550, 560)
        if model is not None:
            self.provide("weights/own", asset)

    def choices(self) -> dict[str, dict[Any, str]]:
        own = {} if self._own is None else {"own": "the model given from Python"}
        return {"weights": {**own, "file": "a file of your own"}}

    @classmethod
    def assets(cls) -> Mapping[str, Callable[[], dict[str, Any]]]:
        return {
            f"laboratory/fine-{index}": partial(_fine_asset, index)
            for index in range(len(assets.slice_numbers()))
        }

    @validate("length", "length_off")
    def _steps_of_two(self, proposal: dict[str, Any]) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        odd = name == "length"
        if value % 2 != odd:
            raise TraitError(f"{name} must be {'odd' if odd else 'even'}, got {value}")
        return value

    @property
    def K(self) -> Blurring:
        """The blur that the sliders describe, and that the Wiener filter inverts."""
        return _blurring(self._blur())

    @property
    def model(self) -> SimpleCNN:
        """The chosen network."""
        if self.weights == "file":
            raise ValueError(
                "weights from a file that was loaded in the page stay in the page; "
                "Laboratory(model) shows a model that Python knows"
            )
        if self.weights == "own" and self._own is not None:
            return self._own
        return course.load_model(self.weights)

    def pictures(self) -> dict[str, Tensor]:
        """What the page shows, (1, 1, 256, 256) each: "x", "y_delta", "wiener" and "network".

        A picture that was dropped into the page stays there: x is the slice.
        """
        blur = self._blur()
        if self.world == "finer":
            x_fine = self.brightness * fine_slice(self.slice)[None]  # (1, 1, 512, 512)
            x = F.avg_pool2d(x_fine, 2)
            y = F.avg_pool2d(_blurring(_finer(blur), FINE)(x_fine), 2)
        else:
            x = self.brightness * assets.chosen_slice(self.slice)  # (1, 1, 256, 256)
            y = _blurring(blur if self.world == "same" else self._off(blur))(x)
        y_delta = y + gaussian_noise(y, self.noise_level, torch.Generator().manual_seed(self.seed))
        model = self.model.eval()
        with torch.no_grad():
            x_hat = model(y_delta.to(next(model.parameters()))).to(x)
        return {
            "x": x,
            "y_delta": y_delta,
            "wiener": wiener(y_delta, self.K, self.constant),
            "network": x_hat,
        }

    def fallback(self) -> Figure:
        from ippy.figures import show_reconstructions
        from ippy.metrics import psnr

        x, *others = self.pictures().values()
        titles = list(VIEWS.values())[1:]
        shown = {
            f"{title}, {psnr(picture, x).item():.1f} dB": picture
            for title, picture in zip(titles, others, strict=True)
        }
        return show_reconstructions(x, shown, limits=(0, float(x.max())))

    def _blur(self) -> dict[str, Any]:
        """K as keywords of `Blurring`."""
        return {
            "kernel_type": self.kernel_type,
            "kernel_size": self.length,
            "motion_angle": self.angle,
            "kernel_variance": self.variance,
            "padding": self.padding,
        }

    def _off(self, blur: dict[str, Any]) -> dict[str, Any]:
        """The blur that measures in the world "wrong"."""
        return blur | {
            "kernel_size": max(1, blur["kernel_size"] + self.length_off),
            "motion_angle": blur["motion_angle"] + self.angle_off,
            "kernel_variance": max(0.1, blur["kernel_variance"] + self.variance_off),
        }


def fine_slice(index: int) -> Tensor:
    """The slice `index` on pixels half the size, shape (1, 512, 512), 8 bits.

    An embedded slice is drawn anew; of other data the file is read in that size.
    """
    from ippy.anatomy import Patient
    from ippy.data import embedded_folder, load_image
    from ippy.phantoms import LEVELS, render

    path = course.datasets()[1].paths[assets.slice_numbers()[index]]
    if embedded_folder() not in path.parents:
        return load_image(path, FINE)
    # Who this is, and at which height: as `ippy.phantoms.write_dataset` draws it.
    patient = Patient.from_seed(10_000 + int(path.parent.name.removeprefix("P")))
    share = (int(path.stem) + 0.5) / len(list(path.parent.glob("*.png")))
    grey = render(patient, LEVELS[0] + (LEVELS[1] - LEVELS[0]) * share, FINE)
    return torch.from_numpy(np.rint(grey * 255) / 255).float()[None]


def _fine_asset(index: int) -> dict[str, Any]:
    return {"png": assets.png_address(fine_slice(index)[0])}


def _blurring(blur: dict[str, Any], side: int = course.IMG_SHAPE[0]) -> Blurring:
    return Blurring((side, side), **blur)


def _finer(blur: dict[str, Any]) -> dict[str, Any]:
    """The same blur on pixels half the size: a path of n − 1 pixels becomes one of 2(n − 1)."""
    return blur | {
        "kernel_size": 2 * blur["kernel_size"] - 1,
        "kernel_variance": 4 * blur["kernel_variance"],
    }


def _describe(entry: dict[str, Any]) -> str:
    built, level = entry["architecture"], entry["recipe"]["noise_level"]
    parts = [f"{built['n_filters']} filters", f"{100 * level:g} % noise" if level else "no noise"]
    if (size := built.get("kernel_size", 3)) != 3:
        parts.append(f"kernels {size}×{size}")
    if head := built.get("final_activation"):
        parts.append(f"{head} at the end")
    if built.get("residual"):
        parts.append("adds its input")
    if (padding := built.get("padding_mode", "zeros")) != "zeros":
        parts.append(f"{padding} padding")
    return ", ".join(parts)


class _Callable(ModuleType):
    def __call__(self, model: SimpleCNN | None = None, **values: Any) -> Laboratory:
        return Laboratory(model, **values)


# So that `from ippy.explorers import laboratory; laboratory(model)` does what it says: this module
# bears the name, and a module may have a class of its own.
sys.modules[__name__].__class__ = _Callable
