"""A small package that restores images with convolutional networks.

The data's way, and where each step lives:

    slice x -> K -> y -> + e -> y_delta -> SimpleCNN -> x_hat -> psnr
    data       operators  noise             models               metrics

`import ippy` loads torch and nothing heavier; a module is loaded when its name is first used.
"""

import importlib
from typing import Any

import torch  # noqa: F401  the one dependency that every module shares

from ippy.metrics import psnr, relative_error, ssim
from ippy.models import SimpleCNN
from ippy.noise import gaussian_noise, poisson_noise
from ippy.operators import Blurring, Identity, Operator

__version__ = "0.1.0"

__all__ = [
    "Blurring",
    "Identity",
    "Operator",
    "SimpleCNN",
    "gaussian_noise",
    "poisson_noise",
    "psnr",
    "relative_error",
    "ssim",
]

_MODULES = frozenset(
    {
        "adapters",
        "cache",
        "checks",
        "classical",
        "cli",
        "course",
        "data",
        "device",
        "dicom",
        "distribution",
        "evaluation",
        "explorers",
        "export",
        "figures",
        "phantoms",
        "png",
        "questions",
        "training",
        "tuning",
        "weights",
    }
)


def __getattr__(name: str) -> Any:
    """Load a submodule the first time it is named, so that `import ippy` stays light."""
    if name in _MODULES:
        return importlib.import_module(f"ippy.{name}")
    raise AttributeError(f"module 'ippy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
