"""ippy.device: the order of preference, on machines that have none of the devices."""

import pytest
import torch

from ippy.device import get_device


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [
        (True, True, "cuda"),
        (True, False, "cuda"),
        (False, True, "mps"),
        (False, False, "cpu"),
    ],
)
def test_fastest_available_device(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert get_device() == expected


def test_torch_takes_the_answer():
    assert torch.zeros(1, device=get_device()).sum() == 0
