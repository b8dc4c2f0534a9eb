"""The page computes what torch does: random pictures, kernels and weights, to 1e-5."""

import math

import pytest
import torch
import torch.nn.functional as F

from ippy.classical import frequency_response, wiener
from ippy.metrics import psnr, relative_error, ssim
from ippy.models import SimpleCNN
from ippy.noise import gaussian_noise
from ippy.operators import Blurring, gaussian_kernel, motion_kernel

KINDS = ("relaxed", "simd", "js")
PADDINGS = ("zeros", "circular", "reflect", "replicate")


@pytest.fixture(params=KINDS)
def compute(request, calculator):
    return calculator(request.param)


@pytest.fixture
def js(calculator):
    """Where only one way exists, whatever the browser can do."""
    return calculator("js")


def close(one: torch.Tensor, other: torch.Tensor, within: float = 1e-5) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= within)


def picture(*shape: int) -> torch.Tensor:
    return torch.rand(*shape)  # another one at each run: nothing can have been computed beforehand


def large_network(*args, **keywords) -> SimpleCNN:
    """Random weights whose answers are of size 1, so that 1e-5 means something."""
    model = SimpleCNN(*args, **keywords)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.8)
    return model


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_shape", [(3, 3), (9, 9), (1, 5), (4, 6), (2, 7)])
def test_blur_is_that_of_blurring(compute, padding, kernel_shape):
    x, kernel = picture(37, 41), torch.rand(kernel_shape) - 0.3
    K = Blurring((37, 41), kernel=kernel, padding=padding)
    assert close(compute.convolve(x, kernel, {"padding": padding}), K(x))
    correlated = Blurring((37, 41), kernel=kernel.flip(0, 1), padding=padding)(x)
    if all(n % 2 for n in kernel_shape):
        assert close(compute.convolve(x, kernel, {"padding": padding, "flip": False}), correlated)


def test_kernel_as_wide_as_the_picture(compute):
    x, kernel = picture(8, 8), torch.rand(15, 15) / 112
    for padding in PADDINGS:
        K = Blurring((8, 8), kernel=kernel, padding=padding)
        assert close(compute.convolve(x, kernel, {"padding": padding}), K(x))


def test_kernel_too_wide_for_the_padding_is_refused(js):
    for padding, size in (("circular", 17), ("reflect", 17)):
        with pytest.raises(Exception, match="reaches too far"):
            js.convolve(picture(7, 7), torch.rand(size, size), {"padding": padding})
    with pytest.raises(Exception, match="padding must be"):
        js.convolve(picture(7, 7), torch.rand(3, 3), {"padding": "mirror"})


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 110, 135.5, 180, -33, 359])
def test_motion_kernel(js, angle):
    for size in (1, 3, 9, 15):
        assert close(js.motionKernel(size, angle), motion_kernel(size, angle), 1e-7)
    across = js.motionKernel(9, 90)
    assert torch.equal(across, js.motionKernel(9, 0).T), "a quarter turn is exact"
    assert across.count_nonzero() == 9


@pytest.mark.parametrize("variance", [0.2, 1, 7.5])
def test_gaussian_kernel(js, variance):
    for size in (1, 3, 11):
        assert close(js.gaussianKernel(size, variance), gaussian_kernel(size, variance), 1e-7)


def test_blur_by_description(js):
    x = picture(32, 32)
    for description in (
        {"kernel_type": "motion", "kernel_size": 7, "motion_angle": 70},
        {"kernel_type": "gaussian", "kernel_size": 5, "kernel_variance": 2, "padding": "reflect"},
    ):
        assert close(js.blur(x, description), Blurring((32, 32), **description)(x))


@pytest.mark.parametrize(
    ("n_filters", "kernel_size", "options"),
    [
        (32, 3, {}),
        (32, 3, {"padding_mode": "circular", "final_activation": "tanh", "residual": True}),
        (16, 3, {"padding_mode": "reflect", "final_activation": "sigmoid"}),
        (12, 3, {"padding_mode": "replicate", "final_activation": "relu"}),
        (30, 3, {"padding_mode": "circular"}),
        (3, 3, {"residual": True}),
        (8, 5, {"padding_mode": "reflect"}),
        (6, 7, {"padding_mode": "circular", "final_activation": "tanh"}),
        (5, 1, {}),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (33, 47), (18, 131)])
