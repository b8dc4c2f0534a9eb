"""ippy.fast: the same functions and gradients as the plain way, whatever the model."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from ippy import fast
from ippy.crops import Batch
from ippy.models import SimpleCNN


def batch(n: int = 5, channels: int = 1, side: int = 20, dtype: torch.dtype = torch.float64):
    draw = torch.Generator().manual_seed(0)
    x, y_delta = (
        torch.rand(n, channels, side, side + 3, generator=draw, dtype=dtype) for _ in range(2)
    )
    mask = (torch.rand(n, 1, side, side + 3, generator=draw) > 0.3).to(dtype)
    return Batch(x, y_delta, mask)


MODELS = {
    "plain": lambda: SimpleCNN(1, 1, 4),
    "5×5": lambda: SimpleCNN(1, 1, 4, kernel_size=5),
    "sigmoid": lambda: SimpleCNN(1, 1, 4, final_activation="sigmoid"),
    "residual": lambda: SimpleCNN(1, 1, 4, residual=True, final_activation="tanh"),
    "circular": lambda: SimpleCNN(1, 1, 4, padding_mode="circular"),
    "other": lambda: nn.Conv2d(1, 1, 3, padding=1),
    "colour": lambda: SimpleCNN(3, 3, 4),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("piece", [1, 2 * 20 * 23, 10**6, None])
def test_the_gradient_is_that_of_the_whole_batch(name, layout, piece):
    torch.manual_seed(0)
    model = MODELS[name]().double()
    part = batch(channels=3 if name == "colour" else 1)
    other = copy.deepcopy(model).to(memory_format=layout)
    squares = part.mask * (model(part.y_delta) - part.x) ** 2
    expected = squares.sum() / 300
    expected.backward()
    other.zero_grad()
    loss = fast.add_gradient(other, part, 300, piece=piece)
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for ours, theirs in zip(other.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("piece", "count"), [(2 * 20 * 23, 3), (1, 5), (None, 1), (fast.PIECE, 1)])
def test_each_piece_is_handed_to_backward(piece, count):
    parts, part, model = [], batch(dtype=torch.float32), SimpleCNN(1, 1, 2)
    total = fast.add_gradient(model, part, 300, lambda loss: parts.append(loss.item()), piece)
    assert len(parts) == count and total == pytest.approx(sum(parts))


def test_gradients_are_added():
    model, part = SimpleCNN(1, 1, 2), batch(dtype=torch.float32)
    fast.add_gradient(model, part, 300)
    once = model.conv2.weight.grad.clone()
    fast.add_gradient(model, part, 300)
    torch.testing.assert_close(model.conv2.weight.grad, 2 * once)


FAULTS = """
import resource, torch
from ippy.fast import keep_memory
kept = keep_memory()
torch.set_num_threads(1)
def use():
    parts = [torch.ones(2**21) for _ in range(16)]  # 8 MB each, 2048 pages
for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is the GNU C library's")
def test_memory_that_is_kept_costs_no_page_faults():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True)
    kept, faults = done.stdout.split()
    assert kept == "True" and int(faults) < 2048


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not fast.keep_memory()
    monkeypatch.setattr(sys, "platform", "linux")

    def missing(name):
        raise OSError("no C library")

    monkeypatch.setattr(fast.ctypes, "CDLL", missing)
    assert not fast.keep_memory()
