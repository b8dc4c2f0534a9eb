"""The counting exercises of chapter 2 against right answers of many kinds and planted mistakes."""

import itertools
import math

import numpy as np
import scipy.signal
import torch
from cases import Case, standard
from torch import nn
from torch.nn import functional as F

from ippy.checks import counting


def loops(window, weights, bias):
    total = bias
    for channel, slab in zip(window, weights, strict=True):
        for row, line in zip(channel, slab, strict=True):
            for a, b in zip(row, line, strict=True):
                total = total + a * b
    return total


def by_conv2d(window, weights, bias):
    return F.conv2d(window[None], weights[None], torch.tensor([bias]))


def by_numpy(window, weights, bias):
    return np.vdot(window.numpy(), weights.numpy()) + bias


def by_einsum(window, weights, bias):
    return torch.einsum("cst,cst->", window.double(), weights.double()).item() + bias


def by_scipy(window, weights, bias):
    pairs = zip(window.numpy(), weights.numpy(), strict=True)
    return sum(scipy.signal.correlate2d(h, w, mode="valid") for h, w in pairs) + bias


def by_flattening(window, weights, bias):
    return [(window.flatten() @ weights.flatten() + bias).item()]


def mean_of_channels(window, weights, bias):
    return (window * weights).sum(dim=(1, 2)).mean() + bias


ONE_PIXEL = Case(
    "one_pixel",
    right=[loops, by_conv2d, by_numpy, by_einsum, by_scipy, by_flattening],
    wrong={
        counting.CHANNELS_AVERAGED: [
            mean_of_channels,
            lambda h, w, b: (h * w).mean(dim=0).sum() + b,
            lambda h, w, b: (h * w).mean() + b,
            lambda h, w, b: ((h * w).sum() + b) / h.shape[0],
            lambda h, w, b: (h.mean(0) * w.mean(0)).sum() + b,
        ],
        counting.FIRST_CHANNEL_ONLY: [
            lambda h, w, b: (h[0] * w[0]).sum() + b,
            lambda h, w, b: by_conv2d(h[:1], w[:1], b),
            lambda h, w, b: float((h[0] * w[0]).sum()),
        ],
        counting.CHANNELS_NOT_ADDED: [
            lambda h, w, b: (h * w).sum(dim=(1, 2)) + b,
            lambda h, w, b: [float((a * c).sum()) for a, c in zip(h, w, strict=True)],
            lambda h, w, b: F.conv2d(h[None], w[:, None], groups=len(h)),
        ],
        counting.BIAS_NOT_ADDED: [
            lambda h, w, b: (h * w).sum(),
            lambda h, w, b: by_conv2d(h, w, 0.0),
            lambda h, w, b: loops(h, w, 0.0),
        ],
        counting.BIAS_TOO_OFTEN: [
            lambda h, w, b: ((h * w).sum(dim=(1, 2)) + b).sum(),
            lambda h, w, b: sum(by_conv2d(h[c : c + 1], w[c : c + 1], b) for c in range(len(h))),
            lambda h, w, b: loops(h, w, len(h) * b),
        ],
        counting.FILTER_TURNED: [
            lambda h, w, b: loops(h, w.flip(1, 2), b),
            lambda h, w, b: by_conv2d(h.flip(1, 2), w, b),
            lambda h, w, b: scipy.signal.convolve(h.numpy(), w.numpy(), mode="valid") + b,
        ],
    },
)


def count(formula):
    def answer(channels, k, height, width):
        layers = range(len(channels) - 1)
        return sum(formula(channels[n], channels[n + 1], k, height, width) for n in layers)

    return answer


def count_by_torch(channels, k, height, width):
    layers = itertools.pairwise(channels)
    network = nn.Sequential(*[nn.Conv2d(i, o, k) for i, o in layers])
    return sum(p.numel() for p in network.parameters())


def count_by_shapes(channels, k, height, width):
    layers = itertools.pairwise(channels)
    return sum(math.prod(s) for i, o in layers for s in ((o, i, k, k), (o,)))


def count_by_numpy(channels, k, height, width):
    c = np.array(channels)
    return (c[1:] * (c[:-1] * k**2 + 1)).sum()


def count_by_recursion(channels, k, height, width):
    if len(channels) < 2:
        return 0
    first, second, *_ = channels
    rest = count_by_recursion(channels[1:], k, height, width)
    return second * first * k * k + second + rest


def count_as_tensor(channels, k, height, width):
    c = torch.tensor(channels)
    return (c[:-1] * c[1:]).sum() * k**2 + c[1:].sum()


right_count = count(lambda i, o, k, h, w: o * (i * k * k + 1))

