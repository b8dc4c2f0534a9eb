"""How close a reconstruction x_hat is to the slice x: one number for each image of a batch.

Averages over a test set are taken afterwards, over these numbers. Pooling the pixels of the whole
batch first would give another result, because the logarithm in the PSNR is not linear.
"""

from contextlib import nullcontext
from numbers import Real

import torch
from torch import Tensor

SSIM_WINDOW = 11
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def psnr(x_hat: Tensor, x: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in dB: 10 log10(data_range² / mean((x_hat − x)²)), per image.

    Nothing is clipped. Identical images give infinity.

    Args:
        x_hat: reconstructions, (N, C, H, W), floating point.
        x: true images, same shape.
        data_range: largest possible value minus smallest possible value, 1 for images in [0, 1].

    Returns:
        (N,) values in dB.

    Raises:
        TypeError: an argument is not a floating-point tensor.
        ValueError: the shapes differ or are not (N, C, H, W), or `data_range` is not positive or
            a tenth of the range of x or less.

    >>> x = torch.zeros(2, 1, 16, 16)
    >>> x_hat = torch.stack([x[0] + 0.1, x[1] + 0.01])
    >>> [round(value.item(), 3) for value in psnr(x_hat, x)]
    [20.0, 40.0]
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    x_hat, x = _pair(x_hat, x)
    _check_range(data_range, x)
    # Without `dim`, torchmetrics takes one mean over the pixels of all images together.
    return peak_signal_noise_ratio(
        x_hat, x, data_range=float(data_range), reduction="none", dim=(1, 2, 3)
    )


def ssim(x_hat: Tensor, x: Tensor, data_range: float = 1.0) -> Tensor:
    """Mean of (2 μ_x μ_x̂ + c1)(2 σ_xx̂ + c2) / ((μ_x² + μ_x̂² + c1)(σ_x² + σ_x̂² + c2)), per image.

    This is the structural similarity. Means μ, variances σ² and the covariance σ_xx̂ are taken in
    an 11×11 Gaussian window, of standard deviation 1.5 pixels, around each pixel, with constants
    c1 = (0.01 data_range)² and c2 = (0.03 data_range)². The outer mean runs over the windows that
    lie inside the picture, and over channels. 1 means identical.

    Args:
        x_hat: reconstructions, (N, C, H, W), floating point, H and W at least 11.
        x: true images, same shape.
        data_range: largest possible value minus smallest possible value, 1 for images in [0, 1].

    Returns:
        (N,) values, at most 1.

    Raises:
        TypeError: an argument is not a floating-point tensor.
        ValueError: the shapes differ or are not (N, C, H, W), a picture is smaller than the window,
            or `data_range` is not positive or a tenth of the range of x or less.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE Transactions on Image Processing 13(4), 2004, equation 13.

    >>> x = torch.rand(2, 1, 16, 16)
    >>> ssim(x, x)
    tensor([1., 1.])
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    x_hat, x = _pair(x_hat, x)
    _check_range(data_range, x)
    if min(x.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(
            f"x must have at least {SSIM_WINDOW}×{SSIM_WINDOW} pixels for the SSIM window, "
            f"got {x.shape[-2]}×{x.shape[-1]}"
        )
    given, device = x, x.device.type
    # A variance is a difference of two squares, which float32 resolves in [0, 1], but not far off.
    if max(x.abs().amax(), x_hat.abs().amax()) > 4 * data_range:
        x_hat, x = x_hat.cpu().double(), x.cpu().double()  # Apple's chips have no float64
    mixes = torch.amp.is_autocast_available(device)
    with torch.autocast(device, enabled=False) if mixes else nullcontext():
        _, similarity = structural_similarity_index_measure(
            x_hat,
            x,
            sigma=1.5,
            data_range=float(data_range),
            reduction="none",
            return_full_image=True,
        )
    # Nearer to the border the window reaches into a mirror image, which the definition leaves out.
    r = SSIM_WINDOW // 2
    return similarity[..., r:-r, r:-r].mean(dim=(1, 2, 3)).to(given)


def relative_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """‖x_hat − x‖ / ‖x‖ with Euclidean norms over all pixels and channels, per image.

    An image x that is zero everywhere has no relative error: the value is infinity, or NaN where
    x_hat is zero too.

    Args:
        x_hat: reconstructions, (N, C, H, W), floating point.
        x: true images, same shape.

    Returns:
        (N,) values, 0 for identical images.

    Raises:
        TypeError: an argument is not a floating-point tensor.
        ValueError: the shapes differ or are not (N, C, H, W).

    >>> x = torch.ones(2, 1, 16, 16)
    >>> relative_error(torch.stack([x[0], 1.25 * x[1]]), x)
    tensor([0.0000, 0.2500])
    """
    x_hat, x = _pair(x_hat, x)
    return (x_hat - x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)


def _pair(x_hat: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Both images in one floating-point type, after a check of types and shapes."""
    for name, image in (("x_hat", x_hat), ("x", x)):
        if not isinstance(image, Tensor) or image.dtype not in FLOATS:
            kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(
                f"{name} must be a floating-point tensor with values in [0, 1], got {kind}"
            )
        if image.ndim != 4:
            raise ValueError(
                f"{name} must have shape (N, C, H, W), got {tuple(image.shape)}; "
                "add the missing axes, as in x[None] for one image (C, H, W)"
            )
    if x_hat.shape != x.shape:
        raise ValueError(
            f"x_hat and x must have the same shape, got {tuple(x_hat.shape)} and {tuple(x.shape)}"
        )
    if x_hat.device != x.device:
        raise ValueError(
            f"x_hat and x must be on the same device, got {x_hat.device} and {x.device}; "
            "use x_hat.to(x)"
        )
    if x.numel() == 0:
        raise ValueError(f"x must hold at least one image, got shape {tuple(x.shape)}")
    # At least float32: squares of small differences vanish in half precision.
    dtype = torch.promote_types(torch.promote_types(x_hat.dtype, x.dtype), torch.float32)
    return x_hat.to(dtype), x.to(dtype)


def _check_range(data_range: float, x: Tensor) -> None:
    if not isinstance(data_range, Real) or isinstance(data_range, bool):
        raise TypeError(f"data_range must be a number, got {data_range!r}; use 1 for [0, 1]")
    if not 0 < data_range < float("inf"):
        raise ValueError(
            f"data_range must be a positive number, got {data_range}; use 1 for images in [0, 1]"
        )
    # A test picture may go a little beyond [0, 1]; one in [0, 255] would be 48 dB off, unnoticed.
    low, high = x.amin().item(), x.amax().item()
    if high - low > 10 * data_range:
        raise ValueError(
            f"x must have a range of about {data_range:g}, got values from {low:.4g} to "
            f"{high:.4g}; scale both images to [0, 1], or set data_range"
        )
