"""The exercises of chapter 5 on pixels from which no gradient comes: dead, saturated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ippy.checks.activations import HEADS, Head, drawn, random, slope_of
from ippy.checks.verdict import Mistake, differs, exercise, run, tensor
from ippy.models import SimpleCNN

DEAD = "Dead gradients"
SATURATION = "Who saturates?"

AFTER_HEAD = Mistake(
    "looked behind the head",
    "You look for negative values behind the ReLU, where there are none: the share is always 0.",
    "Ask the pre-activation z, before the head; or count where the output is exactly 0.",
    DEAD,
)
TRUTH_COUNTED = Mistake(
    "zeros of the truth",
    "You count the black pixels of the slice x; whether a pixel is dead depends on the network.",
    "x only tells which pixels matter; the network's z tells whether they are silent.",
    DEAD,
)
WHOLE_PICTURE = Mistake(
    "share of all pixels",
    "Your share is of all pixels of the picture; asked was the share of those with x > 0.",
    "Choose the pixels first, (…)[x > 0], then take the mean.",
    DEAD,
)
BLACK_COUNTED = Mistake(
    "black instead of body",
    "You counted where x = 0. There a silent pixel is right; it is dead where x > 0.",
    "Turn the mask round.",
    DEAD,
)
LIVING_COUNTED = Mistake(
    "living pixels counted",
    "This is the share of the living pixels.",
    "The derivative of the ReLU is zero for z < 0.",
    DEAD,
)
HIDDEN_LAYER = Mistake(
    "hidden layer counted",
    "You count in a hidden layer. A zero there is one channel of several; at the end is only one.",
    "z is what conv3 delivers.",
    DEAD,
)
NUMBER_NOT_SHARE = Mistake(
    "number instead of share",
    "A share lies between 0 and 1; this is a number of pixels, or a share in per cent.",
    "Divide by the number of pixels that you looked at.",
    DEAD,
)
BY_OUTPUT = Mistake(
    "judged by the output",
    "You judge by how large z or a(z) is. Saturation is about the slope: is |a'(z)| below 0.05?",
    "0.95 is near the end of the sigmoid's range, but what is near the end of another head's?",
    SATURATION,
)
SIGN_IGNORED = Mistake(
    "steep downwards is open too",
    "A head that falls steeply has a large negative slope; it is open, and you call it saturated.",
    "Compare the absolute value of the slope with 0.05.",
    SATURATION,
)
ONE_FORMULA = Mistake(
    "formula of another head",
    "You use the derivative of one particular head for every head.",
    "The head is handed over as a function: let autograd, or a small difference, find its slope.",
    SATURATION,
)
OPEN_COUNTED = Mistake(
    "open pixels counted",
    "This is the share of the pixels whose door is open.",
    "Saturated means a slope below 0.05.",
    SATURATION,
)


@exercise("Dead pixels", chapter=5, praise="Right: asked before the head, and where it matters.")
def dead(answer: Callable[[SimpleCNN, Tensor, Tensor], Any]) -> Mistake | None:
    """#{z < 0 and x > 0} / #{x > 0}, for a network that ends in a ReLU; y_delta, x (N, 1, H, W)."""
    for seed in (1, 4, 6):
        x = (torch.rand(2, 1, 16, 16, generator=random(seed)) - 0.3).clamp(min=0)
        y = x + 0.05 * torch.rand(x.shape, generator=random(seed + 50))
        net = drawn(seed, final_activation="relu")
        with torch.no_grad():
            net.conv3.weight.mul_(5)
            h1 = net.conv1(y)
            h2 = net.conv2(h1.relu())
            z = net.conv3(h2.relu())
            shift = z[x > 0].quantile(0.35)
            net.conv3.bias -= shift
        silent, body = z < shift, x > 0
        value = float(tensor(run(answer, net, y, x), ()))
        if abs(value - _share(silent[body])) < 1e-4:
            continue
        candidates = {
            WHOLE_PICTURE: (_share(silent), _share(silent & body)),
            BLACK_COUNTED: (_share(silent[~body]),),
            LIVING_COUNTED: (1 - _share(silent[body]), 1 - _share(silent)),
            TRUTH_COUNTED: (_share(~body),),
            HIDDEN_LAYER: (_share(h1 < 0), _share(h2 < 0)),
            AFTER_HEAD: (0.0,),
        }
        return _named(value, candidates, float(_share(silent[body])))
    return None


@exercise("Saturated pixels", chapter=5, praise="Right: the slope decides, whatever the head.")
def saturated(answer: Callable[[Head, Tensor], Any]) -> Mistake | None:
    """#{|a'(z)| < 0.05} / #z for any differentiable, pixelwise head a; z (H, W).

    No z lies so near the threshold that a difference quotient could go wrong.
    """
    heads: tuple[Head, ...] = (
        torch.tanh,
        lambda t: 1 - torch.sigmoid(3 * t),
        nn.functional.softplus,
        lambda t: 1.1 * torch.sigmoid(t) - 0.05,
    )
    for a in heads:
        z = 12 * torch.rand(1000, dtype=torch.float64, generator=random(52)) - 6
        clear = (slope_of(a, z).abs() - 0.05).abs() > 0.002
        z = z[clear][:400].reshape(20, 20)
        slope, out = slope_of(a, z), a(z)
        right = _share(slope.abs() < 0.05)
        value = float(tensor(run(answer, a, z), ()))
        if abs(value - right) < 1e-4:
            continue
        formulas = out * (1 - out), 1 - out**2, HEADS["sigmoid"](z) * (1 - HEADS["sigmoid"](z))
        by_size = [(out < t) | (out > 1 - t) for t in (0.01, 0.05)]
        by_size += [out.abs() > 1 - t for t in (0.01, 0.05, 0.1)]
        by_size += [out.abs() < 0.05, *(z.abs() > t for t in range(2, 6))]
        candidates = {
            SIGN_IGNORED: (_share(slope < 0.05),),
            OPEN_COUNTED: (1 - right,),
            ONE_FORMULA: tuple(
                _share(f < 0.05) for formula in formulas for f in (formula, formula.abs())
            ),
            BY_OUTPUT: tuple(_share(chosen) for chosen in by_size),
        }
        return _named(value, candidates, right)
    return None


def _share(chosen: Tensor) -> float:
    return float(chosen.double().mean())


def _named(value: float, candidates: dict[Mistake, tuple[float, ...]], right: float) -> Mistake:
    for mistake, others in candidates.items():
        if any(abs(value - other) < 1e-4 for other in others):
            return mistake
    if value > 1:
        return NUMBER_NOT_SHARE
    return differs(torch.tensor(value, dtype=torch.float64), torch.tensor(right))
