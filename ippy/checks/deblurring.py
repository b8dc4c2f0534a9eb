"""The exercises of chapter 1 on the blur: its kernel, its frequency response, its undoing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ippy.checks.verdict import Found, Mistake, close, exercise, run, tensor

SUM_NOT_ONE = Mistake(
    "sum not one",
    "The weights do not add up to 1, so that an even picture would change its brightness.",
    "Divide by the sum, as the last step.",
    "Motion blur",
)
OFF_CENTRE = Mistake(
    "off centre",
    "The centre of mass is not the middle pixel: your blur also moves the picture.",
    "Count coordinates from the middle, −r to r, and do not round them down.",
    "Motion blur",
)
LOPSIDED = Mistake(
    "no half turn",
    "A half turn changes your kernel, but moving forth is as good as moving back.",
    "Compare kernel with kernel.flip(0, 1).",
    "Motion blur",
)
TURNS_THE_WRONG_WAY = Mistake(
    "turns the wrong way",
    "The streak falls where it should rise: rows count downwards, and the angle counter-clockwise.",
    "Upwards is minus the row: up = -rows.",
    "Motion blur",
)
DEGREES_AS_RADIANS = Mistake(
    "degrees taken for radians",
    "sin and cos were given degrees; they want radians.",
    "math.radians(20) is 20 · π / 180.",
    "Motion blur",
)
ROWS_FOR_COLUMNS = Mistake(
    "rows and columns swapped",
    "The angle is counted from the vertical: at 0° the streak must lie along a row.",
    "The row index changes with sin, the column index with cos.",
    "Motion blur",
)
NO_STREAK = Mistake(
    "no streak",
    "The direction is right, but this is no line of the asked length, one pixel wide.",
    "Print your kernel for 9 pixels at 0°: nine equal taps in the middle row.",
    "Motion blur",
)
NOT_CENTRED = Mistake(
    "kernel not centred",
    "The strength of each wave is right, its phase is not: the kernel's middle must lie on pixel "
    "(0, 0) of the picture, or the product also moves the picture.",
    "Put the kernel into a picture of zeros, then torch.roll it by (−m // 2, −n // 2); rounding "
    "wants a second look here.",
    "Why undoing a blur is hard",
)
NOT_PADDED_TO_SIZE = Mistake(
    "kernel not padded",
    "This is the transform of the kernel alone. The picture has more waves, and needs a factor "
    "for each of them.",
    "Lay the kernel on a picture of zeros of the given shape first.",
    "Why undoing a blur is hard",
)
ZERO_IN_THE_MIDDLE = Mistake(
    "frequency zero in the middle",
    "All factors are there, but in the order for looking at them; fft2 has frequency 0 first.",
    "Leave out torch.fft.fftshift: it is for figures.",
    "Why undoing a blur is hard",
)
PHASE_LOST = Mistake(
    "phase lost",
    "Only real numbers came out. A lopsided kernel also moves waves, which takes complex factors.",
    "Return the complex result of fft2 as it is, without abs() or .real.",
    "Why undoing a blur is hard",
)
CONJUGATED = Mistake(
    "conjugated",
    "This is the conjugate of H, the response of the cross-correlation: the kernel was turned.",
    "fft2 of the kernel as it is written gives the response of the convolution.",
    "Convolution or cross-correlation?",
)
CONJUGATE_FORGOTTEN = Mistake(
    "conjugate forgotten",
    "H stands in the numerator without its conjugate: each wave's phase is turned twice "
    "instead of being turned back.",
    "1/H = conj(H)/|H|². What does H.conj() do?",
    "A first remedy",
)
CONSTANT_MISPLACED = Mistake(
    "constant in the wrong place",
    "The constant must be added to |H|², before the division; yours stands elsewhere.",
    "Where H = 0 the factor must be 0/c = 0, not 0/0 and not 1/c.",
    "A first remedy",
)
NO_CONSTANT = Mistake(
    "naive inverse",
    "This is the naive inverse: the constant has no effect.",
    "Call your function with c = 0.01 and with c = 1: the results must differ.",
    "The naive inverse",
)
SQUARE_OF_H = Mistake(
    "H² instead of |H|²",
    "The denominator has H² or |H| where it needs |H|², the square of the magnitude.",
    "H.abs().square() is real and not negative; H ** 2 is complex.",
    "A first remedy",
)


@exercise("A motion kernel", chapter=1, praise="Right: it keeps brightness, place and direction.")
def motion_kernel(answer: Callable[[int, float], Any]) -> Mistake | None:
    """A streak (size, size) at an angle: sum 1, centre of mass in the middle, half turn, direction.

    How its edges are smoothed is free: the direction is measured by the second moments.
    """
    for size in (9, 5, 13):
        for angle in (0, 20, 90, 110, 160, -30):
            k = tensor(run(answer, size, angle), (size, size))
            mistake = _look_at_kernel(k, size, angle)
            if mistake is not None:
                return mistake
    return None


def _look_at_kernel(k: Tensor, size: int, angle: float) -> Mistake | None:
    total = float(k.sum())
    if abs(total - 1) > 1e-3:
        if total <= 0:
            return SUM_NOT_ONE.because(f"The weights add up to {total:.3g}, not to 1.")
        return SUM_NOT_ONE.because(
            f"The weights add up to {total:.3g}, not to 1, so that an even picture would change "
            "its brightness."
        )
    up, right = torch.meshgrid(
        torch.arange(size // 2, -(size // 2) - 1, -1.0, dtype=torch.float64),
        torch.arange(-(size // 2), size // 2 + 1.0, dtype=torch.float64),
        indexing="ij",
    )
    above, aside = float((k * up).sum()), float((k * right).sum())
    if max(abs(above), abs(aside)) > 0.02:
        return OFF_CENTRE.because(
            f"The centre of mass is {-above:+.2f} rows and {aside:+.2f} columns away from the "
            "middle pixel: your blur also moves the picture."
        )
    if not close(k, k.flip(0, 1), 1e-3):
        return LOPSIDED
    across, along, tilt = ((k * z).sum() for z in (up**2, right**2, up * right))
    steep = math.degrees(0.5 * math.atan2(2 * float(tilt), float(along - across)))
    spread = torch.linalg.eigvalsh(torch.tensor([[along, tilt], [tilt, across]])).clamp(min=0)
    width, length = (float(s) for s in spread.sqrt())
    ideal = (size**2 / 12) ** 0.5
    if width < 0.6 * length and not _same_direction(steep, angle):
        return _name_the_direction(steep, angle)
    if width > 1 or not 0.65 * ideal < length < 1.5 * ideal:
        return NO_STREAK
    return None


def _name_the_direction(steep: float, angle: float) -> Mistake:
    if _same_direction(steep, math.degrees(angle)):
        return DEGREES_AS_RADIANS
    if _same_direction(steep, 90 - angle):
        return ROWS_FOR_COLUMNS
    if _same_direction(steep, -angle):
        return TURNS_THE_WRONG_WAY
    sentence = f"At {angle}° your streak points to {steep % 180:.0f}°."
    return Mistake("another angle", sentence, "Print the kernel and look at it.", "Motion blur")


def _same_direction(one: float, other: float) -> bool:
    return abs((one - other + 90) % 180 - 90) < 9


@exercise("The frequency response", chapter=1, praise="Right: strength and phase of every wave.")
def frequency_response(answer: Callable[[Tensor, tuple[int, int]], Any]) -> Mistake | None:
    """H = F k, (H, W) complex, the middle of the odd kernel k (m, n) on pixel (0, 0)."""
    generator = torch.Generator().manual_seed(5)
    for size, shape in (((3, 3), (8, 10)), ((5, 3), (9, 7)), ((3, 5), (6, 6))):
        k = torch.rand(size, generator=generator)
        expected = _response(k, shape)
        value = _complex(run(answer, k, shape))
        if tuple(value.shape[-2:]) == size:
            return NOT_PADDED_TO_SIZE
        if tuple(value.shape) != shape:
            sentence = f"The shape is {tuple(value.shape)}, expected {shape}: one factor per wave."
            return Mistake("another shape", sentence, "fft2 keeps the size, rfft2 halves it.")
        if not _near(value, expected):
            return _name_the_response(value, expected)
    return None


def _name_the_response(value: Tensor, expected: Tensor) -> Mistake:
    if not bool(value.imag.abs().max() > 1e-4):
        return PHASE_LOST
    if _near(value, expected.conj()):
        return CONJUGATED
    if _near(torch.fft.ifftshift(value), expected):
        return ZERO_IN_THE_MIDDLE
    # A kernel that lies elsewhere has the same magnitudes, turned or not.
    if _near(value.abs(), expected.abs()):
        return NOT_CENTRED
    if _near(torch.fft.ifftshift(value).abs(), expected.abs()):
        return ZERO_IN_THE_MIDDLE
    sentence = (
        f"The factor of frequency 0 is {complex(value[0, 0]):.3g}; the sum of the kernel is "
        f"{float(expected[0, 0].real):.3g}. Others differ, too."
    )
    return Mistake("another value", sentence, "Try a kernel with a single 1 in the middle.")


@exercise("A Wiener filter", chapter=1, praise="Right: it divides where H is strong only.")
def wiener(answer: Callable[[Tensor, Tensor, float], Any]) -> Mistake | None:
    """F⁻¹( conj(H) / (|H|² + c) · Fy ); y (H, W) real, H (H, W) complex, c > 0; (H, W) real."""
    generator = torch.Generator().manual_seed(6)
    for shape, c in (((8, 10), 0.05), ((9, 7), 0.3)):
        k = torch.rand((3, 3), generator=generator)
        k[1, 1] += 1.5
        H, y = _response(k / k.sum(), shape), torch.rand(shape, generator=generator)
        value = _complex(run(answer, y, H, c))
        if value.ndim > 2 and set(value.shape[:-2]) == {1}:
            value = value.reshape(value.shape[-2:])
        if tuple(value.shape) != shape:
            tensor(value.abs(), shape)  # says which shape is expected
        power = H.abs().square()
        if _near(value, _filtered(y, H.conj() / (power + c))):
            continue
        for mistake, factors in {
            CONJUGATE_FORGOTTEN: [H / (power + c), 1 / H.conj()],
            NO_CONSTANT: [1 / H],
            SQUARE_OF_H: [
                H.conj() / (H**2 + c),
                H.conj() / (H.abs() + c),
                H.conj() / (H.abs() ** 0.5 + c),
                H.conj() / (H.abs() ** 4 + c),
            ],
            CONSTANT_MISPLACED: [
                1 / (H + c),
                H.conj() / power + c,
                H.conj() / (H.abs() + c).square(),
                H.conj() / (power + c**2),
                (H.conj() + c) / (power + c),
                (H.conj() + c) / power,
                H.conj() / (power * c),
                H.conj() / (power + 1 / c),
                c * H.conj() / power,
                c * H.conj() / (power + c),
            ],
        }.items():
            if any(_near(value, _filtered(y, factor)) for factor in factors):
                return mistake
        sentence = "The result is none of the filters that this check knows, and not the right one."
        if not _near(value.imag, torch.zeros(shape)):
            sentence = "The result is complex: a picture comes out of the inverse transform, ifft2."
        hint = "With c = 0 and no noise your function must give the slice back."
        return Mistake("another value", sentence, hint, "A first remedy")
    return None


def _filtered(y: Tensor, factor: Tensor) -> Tensor:
    return torch.fft.ifft2(factor * torch.fft.fft2(y.to(torch.float64))).real


def _response(k: Tensor, shape: tuple[int, int]) -> Tensor:
    m, n = k.shape
    picture = F.pad(k, (0, shape[1] - n, 0, shape[0] - m))
    return torch.fft.fft2(torch.roll(picture, (-(m // 2), -(n // 2)), dims=(0, 1)).double())


def _complex(result: Any) -> Tensor:
    """A student's result as a complex128 tensor; real ones, lists and numpy arrays are welcome."""
    try:
        value = torch.as_tensor(result).detach().cpu().to(torch.complex128)
    except Exception:
        tensor(result)  # finds the sentence
        raise Found(
            Mistake("not a tensor", "A tensor is expected, your function returns another thing.")
        ) from None
    if not bool(value.isfinite().all()):
        hint = "Look for a division by zero: what does your formula do where H = 0?"
        raise Found(Mistake("not finite", "The result holds NaN or infinity.", hint))
    return value


def _near(a: Tensor, b: Tensor) -> bool:
    gap = (a - b).abs().max()
    return bool(gap <= 1e-4 * max(1.0, float(b.abs().max())))
