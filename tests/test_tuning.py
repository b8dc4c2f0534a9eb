"""Tuning against scores that are taken by hand, and a method whose best value is known."""

import warnings

import numpy as np
import pytest
import torch

from ippy import classical, tuning
from ippy.classical import wiener
from ippy.metrics import psnr
from ippy.noise import gaussian_noise
from ippy.operators import Blurring, Identity, Operator
from ippy.tuning import tune, tuning_curve


def squares(n: int = 1) -> torch.Tensor:
    """Pictures (n, 1, 32, 32) of a bright square with a darker one in it."""
    x = torch.zeros(n, 1, 32, 32)
    for i in range(n):
        x[i, :, 6 : 24 - i, 5 + i : 26] = 0.9
        x[i, :, 10:18, 12:20] = 0.4
    return x


def test_both_are_found_beside_the_methods_too() -> None:
    assert classical.tune is tuning.tune and classical.tuning_curve is tuning.tuning_curve


def test_tuning_curve_scores_every_value_on_the_same_measurements() -> None:
    K = Blurring((32, 32), kernel_type="motion", kernel_size=5)
    x = squares(7)
    curve = tuning_curve(wiener, K, list(x), [0.1, 1e-3, 0.1], 0.02, slices=3, seed=5)
    chosen = x[[0, 3, 6]]
    y = K(chosen)
    y_delta = y + gaussian_noise(y, 0.02, torch.Generator().manual_seed(5))
    assert list(curve) == [1e-3, 0.1]
    for value, score in curve.items():
        assert score == pytest.approx(psnr(wiener(y_delta, K, value), chosen).mean().item())


def test_tuning_measures_on_eight_slices_or_on_all_there_are() -> None:
    K, seen = Blurring((32, 32), kernel_type="motion", kernel_size=5), []

    def method(y: torch.Tensor, K: Operator, value: float) -> torch.Tensor:
        seen.append(len(y))
        return y

    tuning_curve(method, K, list(squares(3)), [1], 0.01)
    tuning_curve(method, K, list(squares(1)) * 20, [1], 0.01)
    assert seen == [3, 8]


def made_up(y: torch.Tensor, K: Operator, value: float) -> torch.Tensor:
    """A method whose best value is 0.01."""
    return y + abs(np.log10(value) + 2)


def test_tune_takes_the_best_value_and_is_silent_about_it() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        best = tune(made_up, Identity((32, 32)), list(squares(2)), [1, 0.01, 0.1, 1e-4], 0.05)
    assert best == 0.01


@pytest.mark.parametrize(
    ("values", "best", "advice"),
    [
        ([0.1, 0.01, 1], 0.01, "range, 0.01: try smaller"),
        ([1e-4, 1e-3, 1e-2], 0.01, "range, 0.01: try larger"),
    ],
)
def test_tune_says_when_the_range_ends_too_early(values, best: float, advice: str) -> None:
    with pytest.warns(UserWarning, match=advice) as caught:
        assert tune(made_up, Identity((32, 32)), list(squares(2)), values, 0.05) == best
    assert caught[0].filename == __file__


def test_tune_passes_its_settings_on() -> None:
    K, x = Blurring((32, 32), kernel_type="motion", kernel_size=5), list(squares(6))
    values = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    best = [tune(wiener, K, x, values, level, slices=2, seed=1) for level in (1e-3, 0.03, 0.3)]
    assert best == sorted(set(best))
    settings_seen = []

    def method(y: torch.Tensor, K: Operator, value: float) -> torch.Tensor:
        settings_seen.append((len(y), y.sum().item()))
        return made_up(y, K, value)

    for seed in (1, 2):
        tune(method, K, x, [1e-3, 1e-2, 1e-1], 0.01, slices=2, seed=seed)
    assert {count for count, _ in settings_seen} == {2}
    assert len({total for _, total in settings_seen}) == 2


@pytest.mark.parametrize(
    ("dataset", "values", "slices", "message"),
    [
        ([torch.zeros(1, 8, 8)], [], 8, "values must hold at least one number"),
        ([], [1], 8, "dataset must hold at least one slice"),
        ([torch.zeros(1, 8, 8)], [1], 0, "slices must be a positive integer, got 0"),
    ],
)
def test_tuning_on_nothing_is_refused(dataset, values, slices: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tune(wiener, Identity((8, 8)), dataset, values, 0.01, slices=slices)


def test_one_slice_is_enough_to_tune_on() -> None:
    assert tune(made_up, Identity((32, 32)), list(squares(2)), [1, 0.01, 1e-4], 0.05, slices=1)


@pytest.mark.parametrize(
    ("method", "error", "message"),
    [
        ("wiener", TypeError, "method must be a function such as wiener, got str"),
        (lambda y, K, v: y / v, ValueError, "method gives NaN with the value 0; leave it out"),
    ],
)
def test_a_method_that_cannot_be_tuned_is_named(method, error, message: str) -> None:
    with pytest.raises(error, match=message):
        tune(method, Identity((32, 32)), [torch.zeros(1, 32, 32)], [0.0, 1.0], 0.0)
