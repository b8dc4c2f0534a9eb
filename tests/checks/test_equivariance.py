"""The first checks of chapter 4 against right answers of many kinds and planted mistakes."""

import itertools

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F
from cases import Case, standard
from torch import nn

from ippy.checks import equivariance as eq
from ippy.models import receptive_field


def roll(z, v):
    return torch.roll(z, tuple(v), dims=(-2, -1))


def back(v):
    return (-v[0], -v[1])


def shift_loops(x, v):
    (h, w), y = x.shape, torch.zeros_like(x)
    for i in range(h):
        for j in range(w):
            y[i, j] = x[(i - v[0]) % h, (j - v[1]) % w]
    return y


def shift_slices(x, v):
    x = torch.cat([x[-v[0] :], x[: -v[0]]], dim=0)
    return torch.cat([x[:, -v[1] :], x[:, : -v[1]]], dim=1)


def shift_matrices(x, v):
    rows, columns = torch.eye(x.shape[0]), torch.eye(x.shape[1])
    return rows.roll(v[0], 0) @ x @ columns.roll(v[1], 0).T


def shift_fourier(x, v):
    h, w = x.shape
    i, j = torch.arange(h)[:, None] / h, torch.arange(w) / w
    turn = torch.exp(-2j * torch.pi * (i * v[0] + j * v[1]))
    return torch.fft.ifft2(torch.fft.fft2(x) * turn).real


def shift_list(x, v):
    return np.roll(x.numpy(), v, axis=(0, 1)).tolist()


class Shift:
    def __call__(self, x, v):
        i, j = (torch.arange(n) - s for n, s in zip(x.shape, v, strict=True))
        return x[i % x.shape[0]][:, j % x.shape[1]][None, None]


def entering(x, v):
    return scipy.ndimage.shift(x.numpy(), v, order=0, mode="constant")


def entering_loops(x, v):
    y = torch.zeros_like(x)
    for i, j in itertools.product(*map(range, x.shape)):
        a, b = i - v[0], j - v[1]
        if 0 <= a < x.shape[0] and 0 <= b < x.shape[1]:
            y[i, j] = x[a, b]
    return y


def entering_mask(x, v):
    kept = torch.from_numpy(entering(torch.ones_like(x), v)) > 0.5
    return roll(x, v) * kept


SHIFT = Case(
    "shift",
    right=[
        roll,
        shift_loops,
        shift_slices,
        shift_matrices,
        shift_fourier,
        shift_list,
        Shift(),
        lambda x, v: scipy.ndimage.shift(x.numpy(), v, order=0, mode="grid-wrap"),
    ],
    wrong={
        eq.WRONG_DIRECTION: [
            lambda x, v: roll(x, back(v)),
            lambda x, v: shift_loops(x, back(v)),
            lambda x, v: roll(x, (v[0], -v[1])),
            lambda x, v: roll(x, (-v[0], v[1])),
            lambda x, v: entering(x, back(v)),
        ],
        eq.AXES_EXCHANGED: [
            lambda x, v: roll(x, (v[1], v[0])),
            lambda x, v: torch.roll(x, tuple(v), dims=(1, 0)),
            lambda x, v: shift_fourier(x, v[::-1]),
        ],
        eq.ZEROS_ENTER: [entering, entering_loops, entering_mask],
        eq.ONE_AXIS: [
            lambda x, v: torch.roll(x, v[0], dims=0),
            lambda x, v: torch.roll(x, v[1], dims=1),
            lambda x, v: shift_loops(x, (v[0], 0)),
        ],
        eq.GREY_VALUES: [
            lambda x, v: x + v[0],
            lambda x, v: x + sum(v),
            lambda x, v: x + 0.1 * v[1],
        ],
    },
)

WORDS = dict(
    zip(
        "abcdefgh",
        [
            "equivariant",
            "invariant",
            "neither",
            "neither",
            "equivariant",
            "invariant",
            "equivariant",
            "neither",
        ],
        strict=True,
    )
)


def said(**changes):
    return lambda: {**WORDS, **changes}


def without(letter):
    return lambda: {name: word for name, word in WORDS.items() if name != letter}


class Kinds:
    def __call__(self):
        return WORDS


