"""Linear operators on images: the blur K of y = Kx + e, its adjoint, and how to write another.

In reading order: the contract (`Operator`), what follows from it (`Identity`, adjoints,
compositions, `adjoint_error`), the blur (`Blurring`), its kernels. The module needs torch and the
standard library only, so that it can also be loaded by its file path, without the package.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from typing import overload

import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, int]


class Operator(ABC):
    """A linear map K from images of shape `img_shape` to images of shape `out_shape`.

    Calling it computes y = Kx. `K.T` is the adjoint: ⟨Kx, y⟩ = ⟨x, Kᵀy⟩ for all x and y.

    - `K(x)` or `K @ x` takes a float32 or float64 tensor of shape (H, W), (C, H, W) or
      (N, C, H, W) with (H, W) = `img_shape` and returns one with (H, W) = `out_shape`, of the same
      dtype (under `torch.autocast` too) and on the same device. Every image and every channel is
      treated alike.
    - `K.T(y)` or `K.T @ y` goes the other way. `K.T` is an operator too, and `K.T.T is K`.
    - `A @ B` is the operator x ↦ A(Bx), with the adjoint Bᵀ Aᵀ.

    A subclass passes its shapes to `super().__init__` and gives two methods, both for 4-D tensors
    (N, C, H, W), both written with differentiable torch operations: `_forward(x)` returns Kx,
    `_adjoint(y)` returns Kᵀy. The base checks shapes and types. Whether the two belong together
    is measured: `adjoint_error(K)` must be no larger than rounding, 1e-12 in float64.

    Args:
        img_shape: (H, W) of the images it acts on.
        out_shape: (H, W) of the images it returns; by default `img_shape`.

    Raises:
        TypeError, ValueError: a shape is not a pair of positive integers; when called: x is not a
            float tensor of the right shape.

    Averaging over blocks is such an operator. Its adjoint spreads each average over its block:

    >>> class Downsampling(Operator):
    ...     def __init__(self, img_shape, factor):
    ...         super().__init__(img_shape, [n // factor for n in img_shape])
    ...         self.factor = factor
    ...     def _forward(self, x):
    ...         return F.avg_pool2d(x, self.factor)
    ...     def _adjoint(self, y):
    ...         return F.interpolate(y, scale_factor=self.factor) / self.factor**2
    >>> D = Downsampling((6, 8), factor=2)
    >>> D(torch.ones(1, 6, 8)).shape
    torch.Size([1, 3, 4])
    >>> adjoint_error(D) < 1e-12
    True
    """

    def __init__(self, img_shape: Sequence[int], out_shape: Sequence[int] | None = None) -> None:
        self.img_shape = _pair(img_shape, "img_shape")
        self.out_shape = self.img_shape if out_shape is None else _pair(out_shape, "out_shape")

    @abstractmethod
    def _forward(self, x: Tensor) -> Tensor:
        """Kx for x of shape (N, C, *img_shape)."""

    @abstractmethod
    def _adjoint(self, y: Tensor) -> Tensor:
        """Kᵀy for y of shape (N, C, *out_shape)."""

    def __call__(self, x: Tensor) -> Tensor:
        _check_float(x, "x")
        h, w = self.img_shape
        if x.ndim not in (2, 3, 4) or x.shape[-2:] != (h, w) or x.numel() == 0:
            raise ValueError(
                f"x must have the shape ({h}, {w}), (C, {h}, {w}) or (N, C, {h}, {w}), "
                f"got {tuple(x.shape)}; reshape x or set img_shape"
            )
        device = x.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            # Mixed precision is for networks: in bfloat16, K and Kᵀ no longer belong together.
            with torch.autocast(device, enabled=False):
                return self(x)
        batch = x if x.ndim == 4 else x.reshape((1,) * (4 - x.ndim) + x.shape)
        y = self._forward(batch)
        if y.shape != (*batch.shape[:2], *self.out_shape):
            raise ValueError(
                f"{self!r} must turn the shape {tuple(batch.shape)} into "
                f"{tuple(batch.shape[:2] + self.out_shape)}, got {tuple(y.shape)}; "
                "mend its methods or its out_shape"
            )
        return (y if x.ndim == 4 else y.reshape(x.shape[:-2] + self.out_shape)).contiguous()

    @overload
    def __matmul__(self, other: Tensor) -> Tensor: ...
    @overload
    def __matmul__(self, other: Operator) -> Operator: ...
    def __matmul__(self, other: Tensor | Operator) -> Tensor | Operator:
        return Composition(self, other) if isinstance(other, Operator) else self(other)

    @property
    def T(self) -> Operator:
        """The adjoint Kᵀ, itself an operator."""
        return Adjoint(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(img_shape={self.img_shape})"


class Identity(Operator):
    """y = x: nothing but the noise is to be undone.

    >>> x = torch.ones(3, 5)
    >>> torch.equal(Identity((3, 5)) @ x, x)
    True
    """

    def _forward(self, x: Tensor) -> Tensor:
        return x.clone()

    def _adjoint(self, y: Tensor) -> Tensor:
        return y.clone()


class Adjoint(Operator):
    """Kᵀ, which is what `K.T` returns. Its own adjoint is K again."""

    def __init__(self, operator: Operator) -> None:
        # Checked already, when the operator was made; K.T is written in loops.
        self.img_shape, self.out_shape = operator.out_shape, operator.img_shape
        self._operator = operator

    def _forward(self, x: Tensor) -> Tensor:
        return self._operator._adjoint(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._operator._forward(y)

    @property
    def T(self) -> Operator:
        return self._operator

    def __repr__(self) -> str:
        return f"({self._operator!r}).T"


class Composition(Operator):
    """x ↦ A(Bx), which is what `A @ B` returns. Its adjoint is Bᵀ Aᵀ."""

    def __init__(self, outer: Operator, inner: Operator) -> None:
        if outer.img_shape != inner.out_shape:
            raise ValueError(
                f"A @ B needs A.img_shape equal to B.out_shape, got {outer.img_shape} and "
                f"{inner.out_shape}; A acts on what B returns"
            )
        super().__init__(inner.img_shape, outer.out_shape)
        self._outer, self._inner = outer, inner

    def _forward(self, x: Tensor) -> Tensor:
        return self._outer(self._inner(x))

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._inner.T(self._outer.T(y))

    def __repr__(self) -> str:
        return f"{self._outer!r} @ {self._inner!r}"


def adjoint_error(
    K: Operator,
    channels: int = 1,
    dtype: torch.dtype = torch.float64,
    generator: torch.Generator | None = None,
) -> float:
    """|⟨Kx, y⟩ − ⟨x, Kᵀy⟩| / (‖Kx‖ ‖y‖) for one random pair x, y: zero up to rounding.

    One pair is enough: a wrong adjoint passes for hardly any x and y. Where Kx is zero, the
    numerator alone is returned.

    Args:
        K: the operator to check.
        channels: C of x and y, whose shapes are (1, C, *img_shape) and (1, C, *out_shape).
        dtype: float64 shows mistakes best; in float32 rounding is near 1e-7.
        generator: draws x and y, on its own device; by default the same pair at every call.

    >>> adjoint_error(Blurring((16, 16), kernel_type="motion", kernel_size=5)) < 1e-12
    True
    """
    if not isinstance(K, Operator):
        raise TypeError(f"K must be an Operator, got {type(K).__name__}; see Operator's docstring")
    if generator is None:
        generator = torch.Generator().manual_seed(0)

    def draw(shape: Shape) -> Tensor:
        full = (1, channels, *shape)
        return torch.randn(full, generator=generator, device=generator.device, dtype=dtype)

    x, y = draw(K.img_shape), draw(K.out_shape)
    Kx = K(x)
    difference = torch.abs((Kx * y).sum() - (x * K.T(y)).sum())
    scale = torch.linalg.vector_norm(Kx) * torch.linalg.vector_norm(y)
    return float(difference / scale) if scale > 0 else float(difference)


class Blurring(Operator):
    """y = k ∗ x, in full y[i, j] = Σ k[s, t] x[i + kh//2 − s, j + kw//2 − t].

    A true convolution: a single bright pixel becomes the kernel, unflipped, with the kernel's
    element (kh//2, kw//2) on that pixel, as in `scipy.ndimage.convolve`. The output has the size
    of the input; `padding` says what lies outside the image:

    - "zeros": nothing, it is black;
    - "circular": the image again, so that its left border follows its right one;
    - "reflect": its mirror image, mirrored at the centres of the border pixels;
    - "replicate": the border pixels, for ever.

    The adjoint is exact for each of them, border included. Kernels with many elements are applied
    by FFT, smaller ones directly; the results agree up to rounding.

    Args:
        img_shape: (H, W) of the images.
        kernel: float tensor of shape (kh, kw) or (1, 1, kh, kw), of any odd or even size. It is
            copied and stays fixed. Give either this or `kernel_type`.
        kernel_type: "motion" or "gaussian": see `motion_kernel` and `gaussian_kernel`.
        kernel_size: side of a "motion" or "gaussian" kernel in pixels, odd.
        kernel_variance: variance of a "gaussian" kernel along each axis, in pixels².
        motion_angle: direction of a "motion" kernel in degrees, counter-clockwise as displayed.
        padding: "zeros", "circular", "reflect" or "replicate".

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of range, or the kernel
            reaches further beyond the border than the padding can fill from the image: H pixels
            for "circular", H − 1 for "reflect" (and W likewise).

    >>> K = Blurring((3, 5), kernel=torch.tensor([[1.0, 2.0, 3.0]]))
    >>> x = torch.zeros(3, 5)
    >>> x[1, 2] = 1
    >>> K(x)[1]
    tensor([0., 1., 2., 3., 0.])
    >>> K.T(x)[1]
    tensor([0., 3., 2., 1., 0.])
    """

    def __init__(
        self,
        img_shape: Sequence[int],
        kernel: Tensor | None = None,
        kernel_type: str | None = None,
        kernel_size: int = 3,
        kernel_variance: float = 1.0,
        motion_angle: float = 0.0,
        padding: str = "zeros",
    ) -> None:
        super().__init__(img_shape)
        if (kernel is None) == (kernel_type is None):
            got = "neither" if kernel is None else "both"
            raise ValueError(f"exactly one of kernel and kernel_type must be given, got {got}")
        if padding not in ("zeros", "circular", "reflect", "replicate"):
            raise ValueError(
                f"padding must be 'zeros', 'circular', 'reflect' or 'replicate', got {padding!r}"
            )
        # Tensors born in inference mode could not take part in a later backward pass.
        with torch.inference_mode(False):
            if kernel is not None:
                kernel = _check_kernel(kernel).detach().clone()
            elif kernel_type == "motion":
                kernel = motion_kernel(kernel_size, motion_angle)
            elif kernel_type == "gaussian":
                kernel = gaussian_kernel(kernel_size, kernel_variance)
            else:
                raise ValueError(f"kernel_type must be 'motion' or 'gaussian', got {kernel_type!r}")
        kh, kw = kernel.shape[-2:]
        _check_reach((kh, kw), self.img_shape, padding)
        self.padding = padding
        self._kernel = kernel.reshape(1, 1, kh, kw)
        # Pixels needed before and after the image, in height and in width.
        self._reach = ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2)
        # An FFT sees the image repeated for ever. That is circular padding, without any padding;
        # and with enough black between the repetitions it is padding with zeros.
        h, w = self.img_shape
        self._wraps = padding == "circular" and (_fft_size(h), _fft_size(w)) == (h, w)
        self._unpadded = self._wraps or padding == "zeros"
        if self._wraps:
            self._fft_shape = h, w
        elif self._unpadded:
            self._fft_shape = _fft_size(h + kh // 2), _fft_size(w + kw // 2)
        else:
            self._fft_shape = _fft_size(h + kh - 1), _fft_size(w + kw - 1)
        self._responses: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}

    @property
    def kernel(self) -> Tensor:
        """The kernel, shape (1, 1, kh, kw); a copy, since an operator does not change."""
        return self._kernel.clone()

    def _forward(self, x: Tensor) -> Tensor:
        response, _ = self._response(x)
        rows, columns = self._reach
        if not response.is_complex():
            return self._direct(x, response, rows, columns)
        h, w = self.img_shape
        if not self._unpadded:
            x = F.pad(x, (*columns, *rows), self.padding)
        return self._multiply(x, response)[..., :h, :w]

    def _adjoint(self, y: Tensor) -> Tensor:
        _, response = self._response(y)
        (above, below), (left, right) = self._reach
        if response.is_complex():
            h, w = self.img_shape
            z = self._multiply(y, response)
            return z[..., :h, :w] if self._unpadded else self._fold(z)
        if self.padding in ("zeros", "circular"):
            # Who gives to whom is turned around, so the kernel is, and nothing else.
            return self._direct(y, response, (below, above), (right, left))
        kh, kw = response.shape[-2:]
        return self._fold(_correlate(y, response, (kh - 1, kh - 1), (kw - 1, kw - 1)))

    def _direct(self, x: Tensor, weights: Tensor, rows: Shape, columns: Shape) -> Tensor:
        if self.padding == "zeros":
            return _correlate(x, weights, rows, columns)
        return _correlate(F.pad(x, (*columns, *rows), self.padding), weights)

    def _fold(self, z: Tensor) -> Tensor:
        """The adjoint of padding: what was copied beyond the border is added where it came from."""
        for dim, size, (before, after) in zip((-2, -1), self.img_shape, self._reach, strict=True):
            inside = z.narrow(dim, before, size)
            first, last = z.narrow(dim, 0, before), z.narrow(dim, before + size, after)
            if self.padding == "circular":
                inside.narrow(dim, size - before, before).add_(first)
                inside.narrow(dim, 0, after).add_(last)
            elif self.padding == "reflect":
                inside.narrow(dim, 1, before).add_(first.flip(dim))
                inside.narrow(dim, size - 1 - after, after).add_(last.flip(dim))
            else:
                inside.narrow(dim, 0, 1).add_(first.sum(dim, keepdim=True))
                inside.narrow(dim, size - 1, 1).add_(last.sum(dim, keepdim=True))
            z = inside
        return z

    def _multiply(self, x: Tensor, spectrum: Tensor) -> Tensor:
        """The periodic convolution: a product of FFTs, of x and of the kernel."""
        s = self._fft_shape
        # torch 2.5 to 2.8 cannot transform what repeats itself in memory, as a sum's gradient does.
        z = torch.fft.irfft2(torch.fft.rfft2(x.contiguous(), s=s).mul_(spectrum), s=s)
        if z.requires_grad:
            z.register_hook(lambda gradient: None if gradient is None else gradient.contiguous())
        return z

    def _response(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What K and Kᵀ multiply with, for x's dtype and device: turned kernel and kernel, or,
        where that is the faster way, their FFTs.
        """
        key = x.dtype, x.device
        if key not in self._responses:
            with torch.inference_mode(False):
                if self._kernel.numel() > self._largest_direct(x.dtype):
                    adjoint = (forward := self._spectrum(x.dtype)).conj().resolve_conj()
                else:
                    forward = (adjoint := self._kernel.to(x.dtype)).flip(-2, -1)
                self._responses[key] = forward.to(x.device), adjoint.to(x.device)
        return self._responses[key]

    def _largest_direct(self, dtype: torch.dtype) -> int:
        """How many elements a kernel may have before the FFT is faster; measured."""
        if dtype == torch.float64:
            return 9  # torch convolves by copying the image once for each element
        pixels = math.prod(self.img_shape)
        if self._wraps:
            return 25 if pixels >= 100_000 else 1
        return 81 if pixels >= 10_000 else 25

    def _spectrum(self, dtype: torch.dtype) -> Tensor:
        """The kernel's FFT; where it lies on the grid makes the result begin at the origin."""
        kernel = self._kernel[0, 0].to("cpu", torch.float64)
        grid = torch.zeros(self._fft_shape, dtype=torch.float64)
        rows, columns = (
            (torch.arange(k) - (k // 2 if self._unpadded else k - 1)) % n
            for k, n in zip(kernel.shape, grid.shape, strict=True)
        )
        # A kernel larger than a periodic image overlaps itself.
        grid.index_put_((rows[:, None], columns), kernel, accumulate=True)
        return torch.fft.rfft2(grid).to(dtype.to_complex())

    def __repr__(self) -> str:
        kh, kw = self._kernel.shape[-2:]
        return f"Blurring(img_shape={self.img_shape}, kernel {kh}×{kw}, padding={self.padding!r})"


def _correlate(
    x: Tensor, weights: Tensor, add_rows: Shape = (0, 0), add_columns: Shape = (0, 0)
) -> Tensor:
    """Σ weights[s, t] x[i + s, j + t], as a convolutional layer computes it, black added around x.

    Images and channels become channels of one image, and a large image is cut into overlapping
    strips that become channels as well: torch takes 16 channels in the time of one.
    """
    n, c, h, w = x.shape
    kh, kw = weights.shape[-2:]
    (above, below), (left, right) = add_rows, add_columns
    height, width = h + above + below - kh + 1, w + left + right - kw + 1
    images = n * c
    block = 32 if images * height >= 256 else 16
    strips = block // math.gcd(block, images)
    # What is smaller costs more to cut than it saves.
    products = images * height * width * kh * kw
    if x.dtype != torch.float32 or products < 300_000 or height < 4 * strips:
        border = 0, 0
        if above == below <= 6 and left == right <= 6:
            border = above, left  # with more, torch takes a way that is ten times slower
        elif above or below or left or right:
            x = F.pad(x, (left, right, above, below))
        x = x.reshape(1, images, *x.shape[2:])
        y = F.conv2d(x, weights.expand(images, 1, kh, kw), padding=border, groups=images)
        return y.reshape(n, c, height, width)
    rows = -(-height // strips)
    x = F.pad(x, (left, right, above, below + rows * strips - height))
    x = x.unfold(2, rows + kh - 1, rows).movedim(-1, -2)
    channels = images * strips
    x = x.reshape(1, channels, *x.shape[-2:])
    y = F.conv2d(x, weights.expand(channels, 1, kh, kw), groups=channels)
    return y.reshape(n, c, rows * strips, width)[..., :height, :]


def _fft_size(n: int) -> int:
    """The next even number without a prime factor above 13: FFTs are slow on many others."""
    size = n + n % 2
    # Any number of factors up to 13 divides a high enough power of their product.
    while pow(2 * 3 * 5 * 7 * 11 * 13, size.bit_length(), size):
        size += 2
    return size


def motion_kernel(kernel_size: int, motion_angle: float = 0.0) -> Tensor:
    """k[p] ∝ max(0, 1 − d(p)), d(p) the distance of pixel p from a segment through the centre.

    The picture of a point that moves evenly on a straight line, anti-aliased: the segment is
    kernel_size − 1 pixels long, and a pixel takes part in so far as it lies less than one pixel
    away. So the kernel is a row of equal taps at 0° and changes continuously with the angle.

    The angle turns counter-clockwise as the image is displayed, with row 0 at the top:

          0°       45°      90°      135°
        . . .    . . #    . # .    # . .
        # # #    . # .    . # .    . # .
        . . .    # . .    . # .    . . #

    Args:
        kernel_size: length of the motion and side of the kernel in pixels, odd.
        motion_angle: in degrees; θ and θ + 180° are the same motion.

    Returns:
        Shape (kernel_size, kernel_size), torch's default dtype. It sums to 1, its centre of mass
        is the central pixel, and a half turn leaves it as it is.

    Raises:
        TypeError, ValueError: the size is not a positive odd integer, the angle not finite.

    >>> motion_kernel(3)
    tensor([[0.0000, 0.0000, 0.0000],
            [0.3333, 0.3333, 0.3333],
            [0.0000, 0.0000, 0.0000]])
    """
    radius = _odd(kernel_size, "kernel_size") // 2
    # Quarter turns turn the array, so that they are exact.
    quarters, rest = divmod(_number(motion_angle, "motion_angle") % 180, 90)
    cos, sin = math.cos(math.radians(rest)), math.sin(math.radians(rest))
    right = torch.arange(-radius, radius + 1, dtype=torch.float64)
    up = -right[:, None]
    along, across = right * cos + up * sin, up * cos - right * sin
    distance = torch.hypot((along.abs() - radius).clamp(min=0), across)
    weight = (1 - distance).clamp(min=0).rot90(int(quarters))
    return (weight / weight.sum()).to(torch.get_default_dtype())


def gaussian_kernel(kernel_size: int, kernel_variance: float = 1.0) -> Tensor:
    """k[i, j] ∝ exp(−(i² + j²) / (2 · kernel_variance)), i and j counted from the centre.

    Args:
        kernel_size: side of the kernel in pixels, odd.
        kernel_variance: variance along each axis in pixels², positive. It is that of the whole
            Gaussian; cutting it to kernel_size pixels leaves a little less.

    Returns:
        Shape (kernel_size, kernel_size), sum 1, torch's default dtype.

    Raises:
        TypeError, ValueError: the size is not a positive odd integer, the variance not positive.

    >>> gaussian_kernel(3, kernel_variance=0.5)
    tensor([[0.0449, 0.1221, 0.0449],
            [0.1221, 0.3319, 0.1221],
            [0.0449, 0.1221, 0.0449]])
    """
    radius = _odd(kernel_size, "kernel_size") // 2
    variance = _number(kernel_variance, "kernel_variance")
    if variance <= 0:
        raise ValueError(f"kernel_variance must be positive (pixels²), got {kernel_variance}")
    axis = torch.arange(-radius, radius + 1, dtype=torch.float64)
    profile = torch.exp(-(axis**2) / (2 * variance))
    weight = torch.outer(profile, profile)
    return (weight / weight.sum()).to(torch.get_default_dtype())


def _pair(shape: Sequence[int], name: str) -> Shape:
    if not isinstance(shape, Sequence) or not all(isinstance(n, Integral) for n in shape):
        raise TypeError(f"{name} must be a pair (H, W) of integers, got {shape!r}")
    # The upper end is beyond every memory; _fft_size would search for ever above it.
    if len(shape) != 2 or min(shape) < 1 or max(shape) >= 2**31:
        raise ValueError(f"{name} must be a pair (H, W) of positive integers, got {shape!r}")
    return int(shape[0]), int(shape[1])


def _number(value: float, name: str) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def _odd(size: int, name: str) -> int:
    if not isinstance(size, Integral) or isinstance(size, bool):
        raise TypeError(f"{name} must be a positive odd integer, got {size!r}")
    if size < 1 or size % 2 == 0:
        use = f"{size - 1} or {size + 1}" if size > 1 else "1 or more"
        raise ValueError(f"{name} must be a positive odd integer, got {size}; use {use}")
    return int(size)


def _check_float(x: Tensor, name: str) -> None:
    if not isinstance(x, Tensor):
        got = type(x).__name__
        raise TypeError(f"{name} must be a torch.Tensor, got {got}; use torch.as_tensor")
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float32 or float64, got {x.dtype}; use {name}.float()")


def _check_kernel(kernel: Tensor) -> Tensor:
    _check_float(kernel, "kernel")
    shape = tuple(kernel.shape)
    if kernel.numel() == 0 or not (len(shape) == 2 or (len(shape) == 4 and shape[:2] == (1, 1))):
        raise ValueError(f"kernel must have the shape (kh, kw) or (1, 1, kh, kw), got {shape}")
    if not kernel.isfinite().all():
        raise ValueError("kernel must be finite, got one with NaN or infinity")
    return kernel


def _check_reach(kernel_shape: Shape, img_shape: Shape, padding: str) -> None:
    if padding in ("zeros", "replicate"):
        return
    for size, length in zip(kernel_shape, img_shape, strict=True):
        limit = length - 1 if padding == "reflect" else length
        if size // 2 > limit:
            raise ValueError(
                f"kernel of shape {kernel_shape} reaches {size // 2} pixels beyond an img_shape of "
                f"{img_shape}, of which padding={padding!r} can fill {limit}; use a larger image, "
                "a smaller kernel, or padding='zeros'"
            )
