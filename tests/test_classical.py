"""The classical methods against dense linear algebra, scipy and scikit-image."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from skimage import restoration

from ippy.classical import (
    DATA_STEP,
    EDGE,
    NORM_MARGIN,
    _norm_squared,
    frequency_response,
    gradient,
    gradient_adjoint,
    tikhonov,
    total_variation,
    wiener,
    wiener_response,
)
from ippy.data import MayoDataset
from ippy.metrics import psnr
from ippy.noise import gaussian_noise
from ippy.operators import Blurring, Identity, Operator
from ippy.training import evaluate

# The reference blur as a convolution kernel: eight equal taps, (row, column) in a 9×9 array.
TAPS = [(6, 8), (6, 7), (5, 6), (5, 5), (4, 4), (4, 3), (3, 2), (3, 1)]
METHODS = [wiener, tikhonov, total_variation]


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def lopsided(kh: int = 3, kw: int = 5) -> torch.Tensor:
    """A kernel without any symmetry, of sum 1."""
    kernel = torch.rand(kh, kw, generator=torch.Generator().manual_seed(kh * kw)).double() + 0.1
    return kernel / kernel.sum()


def squares(n: int = 1, size: int = 32, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Pictures (n, 1, size, size) of a bright square with a darker one in it."""
    x = torch.zeros(n, 1, size, size, dtype=dtype)
    for i in range(n):
        x[i, :, 6 : 24 - i, 5 + i : 26] = 0.9
        x[i, :, 10:18, 12:20] = 0.4
    return x


def matrix(K: Operator) -> np.ndarray:
    """K as a dense matrix on flattened images, column by column."""
    h, w = K.img_shape
    basis = torch.eye(h * w, dtype=torch.float64).reshape(h * w, 1, h, w)
    return K(basis).flatten(1).numpy().T


def difference_matrix(h: int, w: int) -> np.ndarray:
    """∇ as a dense matrix, pixel by pixel: differences downwards, then rightwards."""
    number = np.arange(h * w).reshape(h, w)
    rows = []
    for di, dj in ((1, 0), (0, 1)):
        for i, j in itertools.product(range(h), range(w)):
            row = np.zeros(h * w)
            if i + di < h and j + dj < w:
                row[number[i + di, j + dj]] += 1
                row[number[i, j]] -= 1
            rows.append(row)
    return np.array(rows)


