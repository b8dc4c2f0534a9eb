"""The table of bad weights: what each file that calls itself weights is told, or gives."""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ippy import SimpleCNN
from ippy.models import load_weights, save_weights

State = dict[str, Any]


class Code:
    """What a hostile file asks to be run."""

    def __reduce__(self):
        return Path.touch, (Path("it-ran"),)


def state() -> State:
    torch.manual_seed(0)
    return dict(SimpleCNN(1, 1, 4).state_dict())


def with_bias(bias: Any) -> State:
    return state() | {"conv3.bias": bias}


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def saved(content: Any, **settings: Any) -> Callable[[Path], object]:
    return lambda path: torch.save(content(), path, **settings)


def edited(edit: Callable[[bytearray], object]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        torch.save(state(), path)
        content = bytearray(path.read_bytes())
        edit(content)
        path.write_bytes(content)

    return write


def described(description: bytes) -> Callable[[Path], object]:
    """Another description of the tensors, with the checksum that fits it."""

    def write(path: Path) -> None:
        torch.save(state(), path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, description if name.endswith("data.pkl") else content)

    return write


def flip(content: bytearray) -> None:
    """One bit of the first weight, which torch.load would take for another weight."""
    content[content.index(state()["conv1.weight"].numpy().tobytes())] ^= 1


DAMAGED = "is damaged, cut short or not written by torch.save; fetch or make it again"
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (written(b""), DAMAGED),
    "a web page": (written(b"<!DOCTYPE html>"), DAMAGED),
    "a pointer of git LFS": (written(b"version https://git-lfs.github.com/spec/v1\n"), DAMAGED),
    "half of it": (edited(lambda c: c.__delitem__(slice(len(c) // 2, None))), DAMAGED),
    "all but the last byte": (edited(lambda c: c.pop()), DAMAGED),
    "a flipped bit": (edited(lambda content: flip(content)), DAMAGED),
    "zeros in the middle": (edited(lambda c: c.__setitem__(slice(400, 900), bytes(500))), DAMAGED),
    # What torch.load raises: EOFError, KeyError, IndexError, struct.error.
    "an empty description": (described(b""), "is damaged; fetch or make it again"),
    "a description that recalls nothing": (described(b"\x80\x02h\x09."), "is damaged"),
    "a description of nothing": (described(b"\x80\x02R."), "is damaged; fetch or make it again"),
    "a description cut short": (described(b"\x80\x02J\x00"), "is damaged; fetch or make it again"),
    "a pickle with code": (written(pickle.dumps(Code())), DAMAGED),
    "a torch file with code": (saved(lambda: with_bias(Code())), "which could run code"),
    "the whole network": (saved(lambda: SimpleCNN(1, 1, 4)), "which could run code"),
    "a list": (saved(lambda: [1, 2]), "must hold tensors by name (a state_dict)"),
    "a tensor": (saved(lambda: torch.ones(3)), "must hold tensors by name (a state_dict)"),
    "a checkpoint": (saved(lambda: {"model": state()}), "must hold tensors by name"),
    "a number for a tensor": (saved(lambda: with_bias(0.5)), "must hold tensors by name"),
    "whole numbers": (saved(lambda: with_bias(torch.ones(1).long())), "must be floating point"),
    "complex numbers": (saved(lambda: with_bias(torch.ones(1) + 0j)), "must be floating point"),
    "NaN": (saved(lambda: with_bias(torch.tensor([float("nan")]))), "NaN or infinite values"),
    "infinity": (saved(lambda: with_bias(torch.tensor([1e39]))), "NaN or infinite values"),
    "on no device": (saved(lambda: with_bias(torch.ones(1, device="meta"))), "one number for each"),
    "sparse": (saved(lambda: with_bias(torch.ones(1).to_sparse())), "one number for each"),
    "more than there is memory": (
        saved(lambda: with_bias(torch.ones(1).expand(10**6, 10**6))),
        "conv3.bias must hold one number for each element",
    ),
    "a layer too few": (
        saved(lambda: {k: v for k, v in state().items() if k != "conv2.bias"}),
        "conv2.bias is missing",
    ),
    "a layer too many": (
        saved(lambda: state() | {"conv4.bias": torch.ones(1)}),
        "conv4.bias is not part of the model",
    ),
    "no layers": (saved(lambda: {}), "conv1.weight is missing"),
    "more filters": (
        saved(lambda: SimpleCNN(1, 1, 8).state_dict()),
        "conv1.weight has shape (8, 1, 3, 3) in the file, (4, 1, 3, 3) in the model",
    ),
    "wider filters": (saved(lambda: SimpleCNN(1, 1, 4, 5).state_dict()), "(4, 1, 5, 5)"),
    "in colour": (saved(lambda: SimpleCNN(3, 3, 4).state_dict()), "(4, 3, 3, 3)"),
    "turned around": (
        saved(lambda: state() | {"conv1.weight": state()["conv1.weight"].movedim(1, 3)}),
        "conv1.weight has shape (4, 3, 3, 1)",
    ),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol", "ignore:.*[Ss]parse")
@pytest.mark.parametrize(("write", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_a_sentence_and_the_network_left_alone(tmp_path, monkeypatch, write, told):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "net.pth")
    model = SimpleCNN(1, 1, 4).train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(ValueError) as refusal:
        load_weights(model, "net.pth")
    assert told in str(refusal.value) and str(refusal.value).startswith("net.pth")
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert model.training
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.pth"], "code has run"


RIGHT: dict[str, Callable[[], Any]] = {
    "double precision": lambda: {name: weight.double() for name, weight in state().items()},
    "an ordered dictionary": lambda: OrderedDict(reversed(state().items())),
    "parameters": lambda: {n: torch.nn.Parameter(w) for n, w in state().items()},
    "views": lambda: {n: torch.stack([w, w], -1)[..., 0] for n, w in state().items()},
}


@pytest.mark.parametrize("content", RIGHT.values(), ids=RIGHT.keys())
def test_unusual_and_right(tmp_path, content):
    torch.save(content(), tmp_path / "net.pth")
    model = load_weights(SimpleCNN(1, 1, 4), tmp_path / "net.pth")
    assert all(torch.equal(weight, state()[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_come_back_as_float32_of_the_same_value(tmp_path, dtype):
    torch.save({name: w.to(dtype) for name, w in state().items()}, tmp_path / "net.pth")
    model = load_weights(SimpleCNN(1, 1, 4), tmp_path / "net.pth")
    for name, weight in model.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, state()[name].to(dtype).float())


def test_a_network_that_was_trained_elsewhere_comes_to_this_device(tmp_path):
    """Another device stands in for a graphics card: what is saved lies on the processor."""
    save_weights(SimpleCNN(1, 1, 4).to(torch.float64), tmp_path / "net.pth")
    stored = torch.load(tmp_path / "net.pth", weights_only=True)
    assert {weight.device.type for weight in stored.values()} == {"cpu"}
    assert next(load_weights(SimpleCNN(1, 1, 4), tmp_path / "net.pth").parameters()).is_cpu
