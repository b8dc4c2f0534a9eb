"""Exercises that answer back: `checks.convolve(my_convolve)` says which mistake was made.

One or two modules a chapter, one function an exercise. `catalogue()` lists them all; a grader calls
`checks.NAME(answer).require()`.
"""

from __future__ import annotations

import importlib
from typing import Any

from ippy.checks.verdict import Mistake, Verdict

MODULES = (
    "convolution",
    "adjoints",
    "deblurring",
    "counting",
    "cnn",
    "saving",
    "surgery",
    "training",
    "optimising",
    "judging",
    "choosing",
    "equivariance",
    "two_ways",
    "symmetry",
    "activations",
    "silence",
    "remedies",
)

__all__ = ["MODULES", "Mistake", "Verdict", "catalogue"]


def catalogue() -> dict[str, Any]:
    """All checks by name, in the order of the chapters."""
    checks = {}
    for module in MODULES:
        for name, value in vars(importlib.import_module(f"ippy.checks.{module}")).items():
            if hasattr(value, "chapter") and callable(value):
                checks[name] = value
    return checks


def __getattr__(name: str) -> Any:
    found = catalogue()
    if name in found:
        return found[name]
    raise AttributeError(f"no check is called {name!r}; there are: {', '.join(sorted(found))}")


def __dir__() -> list[str]:
    return sorted([*__all__, *catalogue()])