class Downsampling(Operator):
    """Every second pixel: an operator that is no blur and changes the shape."""

    def __init__(self, img_shape: tuple[int, int]) -> None:
        super().__init__(img_shape, [(n + 1) // 2 for n in img_shape])

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., ::2, ::2]

    def _adjoint(self, y: torch.Tensor) -> torch.Tensor:
        x = y.new_zeros(*y.shape[:2], *self.img_shape)
        x[..., ::2, ::2] = y
        return x


BLUR = Blurring((8, 8), kernel=lopsided())


@pytest.mark.parametrize(("kh", "kw"), [(1, 1), (3, 5), (4, 3), (2, 6)])
def test_response_is_what_a_circular_blur_does_to_each_frequency(kh: int, kw: int) -> None:
    K = Blurring((8, 11), kernel=lopsided(kh, kw), padding="circular")
    x = normal(8, 11)
    expected = np.fft.fft2(K(x).numpy()) / np.fft.fft2(x.numpy())
    np.testing.assert_allclose(frequency_response(K).numpy(), expected, atol=1e-10)


def test_response_of_another_shape() -> None:
    kernel = lopsided()
    large = Blurring((16, 12), kernel=kernel)
    H = frequency_response(Blurring((8, 11), kernel=kernel), (16, 12))
    assert torch.equal(H, frequency_response(large))


def test_a_kernel_larger_than_the_image_wraps_around() -> None:
    kernel = lopsided(7, 9)
    H = frequency_response(Blurring((4, 5), kernel=kernel))
    rows, columns = np.fft.fftfreq(4)[:, None], np.fft.fftfreq(5)[None, :]
    expected = sum(
        kernel[s, t].item() * np.exp(-2j * np.pi * ((s - 3) * rows + (t - 4) * columns))
        for s, t in itertools.product(range(7), range(9))
    )
    np.testing.assert_allclose(H.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("kh", "kw"), [(3, 5), (4, 2)])
@pytest.mark.parametrize("constant", [1e-3, 0.5])
def test_wiener_solves_the_circular_least_squares_problem(
    kh: int, kw: int, constant: float
) -> None:
    circular = Blurring((7, 10), kernel=lopsided(kh, kw), padding="circular")
    A = matrix(circular)
    y = normal(7, 10)
    expected = np.linalg.solve(A.T @ A + constant * np.eye(70), A.T @ y.flatten().numpy())
    for padding in ("circular", "zeros"):
        K = Blurring((7, 10), kernel=lopsided(kh, kw), padding=padding)
        np.testing.assert_allclose(wiener(y, K, constant).flatten(), expected, atol=1e-10)


def test_wiener_without_a_constant_is_the_inverse_filter() -> None:
    K = Blurring((9, 9), kernel=torch.tensor([[0.1, 0.8, 0.1]]).double(), padding="circular")
    x = normal(2, 1, 9, 9)
    torch.testing.assert_close(wiener(K(x), K, 0), x)
    # This one removes the frequency 1/2, which no division brings back.
    K = Blurring((8, 8), kernel=torch.tensor([[0.25, 0.5, 0.25]]).double())
    response = wiener_response(K, 0)
    assert torch.equal(response[:, 4], torch.zeros(8, dtype=response.dtype))
    torch.testing.assert_close(response[:, :4], 1 / frequency_response(K)[:, :4])


@pytest.mark.parametrize("constant", [1e-3, 0.5])
def test_scikit_image_has_the_same_wiener_filter(constant: float) -> None:
    """Theirs weighs each frequency by a regularisation operator: here none, a one at the centre."""
    K = Blurring((12, 15), kernel=lopsided(3, 5))
    y, one = normal(12, 15), np.zeros((3, 5))
    one[1, 2] = 1
    expected = restoration.wiener(y.numpy(), K.kernel[0, 0].numpy(), constant, reg=one, clip=False)
    np.testing.assert_allclose(wiener(y, K, constant), expected, atol=1e-12)


@pytest.mark.parametrize(("taps", "size"), [(9, 18), (5, 10), (3, 6), (5, 60)])
def test_what_a_rounded_kernel_removes_is_not_divided_by_either(taps: int, size: int) -> None:
    """In float32, some of these frequencies are left as 1e-8 and not as zero."""
    K = Blurring((size, size), kernel=torch.ones(1, taps) / taps, padding="circular")
    numbers = np.arange(size)
    removed = (numbers * taps % size == 0) & (numbers > 0)
    response = wiener_response(K, 0)[0]
    assert torch.equal(response == 0, torch.from_numpy(removed))
    exact = np.fft.fft(np.roll(np.eye(size)[:taps].sum(0) / taps, -(taps // 2)))
    np.testing.assert_allclose(response[~removed], 1 / exact[~removed], rtol=1e-4)


@pytest.mark.parametrize("constant", [0, 1e-12, 1e-3])
def test_wiener_computes_in_the_type_of_the_measurement(constant: float) -> None:
    K = Blurring((16, 15), kernel_type="gaussian", kernel_size=5, padding="circular")
    assert K.kernel.dtype == torch.float32
    y = K(normal(2, 1, 16, 15))
    grid = np.zeros((16, 15))
    grid[:5, :5] = K.kernel[0, 0]
    H = np.fft.fft2(np.roll(grid, (-2, -2), (0, 1)))
    expected = np.fft.ifft2(H.conj() / (np.abs(H) ** 2 + constant) * np.fft.fft2(y)).real
    np.testing.assert_allclose(wiener(y, K, constant), expected, atol=1e-11)
    single = wiener(y.float(), K, constant + 1e-3)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, wiener(y, K, constant + 1e-3).float(), atol=1e-4, rtol=1e-4)


def test_wiener_response_has_the_shape_asked_for() -> None:
    K = Blurring((8, 11), kernel=lopsided())
    H = frequency_response(K, (5, 6))
    expected = H.conj() / (H.abs() ** 2 + 0.1)
    torch.testing.assert_close(wiener_response(K, 0.1, (5, 6)), expected)


def test_wiener_reaches_the_known_score_on_real_slices(real_slices) -> None:
    """33.100 dB: a Wiener filter written by others, the same 41 slices, blur and noise."""
    folders = sorted((real_slices / "test").iterdir())
    dataset = MayoDataset(real_slices / "test", 256)
    if [folder.name for folder in folders] != ["C081"] or len(dataset) != 41:
        pytest.skip("the known score belongs to 41 slices of patient C081")
    kernel = torch.zeros(9, 9)
    for row, column in TAPS:
        kernel[row, column] = 1 / 8
    K = Blurring((256, 256), kernel=kernel)
    scores = evaluate(lambda y: wiener(y, K, 0.01), K, dataset, 0.01)
    assert scores.mean_psnr == pytest.approx(33.100, abs=0.002)


@settings(max_examples=20, deadline=None)
@given(h=st.integers(1, 6), w=st.integers(1, 6), channels=st.integers(1, 2))
def test_gradient_and_its_adjoint(h: int, w: int, channels: int) -> None:
    x, g = normal(channels, h, w), normal(2, channels, h, w, seed=1)
    D = difference_matrix(h, w)
    for c in range(channels):
        expected = (D @ x[c].flatten().numpy()).reshape(2, h, w)
        np.testing.assert_allclose(gradient(x)[:, c], expected, atol=1e-12)
    torch.testing.assert_close((gradient(x) * g).sum(), (x * gradient_adjoint(g)).sum())


@pytest.mark.parametrize(
    "K",
    [
        Blurring((7, 9), kernel=lopsided()),
        Blurring((7, 9), kernel=lopsided(2, 4), padding="reflect"),
        Blurring((7, 9), kernel=-5 * lopsided(), padding="replicate"),
        Downsampling((7, 9)),
        Identity((7, 9)),
    ],
    ids=["zeros", "reflect", "replicate", "downsampling", "identity"],
)
@pytest.mark.parametrize("weight", [0.02, 3.0])
def test_tikhonov_is_the_least_squares_solution(K: Operator, weight: float) -> None:
    y = normal(2, 1, *K.out_shape)
    stacked = np.vstack([matrix(K), np.sqrt(weight) * difference_matrix(7, 9)])
    right = np.hstack([y.flatten(1).numpy(), np.zeros((2, 126))]).T
    expected = np.linalg.lstsq(stacked, right, rcond=None)[0].T
    x_hat = tikhonov(y, K, weight, iterations=500, tolerance=1e-12)
    np.testing.assert_allclose(x_hat.flatten(1).numpy(), expected, atol=1e-9)


def test_tikhonov_without_a_weight_inverts() -> None:
    K = Blurring((7, 9), kernel=torch.tensor([[0.1, 0.8, 0.1]]).double())
    x = normal(7, 9)
    torch.testing.assert_close(tikhonov(K(x), K, 0, tolerance=1e-12), x)


@pytest.mark.parametrize("tolerance", [1e-1, 1e-3])
def test_tikhonov_stops_at_its_tolerance(tolerance: float) -> None:
    K, weight = Blurring((32, 32), kernel=lopsided()), 1e-3
    y = K(squares(3, dtype=torch.float64)) * torch.tensor([1.0, 10.0, 0.1]).reshape(3, 1, 1, 1)
    x_hat = tikhonov(y, K, weight, tolerance=tolerance)
    residual = K.T(K(x_hat) - y) + weight * gradient_adjoint(gradient(x_hat))
    reached = residual.flatten(1).norm(dim=1) / K.T(y).flatten(1).norm(dim=1)
    assert (reached <= tolerance).all()
    assert (reached > tolerance / 30).all()


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
def test_tikhonov_stops_where_only_rounding_is_left(dtype: torch.dtype, error: float) -> None:
    """With tolerance 0 the residual falls on, until its square is no number above zero."""
    K = Blurring((12, 12), kernel_type="motion", kernel_size=3)
    y = K(torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)).to(dtype))
    x_hat = tikhonov(y, K, 0.01, iterations=3000, tolerance=0)
    expected = tikhonov(y.double(), K, 0.01, iterations=3000, tolerance=1e-12)
    torch.testing.assert_close(x_hat.double(), expected, atol=error, rtol=error)


def test_derivatives_go_through_tikhonov_when_one_image_is_done_before_the_other() -> None:
    K = Blurring((5, 6), kernel=lopsided())
    y = normal(3, 1, 5, 6) * torch.tensor([1.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
    y[2] = K(torch.ones(5, 6, dtype=torch.float64))
    y.requires_grad_()
    weights = normal(3, 1, 5, 6, seed=1)
    (weights * tikhonov(y, K, 0.1, tolerance=1e-10)).sum().backward()
    A, D = matrix(K), difference_matrix(5, 6)
    solved = np.linalg.solve(A.T @ A + 0.1 * D.T @ D, weights.flatten(1).numpy().T)
    expected = (A @ solved).T.reshape(3, 1, 5, 6)
    assert y.grad is not None and bool(y.grad.isfinite().all())
    np.testing.assert_allclose(y.grad[0], expected[0], atol=1e-6)


def test_total_variation_carries_no_gradient() -> None:
    y = normal(1, 1, 8, 8).requires_grad_()
    assert not total_variation(y, BLUR, 0.1, iterations=2).requires_grad


def test_one_iteration_of_tikhonov_is_the_steepest_descent_step() -> None:
    K, y = Blurring((8, 8), kernel=lopsided()), normal(8, 8)
    b = K.T(y)
    curvature = (K(b) ** 2).sum() + 0.3 * (gradient(b) ** 2).sum()
    expected = (b * b).sum() / curvature * b
    torch.testing.assert_close(tikhonov(y, K, 0.3, iterations=1), expected)


def objective(x: np.ndarray, y: np.ndarray, A: np.ndarray, D: np.ndarray, weight: float) -> float:
    down, right = (D @ x).reshape(2, -1)
    return 0.5 * np.sum((A @ x - y) ** 2) + weight * np.hypot(down, right).sum()


def smooth_optimum(y: np.ndarray, A: np.ndarray, D: np.ndarray, weight: float) -> np.ndarray:
    """The minimum with √(|∇x|² + ε²) in place of |∇x|, for a small ε, by scipy."""
    x = A.T @ y
    for eps in (1e-1, 1e-2, 1e-3, 1e-4):

        def value_and_slope(x: np.ndarray, eps: float = eps) -> tuple[float, np.ndarray]:
            down, right = (D @ x).reshape(2, -1)
            length = np.sqrt(down**2 + right**2 + eps**2)
            slope = np.concatenate([down / length, right / length])
            value = 0.5 * np.sum((A @ x - y) ** 2) + weight * length.sum()
            return value, A.T @ (A @ x - y) + weight * (D.T @ slope)

        options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-9}
        x = minimize(value_and_slope, x, jac=True, method="L-BFGS-B", options=options).x
    return x


@pytest.mark.parametrize(
    "K",
    [
        Blurring((7, 9), kernel=lopsided()),
        Blurring((7, 9), kernel=-5 * lopsided(2, 4), padding="reflect"),
        Downsampling((7, 9)),
    ],
    ids=["zeros", "reflect", "downsampling"],
)
@pytest.mark.parametrize("weight", [0.01, 0.2])
def test_total_variation_reaches_the_minimum(K: Operator, weight: float) -> None:
    x = torch.zeros(7, 9, dtype=torch.float64)
    x[2:6, 3:7] = 1
    y = K(x) + 0.1 * normal(*K.out_shape)
    x_hat = total_variation(y, K, weight, iterations=4000, tolerance=0).flatten().numpy()
    A, D, y = matrix(K), difference_matrix(7, 9), y.flatten().numpy()
    best = objective(smooth_optimum(y, A, D, weight), y, A, D, weight)
    assert objective(x_hat, y, A, D, weight) <= best * (1 + 1e-4)


@pytest.mark.parametrize("weight", [0.02, 0.2])
def test_total_variation_denoises_like_scikit_image(weight: float) -> None:
    y = squares(dtype=torch.float64)[0, 0] + 0.1 * normal(32, 32)
    x_hat = total_variation(y, Identity((32, 32)), weight, iterations=2000, tolerance=1e-7)
    expected = restoration.denoise_tv_chambolle(
        y.numpy(), weight=weight, eps=1e-9, max_num_iter=5000
    )
    np.testing.assert_allclose(x_hat, expected, atol=5e-3)
    D = difference_matrix(32, 32)
    reached, theirs = (
        objective(np.ravel(x), y.numpy().ravel(), np.eye(1024), D, weight)
        for x in (x_hat, expected)
    )
    assert reached <= theirs * (1 + 1e-6)


def test_total_variation_lowers_an_edge_by_a_known_amount() -> None:
    # Each half is 4 pixels wide: (weight per row) / 4 is what it gives up of its height.
    y = torch.zeros(3, 8, dtype=torch.float64)
    y[:, 4:] = 1
    x_hat = total_variation(y, Identity((3, 8)), 0.2, iterations=2000, tolerance=1e-9)
    expected = torch.full_like(y, 0.05)
    expected[:, 4:] = 0.95
    torch.testing.assert_close(x_hat, expected, atol=1e-5, rtol=0)


def test_the_iterates_are_those_of_chambolle_and_pock() -> None:
    K, weight, n = Blurring((6, 7), kernel=lopsided()), 0.02, 42
    y = normal(6, 7)
    A, D = matrix(K), difference_matrix(6, 7)
    operator = np.vstack([A, D])
    dual_steps = np.repeat([DATA_STEP, weight / EDGE], [n, 2 * n])
    step = 1 / (DATA_STEP * NORM_MARGIN * _norm_squared(K, y) + 8 * weight / EDGE)
    x = ahead = A.T @ y.flatten().numpy()
    dual = np.zeros(3 * n)
    for _ in range(5):
        dual = dual + dual_steps * (operator @ ahead)
        dual[:n] = (dual[:n] - DATA_STEP * y.flatten().numpy()) / (1 + DATA_STEP)
        dual[n:] /= np.tile(np.maximum(1, np.hypot(dual[n : 2 * n], dual[2 * n :]) / weight), 2)
        previous, x = x, x - step * operator.T @ dual
        ahead = 2 * x - previous
    x_hat = total_variation(y, K, weight, iterations=5, tolerance=0)
    np.testing.assert_allclose(x_hat.flatten(), x, atol=1e-12)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_steps_are_safe_where_the_operator_alone_decides(scale: float) -> None:
    K = Blurring((9, 9), kernel=scale * torch.tensor([[0.1, 0.8, 0.1]]).double())
    x = normal(9, 9)
    x_hat = total_variation(K(x), K, 1e-9, iterations=2000, tolerance=0)
    torch.testing.assert_close(x_hat, x, rtol=0, atol=1e-5)


def test_total_variation_is_done_when_it_hardly_moves() -> None:
    K, weight = Blurring((32, 32), kernel=lopsided()), 1e-3
    y = K(squares(dtype=torch.float64))
    long = [total_variation(y, K, weight, iterations=n, tolerance=0) for n in range(1, 80)]
    stopped = total_variation(y, K, weight, tolerance=1e-3)
    moves = [((b - a).norm() / b.norm()).item() for a, b in itertools.pairwise(long)]
    stop = next(i for i, move in enumerate(moves) if move <= 1e-3)
    torch.testing.assert_close(stopped, long[stop + 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", [tikhonov, total_variation])
def test_no_work_is_done_after_the_last_image_is_done(method) -> None:
    class Counting(Identity):
        calls = 0

        def _forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x.clone()

    few, many = Counting((16, 16)), Counting((16, 16))
    y = normal(2, 1, 16, 16)
    y[1] = 0
    method(y, few, 0.1, iterations=400, tolerance=1e-2)
    method(y, many, 0.1, iterations=400, tolerance=1e-5)
    assert few.calls < many.calls < 400


@pytest.mark.parametrize("method", [tikhonov, total_variation])
def test_an_image_is_reconstructed_as_if_it_were_alone(method) -> None:
    K = Blurring((32, 32), kernel=lopsided())
    x = squares(3, dtype=torch.float64).reshape(1, 3, 32, 32).repeat(2, 1, 1, 1)
    # Another size and noise for each, so that they are done after different numbers of steps.
    scale = torch.tensor([1.0, 0.1, 5.0, 1.0, 2.0, 0.0]).reshape(2, 3, 1, 1)
    y = scale * (K(x) + 0.1 * scale * normal(2, 3, 32, 32))
    together = method(y, K, 0.01, tolerance=1e-3)
    for i, c in itertools.product(range(2), range(3)):
        alone = method(y[i, c], K, 0.01, tolerance=1e-3)
        torch.testing.assert_close(together[i, c], alone, rtol=0, atol=1e-12)


def test_the_border_is_where_wiener_loses() -> None:
    K = Blurring((32, 32), kernel_type="motion", kernel_size=9, motion_angle=90)
    x = squares()
    x[..., 30:, :] = 1
    y = K(x)
    y_delta = y + gaussian_noise(y, 0.01, torch.Generator().manual_seed(0))
    errors = [(method(y_delta, K, 1e-3) - x).abs() for method in METHODS]
    low, high = slice(0, 5), slice(27, 32)
    ripple = [error[..., low, :].mean() for error in errors]
    assert ripple[0] > 5 * ripple[1] and ripple[0] > 5 * ripple[2]
    assert errors[0][..., high, :].mean() > 2 * errors[1][..., high, :].mean()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(16, 16), (2, 16, 16), (3, 2, 16, 16)])
def test_shapes_and_types_are_kept(method, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    K = Blurring((16, 16), kernel_type="motion", kernel_size=5)
    y = K(normal(*shape, dtype=dtype))
    before = y.clone()
    x_hat = method(y, K, 0.01)
    assert x_hat.shape == shape and x_hat.dtype == dtype
    assert x_hat.isfinite().all()
    assert torch.equal(y, before)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_in_is_nothing_out(method) -> None:
    K = Blurring((16, 16), kernel_type="motion", kernel_size=5)
    black = torch.zeros(1, 1, 16, 16)
    assert torch.equal(method(black, K, 0.01), black)
    nothing = Blurring((16, 16), kernel=torch.zeros(3, 3))
    x_hat = method(squares(size=32)[..., :16, :16], nothing, 0.01)
    torch.testing.assert_close(x_hat, black)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_beats_the_measurement(method) -> None:
    K = Blurring((32, 32), kernel_type="motion", kernel_size=5)
    x = squares(2)
    y = K(x)
    y_delta = y + gaussian_noise(y, 0.01, torch.Generator().manual_seed(0))
    gain = psnr(method(y_delta, K, 1e-3), x) - psnr(y_delta, x)
    assert (gain > 5).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.zeros((8, 8)), TypeError, "y must be a torch.Tensor, got ndarray"),
        (torch.zeros(8, 8, dtype=torch.int64), TypeError, "y must be float32 or float64"),
        (torch.zeros(8, 9), ValueError, r"\(N, C, 8, 8\) that K returns, got \(8, 9\)"),
        (torch.zeros(8), ValueError, "y must have the shape"),
        (torch.zeros(1, 1, 1, 8, 8), ValueError, "y must have the shape"),
        (torch.full((8, 8), torch.nan), ValueError, "y must be finite"),
    ],
)
def test_a_wrong_measurement_is_refused(method, y, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        method(y, Blurring((8, 8), kernel=lopsided()), 0.01)


@pytest.mark.parametrize(
    ("method", "name"), [(wiener, "constant"), (tikhonov, "weight"), (total_variation, "weight")]
)
@pytest.mark.parametrize(
    ("value", "error"),
    [(-0.1, ValueError), (torch.inf, ValueError), ("1", TypeError), (True, TypeError)],
)
def test_a_wrong_constant_is_refused(method, name: str, value, error: type) -> None:
    with pytest.raises(error, match=f"^{name} must be"):
        method(torch.zeros(8, 8), Identity((8, 8)) if name == "weight" else BLUR, value)


def test_total_variation_needs_a_positive_weight() -> None:
    with pytest.raises(ValueError, match="weight must be finite and be positive, got 0"):
        total_variation(torch.zeros(8, 8), BLUR, 0)


@pytest.mark.parametrize("method", [tikhonov, total_variation])
@pytest.mark.parametrize("iterations", [0, -1, 2.5, True])
def test_iterations_are_a_positive_integer(method, iterations) -> None:
    with pytest.raises(ValueError, match="iterations must be a positive integer, got"):
        method(torch.zeros(8, 8), BLUR, 0.1, iterations=iterations)


def test_wiener_needs_a_blur() -> None:
    with pytest.raises(TypeError, match=r"K must be a Blurring.*tikhonov"):
        wiener(torch.zeros(8, 8), Identity((8, 8)), 0.1)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_norm_is_the_largest_singular_value(scale: float) -> None:
    for padding in ("zeros", "replicate"):
        K = Blurring((9, 8), kernel=scale * lopsided(5, 4), padding=padding)
        largest = np.linalg.norm(matrix(K), 2) ** 2
        assert (
            0.97 * largest <= _norm_squared(K, torch.zeros(9, 8).double()) <= largest * (1 + 1e-9)
        )


def test_the_shape_of_a_frequency_response_is_named() -> None:
    with pytest.raises((TypeError, ValueError), match=r"^shape must be a pair"):
        frequency_response(BLUR, (5,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64, "float64"])
def test_the_type_of_a_frequency_response_is_named(dtype) -> None:
    with pytest.raises(TypeError, match=r"^dtype must be torch\.float32 or torch\.float64, got"):
        frequency_response(BLUR, dtype=dtype)
