"""The exercises of chapter 4: shifts, who follows them, and how far the border is seen.

What the student wrote is compared with the right answer; where it differs, it is compared with
what each known mistake would have given on the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ippy.checks.verdict import Mistake, close, differs, exercise, run, tensor

Map = Callable[[Tensor], Tensor]
Shift = tuple[int, int]

START = "Two ways to the same corner"
INVARIANT = "Equivariant is not invariant"
PROOF = "A proof in four lines"
RINGS = "Where the border breaks it"
STRIDES = "Stride and pooling"

WRONG_DIRECTION = Mistake(
    "shift in the wrong direction",
    "The picture is moved the wrong way: a positive v leads down and to the right.",
    "At pixel p stands what was at p − v. Where does the bright pixel [0, 0] go for v = (1, 2)?",
    START,
)
AXES_EXCHANGED = Mistake(
    "rows and columns exchanged",
    "Rows and columns are exchanged: v[0] counts rows downwards, v[1] columns to the right.",
    "The last two axes of a picture are (-2, -1): first rows, then columns, in the order of v.",
    START,
)
ZEROS_ENTER = Mistake(
    "zeros enter",
    "The direction is right, but zeros enter at the border; here what leaves comes in again.",
    "Indices modulo the size do it: (i − v[0]) % H. Only then does shifting back undo the shift.",
    START,
)
ONE_AXIS = Mistake(
    "only one axis moved",
    "The picture has moved along one axis only.",
    "v has two parts. Move rows by v[0] and then columns by v[1]; the order does not matter.",
    START,
)
GREY_VALUES = Mistake(
    "grey values instead of places",
    "v is added to the grey values: that makes the picture brighter and moves nothing.",
    "A shift changes where a value stands, not the value: T_v x, not x + v.",
    START,
)
INCOMPLETE = Mistake(
    "a letter without an answer",
    "Each of the letters a to h needs one of the words equivariant, invariant, neither.",
    'Return a dictionary: {"a": "...", "b": "...", ...}.',
    INVARIANT,
)
KINDS_EXCHANGED = Mistake(
    "equivariant and invariant exchanged",
    "Does the answer move along (equivariant) or stay as it is (invariant)?",
    "Imagine the picture moved by one pixel, and look at what comes out: a picture or a summary?",
    INVARIANT,
)
MIRROR = Mistake(
    "mirror taken for equivariant",
    "Move a picture to the right and look into a mirror: which way does it move there?",
    "A definition with 'for every v' fails with a single v that does not do.",
    INVARIANT,
)
PLACE_FORGOTTEN = Mistake(
    "fixed place overlooked",
    "Something in this map stays at its place when the picture moves.",
    "A mask, a coordinate, a border with zeros: move a bright pixel from the middle to there.",
    RINGS,
)
NOT_LINEAR_EITHER = Mistake(
    "nonlinear taken for not equivariant",
    "Equivariance does not ask for linearity: this map does the same at every pixel.",
    "Line 2 of the proof is about ReLU, which is not linear either.",
    PROOF,
)
WHOLE_PICTURE = Mistake(
    "whole picture taken for a fixed place",
    "This map looks at the whole picture, but at no place in particular.",
    "How does the mean of a picture change when the picture moves?",
    INVARIANT,
)
WHOLE_WIDTH = Mistake(
    "width instead of radius",
    "You count whole windows. A window hangs over the border by half of its width at most.",
    "A 3×3 kernel reaches one pixel to each side: (k − 1)/2, times the dilation.",
    RINGS,
)
ONE_LAYER = Mistake(
    "one layer only",
    "You count a single layer. Each layer carries the border further in.",
    "Layer 2 reads pixels of layer 1, of which the outermost have already met the zeros.",
    RINGS,
)
DILATION_FORGOTTEN = Mistake(
    "dilation forgotten",
    "With dilation d the taps of a kernel stand d pixels apart, and it reaches d times as far.",
    "A 3×3 kernel of dilation 2 reaches two pixels to each side.",
    RINGS,
)
HALF_PIXEL = Mistake(
    "half a pixel too many",
    "Each layer is counted half a pixel too wide: the middle of the window is no reach.",
    "For k = 3 the radius is 1, not 3/2 and not 2.",
    RINGS,
)


def roll(z: Tensor, v: Shift) -> Tensor:
    return torch.roll(z, v, dims=(-2, -1))


def enter(z: Tensor, v: Shift) -> Tensor:
    """As `_roll`, but zeros come in."""
    z = roll(z, v).clone()
    for axis, s in zip((-2, -1), v, strict=True):
        rows = range(s) if s >= 0 else range(z.shape[axis] + s, z.shape[axis])
        z.index_fill_(axis, torch.tensor(list(rows), dtype=torch.long), 0)
    return z


def _back(v: Shift) -> Shift:
    return (-v[0], -v[1])


def pictures(*shape: int, seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def convolve_around(x: Tensor, size: int, seed: int, mode: str = "circular") -> Tensor:
    k = torch.randn((1, 1, size, size), generator=torch.Generator().manual_seed(seed)) / size
    return F.conv2d(F.pad(x, [size // 2] * 4, mode=mode), k.to(x.dtype))


@exercise("Shift a picture", chapter=4, praise="Right: what leaves comes in again, value by value.")
def shift(answer: Callable[[Tensor, Shift], Any]) -> Mistake | None:
    """(T_v x)[p] = x[p − v], around the border; x (H, W), v = (rows, columns); result (H, W)."""
    x = pictures(6, 9, seed=1)
    for v in ((1, 2), (-2, 3), (3, -1)):
        value, expected = tensor(run(answer, x, v), (6, 9)), roll(x, v)
        if not close(value, expected):
            return _name_shift(value, expected, x, v)
    return None


def _name_shift(value: Tensor, expected: Tensor, x: Tensor, v: Shift) -> Mistake:
    change = value - x
    if float(change.abs().max()) > 1e-3 and close(change, change.mean().expand_as(change)):
        return GREY_VALUES
    a, b = v
    moves = {
        WRONG_DIRECTION: [(-a, -b), (-a, b), (a, -b)],
        AXES_EXCHANGED: [(b, a), (-b, -a)],
        ONE_AXIS: [(a, 0), (0, b)],
    }
    for mistake, candidates in moves.items():
        for u in candidates:
            if close(value, roll(x, u)) or close(value, enter(x, u)):
                return mistake
    return ZEROS_ENTER if close(value, enter(x, v)) else differs(value, expected)


KINDS = {
    "a": ("subtract the mean", "equivariant", WHOLE_PICTURE),
    "b": ("histogram", "invariant", KINDS_EXCHANGED),
    "c": ("mirror", "neither", MIRROR),
    "d": ("mask", "neither", PLACE_FORGOTTEN),
    "e": ("threshold", "equivariant", NOT_LINEAR_EITHER),
    "f": ("largest value", "invariant", KINDS_EXCHANGED),
    "g": ("median", "equivariant", NOT_LINEAR_EITHER),
    "h": ("blur with zeros", "neither", PLACE_FORGOTTEN),
}


def _plain(answer: Any) -> str:
    return str(answer).strip(" ().").lower()


@exercise("Equivariant, invariant, or neither?", chapter=4, praise="Right, all eight.")
def equivariance_kinds(answer: Callable[[], Any]) -> Mistake | None:
    """The word for each of the letters a to h, as a dictionary."""
    result = run(answer)
    try:
        said = {_plain(letter): _plain(word) for letter, word in dict(result).items()}
    except (TypeError, ValueError):
        return INCOMPLETE
    words = {"equivariant", "invariant", "neither"}
    if missing := [letter for letter in KINDS if said.get(letter) not in words]:
        return INCOMPLETE.because(f"{INCOMPLETE.sentence} Look at: {', '.join(missing)}.")
    for letter, (name, word, mistake) in KINDS.items():
        if said[letter] != word:
            if said[letter] == "invariant" and word == "equivariant":
                mistake = KINDS_EXCHANGED
            return mistake.because(f"({letter}), {name}: {mistake.sentence}")
    return None


@exercise("How wide is the ring?", chapter=4, praise="Right: radii add up, layer by layer.")
def ring_width(answer: Callable[[list[tuple[int, int]]], Any]) -> Mistake | None:
    """r = Σ_l d_l (k_l − 1)/2 for layers [(k_1, d_1), …] of stride 1, padded with zeros."""
    stacks = [[(3, 1)], [(3, 1)] * 3, [(9, 1), (3, 1), (3, 1)], [(5, 2), (3, 4), (7, 1), (1, 1)]]
    values = [float(tensor(run(answer, list(layers)), ())) for layers in stacks]
    expected = [sum(d * (k - 1) / 2 for k, d in layers) for layers in stacks]
    if values == expected:
        return None
    formulas: list[tuple[Mistake, Callable[[list[tuple[int, int]]], float]]] = [
        (WHOLE_WIDTH, lambda layers: sum((k - 1) * d for k, d in layers)),
        (WHOLE_WIDTH, lambda layers: 1 + sum((k - 1) * d for k, d in layers)),
        (WHOLE_WIDTH, lambda layers: sum(k * d for k, d in layers)),
        (WHOLE_WIDTH, lambda layers: sum(k for k, _ in layers)),
        (ONE_LAYER, lambda layers: max(d * (k - 1) / 2 for k, d in layers)),
        (ONE_LAYER, lambda layers: layers[-1][1] * (layers[-1][0] - 1) / 2),
        (ONE_LAYER, lambda layers: layers[0][1] * (layers[0][0] - 1) / 2),
        (DILATION_FORGOTTEN, lambda layers: sum((k - 1) / 2 for k, _ in layers)),
        (DILATION_FORGOTTEN, lambda layers: sum((k - 1) / 2 + d - 1 for k, d in layers)),
        (HALF_PIXEL, lambda layers: sum(d * k / 2 for k, d in layers)),
        (HALF_PIXEL, lambda layers: sum(d * k for k, d in layers) // 2),
        (HALF_PIXEL, lambda layers: sum(d * (k + 1) / 2 for k, d in layers)),
    ]
    for mistake, formula in formulas:
        if values == [formula(layers) for layers in stacks]:
            return mistake
    wrong = next(i for i, value in enumerate(values) if value != expected[i])
    sentence = (
        f"For {stacks[wrong]} the ring is {expected[wrong]:g} pixels, you have {values[wrong]:g}."
    )
    return Mistake(
        "another width", sentence, "Draw the window at the border, layer by layer.", RINGS
    )
