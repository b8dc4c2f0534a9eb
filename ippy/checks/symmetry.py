"""The exercises of chapter 4 that build something: an equivariant map, network, average.

The answers are maps; they are asked about pictures and moved pictures, and where they do not
follow, the way in which they fail tells the mistake.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ippy.checks.equivariance import (
    INVARIANT,
    PROOF,
    RINGS,
    START,
    STRIDES,
    Map,
    Shift,
    convolve_around,
    pictures,
    roll,
)
from ippy.checks.two_ways import trusted
from ippy.checks.verdict import Found, Mistake, close, differs, exercise, run, tensor
from ippy.models import SimpleCNN

CONVERSE = "Linear and equivariant means convolution"
AVERAGE = "Averaging over shifts"

ONLY_MULTIPLES = Mistake(
    "only multiples of a stride",
    "Your map follows some shifts only: there is a stride, or a pooling, in it.",
    "Compute the answer at every pixel: max pooling with stride=1, no [::2].",
    STRIDES,
)
BORDER = Mistake(
    "border is seen",
    "Inside your map follows every shift, but the border gives itself away.",
    'Let the picture continue around the border: F.pad(x, (r, r, r, r), mode="circular").',
    RINGS,
)
PLACE = Mistake(
    "depends on the place",
    "Your map does not treat all places alike, even far from the border.",
    "Is there a mask, a coordinate, a row or a number of a pixel in it?",
    PROOF,
)
OTHER_WAY = Mistake(
    "moves another way",
    "When the picture moves, the answer moves as well, but another way: it is turned or mirrored.",
    "Watch one bright pixel while you move it to the right.",
    INVARIANT,
)
NOTHING_MOVES = Mistake(
    "nothing to see moving",
    "The answer is the same grey everywhere: it stays when the picture moves, and is invariant.",
    "An average over all pixels comes last. Leave it out.",
    INVARIANT,
)
POINTWISE = Mistake(
    "one pixel only",
    "It is equivariant, but each pixel of the answer depends on one pixel of the picture only.",
    "Let the neighbours have a say: their median, their maximum, the difference from them.",
    PROOF,
)
A_CONVOLUTION = Mistake(
    "a convolution",
    "It is equivariant, but linear (up to a constant): by Theorem 4.2 it is a convolution.",
    "Between or after convolutions, something that is not linear: an absolute value, a maximum.",
    CONVERSE,
)
BY_CHANCE = Mistake(
    "by chance",
    "The same picture gets two different answers: there is chance in your map.",
    "Leave out the noise or the dropout, or draw it once, before.",
    START,
)
NEW_WEIGHTS = Mistake(
    "other weights",
    "The answer differs even in the middle of the picture: these are not the weights of `model`.",
    "A new SimpleCNN starts from random weights. Copy: load_state_dict(model.state_dict()).",
    INVARIANT,
)
STILL_ZEROS = Mistake(
    "still padded with zeros",
    "This is the network as it was: beyond the border there are still zeros.",
    'SimpleCNN(1, 1, 32, padding_mode="circular") has the same weights and another border.',
    INVARIANT,
)
SOME_LAYERS = Mistake(
    "some layers only",
    "Beyond the border stand zeros in some layers, so that a thinner ring is left.",
    "All three convolutions pad, and each of them sees one pixel beyond.",
    RINGS,
)
OTHER_PADDING = Mistake(
    "another padding",
    "Beyond the border stands the border once more, repeated or mirrored; that is not circular.",
    "Beyond the left border comes what stands at the right one.",
    RINGS,
)
ORIGINAL_CHANGED = Mistake(
    "original changed",
    "The network that you were given has been changed; its owner still needs it.",
    "Make a new network, or copy.deepcopy(model), and change that.",
    INVARIANT,
)
NOT_BACK = Mistake(
    "not shifted back",
    "The answers stand in different places when they are averaged: that blurs them.",
    "Each answer f(T_v x) has to be led back by −v before it is added.",
    AVERAGE,
)
BACK_THE_WRONG_WAY = Mistake(
    "shifted back the wrong way",
    "Each answer is shifted once more the same way instead of back.",
    "There with v, back with −v.",
    AVERAGE,
)
WEIGHTS = Mistake(
    "not divided by their number",
    "The picture is right but for a factor: the sum is not divided by the number of shifts.",
    "For s = 2 there are four shifts, for s = 3 nine.",
    AVERAGE,
)
TOO_FEW = Mistake(
    "too few shifts",
    "The average does not follow every shift yet: some shifts are missing from it.",
    "All pairs (a, b) with a and b from 0 to s − 1; the diagonal or one axis alone do not do.",
    AVERAGE,
)
AVERAGED_BEFORE = Mistake(
    "averaged before",
    "The pictures are averaged before f: f has then seen one blurred picture only.",
    "f(average of x) is not the average of f(x). Call f once for each shift.",
    AVERAGE,
)


@exercise(
    "A map of your own",
    chapter=4,
    praise="Right: it follows every shift, its neighbours count, and it is no convolution.",
)
def equivariant_map(answer: Callable[[Tensor], Any]) -> Mistake | None:
    """Equivariant for all circular shifts, not linear, and more than one pixel counts.

    The map gets pictures (1, 1, 24, 32) in [0, 1] and returns pictures of the same size.
    """
    x = pictures(1, 1, 24, 32, seed=4)

    def f(z: Tensor) -> Tensor:
        return tensor(run(answer, z), (1, 1, 24, 32))

    fx = f(x)
    if not close(f(x), fx):
        return BY_CHANCE
    if close(fx, fx.mean().expand_as(fx)):
        return NOTHING_MOVES
    shifts = [(0, 1), (1, 0), (2, 3), (0, 2), (4, 0), (4, 4), (8, 8), (-3, 5)]
    moved = {v: f(roll(x, v)) for v in shifts}
    if not all(close(moved[v], roll(fx, v)) for v in shifts):
        return _name_map(f, x, fx, moved)
    if _looks_at_one_pixel(f, x, fx):
        return POINTWISE
    return A_CONVOLUTION if _is_affine(answer) else None


def _name_map(f: Map, x: Tensor, fx: Tensor, moved: dict[Shift, Tensor]) -> Mistake:
    for a, b in ((-1, 1), (1, -1), (-1, -1)):
        if all(close(z, roll(fx, (a * v[0], b * v[1]))) for v, z in moved.items()):
            return OTHER_WAY

    def follows(v: Shift, r: int) -> bool:
        region = trusted((24, 32), v, r, around=True)
        return close(f(roll(x, v))[0, 0][region], roll(fx, v)[0, 0][region])

    for r in range(1, 8):
        if all(follows(v, r) for v in moved):
            sentence = f"{BORDER.sentence} It is felt up to {r} pixels inside."
            return BORDER.because(sentence.replace("1 pixels", "1 pixel"))
    for s in (2, 3, 4, 8):
        if all(follows((s * a, s * b), r=6) for a, b in ((0, 1), (1, 0), (1, 1))):
            sentence = f"Your map follows shifts by multiples of {s} only: there is a stride in it."
            return ONLY_MULTIPLES.because(sentence)
    return PLACE


def _looks_at_one_pixel(f: Map, x: Tensor, fx: Tensor) -> bool:
    """Whether a change of some pixels is felt at these pixels alone, or all of them moved alike."""
    some = pictures(24, 32, seed=11) < 0.5
    felt = ((f(torch.where(some, torch.ones_like(x), x)) - fx).abs() > 1e-9)[0, 0]
    places = itertools.product(range(24), range(32))
    return any(not bool((felt & ~roll(some, u)).any()) for u in places)


def _is_affine(answer: Callable[[Tensor], Any]) -> bool:
    """Whether f(a x + b z + (1 − a − b) w) = a f(x) + b f(z) + (1 − a − b) f(w).

    With grey values on both sides of zero, since max(0, t) is linear for all t above.
    """
    generator = torch.Generator().manual_seed(5)
    x, z, w = (torch.randn(1, 1, 24, 32, generator=generator) for _ in range(3))
    try:
        # Tensors only: a student's root of a negative number is NaN, and NaN is not linear.
        fx, fz, fw, f = (
            torch.as_tensor(run(answer, picture)).detach().double()
            for picture in (x, z, w, 0.5 * x + 2 * z - 1.5 * w)
        )
    except Found:
        return False
    return close(f, 0.5 * fx + 2 * fz - 1.5 * fw, 1e-3)


@exercise("The same weights, another border", chapter=4, praise="Right: no border is left.")
def circular_network(answer: Callable[[SimpleCNN], Any]) -> Mistake | None:
    """From a SimpleCNN(1, 1, 32) padded with zeros, the map with the same weights, circular."""
    torch.manual_seed(6)
    model, x = SimpleCNN(1, 1, 32), pictures(1, 1, 14, 16, seed=7)
    kept = copy.deepcopy(model)
    f = run(answer, model)
    if f is not model and isinstance(f, nn.Module):
        f = f.eval()
    with torch.no_grad():
        value, before = tensor(run(f, x), (1, 1, 14, 16)), kept(x)
        if not close(model(x), before):
            return ORIGINAL_CHANGED
        if close(value, _with_padding(kept, "circular")(x)):
            return None
        if close(value, before):
            return STILL_ZEROS
        if not close(value[..., 3:-3, 3:-3], before[..., 3:-3, 3:-3]):
            return NEW_WEIGHTS
        for mode in ("reflect", "replicate"):
            far = kept(F.pad(x, (3, 3, 3, 3), mode=mode))[..., 3:-3, 3:-3]
            if close(value, far) or close(value, _with_padding(kept, mode)(x)):
                return OTHER_PADDING
    return SOME_LAYERS


def _with_padding(model: SimpleCNN, mode: str) -> SimpleCNN:
    other = SimpleCNN(1, 1, 32, padding_mode=mode)
    other.load_state_dict(model.state_dict())
    return other


@exercise("Make anything equivariant", chapter=4, praise="Right: there, f, and back.")
def cycle_spinning(answer: Callable[[Map, Tensor, int], Any]) -> Mistake | None:
    """1/s² Σ_v T_−v f(T_v x), v in {0, …, s − 1}²; f follows multiples of s, x (1, 1, H, W)."""
    x = pictures(1, 1, 12, 12, seed=8)
    for s in (2, 3):

        def f(z: Tensor, s: int = s) -> Tensor:
            h = convolve_around(z, 3, 9).square()[..., ::s, ::s]
            return convolve_around(F.interpolate(h, scale_factor=s), 3, 10)

        value = tensor(run(answer, f, x, s), (1, 1, 12, 12))
        if not close(value, _spun(f, x, _all_shifts(s), sign=-1)):
            return _name_spin(answer, value, f, x, s)
    return None


def _all_shifts(s: int) -> list[Shift]:
    return [(a, b) for a in range(s) for b in range(s)]


def _spun(f: Map, x: Tensor, shifts: list[Shift], sign: int) -> Tensor:
    answers = [roll(f(roll(x, v)), (sign * v[0], sign * v[1])) for v in shifts]
    return torch.stack(answers).mean(dim=0)


def _name_spin(
    answer: Callable[[Map, Tensor, int], Any], value: Tensor, f: Map, x: Tensor, s: int
) -> Mistake:
    shifts = _all_shifts(s)
    there = [(-v[0], -v[1]) for v in shifts]
    imitations = [
        (WEIGHTS, _spun(f, x, shifts, sign=-1)),
        (NOT_BACK, _spun(f, x, shifts, sign=0)),
        (NOT_BACK, _spun(f, x, there, sign=0)),
        (BACK_THE_WRONG_WAY, _spun(f, x, shifts, sign=1)),
        (BACK_THE_WRONG_WAY, _spun(f, x, there, sign=1)),
        (AVERAGED_BEFORE, f(torch.stack([roll(x, v) for v in shifts]).mean(dim=0))),
        (AVERAGED_BEFORE, f(torch.stack([roll(x, v) for v in there]).mean(dim=0))),
    ]
    for mistake, imitation in imitations:
        expected = imitation.to(torch.float64)
        factor = (value * expected).sum() / expected.square().sum()
        if abs(float(factor)) > 1e-3 and close(value, factor * expected):
            return mistake
    for v in ((0, 1), (1, 0)):
        moved = tensor(run(answer, f, roll(x, v), s), (1, 1, 12, 12))
        if not close(moved, roll(value, v)):
            return TOO_FEW
    return differs(value, _spun(f, x, shifts, sign=-1))
