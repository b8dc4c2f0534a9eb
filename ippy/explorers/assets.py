"""What explorers show besides what they compute: slices, weights, the course's own settings.

Each asset has a name and is made when it is asked for. In a live notebook it travels as a message;
for static pages `pages.py` writes each to a script of its own, loaded when an explorer needs it.
"""

import base64
import functools
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ippy import course
from ippy.export import to_safetensors

Asset = dict[str, Any]
SLICES = 8  # so many of the test slices, evenly spread; the first is test_set[0]
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
        "slices": len(_slice_numbers()),
        "networks": networks,
    }


def slice_picture(index: int) -> Asset:
    """One of the test slices as the address of a PNG with its data inside; 8 bits."""
    from PIL import Image

    number = _slice_numbers()[index]
    x = course.datasets()[1][number]  # (1, 256, 256)
    grey = (x[0] * 255).round().numpy().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, format="PNG", optimize=True)
    return {"number": number, "png": "data:image/png;base64," + _base64(file.getvalue())}


def shipped_weights(name: str) -> Asset:
    """A shipped network as the base64 text of the file that `ippy export` would write."""
    return {"safetensors": _base64(to_safetensors(course.load_model(name)))}


def network_asset(model: Any) -> Asset:
    """The same for a network at hand."""
    return {"safetensors": _base64(to_safetensors(model))}


def catalogue() -> Mapping[str, Callable[[], Asset]]:
    """The assets that all explorers share, by name."""
    found: dict[str, Callable[[], Asset]] = {"course": course_settings}
    for index in range(len(_slice_numbers())):
        found[f"slice/{index}"] = functools.partial(slice_picture, index)
    for name in sorted(course_settings()["networks"]):
        found[f"weights/{name}"] = functools.partial(shipped_weights, name)
    return found


def _slice_numbers() -> list[int]:
    count = len(course.datasets()[1])
    return list(range(0, count, max(1, count // SLICES)))[:SLICES]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
