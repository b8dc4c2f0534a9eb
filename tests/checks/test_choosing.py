"""The checks on splitting slices by patients and on tuning a constant."""

import random

import numpy as np
import torch
from cases import Case, ask, standard
from torch.utils.data import Subset

from ippy.checks import choosing
from ippy.metrics import psnr


def parts_of(patients, chosen):
    test = [i for i, patient in enumerate(patients) if patient in chosen]
    return [i for i in range(len(patients)) if i not in test], test


def shuffled(patients, share, seed):
    names = sorted(set(patients))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return parts_of(patients, {names[i] for i in order[: max(1, round(share * len(names)))]})


def by_random(patients, share, seed):
    names = sorted(set(patients))
    chosen = random.Random(seed).sample(names, max(1, round(share * len(names))))
    return [set(part) for part in parts_of(patients, chosen)]


def by_numpy(patients, share, seed):
    patients = np.array(patients)
    names = np.random.default_rng(seed).permutation(np.unique(patients))
    tested = np.isin(patients, names[: max(1, int(share * len(names)))])
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def none_of_few(patients, share, seed):
    chosen = random.Random(seed).sample(sorted(set(patients)), round(share * len(set(patients))))
    return parts_of(patients, chosen)


def as_masks(patients, share, seed):
    test = set(shuffled(patients, share, seed)[1])
    mask = torch.tensor([i in test for i in range(len(patients))])
    return ~mask, mask


def as_subsets(patients, share, seed):
    return {
        part: Subset(patients, numbers)
        for part, numbers in zip(("train", "test"), shuffled(patients, share, seed), strict=True)
    }.values()


class Split:
    def __call__(self, patients, share, seed):
        train, test = shuffled(patients, share, seed)
        return torch.tensor(train), torch.tensor(test)


def random_slices(patients, share, seed):
    order = torch.randperm(len(patients), generator=torch.Generator().manual_seed(seed)).tolist()
    count = round(share * len(patients))
    return order[count:], order[:count]


def every_fourth(patients, share, seed):
    test = list(range(seed % 4, len(patients), round(1 / share)))
    return [i for i in range(len(patients)) if i not in test], test


def first_part(patients, share, seed):
    count = int(share * len(patients))
    return range(count, len(patients)), range(count)


def overlapping(patients, share, seed):
    return range(len(patients)), shuffled(patients, share, seed)[1]


def drawn_with_replacement(patients, share, seed):
    train, test = shuffled(patients, share, seed)
    return train, random.Random(seed).choices(test, k=2 * len(test))


def last_twice(patients, share, seed):
    train, test = shuffled(patients, share, seed)
    return [*train, train[-1]], test


def one_a_patient(patients, share, seed):
    train, test = shuffled(patients, share, seed)
    return list({patients[i]: i for i in train}.values()), test


def last_lost(patients, share, seed):
    return (part[:-1] for part in shuffled(patients, share, seed))


def first_lost(patients, share, seed):
    return ([i for i in part if i > 0] for part in shuffled(patients, share, seed))


def tuned(reconstruct, constants, train, test):
    y_delta, x = train
    scores = {c: psnr(reconstruct(y_delta, c), x).mean().item() for c in constants}
    best = max(scores, key=scores.get)
    return best, psnr(reconstruct(test[0], best), test[1]).mean().item()


def by_argmax(reconstruct, constants, train, test):
    scores = torch.stack([psnr(reconstruct(train[0], c), train[1]).mean() for c in constants])
    best = constants[scores.argmax()]
    return torch.tensor([best, psnr(reconstruct(test[0], best), test[1]).mean()])


def by_loop(reconstruct, constants, train, test):
    best, record = None, float("-inf")
    for c in constants:
        values = [
            float(psnr(reconstruct(y[None], c), x[None])) for y, x in zip(*train, strict=True)
        ]
        if sum(values) / len(values) > record:
            best, record = c, sum(values) / len(values)
    return [best, psnr(reconstruct(test[0], best), test[1]).mean()]


def by_error(reconstruct, constants, train, test):
    best = min(constants, key=lambda c: (reconstruct(train[0], c) - train[1]).pow(2).mean())
    return best, psnr(reconstruct(test[0], best), test[1]).mean()


def by_sorting(reconstruct, constants, train, test):
    rows = sorted((float(psnr(reconstruct(train[0], c), train[1]).mean()), c) for c in constants)
    return np.array([rows[-1][1], psnr(reconstruct(test[0], rows[-1][1]), test[1]).mean()])


class Tuning:
    def __call__(self, *arguments):
        return tuned(*arguments)


def score(reconstruct, constant, pair):
    return psnr(reconstruct(pair[0], constant), pair[1]).mean().item()