PARAMETER_COUNT = Case(
    "parameter_count",
    right=[
        right_count,
        count_by_torch,
        count_by_shapes,
        count_by_numpy,
        count_by_recursion,
        count_as_tensor,
    ],
    wrong={
        counting.PICTURE_COUNTED: [
            count(lambda i, o, k, h, w: o * (i * k * k + 1) * h * w),
            count(lambda i, o, k, h, w: o * i * k * k + o * h * w),
            count(lambda i, o, k, h, w: (i * h * w + 1) * o * h * w),
            lambda channels, k, h, w: right_count(channels, k, h, w) + h * w,
            count(lambda i, o, k, h, w: o * (i * k * k + 1) * (h - k + 1)),
        ],
        counting.BIAS_UNCOUNTED: [
            count(lambda i, o, k, h, w: o * i * k * k),
            lambda c, k, h, w: count_by_torch(c, k, h, w) - sum(c[1:]),
            lambda c, k, h, w: k**2 * sum(i * o for i, o in itertools.pairwise(c)),
        ],
        counting.CHANNELS_IN_UNCOUNTED: [
            count(lambda i, o, k, h, w: o * (k * k + 1)),
            count(lambda i, o, k, h, w: o * k * k),
            lambda c, k, h, w: sum(c[1:]) * (k**2 + 1),
        ],
        counting.BIAS_PER_KERNEL: [
            count(lambda i, o, k, h, w: o * i * (k * k + 1)),
            count(lambda i, o, k, h, w: o * i * k * k + o * i),
            lambda c, k, h, w: (k**2 + 1) * sum(i * o for i, o in itertools.pairwise(c)),
        ],
        counting.SIDE_NOT_SQUARED: [
            count(lambda i, o, k, h, w: o * (i * k + 1)),
            count(lambda i, o, k, h, w: o * i * k),
            count(lambda i, o, k, h, w: o + i * o * k),
        ],
        counting.LAYER_UNCOUNTED: [
            lambda c, k, h, w: right_count(c[:-1], k, h, w),
            lambda c, k, h, w: right_count(c[1:], k, h, w),
            lambda c, k, h, w: sum(c[n + 1] * (c[n] * k * k + 1) for n in range(len(c) - 2)),
        ],
    },
)


def field(layers):
    size, jump = 1, 1
    for k, stride in layers:
        size += (k - 1) * jump
        jump *= stride
    return size


def field_backwards(layers):
    size = 1
    for k, stride in reversed(layers):
        size = (size - 1) * stride + k
    return size


def field_by_gradient(layers):
    stack = nn.Sequential(*[nn.Conv2d(1, 1, k, stride, bias=False) for k, stride in layers])
    for p in stack.parameters():
        nn.init.ones_(p)
    y = torch.zeros(1, 1, 64, 64, requires_grad=True)
    stack(y)[0, 0, 1, 1].backward()
    return int((y.grad[0, 0] != 0).any(dim=0).sum())


def field_by_product(layers):
    strides = [stride for _, stride in layers]
    return 1 + sum((k - 1) * math.prod(strides[:n]) for n, (k, _) in enumerate(layers))


def field_by_sets(layers):
    seen = {0}
    for k, stride in reversed(layers):
        seen = {p * stride + t for p in seen for t in range(k)}
    return torch.tensor([max(seen) - min(seen) + 1])


def field_by_numpy(layers):
    k, s = np.array(layers).T
    return 1 + ((k - 1) * np.cumprod([1, *s[:-1]])).sum()


def wrong_field(step=lambda k: k - 1, start=1, before=lambda jump, stride: jump, next_jump=None):
    def answer(layers):
        size, jump = start, 1
        for k, stride in layers:
            size += step(k) * before(jump, stride)
            jump = next_jump(jump, stride) if next_jump else jump * stride
        return size

    return answer


RECEPTIVE_FIELD = Case(
    "receptive_field",
    right=[
        field,
        field_backwards,
        field_by_gradient,
        field_by_product,
        field_by_sets,
        field_by_numpy,
    ],
    wrong={
        counting.STRIDE_FORGOTTEN: [
            wrong_field(before=lambda jump, stride: 1),
            lambda layers: 1 + sum(k - 1 for k, _ in layers),
            lambda layers: field([(k, 1) for k, _ in layers]),
        ],
        counting.WHOLE_KERNEL: [
            wrong_field(step=lambda k: k),
            wrong_field(step=lambda k: k, start=0),
            lambda layers: sum(k for k, _ in layers),
            lambda layers: 1 + sum(k for k, _ in layers),
        ],
        counting.OWN_STRIDE: [
            wrong_field(before=lambda jump, stride: jump * stride),
            lambda layers: field([(1, layers[0][1]), *zip(*_shifted(layers), strict=True)]),
            lambda layers: (
                1
                + sum(
                    (k - 1) * math.prod(s for _, s in layers[: n + 1])
                    for n, (k, _) in enumerate(layers)
                )
            ),
        ],
        counting.LAST_STRIDE_ONLY: [
            wrong_field(next_jump=lambda jump, stride: stride),
            lambda layers: (
                layers[0][0] + sum((k - 1) * layers[n][1] for n, (k, _) in enumerate(layers[1:]))
            ),
            lambda layers: (
                1
                + sum(
                    (k - 1) * s
                    for (k, _), s in zip(layers, [1, *(s for _, s in layers)], strict=False)
                )
            ),
        ],
        counting.EVEN_AS_ODD: [
            wrong_field(step=lambda k: 2 * (k // 2)),
            lambda layers: field([(k + 1 - k % 2, stride) for k, stride in layers]),
            lambda layers: field_backwards([(k | 1, stride) for k, stride in layers]),
        ],
        counting.START_MISSING: [
            wrong_field(start=0),
            lambda layers: field(layers) - 1,
            lambda layers: field_by_product(layers) - 1,
        ],
    },
)


def _shifted(layers):
    return [k for k, _ in layers], [*(s for _, s in layers[1:]), 1]


CASES = [ONE_PIXEL, PARAMETER_COUNT, RECEPTIVE_FIELD]

globals().update(standard(CASES, counting))
