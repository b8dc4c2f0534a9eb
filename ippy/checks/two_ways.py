"""The measure of chapter 4, written by the student: how far is a map f from equivariant?

f remembers every picture that it is shown, so that mistakes on the way in are seen directly. What
is done with its answers is told from the numbers that each known mistake would have given.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from ippy.checks.equivariance import (
    AXES_EXCHANGED,
    GREY_VALUES,
    INVARIANT,
    RINGS,
    START,
    STRIDES,
    WRONG_DIRECTION,
    ZEROS_ENTER,
    Map,
    Shift,
    convolve_around,
    enter,
    pictures,
    roll,
)
from ippy.checks.verdict import Mistake, close, differs, exercise, run, tensor

INVARIANCE = Mistake(
    "measures invariance",
    "You compare f(T x) with f(x), which has not moved: this measures invariance.",
    "The other way round the square ends at T f(x): the output has to move, too.",
    INVARIANT,
)
INPUT_NOT_MOVED = Mistake(
    "input not moved",
    "f has only seen the picture where it was: one side of the comparison needs f(T x).",
    "Two ways: f, then T; and T, then f. In which of your lines does f get a moved picture?",
    START,
)
BORDER_FORGOTTEN = Mistake(
    "border forgotten",
    "All pixels are counted; those less than r from the border do not belong to the measure.",
    "Where zeros pad, the border shows in a ring of r pixels, whatever else is right.",
    RINGS,
)
MOVED_RING = Mistake(
    "one of two rings forgotten",
    "One ring is left out, but there are two: along the border, and along the moved border.",
    "Both p and p − v must lie at least r pixels inside.",
    RINGS,
)
NOT_THE_LARGEST = Mistake(
    "averaged instead of largest",
    "An average, a sum or a norm is returned; the exercise asks for the largest difference.",
    "A single bad pixel disappears in an average of many, but not in their maximum.",
    START,
)
SIGN_KEPT = Mistake(
    "sign kept",
    "The difference has kept its sign, so that a large negative one is overlooked.",
    "Take the absolute value before the maximum.",
    START,
)
ONE_SHIFT = Mistake(
    "v not used",
    "The picture is moved by a shift of your own, or by none, instead of by v.",
    "A network with stride 2 passes each test with v = (2, 2); use the v that is handed in.",
    STRIDES,
)
ONE_NUMBER = Mistake(
    "not one number",
    "One number is expected, the largest difference; not a map and not yes or no.",
    "tensor.max() without an axis is one number.",
    START,
)


class _Recorder:
    """A map that remembers every picture it was asked about."""

    def __init__(self, f: Map) -> None:
        self.f = f
        self.seen: list[Tensor] = []

    def __call__(self, z: Tensor) -> Tensor:
        # Copies, for what the student does to z afterwards must not change the record.
        self.seen += [p[None] for p in z.detach().clone().reshape(-1, 1, *z.shape[-2:])]
        return self.f(z)


def trusted(shape: tuple[int, int], v: Shift, r: int, around: bool, which: str = "both") -> Tensor:
    """Pixels p for which p ("standing"), p − v ("moved") or both lie r pixels inside; (H, W)."""
    h, w = shape
    i, j = torch.arange(h)[:, None], torch.arange(w)

    def inside(i: Tensor, j: Tensor) -> Tensor:
        return (i >= r) & (i < h - r) & (j >= r) & (j < w - r)

    a, b = i - v[0], j - v[1]
    moved = inside(a % h, b % w) if around else inside(a, b)
    rings = {"standing": inside(i, j), "moved": moved, "both": inside(i, j) & moved}
    return rings[which]


@exercise(
    "How far from equivariant?",
    chapter=4,
    praise="Right: both sides moved, both rings left out. It is the measure of this chapter.",
)
def translation_equivariance(
    answer: Callable[[Map, Tensor, Shift, int], Any],
) -> Mistake | None:
    """max |f(T_v x) − T_v f(x)| over all p such that p and p − v lie r pixels inside; a number.

    Whether p − v may come around the border is left open: both readings of "inside" are right.
    """
    mask = pictures(1, 1, 12, 15, seed=2)
    maps: list[tuple[Map, int]] = [
        (lambda z: convolve_around(convolve_around(z, 3, 1).relu(), 3, 2), 0),
        (lambda z: convolve_around(z, 5, 3, mode="constant"), 2),
        (lambda z: z.square() * mask, 1),
        (lambda z: z.square() * mask - z, 0),
    ]
    probes = []
    for (f, r), v in itertools.product(maps, [(2, 3), (-3, 1), (1, -2)]):
        x, recorder = pictures(1, 1, 12, 15, seed=3), _Recorder(f)
        result = run(answer, recorder, x, v, r)
        value = tensor(result)
        if value.numel() != 1 or getattr(result, "dtype", type(result)) in (bool, torch.bool):
            return ONE_NUMBER
        probes.append(_Probe(f, x, v, r, recorder.seen, float(value)))
    if all(probe.is_right() for probe in probes):
        return None
    return _name_input(probes) or _name_output(probes)


class _Probe:
    """One question to the student's measure, and what it answered."""

    def __init__(self, f: Map, x: Tensor, v: Shift, r: int, seen: list[Tensor], value: float):
        self.f, self.x, self.v, self.r, self.seen, self.value = f, x, v, r, seen, value

    def gap(self, way: str = "right") -> Tensor:
        """f(T_v x) minus what stands on the other side, (H, W)."""
        a, b = self.v
        fx = self.f(self.x)
        others = {
            "right": roll(fx, self.v),
            "unmoved": fx,
            "opposite": roll(fx, (-a, -b)),
            "exchanged": roll(fx, (b, a)),
            "zeros": enter(fx, self.v),
        }
        return (self.f(roll(self.x, self.v)) - others[way])[0, 0]

    def is_right(self) -> bool:
        gap = self.gap().abs()
        regions = [trusted(self.shape, self.v, self.r, around) for around in (True, False)]
        return any(abs(self.value - float(gap[region].max())) < 1e-4 for region in regions)

    @property
    def shape(self) -> tuple[int, int]:
        return (self.x.shape[-2], self.x.shape[-1])

    def matches(self, gap: Tensor, reduction: Callable[[Tensor], Tensor], region: Tensor) -> bool:
        expected = float(reduction(gap[region]))
        return abs(self.value - expected) < 1e-4 * max(1.0, abs(expected))


