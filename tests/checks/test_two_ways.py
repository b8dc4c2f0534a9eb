"""The check of the student's own measure, against right answers and planted mistakes."""

import itertools

import numpy as np
import torch
from cases import Case, ask, standard

from ippy.checks import two_ways as eq


def roll(z, v):
    return torch.roll(z, tuple(v), dims=(-2, -1))


def back(v):
    return (-v[0], -v[1])


def entering(x, v):
    y = torch.zeros_like(x)
    for i, j in itertools.product(*map(range, x.shape)):
        a, b = i - v[0], j - v[1]
        if 0 <= a < x.shape[0] and 0 <= b < x.shape[1]:
            y[i, j] = x[a, b]
    return y


def depth(i, n):
    return torch.minimum(i, n - 1 - i)


def trusted(shape, v, r, around=True, standing=True, moved=True):
    h, w = shape
    i, j = torch.arange(h)[:, None], torch.arange(w)
    a, b = ((i - v[0]) % h, (j - v[1]) % w) if around else (i - v[0], j - v[1])
    good = torch.ones(h, w, dtype=torch.bool)
    if standing:
        good &= (depth(i, h) >= r) & (depth(j, w) >= r)
    if moved:
        good &= (depth(a, h) >= r) & (depth(b, w) >= r)
    return good


def difference(f, x, v, before=1, after=1):
    def times(s):
        return (s * v[0], s * v[1])

    return f(roll(x, times(before))) - roll(f(x), times(after))


def largest(f, x, v, r, **where):
    return difference(f, x, v).abs()[0, 0][trusted(x.shape[-2:], v, r, **where)].max()


def error_crop(f, x, v, r):
    d = difference(f, x, v).abs()
    (h, w), (a, b) = x.shape[-2:], v
    return float(d[..., r + max(a, 0) : h - r + min(a, 0), r + max(b, 0) : w - r + min(b, 0)].max())


def error_loops(f, x, v, r):
    d, (h, w), worst = difference(f, x, v), x.shape[-2:], 0.0
    for i, j in itertools.product(range(h), range(w)):
        a, b = (i - v[0]) % h, (j - v[1]) % w
        if min(i, h - 1 - i, j, w - 1 - j, a, h - 1 - a, b, w - 1 - b) >= r:
            worst = max(worst, abs(float(d[0, 0, i, j])))
    return worst


def error_back(f, x, v, r):  # both ways are led back to where the picture was
    d = roll(f(roll(x, v)), back(v)) - f(x)
    return d.abs()[0, 0][roll(trusted(x.shape[-2:], v, r), back(v))].max().item()


def error_batch(f, x, v, r):
    one, other = f(torch.cat([x, roll(x, v)])).numpy()
    d = np.abs(np.roll(one[0], v, axis=(0, 1)) - other[0])
    return d[trusted(x.shape[-2:], v, r, around=False).numpy()].max()


class Error:
    def __init__(self):
        self.frame = torch.nn.ConstantPad2d

    def __call__(self, f, x, v, r):
        h, w = x.shape[-2:]
        inner = self.frame(r, 0.0)(torch.ones(1, h - 2 * r, w - 2 * r))
        return (difference(f, x, v) * inner * roll(inner, v)).abs().amax(dim=(-2, -1))


def reduced(how, **where):
    def error(f, x, v, r):
        return how(difference(f, x, v)[0, 0][trusted(x.shape[-2:], v, r, **where)])

    return error


def grey(amount):
    def error(f, x, v, r):
        d = (f(x + amount(v)) - (f(x) + amount(v))).abs()[0, 0]
        return d[trusted(x.shape[-2:], v, r)].max()

    return error


def directed(before, after):
    def error(f, x, v, r):
        d = difference(f, x, v, before, after).abs()[0, 0]
        return d[trusted(x.shape[-2:], v, r)].max()

    return error


def fixed(u):
    return lambda f, x, v, r: largest(f, x, u, r)