def test_network(compute, n_filters, kernel_size, options, size):
    model = large_network(1, 1, n_filters, kernel_size, **options)
    y = picture(*size)
    with torch.no_grad():
        x_hat = model(y[None, None])[0, 0]
        m1 = torch.relu(model.conv1(y[None, None]))
        m2 = torch.relu(model.conv2(m1))
        pre = model.conv3(m2)
    found = compute.network(model, y, {"maps": True})
    assert close(found["x_hat"], x_hat)
    assert close(found["maps"][0], m1[0])
    assert close(found["maps"][1], m2[0])
    assert close(found["maps"][2], pre[0, 0])
    assert close(compute.network(model, y)["x_hat"], x_hat)


def test_network_of_the_book_on_a_whole_slice(compute):
    model, y = large_network(1, 1, 32), picture(256, 256)
    with torch.no_grad():
        assert close(compute.network(model, y)["x_hat"], model(y[None, None])[0, 0])


def test_filters_switched_off(compute):
    model, y = large_network(1, 1, 8, padding_mode="circular"), picture(32, 32)
    with torch.no_grad():
        m1 = torch.relu(model.conv1(y[None, None]))
        m1[:, [2, 5]] = 0
        m2 = torch.relu(model.conv2(m1))
        m2[:, 7] = 0
        x_hat = model.conv3(m2)[0, 0]
    found = compute.network(model, y, {"without": [[1, 2], [1, 5], [2, 7]]})
    assert close(found["x_hat"], x_hat)


@pytest.mark.parametrize("padding", PADDINGS)
def test_contributions_are_the_gradient_and_add_up(js, padding):
    model = large_network(1, 1, 6, 3, padding_mode=padding, final_activation="tanh", residual=True)
    y = picture(20, 24).requires_grad_()
    pre = model.conv3(torch.relu(model.conv2(torch.relu(model.conv1(y[None, None])))))[0, 0]
    for row, column in ((10, 12), (0, 0), (19, 1)):
        (gradient,) = torch.autograd.grad(pre[row, column], y, retain_graph=True)
        found = js.contributions(model, y.detach(), row, column)
        assert close(found["gradient"], gradient)
        assert close(found["contribution"], (gradient * y).detach())
        assert found["value"] == pytest.approx(pre[row, column].item(), abs=1e-5)
        total = found["contribution"].double().sum().item() + found["constant"]
        assert total == pytest.approx(found["value"], abs=1e-5)
        assert (found["size"], found["top"], found["left"]) == (7, row - 3, column - 3)


def test_contributions_without_a_filter(js):
    model, y = large_network(1, 1, 6), picture(20, 20).requires_grad_()
    m1 = torch.relu(model.conv1(y[None, None]))
    m2 = torch.relu(model.conv2(m1 * (torch.arange(6) != 3).reshape(1, 6, 1, 1)))
    (gradient,) = torch.autograd.grad(model.conv3(m2)[0, 0, 9, 9], y)
    assert close(
        js.contributions(model, y.detach(), 9, 9, {"without": [[1, 3]]})["gradient"], gradient
    )


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_correlation_with_strides(js, stride):
    x, kernel = picture(11, 14), torch.rand(3, 3) - 0.5
    valid = F.conv2d(x[None, None], kernel[None, None], stride=stride)[0, 0]
    assert close(js.correlate(x, kernel, {"stride": stride, "valid": True}), valid)
    padded = F.conv2d(x[None, None], kernel[None, None], stride=stride, padding=1)[0, 0]
    assert close(js.correlate(x, kernel, {"stride": stride}), padded)
    mirrored = F.pad(x[None, None], (1, 1, 1, 1), mode="reflect")
    reflected = F.conv2d(mirrored, kernel[None, None], stride=stride)[0, 0]
    assert close(js.correlate(x, kernel, {"stride": stride, "padding": "reflect"}), reflected)
    with pytest.raises(Exception, match="larger than the picture"):
        js.correlate(picture(2, 2), kernel, {"valid": True})


