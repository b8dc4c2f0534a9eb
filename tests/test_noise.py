"""ippy.noise: levels, distributions, and where the randomness comes from."""

import math

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ippy import noise as module
from ippy.noise import gaussian_noise, poisson_noise


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image_norms(x: Tensor) -> Tensor:
    """The norm of each image, one for all channels and pixels."""
    return (x if x.ndim == 4 else x[None]).flatten(1).norm(dim=1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    batch=st.lists(st.integers(1, 4), max_size=2),
    size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    level=st.floats(1e-4, 2),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
def test_the_level_holds_for_each_image(batch, size, level, dtype, seed):
    y = torch.rand(*batch, *size, generator=seeded(seed), dtype=dtype)
    if len(batch) == 2:
        y = y * torch.logspace(-3, 3, batch[0], dtype=dtype)[:, None, None, None]
    e = gaussian_noise(y, level, seeded(seed))
    assert e.shape == y.shape and e.dtype == dtype
    torch.testing.assert_close(image_norms(e), level * image_norms(y), rtol=1e-5, atol=0)


def test_the_noise_is_drawn_in_the_type_of_the_image():
    y = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    n = torch.randn(y.shape, dtype=y.dtype, generator=seeded(5))
    e = gaussian_noise(y, 0.5, seeded(5))
    assert torch.allclose(e, n * (0.5 * y.norm() / n.norm()), rtol=1e-13)


def test_the_channels_of_an_image_share_its_level():
    y = torch.ones(2, 3, 16, 16)
    y[:, 0] = 0
    e = gaussian_noise(y, 0.1, seeded())
    assert (e[:, 0].norm() / e[:, 1].norm()).item() == pytest.approx(1, abs=0.2)
    e = gaussian_noise(y[0], 0.1, seeded())
    assert (e[0].norm() / e[1].norm()).item() == pytest.approx(1, abs=0.2)


def test_black_images_get_no_noise():
    y = torch.zeros(3, 1, 8, 8)
    y[1] = 0.5
    e = gaussian_noise(y, 0.01, seeded())
    assert e.isfinite().all()
    assert e[0].abs().max() == 0 and e[2].abs().max() == 0 and e[1].abs().min() > 0
    assert gaussian_noise(torch.zeros(8, 8), 0.01).abs().max() == 0
    assert poisson_noise(torch.zeros(8, 8), 10.0).abs().max() == 0


def test_gaussian_noise_is_gaussian_and_white():
    e = gaussian_noise(torch.full((2, 1, 128, 128), 0.5, dtype=torch.float64), 0.02, seeded())
    for image in e[:, 0]:
        assert image.std().item() == pytest.approx(0.01, rel=0.02)
        assert scipy.stats.kstest(image.flatten().numpy() / 0.01, "norm").pvalue > 0.01
        assert abs((image[1:] * image[:-1]).mean().item()) < 3e-6
    assert abs((e[0] * e[1]).mean().item()) < 3e-6


@pytest.mark.parametrize("photons", [5.0, 200.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_poisson_noise_is_that_of_photon_counts(photons, dtype):
    y = torch.full((2, 1, 128, 128), 0.5, dtype=dtype)
    y[1] = 2.0
    e = poisson_noise(y, photons, seeded())
    assert e.shape == y.shape and e.dtype == dtype
    for image, value in zip(e, (0.5, 2.0), strict=True):
        spread = math.sqrt(value / photons)
        assert abs(image.mean().item()) < 4 * spread / 128
        assert image.std().item() == pytest.approx(spread, rel=0.03)
    counts = (y + e) * photons
    torch.testing.assert_close(counts, counts.round(), rtol=0, atol=1e-3)
    assert counts.min() >= -1e-3


def test_poisson_noise_takes_rounding_for_zero():
    y = torch.tensor([[0.0, 1.0], [0.5, -1e-7]])
    e = poisson_noise(y, 100.0, seeded())
    assert e[1, 1].item() == pytest.approx(1e-7, rel=1e-3)
    assert poisson_noise(torch.tensor([[100.0, -1e-4]]), 1.0, seeded()).isfinite().all()
    with pytest.raises(ValueError, match=r"y must not be negative, got a minimum of -0\.0001"):
        poisson_noise(torch.tensor([[1.0, -1e-4]]), 100.0)
    with pytest.raises(ValueError, match="y must not be negative"):
        poisson_noise(torch.full((2, 2), -1.0), 100.0)


def test_poisson_noise_knows_its_limits():
    assert poisson_noise(torch.ones(4, 4), 9e11, seeded()).abs().max() < 1e-5
    with pytest.raises(ValueError, match=r"peak must keep .* got 2e\+12"):
        poisson_noise(torch.full((4, 4), 2.0), 1e12)


@pytest.mark.parametrize("noise", [gaussian_noise, poisson_noise])
def test_the_generator_alone_decides(noise):
    y = torch.rand(2, 1, 16, 16, generator=seeded())
    state = torch.get_rng_state()
    first, again, other = (noise(y, 0.5, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again) and not torch.equal(first, other)
    generator = seeded(1)
    assert not torch.equal(noise(y, 0.5, generator), noise(y, 0.5, generator))


def test_noise_is_drawn_where_the_generator_is():
    far = torch.ones(2, 2, device="meta")
    assert module._device(seeded(), far) == torch.device("cpu")
    assert module._device(None, far) == torch.device("meta")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("noise", [gaussian_noise, poisson_noise])
def test_a_generator_on_the_cpu_gives_every_device_the_same_noise(noise):
    y = torch.rand(2, 1, 16, 16, generator=seeded())
    e = noise(y.cuda(), 0.5, seeded(1))
    assert e.is_cuda
    torch.testing.assert_close(e.cpu(), noise(y, 0.5, seeded(1)))


@pytest.mark.parametrize("noise", [gaussian_noise, poisson_noise])
def test_without_a_generator_torchs_own_is_used(noise):
    y = torch.rand(2, 1, 16, 16, generator=seeded())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        first, second = noise(y, 0.5), noise(y, 0.5)
        torch.manual_seed(5)
        assert torch.equal(noise(y, 0.5), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("noise", [gaussian_noise, poisson_noise])
def test_noise_is_apart_from_y(noise):
    y = torch.rand(1, 16, 16, generator=seeded()).requires_grad_()
    before = y.detach().clone()
    e = noise(y, 0.5, seeded())
    assert torch.equal(y, before) and not e.requires_grad
    assert abs(e.mean().item()) < 0.5


Y = torch.ones(4, 4)


@pytest.mark.parametrize("noise", [gaussian_noise, poisson_noise])
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([[1.0]], TypeError, "y must be a torch.Tensor, got list"),
        (Y.long(), TypeError, r"y must be float32 or float64, got torch.int64; use y.float\(\)"),
        (Y.half(), TypeError, "y must be float32 or float64, got torch.float16"),
        (Y[0], ValueError, r"y must have the shape .* got \(4,\)"),
        (Y.expand(1, 1, 1, 4, 4), ValueError, r"y must have the shape .* got \(1, 1, 1, 4, 4\)"),
        (Y[:0], ValueError, r"y must have the shape .* got \(0, 4\)"),
        (Y / 0, ValueError, "y must be finite"),
        (Y * math.nan, ValueError, "y must be finite"),
    ],
)
def test_wrong_images_are_named(noise, y, error, message):
    with pytest.raises(error, match=message):
        noise(y, 0.5)


@pytest.mark.parametrize(
    ("noise", "amount", "error", "message"),
    [
        (gaussian_noise, -0.1, ValueError, "noise_level must not be negative, got -0.1"),
        (gaussian_noise, math.nan, ValueError, "noise_level must be finite, got nan"),
        (gaussian_noise, "1 %", TypeError, "noise_level must be a number, got '1 %'"),
        (gaussian_noise, True, TypeError, "noise_level must be a number, got True"),
        (poisson_noise, -1, ValueError, "peak must be positive, got -1"),
        (poisson_noise, 0, ValueError, "peak must be positive, got 0"),
        (poisson_noise, 1e-300, ValueError, "peak must be positive, got 1e-300; use 1e-38 or more"),
        (poisson_noise, math.inf, ValueError, "peak must be finite, got inf"),
        (poisson_noise, None, TypeError, "peak must be a number, got None"),
    ],
)
def test_wrong_amounts_are_named(noise, amount, error, message):
    with pytest.raises(error, match=message):
        noise(Y, amount)


@pytest.mark.parametrize("noise", [gaussian_noise, poisson_noise])
def test_a_seed_is_not_a_generator(noise):
    with pytest.raises(TypeError, match=r"generator must be a torch\.Generator, got int"):
        noise(Y, 0.5, 7)


def test_no_noise_is_zero():
    assert gaussian_noise(Y, 0).abs().max() == 0
