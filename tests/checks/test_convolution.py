"""The checks of chapter 1 against right answers of many kinds and planted mistakes."""

import math

import numpy as np
import scipy.ndimage
import scipy.signal
import torch
import torch.nn.functional as F
from cases import Case, standard

from ippy.checks import convolution
from ippy.operators import Blurring


def loops(x, k):
    (h, w), (m, n) = x.shape, k.shape
    y = torch.zeros(h, w)
    for i in range(h):
        for j in range(w):
            for s in range(m):
                for t in range(n):
                    a, b = i - s + m // 2, j - t + n // 2
                    if 0 <= a < h and 0 <= b < w:
                        y[i, j] += k[s, t] * x[a, b]
    return y


def correlate(x, k, turn=(0, 1)):
    turned = k.flip(*turn) if turn else k
    return F.conv2d(x[None, None], turned[None, None], padding=tuple(s // 2 for s in k.shape))[0, 0]


def by_numpy(x, k):
    return scipy.signal.convolve2d(x.numpy(), k.numpy(), mode="same")


def by_fourier(x, k):
    shape = [n + m - 1 for n, m in zip(x.shape, k.shape, strict=True)]
    full = torch.fft.irfft2(torch.fft.rfft2(x, shape) * torch.fft.rfft2(k, shape), shape)
    r, c = (m // 2 for m in k.shape)
    return full[r : r + x.shape[0], c : c + x.shape[1]]


def as_list(x, k):
    return scipy.ndimage.convolve(x.numpy(), k.numpy(), mode="constant").tolist()


def four_axes(x, k):
    return Blurring(tuple(x.shape), kernel=k)(x[None, None])


def unfolded(x, k):
    columns = F.unfold(x[None, None], k.shape, padding=tuple(s // 2 for s in k.shape))
    return (k.flip(0, 1).reshape(1, -1) @ columns[0]).reshape(x.shape)


def not_flipped_loops(x, k):
    r, c = (m // 2 for m in k.shape)
    padded = F.pad(x, (c, c, r, r))
    return torch.stack(
        [
            torch.stack(
                [
                    (padded[i : i + 2 * r + 1, j : j + 2 * c + 1] * k).sum()
                    for j in range(x.shape[1])
                ]
            )
            for i in range(x.shape[0])
        ]
    )


def valid(x, k):
    return F.conv2d(x[None, None], k.flip(0, 1)[None, None])[0, 0]


def zero_frame(x, k):
    return F.pad(valid(x, k), [s // 2 for s in k.shape[::-1] for _ in range(2)])


def other_padding(mode):
    def circular(x, k):
        pad = [s // 2 for s in k.shape[::-1] for _ in range(2)]
        padded = F.pad(x[None, None], pad, mode=mode)
        return F.conv2d(padded, k.flip(0, 1)[None, None])[0, 0]

    return circular


def one_radius(x, k):
    r = k.shape[0] // 2
    return F.conv2d(x[None, None], k.flip(0, 1)[None, None], padding=r)[0, 0]


def swapped_radii(x, k):
    padded = F.pad(x, [s // 2 for s in k.shape for _ in range(2)])
    return F.conv2d(padded[None, None], k.flip(0, 1)[None, None])[0, 0]


def of_the_text(x, k):
    r, y = k.shape[0] // 2, torch.zeros_like(x)
    padded = F.pad(x, (r, r, r, r))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (padded[i : i + 2 * r + 1, j : j + 2 * r + 1] * k.flip(0, 1)).sum()
    return y


def moved(step):
    return lambda x, k: torch.roll(loops(x, k), step, dims=(0, 1))


def corner(x, k):
    return loops(F.pad(x, (1, 0, 1, 0)), k)[:-1, :-1]


def size_by_torch(n, m, p, s, d):
    line, weights = torch.zeros(1, 1, n), torch.zeros(1, 1, m)
    return F.conv1d(line, weights, padding=p, stride=s, dilation=d).shape[-1]


def size_by_counting(n, m, p, s, d):
    places = 0
    while places * s + d * (m - 1) < n + 2 * p:
        places += 1
    return places


def size_by_numpy(n, m, p, s, d):
    return np.floor((n + 2 * p - d * (m - 1) - 1) / s) + 1


def size_by_range(n, m, p, s, d):
    return len(range(-p, n + p - d * (m - 1), s))


def pad_by_search(m, d):
    for p in range(50):
        for q in (p, p + 1):
            if size_by_torch(20 + p + q, m, 0, 1, d) == 20:
                return p, q
    return None


def pad_as_tensor(m, d):
    total = torch.tensor(d * (m - 1))
    return torch.stack([total // 2, total - total // 2])


def sums(k):
    return k.sum(1, keepdim=True), k.sum(0, keepdim=True) / k.sum()


def by_svd(k):
    u, s, v = torch.linalg.svd(k)
    return u[:, :1] * s[0], v[:1]


def by_middle(k):
    i, j = (m // 2 for m in k.shape)
    return (k[:, j] / k[i, j]).tolist(), k[i].tolist()


def evenly(k):
    u, s, v = np.linalg.svd(k.numpy())
    return [-u[:, 0] * np.sqrt(s[0]), -v[0] * np.sqrt(s[0])]


def by_largest(k):
    i, j = divmod(int(k.abs().argmax()), k.shape[1])
    return k[:, j][None, None, :, None], (k[i] / k[i, j])[None, None, None]


CASES = [
    Case(
        "convolve",
        right=[loops, correlate, by_numpy, by_fourier, as_list, four_axes, unfolded],
        wrong={
            convolution.NOT_FLIPPED: [
                lambda x, k: correlate(x, k, ()),
                lambda x, k: scipy.signal.correlate2d(x.numpy(), k.numpy(), mode="same"),
                not_flipped_loops,
            ],
            convolution.FLIPPED_ONCE: [
                lambda x, k: correlate(x, k, (0,)),
                lambda x, k: correlate(x, k, (1,)),
                lambda x, k: loops(x, k.flip(0)),
            ],
            convolution.NOT_PADDED: [
                valid,
                lambda x, k: scipy.signal.convolve2d(x.numpy(), k.numpy(), mode="valid"),
                lambda x, k: valid(x, k)[None, None],
            ],
            convolution.BORDER_FORGOTTEN: [
                zero_frame,
                other_padding("circular"),
                other_padding("replicate"),
            ],
            convolution.OFF_BY_ONE: [moved((1, 1)), moved((0, 1)), corner],
            convolution.ONE_RADIUS: [one_radius, swapped_radii, of_the_text],
        },
    ),
    Case(
        "output_size",
        right=[
            lambda n, m, p, s, d: (n + 2 * p - d * (m - 1) - 1) // s + 1,
            lambda n, m, p=0, s=1, d=1: math.floor((n + 2 * p - (d * (m - 1) + 1)) / s + 1),
            lambda n, m, p, s, d: -(-(n + 2 * p - d * (m - 1)) // s),
            size_by_torch,
            size_by_counting,
            size_by_numpy,
            size_by_range,
        ],
        wrong={
            convolution.NOT_ROUNDED_DOWN: [
                lambda n, m, p, s, d: (n + 2 * p - d * (m - 1) - 1) / s + 1,
                lambda n, m, p, s, d: round((n + 2 * p - d * (m - 1) - 1) / s) + 1,
                lambda n, m, p, s, d: math.ceil((n + 2 * p - d * (m - 1) - 1) / s) + 1,
            ],
            convolution.DILATION_FORGOTTEN: [
                lambda n, m, p, s, d: (n + 2 * p - m) // s + 1,
                lambda n, m, p, s, d: (n + 2 * p - d * m) // s + 1,
                lambda n, m, p, s, d: (n + 2 * p - m - d + 1) // s + 1,
            ],
            convolution.PADDED_ONCE: [
                lambda n, m, p, s, d: (n + p - d * (m - 1) - 1) // s + 1,
                lambda n, m, p, s, d: (n - d * (m - 1) - 1) // s + 1,
                lambda n, m, p, s, d: (n - d * (m - 1) - 1) // s + 1 + p,
            ],
            convolution.ONE_PLACE_MISSING: [
                lambda n, m, p, s, d: (n + 2 * p - d * (m - 1) - 1) // s,
                lambda n, m, p, s, d: size_by_counting(n, m, p, s, d) - 1,
                lambda n, m, p, s, d: int((n + 2 * p - d * (m - 1) - 1) / s),
            ],
            convolution.STRIDE_MISPLACED: [
                lambda n, m, p, s, d: n + 2 * p - d * (m - 1),
                lambda n, m, p, s, d: (n + 2 * p - d * (m - 1)) // s,
                lambda n, m, p, s, d: (n + 2 * p) // s - d * (m - 1),
            ],
        },
    ),
    Case(
        "same_padding",
        right=[
            lambda m, d: (d * (m - 1) // 2, d * (m - 1) - d * (m - 1) // 2),
            lambda m, d=1: [math.floor(d * (m - 1) / 2), math.ceil(d * (m - 1) / 2)],
            lambda m, d: np.array([d * (m - 1) // 2, (d * (m - 1) + 1) // 2]),
            lambda m, d: d * (m - 1) / 2 if d * (m - 1) % 2 == 0 else pad_by_search(m, d),
            pad_by_search,
            pad_as_tensor,
        ],
        wrong={
            convolution.PAD_WRONG_BY_ONE: [
                lambda m, d: (d * (m - 1) // 2 + 1, d * (m - 1) - d * (m - 1) // 2 + 1),
                lambda m, d: (max(d * (m - 1) // 2 - 1, 0), max((d * (m - 1) + 1) // 2 - 1, 0)),
                lambda m, d: ((m + 1) // 2, (m + 1) // 2),
            ],
            convolution.EVEN_KERNEL: [
                lambda m, d: (d * (m - 1) // 2, d * (m - 1) // 2),
                lambda m, d: (d * (m - 1) + 1) // 2,
                lambda m, d: (d * (m - 1) / 2, d * (m - 1) / 2),
            ],
            convolution.LEANS_THE_OTHER_WAY: [
                lambda m, d: (d * (m - 1) - d * (m - 1) // 2, d * (m - 1) // 2),
                lambda m, d: pad_by_search(m, d)[::-1],
                lambda m, d: pad_as_tensor(m, d).flip(0),
            ],
            convolution.DILATION_FORGOTTEN: [
                lambda m, d: ((m - 1) // 2, m // 2),
                lambda m, d: ((d * m - 1) // 2, d * m // 2),
                lambda m, d: ((m + d - 2) // 2, (m + d - 1) // 2),
            ],
            convolution.PADDED_TWICE: [
                lambda m, d: (d * (m - 1), d * (m - 1)),
                lambda m, d: d * (m - 1),
                lambda m, d: torch.tensor([1.0, 1.0]) * d * (m - 1),
            ],
        },
    ),
    Case(
        "separate",
        right=[sums, by_svd, by_middle, evenly, by_largest],
        wrong={
            convolution.SCALE_LOST: [
                lambda k: (k.sum(1), k.sum(0)),
                lambda k: (k[:, k.shape[1] // 2], k[k.shape[0] // 2]),
                lambda k: (torch.linalg.svd(k)[0][:, 0], torch.linalg.svd(k)[2][0]),
                lambda k: (by_svd(k)[0], by_svd(k)[1] * torch.linalg.svd(k)[1][0]),
            ],
            convolution.COLUMN_AND_ROW_SWAPPED: [
                lambda k: sums(k)[::-1],
                lambda k: by_svd(k.T),
                lambda k: (k.sum(0) / k.sum(), k.sum(1)),
            ],
        },
    ),
]

globals().update(standard(CASES, convolution))
