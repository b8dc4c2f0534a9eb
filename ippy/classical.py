"""Reconstruction without learning: Wiener, Tikhonov and total variation.

All three know the blur K and have one constant, which weighs how much the measurement is trusted
against how much noise may be amplified. `tune` (from `ippy.tuning`) picks it on training slices.
They are what a network has to beat.
"""

import math
from numbers import Real

import torch
from torch import Tensor
from torch.nn import functional as F

from ippy.operators import Blurring, Operator, _pair
from ippy.tuning import tune, tuning_curve

__all__ = [
    "frequency_response",
    "gradient",
    "gradient_adjoint",
    "tikhonov",
    "total_variation",
    "tune",
    "tuning_curve",
    "wiener",
    "wiener_response",
]

NORM_ITERATIONS = 20
NORM_MARGIN = 1.05  # the power method comes from below
DATA_STEP = 0.1
EDGE = 0.05  # height of a typical edge, in grey values


def frequency_response(
    K: Blurring, shape: tuple[int, int] | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """H, the discrete Fourier transform of the kernel: what a blur does to each frequency.

    With circular padding, Kx = F⁻¹(H · Fx), F being `torch.fft.fft2`. The kernel is laid on an
    image of the given shape with its centre, element (kh//2, kw//2), on pixel (0, 0).

    Args:
        K: a blur; of its padding nothing is used.
        shape: (H, W) of the images; by default `K.img_shape`.
        dtype: float32 or float64, in which to compute; by default the kernel's own.

    Returns:
        Shape (H, W), complex, frequency 0 first (`torch.fft.fftshift` brings it to the middle).

    Raises:
        TypeError: K is no blur, or `dtype` no such type.
        ValueError: `shape` is not positive.

    >>> K = Blurring((4, 4), kernel=torch.tensor([[0.25, 0.5, 0.25]]))
    >>> frequency_response(K)[0].real
    tensor([1.0000, 0.5000, 0.0000, 0.5000])
    """
    _check_blur(K)
    if dtype not in (None, torch.float32, torch.float64):
        raise TypeError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
    kernel = K.kernel[0, 0].to(dtype)
    kh, kw = kernel.shape
    h, w = K.img_shape if shape is None else _pair(shape, "shape")
    rows = (torch.arange(kh) - kh // 2) % h
    columns = (torch.arange(kw) - kw // 2) % w
    image = torch.zeros(h, w, dtype=kernel.dtype, device=kernel.device)
    image.index_put_((rows[:, None], columns[None, :]), kernel, accumulate=True)
    return torch.fft.fft2(image)


def wiener_response(
    K: Blurring,
    constant: float,
    shape: tuple[int, int] | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """conj(H) / (|H|² + constant): the factor by which `wiener` multiplies each frequency.

    H is `frequency_response(K, shape, dtype)`, whose arguments, result and errors these are. A
    frequency that the blur removes completely gets the factor 0 also for constant = 0, the inverse
    filter.
    """
    _check_constant(constant, "constant")
    H = frequency_response(K, shape, dtype)
    power = H.abs().square() + constant
    # With rounded weights, what is removed completely is seldom left as exactly zero.
    rounding = torch.finfo(K.kernel.dtype).eps * K.kernel.abs().sum()
    return torch.where(power > rounding**2, H.conj() / power, 0)


def wiener(y: Tensor, K: Blurring, constant: float) -> Tensor:
    """x_hat = F⁻¹( conj(H) / (|H|² + constant) · Fy ), the Wiener filter for a white spectrum.

    F is the discrete Fourier transform and H = `frequency_response(K)`. It is the x that minimises
    ‖k ∗ x − y‖² + constant · ‖x‖² for a circular convolution: the picture is taken to repeat itself
    beyond its border, whatever K's padding, so that a bright border leaves ripples inside.

    Args:
        y: measurements (H, W), (C, H, W) or (N, C, H, W), float, with (H, W) = K.img_shape.
        K: the blur.
        constant: ratio of noise power to image power, not negative; a larger one amplifies less
            noise and restores less detail.

    Returns:
        x_hat, of y's shape, dtype and device. Not clipped.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range.

    Source: Gonzalez, Woods, "Digital Image Processing", chapter 5 (minimum mean square error
    filtering with a constant in place of the ratio of spectra).

    >>> K = Blurring((16, 16), kernel_type="gaussian", kernel_size=5, padding="circular")
    >>> x = torch.rand(1, 1, 16, 16)
    >>> torch.allclose(wiener(K(x), K, 1e-8), x, atol=1e-2)
    True
    """
    _check_blur(K)
    _check_measurement(y, K)
    dtype = torch.promote_types(y.dtype, K.kernel.dtype)
    response = wiener_response(K, constant, dtype=dtype)
    # y and the kernel are real, so that half of the frequencies say all.
    half = response[:, : y.shape[-1] // 2 + 1].to(y.device)
    return torch.fft.irfft2(half * torch.fft.rfft2(y), s=y.shape[-2:]).to(y.dtype)


def gradient(x: Tensor) -> Tensor:
    """∇x: the differences to the next pixel below and to the right, zero at the last one.

    Args:
        x: images (..., H, W).

    Returns:
        Shape (2, ..., H, W): downwards, rightwards.

    >>> gradient(torch.tensor([[1.0, 3.0], [1.0, 4.0]]))
    tensor([[[0., 1.],
             [0., 0.]],
    <BLANKLINE>
            [[2., 0.],
             [3., 0.]]])
    """
    down = F.pad(x.diff(dim=-2), (0, 0, 0, 1))
    right = F.pad(x.diff(dim=-1), (0, 1))
    return torch.stack([down, right])


def gradient_adjoint(g: Tensor) -> Tensor:
    """∇ᵀg, minus the discrete divergence: ⟨∇x, g⟩ = ⟨x, ∇ᵀg⟩; (2, ..., H, W) to (..., H, W)."""
    down, right = g[0][..., :-1, :], g[1][..., :-1]
    return -F.pad(down, (0, 0, 1, 1)).diff(dim=-2) - F.pad(right, (1, 1)).diff(dim=-1)


def tikhonov(
    y: Tensor, K: Operator, weight: float, iterations: int = 200, tolerance: float = 1e-5
) -> Tensor:
    """x_hat = argmin ‖Kx − y‖² + weight · ‖∇x‖², with the operator as it is, border included.

    The minimum is where (KᵀK + weight · ∇ᵀ∇) x = Kᵀy, solved by conjugate gradients from x = 0,
    which need K and Kᵀ only. Images and channels are solved side by side, each as if it were alone.

    Args:
        y: measurements (H, W), (C, H, W) or (N, C, H, W), float, with (H, W) = K.out_shape.
        K: any `Operator`.
        weight: of the penalty on differences between neighbouring pixels, not negative.
        iterations: at most so many.
        tolerance: an image is done when its residual is below tolerance · ‖Kᵀy‖, or is rounding.

    Returns:
        x_hat, (..., *K.img_shape), of y's dtype and device. Not clipped.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range.

    Source: Hansen, Nagy, O'Leary, "Deblurring Images", SIAM, 2006; Hestenes, Stiefel,
    "Methods of conjugate gradients for solving linear systems", 1952.

    >>> K = Blurring((16, 16), kernel_type="motion", kernel_size=5)
    >>> x = torch.ones(1, 1, 16, 16)
    >>> torch.allclose(tikhonov(K(x), K, weight=0.01), x, atol=1e-2)
    True
    """
    _check_measurement(y, K)
    _check_constant(weight, "weight")
    _check_stopping(iterations, tolerance)

    def normal(x: Tensor) -> Tensor:
        return K.T(K(x)) + weight * gradient_adjoint(gradient(x))

    residual = K.T(y)
    x = torch.zeros_like(residual)
    direction = residual
    power = _dot(residual, residual)
    goal = max(tolerance, torch.finfo(y.dtype).eps) ** 2 * power
    for _ in range(iterations):
        active = power > goal
        if not active.any():
            break
        image = normal(direction)
        # The 1 keeps 0 / 0 out of the derivatives of images that are done.
        step = torch.where(active, power, 0) / torch.where(active, _dot(direction, image), 1)
        x = x + step * direction
        residual = residual - step * image
        previous, power = torch.where(active, power, 1), _dot(residual, residual)
        direction = torch.where(active, residual + power / previous * direction, 0)
    return x


def total_variation(
    y: Tensor, K: Operator, weight: float, iterations: int = 300, tolerance: float = 3e-5
) -> Tensor:
    """x_hat = argmin ½‖Kx − y‖² + weight · TV(x), TV(x) = Σ √((∇x)₁² + (∇x)₂²) over the pixels.

    The isotropic total variation is the height of all edges times their length: it prefers flat
    regions with sharp borders. Found by the primal-dual algorithm of Chambolle and Pock on the
    saddle point of ⟨p, Kx − y⟩ − ½‖p‖² + ⟨q, ∇x⟩, |q| ≤ weight in every pixel, with one step
    size for p, one for q and the largest safe one for x.

    Args:
        y: measurements (H, W), (C, H, W) or (N, C, H, W), float, with (H, W) = K.out_shape.
        K: any `Operator`.
        weight: of the total variation, positive; each channel has its own.
        iterations: at most so many.
        tolerance: an image is done when a step changes it by less than tolerance · ‖x_hat‖.

    Returns:
        x_hat, (..., *K.img_shape), of y's dtype and device. Not clipped. It carries no gradient:
        where nothing changes from pixel to pixel, the total variation has none.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range.

    Source: Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms",
    Physica D 60, 1992. Chambolle, Pock, "A first-order primal-dual algorithm for convex problems
    with applications to imaging", J. Math. Imaging Vis. 40, 2011, algorithm 1 with θ = 1, split as
    in Sidky, Jørgensen, Pan, "Convex optimization problem prototyping for image reconstruction in
    computed tomography with the Chambolle–Pock algorithm", Phys. Med. Biol. 57, 2012, algorithm 4.

    >>> K = Blurring((16, 16), kernel_type="motion", kernel_size=5)
    >>> x = torch.ones(1, 1, 16, 16)
    >>> torch.allclose(total_variation(K(x), K, weight=1e-3), x, atol=1e-2)
    True
    """
    _check_measurement(y, K)
    _check_constant(weight, "weight", zero=False)
    _check_stopping(iterations, tolerance)
    y = y.detach()
    # An edge of height EDGE brings q to its bound in one step.
    edge_step = weight / EDGE
    # ‖∇‖² ≤ 8: a difference has norm 2 at most, and there are two directions.
    step = 1 / (DATA_STEP * NORM_MARGIN * _norm_squared(K, y) + 8 * edge_step)
    x = ahead = K.T(y)
    p, q = torch.zeros_like(y), torch.zeros_like(gradient(x))
    done = torch.zeros_like(_dot(x, x), dtype=torch.bool)
    for _ in range(iterations):
        p = (p + DATA_STEP * (K(ahead) - y)) / (1 + DATA_STEP)
        q = q + edge_step * gradient(ahead)
        q = q / (torch.hypot(*q) / weight).clamp(min=1)
        change = torch.where(done, 0, -step * (K.T(p) + gradient_adjoint(q)))
        x, ahead = x + change, x + 2 * change
        done = _dot(change, change) <= tolerance**2 * _dot(x, x)
        if done.all():
            break
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """⟨a, b⟩ for every image and channel, (..., H, W) to (..., 1, 1)."""
    return (a * b).sum(dim=(-2, -1), keepdim=True)


def _norm_squared(K: Operator, y: Tensor) -> float:
    """‖K‖², the largest eigenvalue of KᵀK, by the power method."""
    x = torch.rand(1, *K.img_shape, generator=torch.Generator().manual_seed(0)).to(y)
    norm = x.norm()
    for _ in range(NORM_ITERATIONS):
        x = K.T(K(x / norm))
        norm = x.norm().clamp(min=torch.finfo(x.dtype).tiny)
    return norm.item()


def _check_blur(K: Blurring) -> None:
    if not hasattr(K, "kernel"):
        raise TypeError(
            f"K must be a Blurring, which has one response for each frequency, got {K!r}; "
            "tikhonov and total_variation take any operator"
        )


def _check_measurement(y: Tensor, K: Operator) -> None:
    if not isinstance(K, Operator):
        raise TypeError(f"K must be an Operator, got {type(K).__name__}; see Operator's docstring")
    if not isinstance(y, Tensor):
        raise TypeError(f"y must be a torch.Tensor, got {type(y).__name__}; use torch.as_tensor")
    if y.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"y must be float32 or float64, got {y.dtype}; use y.float()")
    h, w = K.out_shape
    if y.ndim not in (2, 3, 4) or y.shape[-2:] != (h, w) or y.numel() == 0:
        raise ValueError(
            f"y must have the shape ({h}, {w}), (C, {h}, {w}) or (N, C, {h}, {w}) that K returns, "
            f"got {tuple(y.shape)}"
        )
    if y.is_meta:
        raise ValueError("y must hold numbers, got a tensor on the device meta, which has none")
    if not y.isfinite().all():
        raise ValueError("y must be finite, got NaN or infinity in it")


def _check_constant(value: float, name: str, zero: bool = True) -> None:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        wanted = "not be negative" if zero else "be positive"
        raise ValueError(f"{name} must be finite and {wanted}, got {value!r}")


def _check_stopping(iterations: int, tolerance: float) -> None:
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
        raise ValueError(f"iterations must be a positive integer, got {iterations!r}")
    _check_constant(tolerance, "tolerance")
