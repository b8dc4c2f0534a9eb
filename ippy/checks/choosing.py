"""The exercises of chapter 3 on choosing: slices for the test, and a constant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Subset

from ippy.checks.verdict import Found, Mistake, differs, exercise, run, tensor
from ippy.metrics import psnr

ON_BOTH_SIDES = Mistake(
    "slices on both sides",
    "Some slices are in both parts, or twice in one.",
    "Each number from 0 to len(patients) − 1 belongs exactly once somewhere.",
    "The data's way",
)
PATIENT_ON_BOTH_SIDES = Mistake(
    "patient on both sides",
    "A patient has slices on both sides: the test asks about pictures that were almost seen.",
    "Deal out the patients first; the slices follow their patient.",
    "The data's way",
)
SLICES_LOST = Mistake(
    "slices lost",
    "Some slices are in neither part.",
    "Count: the two parts together must have len(patients) slices.",
    "The data's way",
)
OTHER_SHARE = Mistake(
    "another share",
    "The test part does not have the share of the patients that was asked for.",
    "The share counts patients: round(share · number of patients), and at least one.",
    "The data's way",
)
SEED_IGNORED = Mistake(
    "seed ignored",
    "The split does not follow the seed.",
    "The same seed must give the same split, and another seed another one.",
    "The data's way",
)

TUNED_ON_TEST = Mistake(
    "tuned on the test slices",
    "The test slices had a say in the choice: then their score is no test any more.",
    "Choose with the training pair alone; open the test pair once, for the final score.",
    "Judging the result",
)
TRAINING_SCORE = Mistake(
    "score on the training slices",
    "The constant is right, but the score is that of the training slices.",
    "What is reported must come from slices that had no part in the choice.",
    "Judging the result",
)
WORST_TAKEN = Mistake(
    "worst instead of best",
    "You took the constant with the lowest PSNR.",
    "A PSNR is the better the higher; an error is the better the lower.",
    "Judging the result",
)
PLACE_RETURNED = Mistake(
    "place instead of constant",
    "You return the place of the best constant in the list, not the constant.",
    "constants[place]",
    "Judging the result",
)
ONE_SLICE = Mistake(
    "tuned on one slice",
    "The constant is the best one for a single slice, not for the mean over all of them.",
    "psnr gives one number a slice; average them before you compare constants.",
    "Judging the result",
)


@exercise("A split by patients", chapter=3, praise="Right: no patient on both sides.")
def split(answer: Callable[[list[str], float, int], Any]) -> Mistake | None:
    """(train, test), numbers of slices, called as answer(patients, share, seed).

    `patients` has one name a slice, in mixed order; the share is that of the patients. A quarter of
    12 is asked for with five seeds, then a half, and a share so small that one patient is left.
    """
    counts = {f"P{n:02}": 3 + n % 4 for n in range(12)}
    patients = [name for name, count in counts.items() for _ in range(count)]
    order = torch.randperm(len(patients), generator=torch.Generator().manual_seed(0)).tolist()
    patients = [patients[i] for i in order]
    chosen = []
    for share, seed in (*((0.25, seed) for seed in (0, 0, 1, 2, 3)), (0.5, 0), (0.02, 0)):
        train, test = _numbers(run(answer, list(patients), share, seed), len(patients))
        if len(set(train + test)) < len(train + test):
            return ON_BOTH_SIDES
        people = [{patients[i] for i in part} for part in (train, test)]
        both = sorted(people[0] & people[1])
        if both:
            return PATIENT_ON_BOTH_SIDES.because(
                f"{len(both)} patients have slices on both sides, {both[0]} for one: "
                "the test asks about pictures that were almost seen."
            )
        if len(train) + len(test) < len(patients):
            return SLICES_LOST
        wanted = max(1, round(share * len(counts)))
        if len(people[1]) != wanted:
            return OTHER_SHARE.because(
                f"A share of {share:g} of 12 patients is {wanted}, not {len(people[1])}."
            )
        chosen.append(people[1])
    chosen = chosen[:5]
    if chosen[0] != chosen[1]:
        return SEED_IGNORED.because("The same seed gave two different splits.")
    if all(part == chosen[0] for part in chosen):
        return SEED_IGNORED.because("Four different seeds gave one and the same split.")
    return None


def _numbers(result: Any, count: int) -> tuple[list[int], list[int]]:
    """Both parts as lists of slice numbers; subsets, tensors and masks are welcome."""
    try:
        train, test = (_part(part, count) for part in result)
    except Exception:
        sentence = "Two collections of slice numbers are expected: return train, test."
        hint = "Numbers from 0 on, that is, places in the list patients; not names."
        raise Found(Mistake("not two lists of numbers", sentence, hint)) from None
    return train, test


def _part(part: Iterable[Any], count: int) -> list[int]:
    values = list(part.indices if isinstance(part, Subset) else part)
    kinds = {str(getattr(value, "dtype", type(value).__name__)) for value in values}
    if len(values) == count and kinds <= {"bool", "torch.bool"}:
        return [i for i, chosen in enumerate(values) if chosen]
    numbers = [int(value) for value in values]
    if any(not 0 <= n < count or isinstance(v, str) for n, v in zip(numbers, values, strict=True)):
        raise ValueError
    return numbers


CONSTANTS = (0.9, 0.0, 0.3, 1.2, 0.6, 1.5)


def sharpened(y_delta: Tensor, constant: float) -> Tensor:
    """The method to tune, an unsharp mask: y + c · (y − mean of 3×3 pixels around)."""
    return y_delta + constant * (y_delta - F.avg_pool2d(y_delta, 3, 1, 1))


def tuning_pairs() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and test pairs whose best constants differ: 0.6 and 1.2, and 0.9 for all."""
    source = torch.Generator().manual_seed(0)
    pairs = []
    for best in ((0.25, 0.65, 0.65, 0.7), (1.2, 1.1, 1.25, 1.2)):
        y_delta = torch.rand(len(best), 1, 24, 24, generator=source)
        x = torch.stack([sharpened(y[None], c)[0] for y, c in zip(y_delta, best, strict=True)])
        pairs.append((y_delta, x + 0.1 * torch.randn(x.shape, generator=source)))
    return pairs[0], pairs[1]


