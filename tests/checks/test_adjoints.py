"""The checks of chapter 1 on adjoints against right answers of many kinds and planted mistakes."""

import math

import numpy as np
import scipy.ndimage
import scipy.signal
import torch
import torch.nn.functional as F
from cases import Case, standard

from ippy.checks import adjoints
from ippy.operators import Blurring, Operator


def adjoint_by_autograd(y, k, padding):
    x = torch.zeros_like(y, requires_grad=True)
    (Blurring(tuple(y.shape), kernel=k, padding=padding)(x) * y).sum().backward()
    return x.grad


def adjoint_of_ippy(y, k, padding):
    return Blurring(tuple(y.shape), kernel=k, padding=padding).T(y)


def adjoint_by_matrix(y, k, padding):
    return (matrix(y, k, padding).T @ y.flatten()).reshape(y.shape)


def matrix(y, k, padding):
    basis = torch.eye(y.numel()).reshape(-1, 1, *y.shape)
    return Blurring(tuple(y.shape), kernel=k, padding=padding)(basis).flatten(1).T


def adjoint_folded(y, k, padding):
    r, c = (m // 2 for m in k.shape)
    z = F.conv2d(F.pad(y, (2 * c, 2 * c, 2 * r, 2 * r))[None, None], k[None, None])[0, 0]
    if padding == "replicate":
        z[r] += z[:r].sum(0)
        z[-r - 1] += z[-r:].sum(0)
        z[:, c] += z[:, :c].sum(1)
        z[:, -c - 1] += z[:, -c:].sum(1)
    return z[r:-r, c:-c]


def adjoint_by_loops(y, k, padding):
    (h, w), (m, n) = y.shape, k.shape
    z = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            for s in range(m):
                for t in range(n):
                    a, b = i - s + m // 2, j - t + n // 2
                    if padding == "replicate":
                        a, b = min(max(a, 0), h - 1), min(max(b, 0), w - 1)
                    if 0 <= a < h and 0 <= b < w:
                        z[a, b] += float(k[s, t] * y[i, j])
    return z


def operator_again(y, k, padding):
    return Blurring(tuple(y.shape), kernel=k, padding=padding)(y)


def operator_by_scipy(y, k, padding):
    mode = {"zeros": "constant", "replicate": "nearest"}[padding]
    return scipy.ndimage.convolve(y.numpy(), k.numpy(), mode=mode)


def operator_turned_twice(y, k, padding):
    return correlated(y, k.flip(0, 1), padding)


def correlated(y, k, padding):
    r, c = (m // 2 for m in k.shape)
    mode = {"zeros": "constant", "replicate": "replicate"}[padding]
    return F.conv2d(F.pad(y[None, None], (c, c, r, r), mode=mode), k[None, None])[0, 0]


def frame_cut_off(y, k, padding):
    return correlated(y, k, "zeros")


def correlated_reflected(y, k, padding):
    r, c = (m // 2 for m in k.shape)
    if padding == "zeros":
        return correlated(y, k, padding)
    return F.conv2d(F.pad(y[None, None], (c, c, r, r), mode="reflect"), k[None, None])[0, 0]


def inverse(y, k, padding):
    return torch.linalg.solve(matrix(y, k, padding), y.flatten()).reshape(y.shape)


def pseudo_inverse(y, k, padding):
    return (torch.linalg.pinv(matrix(y, k, padding)) @ y.flatten()).reshape(y.shape)


def inverse_by_iteration(y, k, padding):
    x = torch.zeros_like(y)
    for _ in range(300):
        x = x + 0.2 * (y - operator_again(x, k, padding))
    return x


class Roll(Operator):
    def __init__(self, img_shape, v):
        super().__init__(img_shape)
        self.v = v

    def _forward(self, x):
        return torch.roll(x, self.v, dims=(-2, -1))

    def _adjoint(self, y):
        return torch.roll(y, (-self.v[0], -self.v[1]), dims=(2, 3))


class Index(Roll):
    def _forward(self, x, sign=1):
        (h, w), (a, b) = self.img_shape, self.v
        rows = (torch.arange(h) - sign * a) % h
        columns = (torch.arange(w) - sign * b) % w
        return x[..., rows, :][..., columns]

    def _adjoint(self, y):
        return self._forward(y, -1)


class Waves(Roll):
    def _forward(self, x, sign=1):
        h, w = self.img_shape
        p, q = torch.fft.fftfreq(h)[:, None], torch.fft.fftfreq(w)[None, :]
        turn = torch.exp(-2j * math.pi * sign * (p * self.v[0] + q * self.v[1]))
        return torch.fft.ifft2(torch.fft.fft2(x) * turn).real

    def _adjoint(self, y):
        return self._forward(y, -1)


class Cut(Roll):
    def _forward(self, x):
        a, b = (s % n for s, n in zip(self.v, self.img_shape, strict=True))
        x = torch.cat([x[..., -a:, :], x[..., :-a, :]], dim=-2)
        return torch.cat([x[..., -b:], x[..., :-b]], dim=-1)


def one_tap(img_shape, v):
    reach = max(abs(s) for s in v)
    tap = torch.zeros(2 * reach + 1, 2 * reach + 1)
    tap[reach + v[0], reach + v[1]] = 1
    return Blurring(img_shape, kernel=tap, padding="circular")


class OwnKind:
    """No Operator at all, and no batches asked for."""

    def __init__(self, img_shape, v):
        self.v = v

    def __call__(self, x):
        return np.roll(np.asarray(x), self.v, axis=(-2, -1))

    @property
    def T(self):
        return OwnKind(None, tuple(-s for s in self.v))


def with_methods(forward, adjoint):
    """An operator of these two, each a function of the picture and v."""

    class Written(Roll):
        def _forward(self, x):
            return forward(x, self.v)

        def _adjoint(self, y):
            return adjoint(y, self.v)

    return Written


def roll(x, v, dims=(-2, -1)):
    return torch.roll(x, tuple(v), dims=dims)


def back(y, v, dims=(-2, -1)):
    return torch.roll(y, tuple(-s for s in v), dims=dims)


def slide(x, v):
    """With zeros coming in."""
    (h, w), (a, b) = x.shape[-2:], v
    return F.pad(x, (8, 8, 8, 8))[..., 8 - a : 8 - a + h, 8 - b : 8 - b + w]


def edge(x, v):
    (h, w), (a, b) = x.shape[-2:], v
    flat = F.pad(x, (4, 4, 4, 4), mode="replicate")
    return flat[..., 4 - a : 4 - a + h, 4 - b : 4 - b + w]


def blanked(x, v):
    z = roll(x, v).clone()
    if v[0] > 0:
        z[..., : v[0], :] = 0
    return z


class Starter(Operator):
    def __init__(self, img_shape, v):
        super().__init__(img_shape)
        self.v = v

    def _forward(self, x):
        raise NotImplementedError("your code here")

    def _adjoint(self, y):
        raise NotImplementedError("your code here")


CASES = [
    Case(
        "adjoint",
        right=[
            adjoint_by_autograd,
            adjoint_of_ippy,
            adjoint_by_matrix,
            adjoint_folded,
            adjoint_by_loops,
            lambda y, k, padding: adjoint_by_loops(y, k, padding).tolist(),
        ],
        wrong={
            adjoints.NOT_TURNED_BACK: [
                operator_again,
                operator_by_scipy,
                operator_turned_twice,
            ],
            adjoints.COPIES_FORGOTTEN: [correlated, frame_cut_off, correlated_reflected],
            adjoints.INVERTED: [inverse, pseudo_inverse, inverse_by_iteration],
            adjoints.NOT_PADDED: [
                lambda y, k, padding: F.conv2d(y[None, None], k[None, None])[0, 0],
                lambda y, k, padding: scipy.signal.correlate2d(y, k, mode="valid"),
                lambda y, k, padding: F.conv2d(y[None, None], k[None, None]),
            ],
        },
    ),
    Case(
        "shift_operator",
        starter=Starter,
        right=[Roll, Index, Waves, Cut, one_tap, OwnKind],
        wrong={
            adjoints.WRONG_DIRECTION: [
                with_methods(back, roll),
                lambda img_shape, v: Index(img_shape, tuple(-s for s in v)),
                lambda img_shape, v: one_tap(img_shape, v).T,
            ],
            adjoints.WRONG_AXES: [
                with_methods(lambda x, v: roll(x, v[::-1]), lambda y, v: back(y, v[::-1])),
                with_methods(lambda x, v: roll(x, v, (0, 1)), lambda y, v: back(y, v, (0, 1))),
                with_methods(lambda x, v: roll(x, v, (1, 2)), lambda y, v: back(y, v, (1, 2))),
            ],
            adjoints.FELL_OVER_THE_EDGE: [
                with_methods(slide, lambda y, v: slide(y, [-s for s in v])),
                with_methods(edge, back),
                with_methods(blanked, back),
                with_methods(lambda x, v: blanked(x.mT, v[::-1]).mT, back),
            ],
            adjoints.ADJOINT_DOES_NOT_RETURN: [
                with_methods(roll, roll),
                with_methods(roll, lambda y, v: y.clone()),
                with_methods(roll, lambda y, v: back(y, (v[0], 0))),
            ],
        },
    ),
]

globals().update(standard(CASES, adjoints))
