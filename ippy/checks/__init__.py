"""Exercises that answer back: `checks.convolve(my_convolve)` says which mistake was made.

A few modules a chapter, one function an exercise. `catalogue()` lists them all; a grader calls
`checks.NAME(answer).require()`.
"""

from __future__ import annotations

import importlib
import itertools
from typing import Any

from ippy.checks.verdict import Mistake, Verdict

# The modules of each chapter, in the order of its exercises.
MODULES = {
    1: ("convolution", "adjoints", "deblurring"),
    2: ("counting", "cnn", "saving", "surgery"),
    3: ("training", "optimising", "judging", "choosing"),
    4: ("equivariance", "two_ways", "symmetry"),
    5: ("activations", "silence", "remedies"),
}

__all__ = ["MODULES", "Mistake", "Verdict", "catalogue"]


def catalogue() -> dict[str, Any]:
    """All checks by name, in the order of the chapters."""
    checks = {}
    for module in itertools.chain.from_iterable(MODULES.values()):
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
