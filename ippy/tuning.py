"""Picking the one constant of a classical method on training slices."""

import math
import warnings
from collections.abc import Callable, Iterable
from numbers import Integral

import torch
from torch import Tensor

from ippy.evaluation import Slices, check_slices, measure
from ippy.metrics import psnr
from ippy.operators import Operator

Method = Callable[[Tensor, Operator, float], Tensor]


def tuning_curve(
    method: Method,
    K: Operator,
    dataset: Slices,
    values: Iterable[float],
    noise_level: float,
    slices: int = 8,
    seed: int = 0,
) -> dict[float, float]:
    """The mean PSNR in dB that a method reaches with each value of its constant.

    Measured on `slices` slices spread evenly over the dataset, y_delta = Kx + e, with the same
    noise for every value.

    Args:
        method: called as method(y_delta, K, value): `wiener`, `tikhonov`, `total_variation`.
        K: the operator.
        dataset: training slices, (C, H, W) with (H, W) = K.img_shape.
        values: what to try.
        noise_level: relative noise level, 0.01 for one per cent.
        slices: how many slices to measure on; all of them if there are fewer.
        seed: of the noise.

    Raises:
        TypeError: method is no function, or dataset holds no tensors.
        ValueError: there are no values or no slices, or the method gives NaN with a value.
    """
    values = sorted({float(value) for value in values})
    if not values:
        raise ValueError("values must hold at least one number, got none; try [1e-3, 1e-2, 1e-1]")
    if not callable(method):
        raise TypeError(f"method must be a function such as wiener, got {type(method).__name__}")
    if not isinstance(slices, Integral) or slices < 1:
        raise ValueError(f"slices must be a positive integer, got {slices!r}")
    check_slices(dataset, "dataset")
    numbers = torch.linspace(0, len(dataset) - 1, min(slices, len(dataset))).round().int().tolist()
    x = torch.stack([dataset[number] for number in numbers])  # (slices, C, H, W)
    y_delta = measure(x, K, noise_level, seed)
    curve = {value: psnr(method(y_delta, K, value), x).mean().item() for value in values}
    for value, score in curve.items():
        if math.isnan(score):  # which is neither larger nor smaller than any other
            raise ValueError(f"method gives NaN with the value {value:g}; leave it out of values")
    return curve


def tune(
    method: Method,
    K: Operator,
    dataset: Slices,
    values: Iterable[float],
    noise_level: float,
    slices: int = 8,
    seed: int = 0,
) -> float:
    """The value with the highest mean PSNR on training slices; arguments as in `tuning_curve`.

    A best value at either end of the range means that the true best one may lie beyond it: a
    UserWarning says so.

    >>> from ippy.classical import wiener
    >>> from ippy.operators import Blurring
    >>> K = Blurring((32, 32), kernel_type="motion", kernel_size=5)
    >>> x = torch.zeros(1, 32, 32)
    >>> x[:, 8:24, 8:24] = 1
    >>> tune(wiener, K, [x], values=[1e-4, 1e-3, 1e-2, 1e-1, 1], noise_level=0.05)
    0.01
    """
    curve = tuning_curve(method, K, dataset, values, noise_level, slices, seed)
    best = max(curve, key=lambda value: curve[value])
    for end, direction in ((min(curve), "smaller"), (max(curve), "larger")):
        if best == end:
            warnings.warn(
                f"the best of the values is the end of their range, {best:g}: try {direction} ones",
                stacklevel=2,
            )
    return best
