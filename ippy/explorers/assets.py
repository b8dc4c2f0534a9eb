"""What explorers show besides what they compute: slices, weights, the course's own settings.

Each asset has a name and is made when it is asked for. In a live notebook it travels as a message;
for static pages `pages.py` writes each to a script of its own, loaded when an explorer needs it.
"""

import base64
import functools
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ippy import course
from ippy.data import MayoDataset, find_data
from ippy.export import to_safetensors

Asset = dict[str, Any]
SLICES = 8  # so many of the test slices, or all if there are fewer
# Of weights/manifest.json, what an explorer may tell about a network.
TOLD = ("architecture", "parameters", "blur")
SCORES = ("noise_level", "psnr", "ssim", "measurement_psnr", "measurement_ssim")


def course_settings() -> Asset:
    """The blur and noise of the chapters, how many slices there are, and the shipped networks."""
    manifest = json.loads((course.weights_path("CNN").parent / "manifest.json").read_text("utf-8"))
    networks = {
        name: {
            **{key: entry[key] for key in TOLD if key in entry},
            "noise_level": entry.get("recipe", {}).get("noise_level"),
            "scores": {key: entry["scores"][key] for key in SCORES if key in entry["scores"]},
        }
        for name, entry in manifest.items()
    }
    return {
        "blur": course.BLUR,
        "noise_level": course.NOISE_LEVEL,
        "slices": len(slice_numbers()),
        "networks": networks,
    }


def slice_numbers() -> list[int]:
    """The numbers in the test set of the slices that the explorers show.

    The first is the chapters' own, the second chapter 2's; from there on they are evenly spread. Of
    the embedded data these are seven patients, at all heights from the shoulders to the liver.

    >>> slice_numbers()
    [0, 3, 9, 15, 21, 27, 33, 39]
    """
    count = len(_test_set(find_data()))
    if count <= SLICES:
        return list(range(count))
    return sorted({0, *(3 + i * (count - 4) // (SLICES - 2) for i in range(SLICES - 1))})


@functools.cache
def _test_set(root: Path) -> MayoDataset:
    return course.datasets(root)[1]


def last_slice() -> int:
    """The largest number by which a reader can choose a slice, counted from 0."""
    return len(slice_numbers()) - 1


def chosen_slice(index: int) -> Tensor:
    """The slice that is shown as number `index`, shape (1, 1, 256, 256)."""
    return _test_set(find_data())[slice_numbers()[index]][None]


def slice_picture(index: int) -> Asset:
    """The same as the address of a PNG with its data inside."""
    return {"number": slice_numbers()[index], "png": png_address(chosen_slice(index)[0, 0])}


def png_address(picture: Tensor) -> str:
    """Grey values in [0, 1], shape (H, W), rounded to 8 bits, as a data URL."""
    from PIL import Image

    file = io.BytesIO()
    grey = (picture * 255).round().numpy().astype(np.uint8)
    Image.fromarray(grey).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + _base64(file.getvalue())


def shipped_weights(name: str) -> Asset:
    """A shipped network as the base64 text of the file that `ippy export` would write."""
    return {"safetensors": _base64(to_safetensors(course.load_model(name)))}


def network_asset(model: Any) -> Asset:
    """The same for a network at hand."""
    return {"safetensors": _base64(to_safetensors(model))}


def catalogue() -> Mapping[str, Callable[[], Asset]]:
    """The assets that all explorers share, by name."""
    found: dict[str, Callable[[], Asset]] = {"course": course_settings}
    for index in range(len(slice_numbers())):
        found[f"slice/{index}"] = functools.partial(slice_picture, index)
    for name in sorted(course_settings()["networks"]):
        found[f"weights/{name}"] = functools.partial(shipped_weights, name)
    return found


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