ERROR = Case(
    "translation_equivariance",
    right=[
        largest,
        error_crop,
        error_loops,
        error_back,
        error_batch,
        Error(),
        lambda f, x, v, r: largest(f, x, v, r).double().numpy(),
    ],
    wrong={
        eq.GREY_VALUES: [
            grey(lambda v: v[0]),
            grey(sum),
            grey(lambda v: 0.01 * abs(v[1])),
        ],
        eq.INVARIANCE: [
            directed(1, 0),
            lambda f, x, v, r: (f(roll(x, v)) - f(x)).abs().max(),
            lambda f, x, v, r: float(
                (f(roll(x, v)) - f(x))[..., r : -r or None, r : -r or None].max()
            ),
        ],
        eq.INPUT_NOT_MOVED: [
            directed(0, 1),
            lambda f, x, v, r: (f(x) - roll(f(x), v)).abs().max(),
            lambda f, x, v, r: (roll(f(x), v) - f(x)).abs().mean(),
        ],
        eq.WRONG_DIRECTION: [
            directed(1, -1),
            directed(-1, 1),
            directed(-1, -1),
            lambda f, x, v, r: (roll(f(roll(x, v)), v) - f(x)).abs().max(),
        ],
        eq.AXES_EXCHANGED: [
            lambda f, x, v, r: largest(f, x, v[::-1], r),
            lambda f, x, v, r: difference(f, x, v[::-1]).abs().max(),
            lambda f, x, v, r: error_crop(f, x, (v[1], v[0]), r),
        ],
        eq.ZEROS_ENTER: [
            lambda f, x, v, r: (
                (f(entering(x[0, 0], v)[None, None]) - roll(f(x), v))
                .abs()[0, 0][trusted(x.shape[-2:], v, r)]
                .max()
            ),
            lambda f, x, v, r: (f(entering(x[0, 0], v)[None, None]) - roll(f(x), v)).abs().max(),
            lambda f, x, v, r: float(
                (f(entering(x[0, 0], v)[None, None]) - entering(f(x)[0, 0], v)[None, None])
                .abs()
                .max()
            ),
            lambda f, x, v, r: float((f(roll(x, v)) - entering(f(x)[0, 0], v)).abs().max()),
        ],
        eq.BORDER_FORGOTTEN: [
            lambda f, x, v, r: difference(f, x, v).abs().max(),
            reduced(lambda d: float(d.abs().max()), standing=False, moved=False),
            lambda f, x, v, r: error_crop(f, x, v, 0),
        ],
        eq.MOVED_RING: [
            lambda f, x, v, r: difference(f, x, v)[..., r : -r or None, r : -r or None].abs().max(),
            reduced(lambda d: float(d.abs().max()), moved=False),
            lambda f, x, v, r: largest(f, x, v, r, standing=False),
        ],
        eq.NOT_THE_LARGEST: [
            reduced(lambda d: d.abs().mean()),
            reduced(lambda d: d.square().mean().sqrt(), around=False),
            reduced(torch.norm),
            reduced(lambda d: d.square().mean()),
        ],
        eq.SIGN_KEPT: [
            reduced(lambda d: d.max()),
            reduced(lambda d: float(d.min())),
            reduced(lambda d: d.max(), around=False),
        ],
        eq.ONE_SHIFT: [fixed((1, 1)), fixed((0, 0)), fixed((4, 5)), fixed((0, 1))],
        eq.ONE_NUMBER: [
            lambda f, x, v, r: difference(f, x, v).abs(),
            lambda f, x, v, r: bool(largest(f, x, v, r) < 1e-5),
            lambda f, x, v, r: difference(f, x, v).abs()[0, 0][trusted(x.shape[-2:], v, r)],
        ],
    },
)


globals().update(standard([ERROR], eq))


def test_an_answer_that_shows_f_another_size_gets_a_sentence():
    verdict = ask("translation_equivariance", lambda f, x, v, r: f(x[..., 1:, 1:]).abs().max())
    assert not verdict
    assert "Traceback" not in str(verdict)


def test_what_a_student_does_to_a_picture_after_f_has_seen_it_is_not_held_against_them():
    def error(f, x, v, r):
        z = roll(x, v)
        apart = f(z) - roll(f(x), v)
        z += 1
        return apart.abs()[0, 0][trusted(x.shape[-2:], v, r)].mean()

    assert ask("translation_equivariance", error).mistake.name == eq.NOT_THE_LARGEST.name
