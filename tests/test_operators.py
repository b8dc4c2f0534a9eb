"""ippy.operators: against scipy, against the definition of the adjoint, against autograd."""

import ast
import copy
import importlib.util
import itertools
import math
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from ippy import operators
from ippy.operators import (
    Blurring,
    Identity,
    Operator,
    adjoint_error,
    gaussian_kernel,
    motion_kernel,
)

# Each padding under the name that scipy.ndimage gives it.
SCIPY_MODE = {
    "zeros": "constant",
    "circular": "wrap",
    "reflect": "mirror",
    "replicate": "nearest",
}
PADDINGS = list(SCIPY_MODE)
NUMPY_MODE = dict(zip(PADDINGS, ("constant", "wrap", "reflect", "edge"), strict=True))
# Small ones are applied directly, large ones by FFT.
KERNELS = [
    (1, 1),
    (2, 1),
    (1, 3),
    (3, 3),
    (2, 2),
    (4, 3),
    (1, 6),
    (5, 8),
    (9, 9),
    (10, 10),
    (11, 15),
]
# The first is a size that FFTs like, the others are not.
IMAGES = [(16, 18), (17, 23), (19, 13)]


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def scipy_blur(x: Tensor, K: Blurring) -> Tensor:
    kernel = K.kernel[0, 0].double().numpy()
    planes = x.double().reshape(-1, *x.shape[-2:]).numpy()
    mode = SCIPY_MODE[K.padding]
    blurred = [scipy.ndimage.convolve(plane, kernel, mode=mode) for plane in planes]
    return torch.from_numpy(np.stack(blurred)).reshape(x.shape)


def matrix(K: Operator) -> Tensor:
    """K as a matrix, column by column: K applied to each single bright pixel."""
    pixels = torch.eye(math.prod(K.img_shape), dtype=torch.float64)
    return K(pixels.reshape(-1, 1, *K.img_shape)).flatten(1).T


@st.composite
def blurrings(draw: st.DrawFn) -> Blurring:
    padding = draw(st.sampled_from(PADDINGS))
    img_shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    beyond = {"reflect": -1, "circular": 0}.get(padding, 6)
    largest = [min(2 * (n + beyond) + 1, 15) for n in img_shape]
    kernel_shape = [draw(st.integers(1, n)) for n in largest]
    kernel = random(*kernel_shape, seed=draw(st.integers(0, 99)))
    return Blurring(img_shape, kernel=kernel, padding=padding)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_shape", KERNELS)
@pytest.mark.parametrize("img_shape", IMAGES)
def test_blurring_is_scipys_convolution(img_shape, kernel_shape, padding):
    K = Blurring(img_shape, kernel=random(*kernel_shape, seed=1), padding=padding)
    x = random(2, 3, *img_shape)
    torch.testing.assert_close(K(x), scipy_blur(x, K), rtol=0, atol=1e-12)
    torch.testing.assert_close(K(x.float()), scipy_blur(x, K).float(), rtol=0, atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(blurrings(), st.integers(0, 99))
def test_small_images_and_large_kernels_too(K, seed):
    """Also lines and single pixels: numpy fills the border, scipy convolves."""
    x, (kh, kw) = random(*K.img_shape, seed=seed), K.kernel.shape[-2:]
    border = ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2)
    wide = np.pad(x.numpy(), border, mode=NUMPY_MODE[K.padding])
    expected = scipy.signal.convolve2d(wide, K.kernel[0, 0].numpy(), mode="valid")
    np.testing.assert_allclose(K(x), expected, atol=1e-11)
    np.testing.assert_allclose(K(x.float()), expected, atol=1e-3)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("batch", [(), (1,), (3,), (5, 1), (8, 2)])