def test_sequential_networks(compute):
    x = picture(16, 16)
    # Each number over the root of how many are added, so that the answers stay of size 1.
    first, second = torch.randn(4, 1, 3, 3) / 3, torch.randn(4, 1, 5, 5) / 5
    bias, last = torch.randn(4), torch.randn(1, 4, 3, 3) / 6
    weights = {"shape": [3, 256], "data": torch.randn(3, 256) / 16}

    def conv(weight, **more):
        data = {"shape": list(weight.shape), "data": _numbers(weight)}
        return {"op": "conv", "weight": data, **more}

    h = F.relu(F.conv2d(F.pad(x[None, None], (1, 1, 1, 1), mode="circular"), first, bias))
    h = F.conv2d(h, second, padding=2, groups=4)
    want = F.conv2d(
        F.interpolate(F.max_pool2d(h, 2)[..., ::2, ::2], scale_factor=4), last, padding=1
    )
    layers = [
        conv(first, bias=_numbers(bias), padding="circular"),
        {"op": "relu"},
        conv(second, groups=4),
        {"op": "maxpool", "size": 2},
        {"op": "every", "step": 2},
        {"op": "upsample", "factor": 4},
        conv(last),
    ]
    assert close(compute.sequential(layers, x), want[0])
    odd = picture(15, 17)
    strided = F.conv2d(odd[None, None], first, padding=1, stride=2)[0]
    assert close(compute.sequential([conv(first, stride=2)], odd), strided)
    pooled = F.max_pool2d(odd[None, None], 3)[0]
    assert close(compute.sequential([{"op": "maxpool", "size": 3}], odd), pooled)
    dense = {"op": "linear", "weight": {**weights, "data": _numbers(weights["data"])}}
    found = compute.sequential([dense, {"op": "sigmoid"}], x)
    assert close(found.flatten(), torch.sigmoid(weights["data"] @ x.flatten()))
    with pytest.raises(Exception, match="256 inputs got 100"):
        compute.sequential([dense], picture(10, 10))
    with pytest.raises(Exception, match="no layer called dropout"):
        compute.sequential([{"op": "dropout"}], x)


def _numbers(tensor: torch.Tensor):
    from calculator import floats

    return floats(tensor)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_heads(js, name):
    pre = 6 * picture(9, 9) - 3
    assert close(js.head(pre, name), getattr(torch, name)(pre), 1e-6)
    assert close(js.head(pre, None), pre, 0)


@pytest.mark.parametrize("size", [(256, 256), (30, 45), (17, 16)])
def test_frequency_response(js, size):
    for kernel in (torch.rand(5, 3), motion_kernel(9, 20)):
        found = js.frequencyResponse(kernel, *size)
        H = frequency_response(Blurring(size, kernel=kernel.double()))
        assert close(found["re"].reshape(size), H.real, 1e-10)
        assert close(found["im"].reshape(size), H.imag, 1e-10)


@pytest.mark.parametrize("size", [(256, 256), (30, 45), (17, 16)])
@pytest.mark.parametrize("constant", [1e-8, 1e-5, 1e-3, 0.01, 1.0])
def test_wiener_filter(js, size, constant):
    """The page transforms in double precision; torch's float32 loses digits below 1e-3."""
    for kernel in (motion_kernel(9, 20), gaussian_kernel(9, 2.0)):
        K, exact = (Blurring(size, kernel=k) for k in (kernel, kernel.double()))
        y = K(picture(*size))
        y = y + gaussian_noise(y, 0.01)
        found, truth = js.wiener(y, kernel, constant), wiener(y.double(), exact, constant)
        assert close(found.double(), truth, 1e-5 * max(1, float(truth.abs().max())))
        if constant >= 1e-3:
            assert close(found, wiener(y, K, constant))