KINDS = Case(
    "equivariance_kinds",
    right=[
        said(),
        lambda: {name.upper(): word.capitalize() for name, word in WORDS.items()},
        lambda: list(WORDS.items()),
        lambda: {f"({name})": f" {word} " for name, word in WORDS.items()},
        Kinds(),
    ],
    wrong={
        eq.INCOMPLETE: [
            without("g"),
            said(c="both"),
            dict,
            lambda: {"mean": "equivariant"},
            lambda: dict.fromkeys("abcdefgh"),
        ],
        eq.KINDS_EXCHANGED: [
            said(a="invariant", b="equivariant", e="invariant", f="equivariant"),
            said(b="equivariant"),
            said(f="neither"),
            said(g="invariant"),
        ],
        eq.MIRROR: [said(c="equivariant"), said(c="invariant"), said(c="Equivariant")],
        eq.PLACE_FORGOTTEN: [said(d="equivariant"), said(h="equivariant"), said(d="invariant")],
        eq.NOT_LINEAR_EITHER: [
            said(e="neither"),
            said(g="neither"),
            said(e="neither", g="neither"),
        ],
        eq.WHOLE_PICTURE: [
            said(a="neither"),
            said(a="neither", d="equivariant"),
            said(a="Neither", h="equivariant"),
        ],
    },
)


def radius(k, d):
    return d * (k - 1) // 2


def ring_loop(layers):
    r = 0
    for k, d in layers:
        r += radius(k, d)
    return r


def ring_by_field(layers):
    sizes = [nn.Conv2d(1, 1, k, dilation=d) for k, d in layers]
    return receptive_field(nn.Sequential(*sizes)) // 2


def ring_measured(layers):  # no formula: a stack of ones, and how far a bright pixel is felt
    z = torch.zeros(201).double()
    z[100] = 1
    for k, d in layers:
        z = F.conv1d(z[None, None], torch.ones(1, 1, k).double(), dilation=d, padding=radius(k, d))
        z = (z[0, 0] > 0).double()
    return (int(z.sum()) - 1) // 2


def ring_recursive(layers):
    return 0 if not layers else radius(*layers[0]) + ring_recursive(layers[1:])


RING = Case(
    "ring_width",
    right=[
        ring_loop,
        ring_by_field,
        ring_measured,
        ring_recursive,
        lambda layers: torch.tensor([(k // 2) * d for k, d in layers]).sum(),
        lambda layers: float(sum(d * (k - 1) for k, d in layers)) / 2,
    ],
    wrong={
        eq.WHOLE_WIDTH: [
            lambda layers: sum((k - 1) * d for k, d in layers),
            lambda layers: 1 + sum((k - 1) * d for k, d in layers),
            lambda layers: sum(k * d for k, d in layers),
            lambda layers: sum(k for k, d in layers),
        ],
        eq.ONE_LAYER: [
            lambda layers: max(radius(k, d) for k, d in layers),
            lambda layers: radius(*layers[-1]),
            lambda layers: radius(*layers[0]),
        ],
        eq.DILATION_FORGOTTEN: [
            lambda layers: sum((k - 1) // 2 for k, d in layers),
            lambda layers: sum(k // 2 for k, _ in layers),
            lambda layers: sum((k - 1) / 2 + d - 1 for k, d in layers),
        ],
        eq.HALF_PIXEL: [
            lambda layers: sum(d * k / 2 for k, d in layers),
            lambda layers: sum(d * (k + 1) // 2 for k, d in layers),
            lambda layers: sum(d * k for k, d in layers) // 2,
        ],
    },
)


CASES = [SHIFT, KINDS, RING]

globals().update(standard(CASES, eq))


def test_the_ring_is_the_one_that_a_random_network_shows():
    generator = torch.Generator().manual_seed(0)
    layers, x = [(5, 1), (3, 2)], torch.rand(1, 1, 24, 26, generator=generator).double()
    k = [torch.randn(1, 1, n, n, generator=generator).double() for n, _ in layers]

    def f(z):
        for kernel, (n, d) in zip(k, layers, strict=True):
            z = F.conv2d(z, kernel, padding=radius(n, d), dilation=d)
        return z

    gap = (f(roll(x, (9, 11))) - roll(f(x), (9, 11))).abs()[0, 0]
    r = ring_loop(layers)
    rows, columns = gap[r : 9 - r].amax(dim=0), gap[:, r : 11 - r].amax(dim=1)  # across one inside
    felt = [bool((line[n] > 1e-10).item()) for line in (rows, columns) for n in (0, r - 1, r)]
    assert felt == [True, True, False] * 2