@exercise("Tuned on training slices", chapter=3, praise="Right: chosen there, reported here.")
def tuning(answer: Callable[..., Any]) -> Mistake | None:
    """(best constant, its test PSNR), called as answer(reconstruct, constants, train, test).

    The best constants of the training slices, of the test slices, of both together and of the
    first slice are four different ones.
    """
    train, test = tuning_pairs()
    table = {
        name: torch.stack([psnr(sharpened(y, c), x).double() for c in CONSTANTS])
        for name, (y, x) in {"train": train, "test": test}.items()
    }  # (constants, slices) each
    value = tensor(run(answer, sharpened, list(CONSTANTS), train, test), (2,))
    constant, score = (float(v) for v in value)
    on_train, on_test = (table[name].mean(dim=1) for name in ("train", "test"))
    place = int(on_train.argmax())
    if _near(constant, CONSTANTS[place]):
        if _near(score, on_test[place]):
            return None
        if _near(score, on_train[place]):
            return TRAINING_SCORE
        if _near(score, on_test.max()):
            return TUNED_ON_TEST.because("The score is the best one that the test slices allow.")
        return differs(torch.tensor(score), on_test[place])
    both = torch.cat([table["train"], table["test"]], dim=1).mean(dim=1)
    others = [
        (TUNED_ON_TEST, [on_test.argmax(), both.argmax()]),
        (WORST_TAKEN, [on_train.argmin()]),
        (ONE_SLICE, [table["train"][:, 0].argmax()]),
    ]
    for mistake, places in others:
        if any(_near(constant, CONSTANTS[int(p)]) for p in places):
            return mistake
    if _near(constant, place):
        return PLACE_RETURNED
    return differs(torch.tensor(constant), torch.tensor(CONSTANTS[place]))


def _near(a: float, b: Tensor | float) -> bool:
    return abs(a - float(b)) <= 1e-4 * max(1.0, abs(float(b)))
