"""The convolution of a slice, on the side of Python."""

import pytest
import torch
from scipy.ndimage import convolve, correlate
from traitlets import TraitError

from ippy import course
from ippy.explorers.convolution import PADDINGS, Convolution, named_kernel
from ippy.operators import adjoint_error

NAMED = [name for name in Convolution.kernel_type.choices(Convolution()) if name != "painted"]


def test_opens_on_the_books_blur_and_the_chapters_window():
    explorer = Convolution()
    assert torch.equal(explorer.kernel, course.blurring().kernel[0, 0])
    ring = torch.ones(64, 64, dtype=torch.bool)
    ring[4:-4, 4:-4] = False
    # the table in chapter 1
    expected = {"zeros": 0.0613, "circular": 0.0294, "reflect": 0.0246, "replicate": 0.0165}
    for padding, rms in expected.items():
        error = explorer.border_error(padding)
        assert float(error[ring].square().mean().sqrt()) == pytest.approx(rms, abs=5e-5)
        assert error[~ring].abs().max() < 1e-6


def test_the_defaults_follow_the_course(monkeypatch):
    blur = {"kernel_type": "gaussian", "kernel_size": 5, "kernel_variance": 2.0}
    monkeypatch.setattr(course, "BLUR", blur)
    K = Convolution().K
    assert torch.equal(K.kernel, course.blurring().kernel)


@pytest.mark.parametrize("name", NAMED)
def test_k_is_scipys_convolution_or_correlation(name: str):
    x = course.datasets()[1][0][0].double()
    for operation, f in (("convolution", convolve), ("cross-correlation", correlate)):
        explorer = Convolution(
            kernel_type=name, kernel_size=5, angle=70, variance=2, operation=operation
        )
        kernel = explorer.kernel.double().numpy()
        expected = torch.from_numpy(f(x.numpy(), kernel, mode="constant"))
        assert torch.allclose(explorer.K(x), expected, atol=1e-6)


@pytest.mark.parametrize("padding", PADDINGS)
def test_k_has_the_padding_and_an_exact_adjoint(padding: str):
    K = Convolution(kernel_type="fading", padding=padding).K
    assert K.padding == padding
    assert adjoint_error(K) < 1e-12


def test_named_kernels_do_what_their_names_say():
    x = torch.zeros(1, 9, 9)
    x[0, 4, 4] = 1

    def moved(name: str, operation: str = "convolution") -> list[int]:
        explorer = Convolution(kernel_type=name, kernel_size=5, operation=operation)
        return explorer._blurring((9, 9), "zeros")(x)[0].nonzero().flatten().tolist()

    assert moved("identity") == [4, 4]
    assert moved("shift") == [4, 6]
    assert moved("shift", "cross-correlation") == [4, 2]
    for name in ("box", "gaussian", "motion", "fading", "identity", "shift"):
        assert float(named_kernel(name, 5, 30, 1.5).sum()) == pytest.approx(1)
    for name in ("sobel", "laplacian"):
        kernel = named_kernel(name, 9)
        assert kernel.shape == (3, 3) and float(kernel.sum()) == 0
    fading = named_kernel("fading", 9)  # the streak of chapter 1
    assert torch.allclose(fading[4, 4:] / fading[4, 4], 0.6 ** torch.arange(5))
    assert float(fading[:, :4].abs().sum()) == 0
    ramp = torch.arange(9.0).repeat(9, 1)
    slope = Convolution(kernel_type="sobel")._blurring((9, 9), "zeros")(ramp)
    assert torch.allclose(slope[1:-1, 1:-1], torch.ones(7, 7))
    bowl = Convolution(kernel_type="laplacian")._blurring((9, 9), "zeros")(ramp**2)
    assert torch.allclose(bowl[1:-1, 1:-1], torch.full((7, 7), 2.0))


def test_a_wrong_name_is_told():
    with pytest.raises(ValueError, match="kernel_type must be"):
        named_kernel("painted", 3)


def test_a_kernel_of_ones_own():
    explorer = Convolution()
    for m in (1, 3, 11):
        mine = torch.randn(m, m, generator=torch.Generator().manual_seed(m)).clamp(-10, 10)
        explorer.kernel = mine
        side = max(3, m)
        assert explorer.kernel.shape == (side, side)
        middle = slice((side - m) // 2, (side + m) // 2)
        assert torch.allclose(explorer.kernel[middle, middle], mine)
        assert explorer.kernel_type == "painted"
        assert float(explorer.kernel.abs().sum()) == pytest.approx(float(mine.abs().sum()))
    explorer.taps = [1, 1, 1, 1, 1, 1, 1, 1, 1]
    explorer.normalised = True
    assert float(explorer.kernel.sum()) == pytest.approx(1)
    explorer.taps = [1, 0, -1, 0, 0, 0, 0, 0, 0]  # no sum to divide by
    assert float(explorer.kernel.abs().sum()) == 2


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (13, 13), (9,)])
def test_a_kernel_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="kernel must have the shape"):
        Convolution().kernel = torch.ones(shape)


@pytest.mark.parametrize(
    "values", [{"taps": [1, 2]}, {"top": 193}, {"padding": "valid"}, {"kernel_type": "bell"}]
)
def test_values_out_of_range_are_refused(values: dict):
    with pytest.raises(TraitError):
        Convolution(**values)


def test_fallback_shows_the_four_paddings():
    titles = [ax.get_title() for ax in Convolution().fallback().axes]
    assert titles[:4] == PADDINGS