def _name_input(probes: list[_Probe]) -> Mistake | None:
    """What f was shown tells the mistakes on the way in."""
    moved = False
    for probe in probes:
        h, w = probe.shape
        a, b = probe.v
        rolls = {u: roll(probe.x, u) for u in itertools.product(range(h), range(w))}
        for z in probe.seen:
            change = z - probe.x
            if float(change.abs().max()) > 1e-4 and close(change, change.mean().expand_as(change)):
                return GREY_VALUES
            if any(close(z, enter(probe.x, u)) for u in (probe.v, (-a, -b), (b, a))):
                return ZEROS_ENTER
            shifts = [u for u, rolled in rolls.items() if close(z, rolled)]
            if not shifts or shifts == [(0, 0)]:
                continue
            moved = True
            if shifts[0] in ((b % h, a % w), (-b % h, -a % w)):
                return AXES_EXCHANGED
            if shifts[0] == (-a % h, -b % w):
                return WRONG_DIRECTION
            if shifts[0] != (a % h, b % w):
                return ONE_SHIFT
    if not moved and any(probe.seen for probe in probes):
        return ONE_SHIFT if all(abs(probe.value) < 1e-6 for probe in probes) else INPUT_NOT_MOVED
    return None


def _name_output(probes: list[_Probe]) -> Mistake:
    """What the measure answered, compared with what each mistake would have answered."""

    def largest(gap: Tensor) -> Tensor:
        return gap.abs().max()

    averages: list[Callable[[Tensor], Tensor]] = [
        lambda gap: gap.abs().mean(),
        lambda gap: gap.square().mean(),
        lambda gap: gap.square().mean().sqrt(),
        lambda gap: gap.square().sum(),
        lambda gap: gap.abs().sum(),
        lambda gap: gap.norm(),
    ]
    signed: list[Callable[[Tensor], Tensor]] = [torch.max, torch.min, torch.mean, torch.sum]

    def regions(probe: _Probe) -> Iterator[tuple[str, Tensor]]:
        for around in (True, False):
            for which in ("both", "standing", "moved"):
                yield which, trusted(probe.shape, probe.v, probe.r, around, which)
            yield "all", trusted(probe.shape, probe.v, 0, around)

    def fits(way: str, reductions: Iterable[Callable[[Tensor], Tensor]], kinds: str) -> bool:
        return any(
            all(
                any(
                    probe.matches(probe.gap(way), reduction, region)
                    for which, region in regions(probe)
                    if which in kinds.split()
                )
                for probe in probes
            )
            for reduction in reductions
        )

    everything = [largest, *averages, *signed]
    if fits("right", [largest], "all"):
        return BORDER_FORGOTTEN
    if fits("right", [largest], "standing") or fits("right", [largest], "moved"):
        return MOVED_RING
    if fits("right", averages, "all both standing moved"):
        return NOT_THE_LARGEST
    if fits("right", signed, "all both standing moved"):
        return SIGN_KEPT
    for way, mistake in {
        "unmoved": INVARIANCE,
        "opposite": WRONG_DIRECTION,
        "exchanged": AXES_EXCHANGED,
        "zeros": ZEROS_ENTER,
    }.items():
        if fits(way, everything, "all both standing moved"):
            return mistake
    wrong = next(probe for probe in probes if not probe.is_right())
    region = trusted(wrong.shape, wrong.v, wrong.r, around=True)
    return differs(torch.tensor(wrong.value), wrong.gap().abs()[region].max())
