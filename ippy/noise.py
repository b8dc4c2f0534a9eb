"""The noise e of a measurement y_delta = y + e, its level set for each image by itself."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor


def gaussian_noise(
    y: Tensor, noise_level: float, generator: torch.Generator | None = None
) -> Tensor:
    """e = noise_level · ‖y‖ · n / ‖n‖ with n ~ N(0, I), for each image y of a batch.

    So ‖e‖ = noise_level · ‖y‖ holds for every image, whatever else is in its batch. The noise is
    returned, not added, and carries no gradient.

    Args:
        y: (H, W), (C, H, W) or (N, C, H, W), float; ‖·‖ runs over the channels and pixels of one
            image.
        noise_level: the relative level, 0.01 for one per cent.
        generator: source of the randomness, by default torch's global one. It may be on another
            device than y: one on the CPU draws the same noise for every device.

    Returns:
        e, of y's shape, dtype and device; zero for an image that is zero.

    Raises:
        TypeError, ValueError: y is not a float tensor of such a shape or not finite; the level is
            not a number from 0 up; the generator is not a torch.Generator.

    >>> y = torch.ones(2, 1, 8, 8)
    >>> e = gaussian_noise(y, 0.01, torch.Generator().manual_seed(0))
    >>> e.flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)
    tensor([0.0100, 0.0100])
    """
    _check_images(y)
    y = y.detach()  # the noise carries no gradient
    level = _number(noise_level, "noise_level")
    if level < 0:
        raise ValueError(f"noise_level must not be negative, got {noise_level}")
    device = _device(generator, y)
    n = torch.randn(y.shape, generator=generator, dtype=y.dtype, device=device).to(y.device)
    image = tuple(range(-min(y.ndim, 3), 0))
    y_norm = torch.linalg.vector_norm(y, dim=image, keepdim=True)
    n_norm = torch.linalg.vector_norm(n, dim=image, keepdim=True)
    return n * (level * y_norm / n_norm)


def poisson_noise(y: Tensor, peak: float, generator: torch.Generator | None = None) -> Tensor:
    """e = Poisson(peak · y) / peak − y: the noise of counting photons; its variance is y / peak.

    Args:
        y: (H, W), (C, H, W) or (N, C, H, W), float, not negative. (An FFT may leave −1e-8 where a
            blurred image is black: rounding, up to 1e-5 of the maximum, counts as zero.)
        peak: mean number of photons that a pixel of value 1 receives; the fewer, the more noise.
        generator: source of the randomness, by default torch's global one; it may be on another
            device than y.

    Returns:
        e, of y's shape, dtype and device; zero where y is zero.

    Raises:
        TypeError, ValueError: y is not a float tensor of such a shape, not finite, or negative
            somewhere; peak is not a positive number, or expects more than 1e12 photons in a
            pixel; the generator is not a torch.Generator.

    >>> y = torch.full((64, 64), 0.5)
    >>> e = poisson_noise(y, peak=100, generator=torch.Generator().manual_seed(0))
    >>> print(f"{e.var():.4f}")
    0.0051
    """
    _check_images(y)
    y = y.detach()
    photons = _number(peak, "peak")
    least = torch.finfo(y.dtype).tiny  # what is smaller may be rounded to zero
    if photons < least:
        raise ValueError(f"peak must be positive, got {peak}; use {least:.1g} or more")
    low, high = y.min(), y.max()
    if low < -1e-5 * high:
        raise ValueError(f"y must not be negative, got a minimum of {low:.3g}; use y.clamp(min=0)")
    if photons * high > 1e12:
        raise ValueError(f"peak must keep peak · y below 1e12 photons, got {photons * high:.3g}")
    rate = (photons * y).clamp(min=0).to(_device(generator, y))
    return torch.poisson(rate, generator=generator).to(y.device) / photons - y


def _device(generator: torch.Generator | None, y: Tensor) -> torch.device:
    if generator is None:
        return y.device
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator must be a torch.Generator, got {type(generator).__name__}; "
            "use torch.Generator().manual_seed(0)"
        )
    return generator.device


def _number(value: float, name: str) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def _check_images(y: Tensor) -> None:
    if not isinstance(y, Tensor):
        raise TypeError(f"y must be a torch.Tensor, got {type(y).__name__}; use torch.as_tensor")
    if y.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"y must be float32 or float64, got {y.dtype}; use y.float()")
    if y.ndim not in (2, 3, 4) or y.numel() == 0:
        raise ValueError(
            f"y must have the shape (H, W), (C, H, W) or (N, C, H, W), got {tuple(y.shape)}"
        )
    if y.is_meta:
        raise ValueError("y must hold numbers, got a tensor on the device meta, which has none")
    if not y.isfinite().all():
        raise ValueError("y must be finite, got NaN or infinity in it")