@pytest.mark.parametrize("kernel_shape", [(5, 4), (4, 5), (5, 5)])
@pytest.mark.parametrize("height", [128, 131, 160])
def test_large_images_are_blurred_as_small_ones(height, kernel_shape, batch, padding):
    K = Blurring((height, 130), kernel=random(*kernel_shape, seed=1).abs() / 16, padding=padding)
    x = random(*batch, height, 130, dtype=torch.float32)
    torch.testing.assert_close(K(x), scipy_blur(x, K).float(), rtol=0, atol=1e-5)
    assert adjoint_error(K, channels=3, dtype=torch.float32) < 1e-6


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", [11, 31])
def test_large_kernels_through_the_fft_give_the_same_to_1e_5(kernel_size, padding):
    K = Blurring(
        (64, 60),
        kernel_type="gaussian",
        kernel_size=kernel_size,
        kernel_variance=9,
        padding=padding,
    )
    x = random(1, 1, 64, 60).abs().float()
    torch.testing.assert_close(K(x), scipy_blur(x, K).float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("largest_direct", "side", "dtype", "padding"),
    [
        (9, 100, torch.float32, "zeros"),
        (5, 99, torch.float32, "zeros"),
        (9, 128, torch.float32, "reflect"),
        (9, 134, torch.float32, "circular"),
        (5, 320, torch.float32, "circular"),
        (1, 312, torch.float32, "circular"),
        (3, 64, torch.float64, "replicate"),
        (3, 64, torch.float64, "circular"),
    ],
)
def test_larger_kernels_go_through_the_fft(largest_direct, side, dtype, padding, monkeypatch):
    x, calls, conv2d = torch.ones(side, side, dtype=dtype), [], operators.F.conv2d
    monkeypatch.setattr(operators.F, "conv2d", lambda *a, **k: calls.append(1) or conv2d(*a, **k))
    for size in (largest_direct, largest_direct + 1, 127 if padding != "reflect" else 126):
        K = Blurring((side, side), kernel=torch.ones(size, size), padding=padding)
        assert K.T(K(x)).shape == (side, side)
        assert len(calls) == 2


@pytest.mark.parametrize(
    ("images", "height", "channels"),
    [
        (1, 240, 16),
        (1, 256, 32),
        (3, 130, 96),
        (8, 64, 32),
        (32, 64, 32),
        (3, 100, 3),
        (1, 120, 1),
        (8, 15, 8),
    ],
)
def test_large_images_fill_whole_blocks_of_channels(images, height, channels, monkeypatch):
    widths, conv2d = [], operators.F.conv2d

    def counting(x, *arguments, **keywords):
        widths.append(x.shape[1])
        return conv2d(x, *arguments, **keywords)

    monkeypatch.setattr(operators.F, "conv2d", counting)
    K = Blurring((height, 200), kernel=torch.ones(3, 3))
    K.T(K(torch.ones(images, height, 200)))
    assert widths == [channels, channels]


