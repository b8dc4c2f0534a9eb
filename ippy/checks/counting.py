"""Exercises of chapter 2: one output pixel, how many parameters, how far one sees."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ippy.checks.verdict import Mistake, close, differs, exercise, run, tensor


def _choose(
    values: Sequence[Any],
    cases: Sequence[tuple[Any, ...]],
    right: Callable[..., Any],
    wrong: Sequence[tuple[Mistake, Callable[..., Any]]],
    tolerance: float = 1e-6,
) -> Mistake | None:
    """Which formula gave these values? One that fits all cases is the one that was used."""
    expected = [torch.as_tensor(right(*case)).double() for case in cases]
    pairs = list(zip(values, expected, strict=True))
    if all(close(*pair, tolerance) for pair in pairs):
        return None
    for mistake, formula in wrong:
        guesses = [formula(*case) for case in cases]
        if all(close(*pair, tolerance) for pair in zip(values, guesses, strict=True)):
            return mistake
    value, target = next(pair for pair in pairs if not close(*pair, tolerance))
    return differs(value, target)


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


CHANNELS_AVERAGED = Mistake(
    "channels averaged",
    "The channels are averaged; a convolution adds them up.",
    "In the formula there is a sum over c, and nothing is divided by the number of channels.",
    "Channels",
)
FIRST_CHANNEL_ONLY = Mistake(
    "first channel only",
    "Only the first channel has been read.",
    "The filter has one slab for each channel: multiply each with its own, and add all of it up.",
    "Channels",
)
CHANNELS_NOT_ADDED = Mistake(
    "channels not added",
    "You return one number for each channel; one filter gives one number.",
    "Sum over the channels too, then add the bias.",
    "Channels",
)
BIAS_NOT_ADDED = Mistake(
    "bias not added",
    "The bias is missing.",
    "It is added once, after all products have been summed.",
    "Channels",
)
BIAS_TOO_OFTEN = Mistake(
    "bias added for each channel",
    "The bias has been added once for each channel.",
    "A filter has a single bias, however many channels it reads: add it after the sum.",
    "Channels",
)
FILTER_TURNED = Mistake(
    "filter turned",
    "The filter has been turned before it was laid on the window: a convolution, in strict terms.",
    "Conv2d computes a cross-correlation, h[i + s, j + t] with plus signs: nothing is flipped.",
    "Channels",
)


@exercise("One output pixel", chapter=2, praise="Right: multiply, add over all channels, add b.")
def one_pixel(answer: Callable[[Tensor, Tensor, float], Any]) -> Mistake | None:
    """Σ_{c,s,t} W[c, s, t] · h[c, s, t] + b for a window h and a filter W of shape (C, k, k)."""
    cases = [
        (_draw(c, k, k, seed=c), _draw(c, k, k, seed=9), bias)
        for c, k, bias in ((2, 3, 5.0), (3, 3, -2.5), (4, 5, 1.25))
    ]
    values = []
    for h, w, bias in cases:
        value = tensor(run(answer, h, w, bias)).squeeze()
        each = (h * w).sum(dim=(1, 2))
        if any(close(value, each + b) for b in (0, bias, bias / len(h))):
            return CHANNELS_NOT_ADDED
        values.append(tensor(value, ()))
    return _choose(
        values,
        cases,
        lambda h, w, b: (h * w).sum() + b,
        [
            (CHANNELS_AVERAGED, lambda h, w, b: (h * w).sum() / len(h) + b),
            (CHANNELS_AVERAGED, lambda h, w, b: ((h * w).sum() + b) / len(h)),
            (CHANNELS_AVERAGED, lambda h, w, b: (h * w).sum() / len(h)),
            (CHANNELS_AVERAGED, lambda h, w, b: (h * w).mean() + b),
            (CHANNELS_AVERAGED, lambda h, w, b: (h.mean(0) * w.mean(0)).sum() + b),
            (FIRST_CHANNEL_ONLY, lambda h, w, b: (h[0] * w[0]).sum() + b),
            (FIRST_CHANNEL_ONLY, lambda h, w, b: (h[0] * w[0]).sum()),
            (BIAS_NOT_ADDED, lambda h, w, b: (h * w).sum()),
            (BIAS_TOO_OFTEN, lambda h, w, b: (h * w).sum() + len(h) * b),
            (FILTER_TURNED, lambda h, w, b: (h * w.flip(1, 2)).sum() + b),
            (FILTER_TURNED, lambda h, w, b: (h * w.flip(0, 1, 2)).sum() + b),
        ],
        tolerance=1e-4,
    )


PICTURE_COUNTED = Mistake(
    "picture size counted in",
    "Your count depends on the size of the picture; that of a convolution does not.",
    "The same few weights are used at every pixel: that is what weight sharing means.",
    "Channels",
)
BIAS_UNCOUNTED = Mistake(
    "bias forgotten",
    "The biases are missing: each filter has one.",
    "A layer with 32 outputs has 32 biases.",
    "Channels",
)
CHANNELS_IN_UNCOUNTED = Mistake(
    "input channels forgotten",
    "You count k × k weights for a filter, as if it read one channel only.",
    "A filter of the second layer reads all channels of the first: it is a block of C × k × k.",
    "Channels",
)
BIAS_PER_KERNEL = Mistake(
    "a bias for each slab",
    "You count one bias for each pair of channels; there is one for each output channel.",
    "The bias stands outside the sum over the input channels.",
    "Channels",
)
SIDE_NOT_SQUARED = Mistake(
    "kernel side not squared",
    "A kernel of side k has k × k weights, you count k.",
    "3 × 3 is nine.",
    "Channels",
)
LAYER_UNCOUNTED = Mistake(
    "a layer left out",
    "One layer is missing, the first or the last.",
    "A list of n channel numbers describes n − 1 layers: one for each pair of neighbours.",
    "Channels",
)


def _weights(channels: Sequence[int], k: int, *_: int) -> int:
    return sum(o * (i * k * k + 1) for i, o in itertools.pairwise(channels))


@exercise("Count the parameters", chapter=2, praise="Right: out · (in · k² + 1), layer by layer.")
def parameter_count(answer: Callable[[list[int], int, int, int], Any]) -> Mistake | None:
    """Σ c_out (c_in k² + 1) over the neighbours in a list of channels, whatever the picture."""
    cases = [([1, 32, 32, 1], 3, 256, 256), ([3, 16, 8, 3], 5, 64, 48), ([2, 5], 7, 9, 9)]
    values = [tensor(run(answer, list(c), *rest), ()) for c, *rest in cases]
    for (channels, k, height, width), value in zip(cases, values, strict=True):
        for size in ((2 * height, width), (height, 2 * width), (2 * height, 2 * width)):
            if tensor(run(answer, list(channels), k, *size), ()) != value:
                return PICTURE_COUNTED

    def each(formula: Callable[[int, int, int], int]) -> Callable[..., int]:
        return lambda c, k, *_: sum(formula(i, o, k) for i, o in itertools.pairwise(c))

    return _choose(
        values,
        cases,
        _weights,
        [
            (BIAS_UNCOUNTED, each(lambda i, o, k: o * i * k * k)),
            (CHANNELS_IN_UNCOUNTED, each(lambda i, o, k: o * (k * k + 1))),
            (CHANNELS_IN_UNCOUNTED, each(lambda i, o, k: o * k * k)),
            (BIAS_PER_KERNEL, each(lambda i, o, k: o * i * (k * k + 1))),
            (SIDE_NOT_SQUARED, each(lambda i, o, k: o * (i * k + 1))),
            (SIDE_NOT_SQUARED, each(lambda i, o, k: o * i * k)),
            (LAYER_UNCOUNTED, lambda c, k, *_: _weights(c[:-1], k)),
            (LAYER_UNCOUNTED, lambda c, k, *_: _weights(c[1:], k)),
        ],
    )


STRIDE_FORGOTTEN = Mistake(
    "stride forgotten",
    "The strides have no effect in your count.",
    "Behind a layer of stride 2, one step is two pixels of the input wide.",
    "How far the network sees",
)
WHOLE_KERNEL = Mistake(
    "k instead of k − 1",
    "You add k for each layer; the pixel in the middle is counted again each time.",
    "One layer of 3 × 3 sees 3 pixels, two of them 5, three of them 7.",
    "How far the network sees",
)
OWN_STRIDE = Mistake(
    "own stride counted",
    "A layer's own stride has been counted for itself; it only matters to the layers behind it.",
    "The factor of layer l is the product of the strides before it: 1 for the first layer.",
    "How far the network sees",
)
LAST_STRIDE_ONLY = Mistake(
    "strides not multiplied",
    "Only the stride of the layer just before has been used.",
    "Strides multiply: after two layers of stride 2 one step is 4 pixels wide.",
    "How far the network sees",
)
EVEN_AS_ODD = Mistake(
    "even kernel taken for odd",
    "Right for odd kernels only: an even one has been counted as if it had a middle.",
    "A 2 × 2 window adds one pixel, not two: it is k − 1 for every k.",
    "How far the network sees",
)
START_MISSING = Mistake(
    "the pixel itself forgotten",
    "The field starts with the pixel itself: the 1 before the sum is missing.",
    "What does a network without any layer see?",
    "How far the network sees",
)


def _field(
    layers: Sequence[tuple[int, int]],
    step: Callable[[int], int] = lambda k: k - 1,
    start: int = 1,
    jump: str = "before",
) -> int:
    field, before = start, 1
    for k, s in layers:
        factor = {"before": before, "own": before * s, "none": 1}.get(jump, before)
        field += step(k) * factor
        before = s if jump == "last" else before * s
    return field


@exercise("How far does it see?", chapter=2, praise="Right, with strides and even windows, too.")
def receptive_field(answer: Callable[[list[tuple[int, int]]], Any]) -> Mistake | None:
    """R = 1 + Σ_l (k_l − 1) s_1 … s_{l−1} for a list of (kernel size, stride)."""
    lists = [
        [(3, 1), (3, 1), (3, 1)],
        [(3, 1), (3, 2), (3, 1)],
        [(2, 2), (3, 1), (2, 2), (5, 1)],
        [(5, 3)],
    ]
    values = [tensor(run(answer, list(layers)), ()) for layers in lists]
    return _choose(
        values,
        [(layers,) for layers in lists],
        _field,
        [
            (STRIDE_FORGOTTEN, lambda a: _field(a, jump="none")),
            (WHOLE_KERNEL, lambda a: _field(a, lambda k: k, 0)),
            (WHOLE_KERNEL, lambda a: _field(a, lambda k: k, 1)),
            (WHOLE_KERNEL, lambda a: _field(a, lambda k: k, 0, "none")),
            (WHOLE_KERNEL, lambda a: _field(a, lambda k: k, 1, "none")),
            (OWN_STRIDE, lambda a: _field(a, jump="own")),
            (LAST_STRIDE_ONLY, lambda a: _field(a, jump="last")),
            (EVEN_AS_ODD, lambda a: _field(a, lambda k: 2 * (k // 2))),
            (START_MISSING, lambda a: _field(a, start=0)),
        ],
    )