def test_noise_is_torchs_own_seed_for_seed(js):
    for size, seed in (((64, 64), 0), ((17, 19), 12345), ((256, 256), 2**31 - 1)):
        y = picture(*size)
        e = gaussian_noise(y, 0.05, torch.Generator().manual_seed(seed))
        assert close(js.gaussianNoise(y, 0.05, seed), e, 1e-6)
    found = js.gaussianNoise(picture(64, 64) * 0, 0.05, 0)
    assert torch.equal(found, torch.zeros(64, 64))


def test_noise_has_exactly_its_level(js):
    y = picture(50, 50)
    for level in (0, 0.01, 0.3):
        found = js.gaussianNoise(y, level, 4)
        assert (found.norm() / y.norm()).item() == pytest.approx(level, rel=1e-6)


def test_metrics(js):
    for size in ((64, 64), (11, 40)):
        x = picture(*size)
        x_hat = x + 0.1 * torch.randn(size)
        one, other = x_hat[None, None], x[None, None]
        assert js.psnr(x_hat, x) == pytest.approx(psnr(one, other).item(), abs=1e-5)
        assert js.ssim(x_hat, x) == pytest.approx(ssim(one, other).item(), abs=1e-5)
        relative = relative_error(one, other).item()
        assert js.relativeError(x_hat, x) == pytest.approx(relative, abs=1e-5)
        assert math.isinf(js.psnr(x, x))
        assert js.ssim(x, x) == pytest.approx(1)
    with pytest.raises(Exception, match="11×11"):
        js.ssim(picture(10, 40), picture(10, 40))


def test_shift(js):
    x = picture(7, 9)
    assert torch.equal(js.shift(x, 3, -4), torch.roll(x, (3, -4), (0, 1)))
    assert torch.equal(js.shift(x, -10, 20), torch.roll(x, (-10, 20), (0, 1)))
    want = torch.zeros_like(x)
    want[2:, :-1] = x[:-2, 1:]
    assert torch.equal(js.shift(x, 2, -1, {"circular": False}), want)


@pytest.mark.parametrize("to", [(16, 16), (20, 50), (64, 31), (7, 3)])
def test_resize_is_that_of_the_dataset(js, to):
    x = picture(40, 50)
    want = F.interpolate(x[None, None], size=to, mode="bilinear", antialias=True)[0, 0]
    assert close(js.resize(x, *to), want)


def test_pixelwise(js):
    a, b = picture(5, 6), picture(5, 6) - 0.5
    assert close(js.add(a, b), a + b, 1e-7)
    assert close(js.subtract(a, b), a - b, 1e-7)
    assert close(js.clamp(b, 0, 0.25), b.clamp(0, 0.25), 0)
    assert js.dot(a, b) == pytest.approx((a * b).sum().item(), abs=1e-5)
    assert js.norm(b) == pytest.approx(b.norm().item(), abs=1e-6)
    counts = torch.histc(b.clamp(0, 0.399), 8, 0, 0.4)
    assert js.histogram(b, 0, 0.4, 8).tolist() == counts.tolist()


def test_calculations_one_after_the_other_do_not_disturb_each_other(compute):
    """All of them use the same memory; a large one in between makes it grow."""
    small, large = picture(16, 16), picture(300, 280)
    model, wide = large_network(1, 1, 4), large_network(1, 1, 20, 5)
    with torch.no_grad():
        before = model(small[None, None])[0, 0]
        between = wide(large[None, None])[0, 0]
    assert close(compute.network(model, small)["x_hat"], before)
    assert close(compute.network(wide, large)["x_hat"], between)
    assert close(compute.network(model, small)["x_hat"], before)
    memory = compute.memory()
    for _ in range(40):  # together they need more than the network did
        compute.convolve(large, picture(3, 3))
    compute.network(wide, large)
    assert compute.memory() == memory, "a calculation leaves none of its memory behind"


def test_unusual_numbers_pass_through(compute):
    x = picture(16, 16)
    x[3, 4] = math.inf
    found = compute.convolve(x, torch.ones(3, 3) / 9, {})
    assert torch.isinf(found[2:5, 3:6]).all()
    assert found.isfinite().sum() == 16 * 16 - 9