@pytest.mark.parametrize(("side", "size"), [(40, 3), (40, 5), (256, 9)])
def test_small_kernels_leave_black_black(side, size):
    """The direct sum rounds nothing where there is nothing; an FFT would leave about 1e-8."""
    K = Blurring((side, side), kernel_type="motion", kernel_size=size, motion_angle=20)
    x = torch.zeros(side, side)
    x[20, 20] = 1
    y = K(x)
    assert y.min() == 0
    assert y[: 20 - size // 2].abs().max() == 0


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_shape", KERNELS)
def test_a_bright_pixel_becomes_the_kernel_unflipped(kernel_shape, padding):
    kernel = torch.arange(1.0, 1 + math.prod(kernel_shape)).reshape(kernel_shape)
    x = torch.zeros(31, 33)
    x[15, 16] = 1
    expected = torch.zeros(31, 33)
    top, left = 15 - kernel_shape[0] // 2, 16 - kernel_shape[1] // 2
    expected[top : top + kernel_shape[0], left : left + kernel_shape[1]] = kernel
    K = Blurring((31, 33), kernel=kernel, padding=padding)
    torch.testing.assert_close(K(x), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("padding", PADDINGS)
def test_a_constant_image_stays_constant_except_for_zeros(padding):
    K = Blurring((12, 12), kernel_type="gaussian", kernel_size=5, padding=padding)
    y = K(torch.ones(12, 12))
    torch.testing.assert_close(y[2:-2, 2:-2], torch.ones(8, 8))
    assert (y[0, 0] < 0.9) == (padding == "zeros")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(K=blurrings(), channels=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_adjoint_is_exact(K, channels, seed):
    generator = torch.Generator().manual_seed(seed)
    assert adjoint_error(K, channels, generator=generator) <= 1e-12
    assert adjoint_error(K.T, channels, generator=generator) <= 1e-12
    assert adjoint_error(K, channels, torch.float32, generator) <= 1e-5


@settings(max_examples=20, deadline=None, derandomize=True)
@given(K=blurrings())
def test_the_adjoint_is_the_transposed_matrix(K):
    torch.testing.assert_close(matrix(K.T), matrix(K).T, rtol=0, atol=1e-12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(K=blurrings(), a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_blurring_is_linear(K, a, b):
    x, z = random(2, 1, *K.img_shape), random(2, 1, *K.img_shape, seed=1)
    torch.testing.assert_close(K(a * x + b * z), a * K(x) + b * K(z), rtol=0, atol=1e-10)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    K=blurrings(),
    batch=st.lists(st.integers(1, 4), max_size=2),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_shapes_and_types_are_kept_and_images_stay_apart(K, batch, dtype):
    x = random(*batch, *K.img_shape, dtype=dtype)
    for operator in (K, K.T):
        y = operator(x)
        assert y.shape == x.shape and y.dtype == dtype and y.is_contiguous()
        for index in itertools.product(*map(range, batch)):
            torch.testing.assert_close(y[index], operator(x[index]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_shape", [(2, 3), (3, 3), (4, 5)])
def test_derivatives(kernel_shape, padding):
    K = Blurring((5, 6), kernel=random(*kernel_shape, seed=1), padding=padding)
    x, y = random(1, 2, 5, 6).requires_grad_(), random(1, 2, 5, 6, seed=2)
    for operator in (K, K.T):
        assert gradcheck(operator, x)
        assert gradgradcheck(operator, x)
    (gradient,) = torch.autograd.grad((K(x) * y).sum(), x)
    torch.testing.assert_close(gradient, K.T(y), rtol=0, atol=1e-12)


def test_derivatives_of_a_large_image():
    K = Blurring((130, 7), kernel_type="motion", kernel_size=5, motion_angle=30)
    x, y = random(2, 1, 130, 7).float().requires_grad_(), random(2, 1, 130, 7, seed=2).float()
    (gradient,) = torch.autograd.grad((K(x) * y).sum(), x)
    torch.testing.assert_close(gradient, K.T(y), rtol=0, atol=1e-5)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", [3, 11])
def test_works_on_other_devices_and_in_inference_mode(kernel_size, padding):
    with torch.inference_mode():
        K = Blurring((16, 16), kernel_type="motion", kernel_size=kernel_size, padding=padding)
        K.T(K(torch.ones(16, 16)))
    # The meta device computes shapes only, but refuses tensors of any other device.
    on_meta = torch.ones(2, 16, 16, device="meta")
    assert K(on_meta).device == K.T(on_meta).device == torch.device("meta")
    x = torch.ones(16, 16, requires_grad=True)
    K.T(K(x)).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", [3, 11])
def test_mixed_precision_stops_at_the_operator(kernel_size, padding):
    K = Blurring((24, 20), kernel_type="gaussian", kernel_size=kernel_size, padding=padding)
    x = random(2, 1, 24, 20, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = K(x), K.T(x), (K.T @ K)(x)
        assert torch.is_autocast_enabled("cpu")
    expected = K(x), K.T(x), K.T(K(x))
    assert all(torch.equal(a, b) for a, b in zip(made, expected, strict=True))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", [3, 11])
def test_function_transforms_see_a_linear_map(kernel_size, padding):
    """torch.func wraps tensors; what K keeps for later calls must not be wrapped with them."""
    K = Blurring((14, 13), kernel_type="gaussian", kernel_size=kernel_size, padding=padding)
    x, v = random(3, 2, 14, 13), random(3, 2, 14, 13, seed=1)
    gradient = torch.func.vmap(torch.func.grad(lambda z: K(z).square().sum() / 2))(x)
    torch.testing.assert_close(gradient, K.T(K(x)))
    torch.testing.assert_close(torch.func.jvp(K, (x,), (v,))[1], K(v))
    torch.testing.assert_close(torch.func.vmap(K.T, in_dims=1, out_dims=1)(x), K.T(x))


def test_the_kernel_is_shown_as_a_copy_and_does_not_change():
    kernel = torch.rand(3, 5)
    K = Blurring((9, 9), kernel=kernel)
    expected = kernel.clone()
    kernel.zero_()
    K.kernel.zero_()
    assert K.kernel.shape == (1, 1, 3, 5)
    assert torch.equal(K.kernel[0, 0], expected)
    assert torch.equal(Blurring((9, 9), kernel=expected[None, None]).kernel, K.kernel)
    with pytest.raises(AttributeError):
        K.kernel = kernel


def test_a_kernel_taken_from_a_layer_does_not_ask_for_gradients():
    layer = torch.nn.Conv2d(1, 1, 3)
    K = Blurring((8, 8), kernel=layer.weight)
    assert not K.kernel.requires_grad
    assert not K(torch.ones(8, 8)).requires_grad


def test_kernel_types_are_the_kernel_functions():
    motion = Blurring((9, 9), kernel_type="motion", kernel_size=5, motion_angle=30)
    assert torch.equal(motion.kernel[0, 0], motion_kernel(5, 30))
    gaussian = Blurring((9, 9), kernel_type="gaussian", kernel_size=7, kernel_variance=2.5)
    assert torch.equal(gaussian.kernel[0, 0], gaussian_kernel(7, 2.5))
    default = Blurring((9, 9), kernel_type="gaussian")
    assert torch.equal(default.kernel[0, 0], gaussian_kernel(3, 1.0))
    assert default.padding == "zeros" and default.img_shape == (9, 9)
    still = Blurring((9, 9), kernel_type="motion")
    assert torch.equal(still.kernel[0, 0], motion_kernel(3, 0.0))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda K: pickle.loads(pickle.dumps(K))])
def test_operators_can_be_copied_and_sent_to_workers(copied):
    K = Blurring((8, 8), kernel_type="gaussian", padding="reflect")
    x = random(8, 8)
    assert torch.equal(copied(K)(x), K(x))
    assert torch.equal(copied(K.T)(x), K.T(x))


@pytest.mark.parametrize(
    ("padding", "largest"), [("circular", (9, 13)), ("reflect", (7, 11)), ("zeros", (29, 33))]
)
def test_kernels_as_large_as_the_padding_allows(padding, largest):
    K = Blurring((4, 6), kernel=random(*largest, seed=1), padding=padding)
    x = random(4, 6)
    torch.testing.assert_close(K(x), scipy_blur(x, K), rtol=0, atol=1e-12)
    if padding != "zeros":
        for larger in [(largest[0] + 1, 1), (1, largest[1] + 1)]:
            with pytest.raises(ValueError, match=f"kernel .* reaches .*{padding!r} can fill"):
                Blurring((4, 6), kernel=torch.ones(larger), padding=padding)


def tilted_line(size: int, angle: float) -> np.ndarray:
    """The motion kernel from its definition, with distances to many points of the segment."""
    radius = size // 2
    row, column = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    t = np.linspace(-radius, radius, 2001)[:, None, None]
    theta = np.radians(angle)
    distance = np.hypot(column - t * np.cos(theta), row + t * np.sin(theta)).min(axis=0)
    weight = np.clip(1 - distance, 0, None)
    return weight / weight.sum()


def moments(size: int, angle: float) -> tuple[float, float]:
    """Second moments of the motion kernel along and across the motion."""
    kernel = motion_kernel(size, angle).double()
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    theta = math.radians(angle)
    along = axis[None, :] * math.cos(theta) - axis[:, None] * math.sin(theta)
    across = axis[None, :] * math.sin(theta) + axis[:, None] * math.cos(theta)
    return float((kernel * along**2).sum()), float((kernel * across**2).sum())


@pytest.mark.parametrize("size", [1, 3, 5, 9, 15, 33])
@pytest.mark.parametrize("angle", [0, 7.5, 20, 45, 60, 90, 110, 135, 179.9, -30, 400])
def test_motion_kernel(size, angle):
    kernel = motion_kernel(size, angle)
    assert kernel.shape == (size, size) and kernel.dtype == torch.get_default_dtype()
    np.testing.assert_allclose(kernel, tilted_line(size, angle), atol=2e-4)
    assert kernel.min() >= 0
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    assert float((kernel * axis).sum()) == pytest.approx(0, abs=1e-6)
    assert float((kernel * axis[:, None]).sum()) == pytest.approx(0, abs=1e-6)
    assert torch.equal(kernel.rot90(2), kernel)
    torch.testing.assert_close(motion_kernel(size, angle + 180), kernel, rtol=0, atol=1e-6)
    torch.testing.assert_close(motion_kernel(size, angle + 90), kernel.rot90(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel", [motion_kernel(9, 20.0), gaussian_kernel(9, 2.0)])
def test_kernels_are_computed_in_double_precision(kernel, monkeypatch):
    """Asked for in float64 they keep all sixteen digits; in float32 they are these, rounded."""
    monkeypatch.setattr(torch, "get_default_dtype", lambda: torch.float64)
    exact = motion_kernel(9, 20.0) if kernel[0, 0] == 0 else gaussian_kernel(9, 2.0)
    assert torch.equal(exact.float(), kernel)
    assert abs(float(exact.sum()) - 1) < 1e-15


def test_motion_kernel_turns_counter_clockwise_as_displayed():
    uphill = motion_kernel(9, 20)
    assert uphill[3:5, 6].sum() > 0.05 and uphill[5, 6] == 0
    assert motion_kernel(3, 45)[0, 2] > 0.1 and motion_kernel(3, 45)[0, 0] == 0


def test_motion_kernel_is_a_uniform_row_and_column():
    expected = torch.zeros(7, 7)
    expected[3] = 1 / 7
    torch.testing.assert_close(motion_kernel(7, 0), expected)
    torch.testing.assert_close(motion_kernel(7, 90), expected.T)


@pytest.mark.parametrize("size", [5, 7, 9, 13, 21, 63])
def test_motion_kernel_has_the_same_length_at_every_angle(size):
    straight, _ = moments(size, 0)
    assert straight == pytest.approx((size**2 - 1) / 12, rel=1e-6)
    for angle in np.arange(0, 180, 2.5):
        along, across = moments(size, angle)
        assert along == pytest.approx(straight, rel=0.12)
        assert across < 0.25


def test_motion_kernel_changes_continuously():
    for angle in np.arange(0, 181, 5.0):
        step = motion_kernel(9, angle + 0.005) - motion_kernel(9, angle - 0.005)
        assert step.abs().max() < 1e-3


@pytest.mark.parametrize(("size", "variance"), [(1, 1.0), (5, 0.3), (9, 2.0), (21, 9.0)])
def test_gaussian_kernel_is_scipys(size, variance):
    kernel = gaussian_kernel(size, variance)
    assert kernel.dtype == torch.get_default_dtype()
    impulse = np.zeros((size, size))
    impulse[size // 2, size // 2] = 1
    sigma = math.sqrt(variance)
    expected = scipy.ndimage.gaussian_filter(impulse, sigma, radius=size // 2, mode="constant")
    np.testing.assert_allclose(kernel, expected, atol=1e-7)


def test_gaussian_kernel_has_the_given_variance():
    kernel = gaussian_kernel(31, 4.0).double()
    axis = torch.arange(31, dtype=torch.float64) - 15
    assert float((kernel * axis**2).sum()) == pytest.approx(4.0, rel=1e-4)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)


class Downsampling(Operator):
    """Averages over blocks; `scale` other than 1 makes its adjoint wrong."""

    def __init__(self, img_shape, factor, scale=1.0):
        super().__init__(img_shape, [n // factor for n in img_shape])
        self.factor, self.scale = factor, scale

    def _forward(self, x):
        return torch.nn.functional.avg_pool2d(x, self.factor)

    def _adjoint(self, y):
        spread = torch.nn.functional.interpolate(y, scale_factor=self.factor)
        return self.scale * spread / self.factor**2


def test_operator_with_another_output_shape():
    D = Downsampling((6, 8), 2)
    assert D.img_shape == (6, 8) and D.out_shape == (3, 4)
    assert D.T.img_shape == (3, 4) and D.T.out_shape == (6, 8)
    assert D.T.T is D
    assert D(torch.ones(6, 8)).shape == (3, 4)
    assert D.T(torch.ones(5, 2, 3, 4)).shape == (5, 2, 6, 8)
    assert adjoint_error(D, channels=2) < 1e-12
    with pytest.raises(ValueError, match=r"x must have the shape \(3, 4\)"):
        D.T(torch.ones(6, 8))


def test_identity():
    x = random(2, 3, 4, 5)
    operator = Identity((4, 5))
    assert torch.equal(operator(x), x) and torch.equal(operator.T(x), x)
    for made in (operator(x), operator.T(x)):
        made.zero_()
    assert x.abs().min() > 0


def test_matmul_applies_and_composes():
    K = Blurring((6, 8), kernel=random(3, 2))
    D = Downsampling((6, 8), 2)
    x, y = random(2, 1, 6, 8), random(2, 1, 3, 4)
    assert torch.equal(K @ x, K(x)) and torch.equal(K.T @ x, K.T(x))
    assert K.T.T is K and torch.equal(K.T._adjoint(x), K(x))
    both = D @ K
    assert both.img_shape == (6, 8) and both.out_shape == (3, 4)
    assert torch.equal(both @ x, D(K(x)))
    torch.testing.assert_close(both.T @ y, K.T(D.T(y)))
    assert both.T.T is both
    assert adjoint_error(both) < 1e-12
    assert adjoint_error(both.T @ both) < 1e-12
    with pytest.raises(ValueError, match=re.escape("A.img_shape equal to B.out_shape, got (6, 8)")):
        K @ D


class Scaled(Operator):
    def __init__(self, operator, factor):
        super().__init__(operator.img_shape, operator.out_shape)
        self.operator, self.factor = operator, factor

    def _forward(self, x):
        return self.factor * self.operator(x)

    def _adjoint(self, y):
        return self.factor * self.operator.T(y)


def test_adjoint_error_measures_the_error():
    """An adjoint twice too large is wrong by |⟨Kx, y⟩|."""
    D = Downsampling((6, 8), 2, scale=2.0)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 2, 6, 8, dtype=torch.float64, generator=generator)
    y = torch.randn(1, 2, 3, 4, dtype=torch.float64, generator=generator)
    expected = abs(float((D(x) * y).sum())) / float(D(x).norm() * y.norm())
    found = adjoint_error(D, channels=2, generator=torch.Generator().manual_seed(3))
    assert found == pytest.approx(expected, rel=1e-12) and found > 1e-3
    assert adjoint_error(D) == adjoint_error(D)
    faint = Scaled(D, 1e-6)
    assert adjoint_error(faint) == pytest.approx(adjoint_error(D), rel=1e-12)


class Nothing(Operator):
    def _forward(self, x):
        return 0 * x

    def _adjoint(self, y):
        return self.leak * y

    leak = 0.0


def test_adjoint_error_of_the_zero_operator():
    nothing = Nothing((4, 4))
    assert adjoint_error(nothing) == 0
    nothing.leak = 1.0
    assert adjoint_error(nothing) > 1e-3


def test_a_subclass_that_breaks_the_contract_is_told_so():
    class Cut(Identity):
        def _forward(self, x):
            return x[..., 1:]

    with pytest.raises(ValueError, match=r"Cut.* into \(1, 1, 4, 4\), got \(1, 1, 4, 3\)"):
        Cut((4, 4))(torch.ones(4, 4))

    class Half(Operator):
        def _forward(self, x):
            return x

    with pytest.raises(TypeError, match="_adjoint"):
        Half((4, 4))


def test_operators_print_what_they_are():
    K = Blurring((6, 8), kernel_type="motion", kernel_size=5, padding="circular")
    assert repr(K) == "Blurring(img_shape=(6, 8), kernel 5×5, padding='circular')"
    assert repr(K.T) == f"({K!r}).T"
    assert repr(Identity((6, 8)) @ K) == f"Identity(img_shape=(6, 8)) @ {K!r}"


ONES = torch.ones(3, 3)
SHAPE = (16, 16)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "kernel and kernel_type must be given, got neither"),
        ({"kernel": ONES, "kernel_type": "motion"}, ValueError, "kernel_type .* got both"),
        ({"kernel_type": "box"}, ValueError, "kernel_type must be .* got 'box'"),
        ({"kernel_type": 3}, ValueError, "kernel_type must be .* got 3"),
        ({"kernel": ONES, "padding": "same"}, ValueError, "padding must be .* got 'same'"),
        ({"kernel": ONES, "padding": None}, ValueError, "padding must be .* got None"),
        ({"kernel": [[1.0]]}, TypeError, "kernel must be a torch.Tensor, got list"),
        ({"kernel": ONES.long()}, TypeError, "kernel must be float32 or .* got torch.int64"),
        ({"kernel": ONES.cfloat()}, TypeError, "kernel must be .* got torch.complex64"),
        ({"kernel": ONES.half()}, TypeError, "kernel must be .* got torch.float16"),
        ({"kernel": ONES[0]}, ValueError, r"kernel must have the shape .* got \(3,\)"),
        ({"kernel": ONES[None]}, ValueError, r"kernel must have the shape .* got \(1, 3, 3\)"),
        ({"kernel": ONES.expand(1, 2, 3, 3)}, ValueError, "kernel must have the shape"),
        ({"kernel": ONES.expand(2, 1, 3, 3)}, ValueError, "kernel must have the shape"),
        ({"kernel": ONES[:0]}, ValueError, r"kernel must have the shape .* got \(0, 3\)"),
        ({"kernel": ONES / 0}, ValueError, "kernel must be finite"),
        ({"kernel": ONES * math.nan}, ValueError, "kernel must be finite"),
        ({"kernel_type": "motion", "kernel_size": 8}, ValueError, "kernel_size .* 8; use 7 or 9"),
        ({"kernel_type": "motion", "kernel_size": 2}, ValueError, "kernel_size .* 2; use 1 or 3"),
        ({"kernel_type": "motion", "kernel_size": 0}, ValueError, "kernel_size .* 0; use 1"),
        ({"kernel_type": "gaussian", "kernel_size": -3}, ValueError, "kernel_size .* got -3"),
        ({"kernel_type": "gaussian", "kernel_size": 5.0}, TypeError, "kernel_size .* got 5.0"),
        ({"kernel_type": "gaussian", "kernel_size": True}, TypeError, "kernel_size .* got True"),
        ({"kernel_type": "gaussian", "kernel_variance": -1}, ValueError, "kernel_variance .* -1"),
        ({"kernel_type": "gaussian", "kernel_variance": 0.0}, ValueError, "kernel_variance .* 0"),
        ({"kernel_type": "gaussian", "kernel_variance": "1"}, TypeError, "kernel_variance .* '1'"),
        ({"kernel_type": "gaussian", "kernel_variance": math.inf}, ValueError, "kernel_variance"),
        ({"kernel_type": "motion", "motion_angle": math.nan}, ValueError, "motion_angle .* nan"),
        ({"kernel_type": "motion", "motion_angle": None}, TypeError, "motion_angle .* None"),
        ({"kernel_type": "motion", "motion_angle": True}, TypeError, "motion_angle .* True"),
        (
            {"kernel": torch.ones(1, 35), "padding": "circular"},
            ValueError,
            r"shape \(1, 35\) reaches 17 pixels beyond an img_shape of \(16, 16\), .* can fill 16",
        ),
        ({"kernel": ONES, "img_shape": 16}, TypeError, "img_shape must be a pair .* got 16"),
        ({"kernel": ONES, "img_shape": (16.0, 16)}, TypeError, "img_shape must be a pair"),
        ({"kernel": ONES, "img_shape": "16"}, TypeError, "img_shape must be a pair .* '16'"),
        ({"kernel": ONES, "img_shape": (1, 16, 16)}, ValueError, "img_shape must be a pair"),
        ({"kernel": ONES, "img_shape": (16, 0)}, ValueError, r"img_shape .* got \(16, 0\)"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        Blurring(**{"img_shape": SHAPE} | arguments)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones(SHAPE), TypeError, "x must be a torch.Tensor, got ndarray"),
        (torch.ones(SHAPE).long(), TypeError, r"x .* got torch.int64; use x.float\(\)"),
        (torch.ones(SHAPE).half(), TypeError, "x must be float32 or float64, got torch.float16"),
        (torch.ones(SHAPE).bool(), TypeError, "x must be .* got torch.bool"),
        (torch.ones(16), ValueError, r"x must have the shape \(16, 16\), .* got \(16,\)"),
        (torch.ones(15, 16), ValueError, r"x must have the shape .* got \(15, 16\)"),
        (torch.ones(16, 16, 1), ValueError, r"x must have the shape .* got \(16, 16, 1\)"),
        (torch.ones(1, 1, 1, 16, 16), ValueError, "x must have the shape"),
        (torch.ones(0, 1, 16, 16), ValueError, r"x must have the shape .* got \(0, 1, 16, 16\)"),
    ],
)
def test_wrong_images_are_named(x, error, message):
    K = Blurring(SHAPE, kernel=ONES)
    for apply in (K, K.T, K.__matmul__, Identity(SHAPE)):
        with pytest.raises(error, match=message):
            apply(x)


def test_wrong_shapes_and_operators_are_named():
    class Wide(Identity):
        def __init__(self, out_shape):
            super().__init__(SHAPE, out_shape)

    with pytest.raises(TypeError, match="out_shape must be a pair"):
        Wide(3)
    with pytest.raises(ValueError, match="out_shape must be a pair"):
        Wide((3,))
    with pytest.raises(TypeError, match="K must be an Operator, got Tensor"):
        adjoint_error(ONES)


def test_shapes_may_be_lists_sizes_and_numpy_integers():
    for shape in ([4, 5], torch.Size([4, 5]), (np.int64(4), np.int64(5))):
        img_shape = Identity(shape).img_shape
        assert img_shape == (4, 5) and type(img_shape[0]) is int
    assert motion_kernel(np.int64(5), np.float32(20)).shape == (5, 5)


def test_fft_sizes_are_even_and_have_small_factors_only():
    sizes = [operators._fft_size(n) for n in (1, 2, 9, 17, 256, 257, 263, 1025, 2047, 8191)]
    assert sizes == [2, 2, 10, 18, 256, 260, 264, 1040, 2048, 8192]


@pytest.mark.parametrize(
    ("img_shape", "padding", "grid"),
    [
        ((64, 60), "circular", (64, 60)),
        ((64, 61), "circular", (78, 72)),
        ((67, 60), "circular", (78, 70)),
        ((64, 60), "zeros", (70, 66)),
        ((64, 60), "reflect", (78, 70)),
    ],
)
def test_the_fft_is_no_larger_than_the_padding_asks_for(img_shape, padding, grid):
    K = Blurring(img_shape, kernel=torch.ones(12, 11), padding=padding)
    assert K._fft_shape == grid


def test_the_module_loads_by_its_path_with_torch_alone():
    path = Path(operators.__file__)
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("ippy" if node.level else str(node.module).split(".")[0])
    assert imported <= {"torch", *sys.stdlib_module_names}
    spec = importlib.util.spec_from_file_location("course_operators", path)
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert alone.Blurring((8, 8), kernel_type="motion", kernel_size=3)(torch.ones(8, 8)).ndim == 2
