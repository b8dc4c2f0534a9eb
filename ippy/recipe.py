"""Recipes: all that decides how a network is trained, besides the network, K and the slices."""

from dataclasses import dataclass
from numbers import Real

OPTIMISERS = ("soap", "adam")
STARTS = ("identity", "default", "given")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, counted in steps, so that every machine does the same.

    Attributes:
        steps: gradient steps.
        batch_size: crops a step.
        crop: side of the crops in pixels; None trains on whole slices.
        noise_level: ‖e‖ / ‖y‖ of the training measurements.
        optimiser: "soap" (`ippy.soap`) or "adam".
        learning_rate: its largest value.
        warm_up: part of the steps in which the learning rate climbs to that value.
        decay_from: part of the steps after which it falls, linearly, to zero; 1 keeps it up.
        start: the initial weights, see `ippy.training.initialise`.
        seed: of the initial weights, the order of the crops and the noise.

    Raises:
        TypeError, ValueError: a value is of the wrong type, or out of its range.

    >>> Recipe(steps=100, warm_up=0.05, decay_from=0.5, learning_rate=1.0).learning_rate_at(0)
    0.2
    """

    steps: int = 1500
    batch_size: int = 16
    crop: int | None = 48
    noise_level: float = 0.01
    optimiser: str = "soap"
    learning_rate: float = 1e-2
    warm_up: float = 0.05
    decay_from: float = 0.4
    start: str = "identity"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "crop"):
            value = getattr(self, name)
            if not (name == "crop" and value is None) and not (type(value) is int and value > 0):
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        for name in ("warm_up", "decay_from", "noise_level", "learning_rate"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"{name} must be a number, got {value!r}")
        for name in ("warm_up", "decay_from"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} is a part of the steps, from 0 to 1, got {getattr(self, name)!r}"
                )
        for name in ("noise_level", "learning_rate"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(
                    f"{name} must be finite and not be negative, got {getattr(self, name)!r}"
                )
        if type(self.seed) is not int or self.seed < 0:
            raise ValueError(f"seed must be an integer from 0 up, got {self.seed!r}")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser must be one of {OPTIMISERS}, got {self.optimiser!r}")
        if self.start not in STARTS:
            raise ValueError(f"start must be one of {STARTS}, got {self.start!r}")

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step, from 0: a climb, a plateau, a straight fall to zero."""
        climb = (step + 1) / (self.warm_up * self.steps) if self.warm_up else 1.0
        fall = (1 - step / self.steps) / (1 - self.decay_from) if self.decay_from < 1 else 1.0
        return self.learning_rate * min(1.0, climb, fall)


PRESETS = {
    "tiny": Recipe(steps=20, batch_size=4, crop=32),
    "brief": Recipe(steps=600),
    "short": Recipe(),
    "long": Recipe(steps=12_000, batch_size=32),
    # The loop of the source: whole slices, plain Adam, one learning rate to the end.
    "plain": Recipe(
        steps=12_420,
        batch_size=8,
        crop=None,
        optimiser="adam",
        learning_rate=1e-3,
        warm_up=0,
        decay_from=1,
        start="default",
    ),
}


def preset(name: str) -> Recipe:
    """The recipe of that name in `PRESETS`.

    Raises:
        ValueError: there is none.
    """
    if name not in PRESETS:
        raise ValueError(f"recipe must be one of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]
