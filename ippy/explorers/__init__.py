"""Interactive figures that compute in the reader's own page, live in a notebook or from disk.

    from ippy.explorers import Laboratory
    Laboratory(angle=45)

A class is loaded when it is first named. Each has a module and a script of its own name here.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ippy.explorers.base import Explorer


def names() -> list[str]:
    """The names of all explorers: their modules, scripts and pages."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.js"))


def explorer_class(name: str) -> "type[Explorer]":
    """The class of the explorer `name`, `Laboratory` for "laboratory"."""
    if name not in names():
        raise ValueError(f"name must be one of the explorers {', '.join(names())}, got {name!r}")
    module = importlib.import_module(f"ippy.explorers.{name}")
    return getattr(module, _class_name(name))


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def __getattr__(attribute: str) -> Any:
    for name in names():
        if _class_name(name) == attribute:
            return explorer_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *map(_class_name, names())])