def choosing_by(pick, report=None):
    """Tuning where `pick(reconstruct, constants, train, test)` chooses, and `report` reports."""

    def made(reconstruct, constants, train, test):
        best = pick(reconstruct, constants, train, test)
        if report is not None:
            return best, report(reconstruct, constants, train, test)
        return best, score(reconstruct, best, test)

    return made


def best_on(which):
    return lambda r, constants, *pairs: max(constants, key=lambda c: score(r, c, pairs[which]))


def best_on_both(r, constants, train, test):
    y_delta, x = (torch.cat(parts) for parts in zip(train, test, strict=True))
    return max(constants, key=lambda c: score(r, c, (y_delta, x)))


def best_on_first(r, constants, train, test):
    return max(constants, key=lambda c: score(r, c, (train[0][:1], train[1][:1])))


CASES = [
    Case(
        "split",
        right=[shuffled, by_random, by_numpy, as_masks, as_subsets, Split()],
        wrong={
            choosing.PATIENT_ON_BOTH_SIDES: [random_slices, every_fourth, first_part],
            choosing.ON_BOTH_SIDES: [overlapping, drawn_with_replacement, last_twice],
            choosing.SLICES_LOST: [one_a_patient, last_lost, first_lost],
            choosing.OTHER_SHARE: [
                lambda patients, share, seed: shuffled(patients, 1 - share, seed),
                lambda patients, share, seed: shuffled(patients, share, seed)[::-1],
                lambda patients, share, seed: parts_of(patients, patients[seed]),
                lambda patients, share, seed: (range(len(patients)), []),
                lambda patients, share, seed: shuffled(patients, share + 1 / 12, seed),
                lambda patients, share, seed: shuffled(patients, 0.25, seed),
                none_of_few,
            ],
            choosing.SEED_IGNORED: [
                lambda patients, share, seed: shuffled(patients, share, 0),
                lambda patients, share, seed: shuffled(patients, share, torch.seed() % 2**32),
                lambda patients, share, seed: parts_of(
                    patients, sorted(set(patients))[: max(1, round(share * len(set(patients))))]
                ),
            ],
        },
    ),
    Case(
        "tuning",
        right=[tuned, by_argmax, by_loop, by_error, by_sorting, Tuning()],
        wrong={
            choosing.TUNED_ON_TEST: [
                choosing_by(best_on(1)),
                choosing_by(best_on_both),
                lambda r, c, train, test: tuned(r, c, test, train),
                choosing_by(
                    best_on(0), lambda r, cs, train, test: max(score(r, c, test) for c in cs)
                ),
            ],
            choosing.TRAINING_SCORE: [
                lambda r, c, train, test: tuned(r, c, train, train),
                choosing_by(
                    best_on(0), lambda r, cs, train, test: max(score(r, c, train) for c in cs)
                ),
                lambda r, c, train, test: by_argmax(r, c, train, train),
            ],
            choosing.WORST_TAKEN: [
                choosing_by(lambda r, cs, train, test: min(cs, key=lambda c: score(r, c, train))),
                choosing_by(
                    lambda r, cs, train, test: cs[
                        torch.stack(
                            [(r(train[0], c) - train[1]).square().mean() for c in cs]
                        ).argmax()
                    ]
                ),
                choosing_by(
                    lambda r, cs, train, test: sorted(cs, key=lambda c: score(r, c, train))[0]
                ),
            ],
            choosing.PLACE_RETURNED: [
                lambda r, cs, train, test: (cs.index(tuned(r, cs, train, test)[0]), 0.0),
                lambda r, cs, train, test: (
                    torch.tensor([score(r, c, train) for c in cs]).argmax(),
                    tuned(r, cs, train, test)[1],
                ),
                lambda r, cs, train, test: (
                    int(np.argmax([score(r, c, train) for c in cs])),
                    max(score(r, c, train) for c in cs),
                ),
            ],
            choosing.ONE_SLICE: [
                choosing_by(best_on_first),
                lambda r, cs, train, test: tuned(r, cs, (train[0][:1], train[1][:1]), test),
                choosing_by(
                    lambda r, cs, train, test: max(
                        cs, key=lambda c: psnr(r(train[0], c), train[1])[0].item()
                    )
                ),
            ],
        },
    ),
]

globals().update(standard(CASES, choosing))


def test_names_and_impossible_numbers_are_no_slice_numbers():
    answers = [
        lambda patients, share, seed: (patients[6:], patients[:6]),
        lambda patients, share, seed: [
            [str(i) for i in p] for p in shuffled(patients, share, seed)
        ],
        lambda patients, share, seed: [[i - 3 for i in p] for p in shuffled(patients, share, seed)],
        lambda patients, share, seed: shuffled(patients, share, seed)[0],
    ]
    for answer in answers:
        assert ask("split", answer).mistake.name == "not two lists of numbers"
