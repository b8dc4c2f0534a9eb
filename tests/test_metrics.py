"""ippy.metrics against scikit-image, image by image."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ippy.metrics import psnr, relative_error, ssim

METRICS = [psnr, ssim, relative_error]


def pair(*shape, dtype=torch.float32, seed=0):
    """Images and reconstructions whose errors differ tenfold from one image to the next."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(*shape, dtype=dtype, generator=generator)
    noise = torch.randn(*shape, dtype=dtype, generator=generator)
    level = torch.logspace(-2, -1, len(x), dtype=dtype).reshape(-1, 1, 1, 1)
    return x + level * noise, x


def skimage_ssim(x_hat, x, data_range):
    return structural_similarity(
        x_hat.double().numpy(),
        x.double().numpy(),
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=data_range,
    )


def test_ssim_in_double_precision():
    x_hat, x = pair(2, 1, 40, 30, dtype=torch.float64)
    expected = [skimage_ssim(a, b, 1.0) for a, b in zip(x_hat, x, strict=True)]
    np.testing.assert_allclose(ssim(x_hat, x), expected, atol=1e-12)


@pytest.mark.parametrize(("offset", "data_range"), [(0.0, 1.0), (0.5, 1e-3), (-1000.0, 1.0)])
def test_small_differences_between_large_values(offset, data_range):
    x_hat, x = (offset + data_range * image.double() for image in pair(2, 1, 24, 24))
    expected = [skimage_ssim(a, b, data_range) for a, b in zip(x_hat, x, strict=True)]
    np.testing.assert_allclose(ssim(x_hat.float(), x.float(), data_range), expected, atol=1e-3)
    assert ssim(x_hat.float(), x.float(), data_range).dtype == torch.float32


def test_a_few_large_values_in_the_reconstruction_do_not_spoil_the_rest():
    x_hat, x = pair(1, 1, 24, 24)
    x_hat += 1000
    expected = skimage_ssim(x_hat[0], x[0], 1.0)
    np.testing.assert_allclose(ssim(x_hat, x), [expected], atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_not_taken_in_mixed_precision(metric):
    x_hat, x = pair(2, 1, 24, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = metric(x_hat, x)
    assert torch.equal(scores, metric(x_hat, x))


def test_default_data_range_is_one():
    x_hat, x = pair(2, 1, 16, 16)
    assert torch.equal(psnr(x_hat, x), psnr(x_hat, x, data_range=1.0))
    assert torch.equal(ssim(x_hat, x), ssim(x_hat, x, data_range=1.0))


def test_psnr_by_hand():
    x = torch.zeros(3, 1, 4, 4, dtype=torch.float64)
    x_hat = x + torch.tensor([0.1, 0.01, 1.0], dtype=torch.float64).reshape(3, 1, 1, 1)
    torch.testing.assert_close(psnr(x_hat, x), torch.tensor([20.0, 40.0, 0.0]).double())


def test_values_outside_the_range_are_not_clipped():
    x = torch.zeros(1, 1, 4, 4)
    assert psnr(x - 2, x).item() == pytest.approx(-20 * math.log10(2), abs=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_one_value_for_each_image_whatever_its_neighbours(metric):
    x_hat, x = pair(4, 1, 16, 16)
    together = metric(x_hat, x)
    assert together.shape == (4,)
    for i in range(4):
        alone = metric(x_hat[i : i + 1], x[i : i + 1])
        assert alone.shape == (1,)
        torch.testing.assert_close(alone[0], together[i])


def test_identical_images():
    _, x = pair(2, 1, 16, 16)
    assert psnr(x, x).tolist() == [math.inf, math.inf]
    assert ssim(x, x).tolist() == [1, 1]
    assert relative_error(x, x).tolist() == [0, 0]


def test_relative_error_is_relative_to_the_true_image():
    x = torch.ones(2, 2, 4, 4)
    torch.testing.assert_close(relative_error(3 * x, x), torch.tensor([2.0, 2.0]))
    assert relative_error(x, 0 * x).tolist() == [math.inf, math.inf]


@pytest.mark.parametrize("metric", METRICS)
def test_half_precision_is_computed_in_single(metric):
    x_hat, x = (image.half() for image in pair(2, 1, 16, 16))
    assert metric(x_hat, x).dtype == torch.float32
    torch.testing.assert_close(metric(x_hat, x), metric(x_hat.float(), x.float()))


@pytest.mark.parametrize("metric", METRICS)
def test_mixed_precision_is_computed_in_the_higher(metric):
    x_hat, x = pair(2, 1, 16, 16)
    assert metric(x_hat, x.double()).dtype == torch.float64


@pytest.mark.parametrize("metric", METRICS)
def test_bad_images(metric):
    x = torch.rand(2, 1, 16, 16)
    with pytest.raises(ValueError, match=r"same shape, got \(2, 1, 16, 16\) and \(1, 1, 16, 16\)"):
        metric(x, x[:1])
    with pytest.raises(ValueError, match=r"x_hat must have shape \(N, C, H, W\), got \(1, 16, 16"):
        metric(x[0], x)
    with pytest.raises(ValueError, match=r"^x must have shape .* x\[None\]"):
        metric(x, x[0])
    with pytest.raises(ValueError, match=r"at least one image, got shape \(0, 1, 16, 16\)"):
        metric(x[:0], x[:0])
    with pytest.raises(TypeError, match=r"x_hat must be a floating-point tensor.*torch.int64"):
        metric(torch.ones(2, 1, 16, 16, dtype=torch.int64), x)
    with pytest.raises(TypeError, match=r"^x must be a floating-point tensor.*ndarray"):
        metric(x, x.numpy())


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize("data_range", [0, -1, math.inf, math.nan])
def test_bad_data_range(metric, data_range):
    x = torch.rand(1, 1, 16, 16)
    with pytest.raises(ValueError, match="data_range must be a positive number"):
        metric(x, x, data_range)


@pytest.mark.parametrize("shape", [(1, 1, 10, 16), (1, 1, 16, 10)])
def test_ssim_needs_room_for_its_window(shape):
    x = torch.rand(shape)
    with pytest.raises(ValueError, match=f"at least 11×11 pixels .* got {shape[2]}×{shape[3]}"):
        ssim(x, x)
    assert ssim(torch.ones(1, 1, 11, 11), torch.ones(1, 1, 11, 11)).item() == pytest.approx(1)


@settings(max_examples=10, deadline=None)
@given(
    n=st.integers(1, 3),
    channels=st.integers(1, 3),
    height=st.integers(11, 24),
    width=st.integers(11, 24),
    data_range=st.sampled_from([1.0, 2.0, 255.0]),
)
def test_each_image_as_in_scikit_image(n, channels, height, width, data_range):
    x_hat, x = (data_range * image for image in pair(n, channels, height, width))
    x64, x_hat64 = x.double().numpy(), x_hat.double().numpy()
    expected_psnr = [
        peak_signal_noise_ratio(a, b, data_range=data_range)
        for a, b in zip(x64, x_hat64, strict=True)
    ]
    expected_ssim = [skimage_ssim(a, b, data_range) for a, b in zip(x_hat, x, strict=True)]
    expected_error = [
        np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(x64, x_hat64, strict=True)
    ]
    np.testing.assert_allclose(psnr(x_hat, x, data_range), expected_psnr, atol=1e-4)
    np.testing.assert_allclose(ssim(x_hat, x, data_range), expected_ssim, atol=1e-5)
    np.testing.assert_allclose(relative_error(x_hat, x), expected_error, rtol=1e-5)
