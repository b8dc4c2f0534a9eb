"""A recipe checks its values and says what the learning rate is at each step."""

from dataclasses import FrozenInstanceError, replace
from itertools import pairwise

import pytest

from ippy.recipe import PRESETS, Recipe, preset


def test_learning_rate_climbs_stays_and_falls():
    recipe = Recipe(steps=100, warm_up=0.1, decay_from=0.4, learning_rate=2.0)
    rates = [recipe.learning_rate_at(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (k + 1) for k in range(10)])
    assert rates[10:41] == [2.0] * 31
    assert rates[70] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(2.0 / 60)
    assert all(later < earlier for earlier, later in pairwise(rates[40:]))


def test_learning_rate_can_stay_the_same():
    recipe = Recipe(steps=10, warm_up=0, decay_from=1, learning_rate=0.5)
    assert {recipe.learning_rate_at(step) for step in range(10)} == {0.5}


def test_presets():
    assert preset("short") == Recipe() == PRESETS["short"]
    assert PRESETS["tiny"].steps < PRESETS["brief"].steps < PRESETS["short"].steps
    assert PRESETS["short"].steps < PRESETS["long"].steps
    plain = PRESETS["plain"]
    assert (plain.crop, plain.batch_size, plain.optimiser, plain.start) == (
        None,
        8,
        "adam",
        "default",
    )
    assert plain.learning_rate_at(0) == plain.learning_rate_at(plain.steps - 1) == 1e-3


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"recipe must be one of tiny, .*'quick'"):
        preset("quick")


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        Recipe().steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "steps must be a positive integer, got 0"),
        ("steps", 2.0, "steps must be a positive integer, got 2.0"),
        ("batch_size", -1, "batch_size must be a positive integer"),
        ("crop", 0, "crop must be a positive integer"),
        ("warm_up", 1.2, "warm_up is a part of the steps"),
        ("decay_from", -0.1, "decay_from is a part of the steps"),
        ("noise_level", -0.01, "noise_level must be finite and not be negative"),
        ("noise_level", float("nan"), "noise_level must be finite and not be negative, got nan"),
        ("learning_rate", -1e-3, "learning_rate must be finite and not be negative"),
        ("seed", -1, "seed must be an integer from 0 up"),
        ("seed", 0.5, "seed must be an integer from 0 up"),
        ("optimiser", "sgd", "optimiser must be one of .*'sgd'"),
        ("start", "zero", "start must be one of .*'zero'"),
    ],
)
def test_bad_values_are_named(name, value, message):
    with pytest.raises(ValueError, match=message):
        replace(Recipe(), **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("crop", None), ("steps", 1), ("warm_up", 1), ("noise_level", 0), ("learning_rate", 0.0)],
)
def test_values_at_the_edge_are_fine(name, value):
    assert getattr(replace(Recipe(), **{name: value}), name) == value
