"""The checks of chapter 1 on the blur and its undoing: right answers and planted mistakes."""

import math

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F
from cases import Case, standard

from ippy.checks import deblurring
from ippy.classical import frequency_response, wiener
from ippy.operators import Blurring, motion_kernel


def by_points(size, angle, points=400):
    """Many points along the streak, each shared among the four pixels around it."""
    k, r = np.zeros((size + 2, size + 2)), size // 2
    for t in np.linspace(-r, r, points):
        i = r + 1 - t * math.sin(math.radians(angle))
        j = r + 1 + t * math.cos(math.radians(angle))
        a, b = math.floor(i), math.floor(j)
        for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1)):
            k[a + di, b + dj] += (1 - abs(i - a - di)) * (1 - abs(j - b - dj))
    return (k / k.sum())[1:-1, 1:-1]


def soft_line(size, angle):
    r = size // 2
    place = torch.arange(-r, r + 1.0)
    right, up = place[None, :], -place[:, None]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    along, across = right * cos + up * sin, up * cos - right * sin
    k = torch.exp(-2 * across**2) * torch.sigmoid(4 * (r + 0.5 - along.abs()))
    return k / k.sum()


def turned_bar(size, angle):
    bar = np.zeros((size, size))
    bar[size // 2] = 1
    k = scipy.ndimage.rotate(bar, angle, reshape=False, order=1)
    k = k + k[::-1, ::-1]
    return k / k.sum()


def rounded(size, angle):
    """Whole pixels only, but rounded to the nearest: symmetric, and good enough."""
    k, r = torch.zeros(size, size), size // 2
    for t in range(-10 * r, 10 * r + 1):
        i = round(-t / 10 * math.sin(math.radians(angle)))
        j = round(t / 10 * math.cos(math.radians(angle)))
        k[r + i, r + j] = 1
    return (k / k.sum()).tolist()


def sampled(size, angle):
    """Random points on the streak, and their mirror images."""
    generator = torch.Generator().manual_seed(0)
    r = size // 2
    t = (torch.rand(4000, generator=generator) * 2 - 1) * (r + 0.4)
    k = torch.zeros(size, size)
    rows = (-t * math.sin(math.radians(angle))).round().long() + r
    columns = (t * math.cos(math.radians(angle))).round().long() + r
    k.index_put_((rows, columns), torch.ones(4000), accumulate=True)
    k = k + k.flip(0, 1)
    return (k / k.sum())[None, None]


def truncated(size, angle):
    k, r = torch.zeros(size, size), size // 2
    for t in np.linspace(-r, r - 0.01, 100):
        i = r - t * math.sin(math.radians(angle)) - 1e-6
        j = r + t * math.cos(math.radians(angle)) - 1e-6
        k[max(int(i), 0), max(int(j), 0)] = 1
    return k / k.sum()


def skewed(make, size, angle, amount):
    """Neither sum nor centre of mass changes, the half turn is broken."""
    k = torch.as_tensor(make(size, angle), dtype=torch.float64).reshape(size, size).clone()
    r = size // 2
    for offset, sign in ((-2, 1), (-1, -2), (1, 2), (2, -1)):
        i = r - round(offset * math.sin(math.radians(angle)))
        j = r + round(offset * math.cos(math.radians(angle)))
        k[i, j] += sign * amount
    return k


def shrunk(size, angle):
    """A streak of a third of the length."""
    length = size // 3 if size // 3 % 2 else size // 3 + 1
    return F.pad(motion_kernel(length, angle), [(size - length) // 2] * 4)


def at_zero(k, shape):
    picture = torch.zeros(shape)
    picture[: k.shape[0], : k.shape[1]] = k
    return torch.roll(picture, [-(m // 2) for m in k.shape], dims=(0, 1))


def response_by_sum(k, shape):
    p = np.arange(shape[0])[:, None] / shape[0]
    q = np.arange(shape[1])[None, :] / shape[1]
    H = np.zeros(shape, dtype=complex)
    for s in range(k.shape[0]):
        for t in range(k.shape[1]):
            i, j = s - k.shape[0] // 2, t - k.shape[1] // 2
            H += float(k[s, t]) * np.exp(-2j * np.pi * (p * i + q * j))
    return H


def response_by_phase(k, shape):
    p = torch.fft.fftfreq(shape[0])[:, None] * (k.shape[0] // 2)
    q = torch.fft.fftfreq(shape[1])[None, :] * (k.shape[1] // 2)
    return torch.fft.fft2(k, s=shape) * torch.exp(2j * math.pi * (p + q))


def response_of_point(k, shape):
    point = torch.zeros(shape)
    point[0, 0] = 1
    return torch.fft.fft2(Blurring(shape, kernel=k, padding="circular")(point))


def response_shifted_in(k, shape):
    top, left = (n // 2 - m // 2 for n, m in zip(shape, k.shape, strict=True))
    bottom, right = shape[0] - k.shape[0] - top, shape[1] - k.shape[1] - left
    return torch.fft.fft2(torch.fft.ifftshift(F.pad(k, (left, right, top, bottom))))


def response_in_the_middle(k, shape):
    top, left = (n // 2 - m // 2 for n, m in zip(shape, k.shape, strict=True))
    bottom, right = shape[0] - k.shape[0] - top, shape[1] - k.shape[1] - left
    return torch.fft.fft2(F.pad(k, (left, right, top, bottom)))


def filtered(factor):
    """A filter with this factor, a function of H and c."""
    return lambda y, H, c: torch.fft.ifft2(factor(H, c) * torch.fft.fft2(y)).real


def wiener_by_numpy(y, H, c):
    H = H.numpy()
    return np.real(np.fft.ifft2(np.conj(H) * np.fft.fft2(y.numpy()) / (np.abs(H) ** 2 + c)))


def wiener_by_gradients(y, H, c):
    """The minimum of ‖Kx − y‖² + c‖x‖², found by walking downhill."""
    x = torch.zeros_like(y)
    for _ in range(800):
        gradient = torch.fft.ifft2(H.conj() * (H * torch.fft.fft2(x) - torch.fft.fft2(y))).real
        x = x - 0.5 * (gradient + c * x)
    return x


def wiener_in_steps(y, H, c):
    waves, result = torch.fft.fft2(y), torch.zeros_like(H)
    for i in range(H.shape[0]):
        for j in range(H.shape[1]):
            h = complex(H[i, j])
            result[i, j] = waves[i, j] * h.conjugate() / (abs(h) ** 2 + c)
    return torch.fft.ifft2(result)  # complex, with an imaginary part of rounding


def wiener_of_ippy(y, H, c):
    k = torch.fft.fftshift(
        torch.fft.ifft2(H).real
    ).float()  # element (h // 2, w // 2) in the middle
    return wiener(y, Blurring(tuple(y.shape), kernel=k, padding="circular"), c)[None]


def wiener_halved(y, H, c):
    half = H[:, : H.shape[1] // 2 + 1]
    return torch.fft.irfft2(torch.fft.rfft2(y) / (half + c / half.conj()), s=y.shape)


CASES = [
    Case(
        "motion_kernel",
        right=[motion_kernel, by_points, soft_line, turned_bar, rounded, sampled],
        wrong={
            deblurring.SUM_NOT_ONE: [
                lambda size, angle: motion_kernel(size, angle) * size,
                lambda size, angle: motion_kernel(size, angle) / motion_kernel(size, angle).max(),
                lambda size, angle: (torch.tensor(rounded(size, angle)) > 0).int(),
            ],
            deblurring.OFF_CENTRE: [
                truncated,
                lambda size, angle: torch.roll(motion_kernel(size, angle), 1, dims=0),
                lambda size, angle: torch.roll(motion_kernel(size, angle), 1, dims=1),
                lambda size, angle: F.pad(motion_kernel(size - 2, angle), (0, 2, 0, 2)),
                lambda size, angle: torch.eye(size)[0][:, None].expand(size, size) / size,
            ],
            deblurring.LOPSIDED: [
                lambda size, angle: skewed(motion_kernel, size, angle, 0.02),
                lambda size, angle: skewed(soft_line, size, angle, -0.03),
                lambda size, angle: skewed(rounded, size, angle, 0.05),
            ],
            deblurring.TURNS_THE_WRONG_WAY: [
                lambda size, angle: motion_kernel(size, -angle),
                lambda size, angle: by_points(size, 180 - angle),
                lambda size, angle: np.flipud(by_points(size, angle)).copy(),
            ],
            deblurring.DEGREES_AS_RADIANS: [
                lambda size, angle: motion_kernel(size, math.degrees(angle)),
                lambda size, angle: by_points(size, math.degrees(angle)),
                lambda size, angle: soft_line(size, math.degrees(angle)),
            ],
            deblurring.ROWS_FOR_COLUMNS: [
                lambda size, angle: motion_kernel(size, 90 - angle),
                lambda size, angle: soft_line(size, 90 - angle),
                lambda size, angle: np.rot90(by_points(size, -angle)).tolist(),
            ],
            deblurring.NO_STREAK: [
                lambda size, angle: torch.ones(size, size) / size**2,
                shrunk,
                lambda size, angle: F.pad(motion_kernel(3, angle), [(size - 3) // 2] * 4),
                lambda size, angle: F.pad(torch.ones(1, 1), [size // 2] * 4),
            ],
        },
    ),
    Case(
        "frequency_response",
        right=[
            lambda k, shape: torch.fft.fft2(at_zero(k, shape)),
            lambda k, shape: frequency_response(Blurring(shape, kernel=k)),
            response_by_sum,
            response_by_phase,
            response_of_point,
            response_shifted_in,
            lambda k, shape: response_by_sum(k, shape).tolist(),
        ],
        wrong={
            deblurring.NOT_CENTRED: [
                lambda k, shape: torch.fft.fft2(k, s=shape),
                response_in_the_middle,
                lambda k, shape: torch.fft.fft2(torch.roll(at_zero(k, shape), (0, 1), (0, 1))),
            ],
            deblurring.NOT_PADDED_TO_SIZE: [
                lambda k, shape: torch.fft.fft2(k),
                lambda k, shape: np.fft.fft2(k.numpy()),
                lambda k, shape: torch.fft.fft2(torch.fft.ifftshift(k)),
            ],
            deblurring.ZERO_IN_THE_MIDDLE: [
                lambda k, shape: torch.fft.fftshift(response_of_point(k, shape)),
                lambda k, shape: np.fft.fftshift(response_by_sum(k, shape)),
                lambda k, shape: torch.fft.fftshift(torch.fft.fft2(k, s=shape)),
            ],
            deblurring.PHASE_LOST: [
                lambda k, shape: response_of_point(k, shape).abs(),
                lambda k, shape: response_of_point(k, shape).real,
                lambda k, shape: abs(torch.fft.fft2(k, s=shape)).tolist(),
            ],
            deblurring.CONJUGATED: [
                lambda k, shape: response_by_phase(k.flip(0, 1), shape),
                lambda k, shape: response_of_point(k, shape).conj(),
                lambda k, shape: np.fft.ifft2(at_zero(k, shape).numpy()) * shape[0] * shape[1],
            ],
        },
    ),
    Case(
        "wiener",
        right=[
            filtered(lambda H, c: H.conj() / (H.abs() ** 2 + c)),
            filtered(lambda H, c: 1 / (H + c / H.conj())),
            wiener_by_numpy,
            wiener_by_gradients,
            wiener_in_steps,
            wiener_of_ippy,
            wiener_halved,
            lambda y, H, c: wiener_by_numpy(y, H, c).tolist(),
        ],
        wrong={
            deblurring.CONJUGATE_FORGOTTEN: [
                filtered(lambda H, c: H / (H.abs() ** 2 + c)),
                filtered(lambda H, c: H / ((H * H.conj()).real + c)),
                lambda y, H, c: torch.fft.ifft2(H * torch.fft.fft2(y) / (abs(H) ** 2 + c)),
            ],
            deblurring.CONSTANT_MISPLACED: [
                filtered(lambda H, c: 1 / (H + c)),
                filtered(lambda H, c: H.conj() / H.abs() ** 2 + c),
                filtered(lambda H, c: H.conj() / (H.abs() + c) ** 2),
                filtered(lambda H, c: H.conj() / (H.abs() ** 2 + c**2)),
            ],
            deblurring.NO_CONSTANT: [
                filtered(lambda H, c: 1 / H),
                filtered(lambda H, c: H.conj() / H.abs() ** 2),
                lambda y, H, c: np.fft.ifft2(np.fft.fft2(y) / H.numpy()).real,
            ],
            deblurring.SQUARE_OF_H: [
                filtered(lambda H, c: H.conj() / (H**2 + c)),
                filtered(lambda H, c: H.conj() / (H.abs() + c)),
                lambda y, H, c: torch.fft.ifft2(H.conj() * torch.fft.fft2(y) / (H * H + c)),
            ],
        },
    ),
]


globals().update(standard(CASES, deblurring))
