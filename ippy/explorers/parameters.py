"""The parameters of an explorer: each is a trait for Python, a control and a part of the address.

One line says it all, and the page learns of it from the trait's metadata:

    angle = number(20.0, 0, 180, step=1, label="Angle", unit="°")

A default may also be a function without arguments, called when an explorer is made, so that the
course's own settings are read then and not when the module is loaded; the highest whole number too.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

from traitlets import TraitError, TraitType

Choices = Iterable[Any] | Mapping[Any, str] | Callable[[], Mapping[Any, str]]


class Parameter(TraitType):
    """A trait that knows what the page has to know about it."""

    def __init__(self, default: Any, kind: str, label: str, **known: Any) -> None:
        self.start = default
        self.kind, self.label, self.known = kind, label, known
        super().__init__(None if callable(default) else default)
        self.tag(sync=True)

    def describe(self, explorer: Any) -> dict[str, Any]:
        """What the page is told; `explorer` is the instance whose parameter it is."""
        known = {key: value for key, value in self.known.items() if value is not None}
        if callable(known.get("high")):
            known["high"] = known["high"]()
        initial = getattr(explorer, str(self.name))
        return {"kind": self.kind, "label": self.label, "initial": initial, **known}

    def refuse(self, expected: str, value: Any) -> TraitError:
        return TraitError(f"{self.name} must be {expected}, got {value!r}")


class Number(Parameter):
    def validate(self, obj: Any, value: Any) -> float | int:
        low, high = self.known["low"], self.known["high"]
        high = high() if callable(high) else high
        whole = self.kind == "whole"
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        # False also for NaN. The page's JavaScript has one kind of number and sends 5.0 as 5.
        if not is_number or not low <= value <= high or (whole and value != int(value)):
            expected = f"{'an integer' if whole else 'a number'} from {low:g} to {high:g}"
            raise self.refuse(expected, value)
        return int(value) if whole else float(value)


class Flag(Parameter):
    def validate(self, obj: Any, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.refuse("True or False", value)
        return value


class Choice(Parameter):
    def choices(self, explorer: Any) -> dict[Any, str]:
        """The allowed values with their names: those of the class, then the instance's own."""
        choices = self.known["choices"]
        if callable(choices):
            choices = choices()
        if not isinstance(choices, Mapping):
            choices = {value: str(value) for value in choices}
        return {**choices, **explorer.choices().get(self.name, {})}

    def describe(self, explorer: Any) -> dict[str, Any]:
        pairs = [list(pair) for pair in self.choices(explorer).items()]
        return {**super().describe(explorer), "choices": pairs}

    def validate(self, obj: Any, value: Any) -> Any:
        allowed = self.choices(obj)
        try:
            fits = value in allowed
        except TypeError:
            fits = False
        if not fits:
            raise self.refuse(f"one of {', '.join(map(repr, allowed))}", value)
        return value


class Numbers(Parameter):
    def validate(self, obj: Any, value: Any) -> list[float]:
        length, low, high = (self.known[key] for key in ("length", "low", "high"))
        expected = f"a list of at most {length} numbers from {low:g} to {high:g}"
        if not isinstance(value, list | tuple) or len(value) > length:
            raise self.refuse(expected, value)
        for one in value:
            if isinstance(one, bool) or not isinstance(one, Real) or not math.isfinite(one):
                raise self.refuse(expected, value)
            if not low <= one <= high:
                raise self.refuse(expected, value)
        return [float(one) for one in value]


def number(
    default: float | Callable[[], float],
    low: float,
    high: float,
    step: float | None = None,
    label: str = "",
    unit: str = "",
    scale: str = "linear",
) -> Number:
    """A number in [low, high]; with scale "log" its slider moves in powers of ten."""
    return Number(
        default, "number", label, low=low, high=high, step=step, unit=unit or None, scale=scale
    )


def whole(
    default: int | Callable[[], int],
    low: int,
    high: int | Callable[[], int],
    step: int = 1,
    label: str = "",
    unit: str = "",
) -> Number:
    """An integer in [low, high]; `step` is that of its slider."""
    return Number(default, "whole", label, low=low, high=high, step=step, unit=unit or None)


def choice(default: Any, choices: Choices, label: str = "") -> Choice:
    """One of `choices`: values, or values with the names that the page shows."""
    return Choice(default, "choice", label, choices=choices)


def flag(default: bool | Callable[[], bool], label: str = "") -> Flag:
    """True or False."""
    return Flag(default, "flag", label)


def numbers(
    default: Iterable[float] | Callable[[], list[float]],
    length: int,
    low: float = -1e6,
    high: float = 1e6,
    label: str = "",
) -> Numbers:
    """A list of at most `length` numbers, such as the taps of a painted kernel."""
    start = default if callable(default) else list(default)
    return Numbers(start, "numbers", label, length=length, low=low, high=high)
