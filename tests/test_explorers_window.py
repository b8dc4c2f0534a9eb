"""The worked example, on the side of Python."""

import nbformat
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import convolve, correlate
from traitlets import TraitError

from ippy.explorers.window import KERNEL, PICTURES, Window, resized

SCIPY = {"zeros": "constant", "circular": "wrap", "reflect": "mirror", "replicate": "nearest"}


def test_image_and_kernel_are_those_of_the_chapter():
    book = nbformat.read("book/01-convolution.ipynb", as_version=4)
    cells = [c.source for c in book.cells if "worked-example" in c.metadata.get("tags", [])]
    scope = {"torch": torch}
    exec(cells[0].partition("products =")[0], scope)
    assert torch.equal(scope["image"], Window().image)
    assert torch.equal(scope["kernel"], Window().kernel)


@pytest.mark.parametrize("mode", SCIPY)
@pytest.mark.parametrize("operation", ["convolution", "cross-correlation"])
def test_result_is_scipys(mode: str, operation: str):
    taps = torch.randn(25, generator=torch.Generator().manual_seed(0)).tolist()
    window = Window(
        taps=taps,
        kernel_size=5,
        padding=2,
        padding_mode=mode,
        operation=operation,
        picture="counting",
    )
    f = convolve if operation == "convolution" else correlate
    expected = f(window.image.numpy(), torch.tensor(taps).reshape(5, 5).numpy(), mode=SCIPY[mode])
    assert torch.allclose(window.result, torch.from_numpy(expected), atol=1e-4)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("p", "s", "d"), [(0, 1, 1), (3, 2, 2), (1, 4, 1)])
def test_size_is_conv2ds(m: int, p: int, s: int, d: int):
    if 6 + 2 * p <= d * (m - 1):
        pytest.skip("the kernel does not fit")
    window = Window(kernel_size=m, padding=p, stride=s, dilation=d)
    size = F.conv2d(torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, m, m), None, s, p, d).shape[-2:]
    assert window.result.shape == size


def test_a_kernel_keeps_its_middle_when_its_size_changes():
    larger = resized(KERNEL, 5)
    assert torch.equal(larger[1:4, 1:4].flatten(), torch.tensor(KERNEL).float())
    assert larger.abs().sum() == 7
    assert resized(larger.flatten().tolist(), 3).flatten().tolist() == KERNEL
    assert resized(KERNEL, 1).tolist() == [[3]]
    assert resized(KERNEL, 2).tolist() == [[0, 1], [2, 3]]
    assert resized(KERNEL, 4)[1:, 1:].flatten().tolist() == KERNEL
    assert resized([1, 2, 3, 4], 3).tolist() == [[1, 2, 0], [3, 4, 0], [0, 0, 0]]


@pytest.mark.parametrize("taps", [[], [1, 2], [1] * 8, [1] * 36, [100] * 9, "9"])
def test_a_wrong_kernel_is_refused_and_the_old_one_kept(taps):
    window = Window()
    with pytest.raises(TraitError, match="taps must be"):
        window.taps = taps
    assert window.taps == KERNEL


def test_every_picture_is_6_by_6_and_shown():
    assert Window.assets()["window/pictures"]() == PICTURES
    for name in PICTURES:
        assert Window(picture=name).image.shape == (6, 6)


def test_fallback_marks_the_place_even_beyond_the_result():
    figure = Window(stride=4, row=11, column=0).fallback()
    assert [ax.get_title() for ax in figure.axes] == ["image", "kernel", "result"]
    (box,) = figure.axes[2].patches
    assert box.get_xy() == (-0.5, 0.5)
