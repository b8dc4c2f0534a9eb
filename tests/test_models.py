"""ippy.models: the network against its formula, receptive fields against gradients, bad files."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from ippy.models import (
    SimpleCNN,
    count_parameters,
    load_weights,
    receptive_field,
    save_weights,
)

ACTIVATIONS = {
    None: lambda h: h,
    "relu": lambda h: h.clamp(min=0),
    "sigmoid": lambda h: 1 / (1 + torch.exp(-h)),
    "tanh": lambda h: 2 / (1 + torch.exp(-2 * h)) - 1,
}
TORCH_PADDING = {
    "zeros": "constant",
    "circular": "circular",
    "reflect": "reflect",
    "replicate": "replicate",
}


def by_hand(model, y, activation, padding_mode):
    """The network as a formula on its weights, with every convolution padded first."""

    def conv(layer, h):
        r = layer.weight.shape[-1] // 2
        return F.conv2d(
            F.pad(h, (r, r, r, r), TORCH_PADDING[padding_mode]), layer.weight, layer.bias
        )

    h = conv(model.conv1, y).clamp(min=0)
    h = conv(model.conv2, h).clamp(min=0)
    return ACTIVATIONS[activation](conv(model.conv3, h))


@settings(max_examples=25, deadline=None)
@given(
    in_ch=st.integers(1, 3),
    out_ch=st.integers(1, 3),
    n_filters=st.integers(1, 5),
    kernel_size=st.sampled_from([1, 3, 5]),
    activation=st.sampled_from(list(ACTIVATIONS)),
    padding_mode=st.sampled_from(list(TORCH_PADDING)),
    residual=st.booleans(),
    seed=st.integers(0, 100),
)
def test_simple_cnn_is_its_formula(
    in_ch, out_ch, n_filters, kernel_size, activation, padding_mode, residual, seed
):
    if residual:
        out_ch = in_ch
    torch.manual_seed(seed)
    model = SimpleCNN(in_ch, out_ch, n_filters, kernel_size, activation, padding_mode, residual)
    model = model.double()
    y = torch.randn(2, in_ch, 7, 9, dtype=torch.float64)
    expected = by_hand(model, y, activation, padding_mode) + (y if residual else 0)
    assert expected.shape == (2, out_ch, 7, 9)
    torch.testing.assert_close(model(y), expected)


def test_defaults():
    torch.manual_seed(0)
    model = SimpleCNN(1, 1, 4)
    y = torch.randn(1, 1, 8, 8)
    torch.testing.assert_close(model(y), by_hand(model, y, None, "zeros"))
    assert model.conv1.kernel_size == (3, 3)


def test_names_of_the_weights():
    names = [f"conv{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")]
    assert list(SimpleCNN(1, 1, 4, residual=True, final_activation="tanh").state_dict()) == names


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1, 1, 32), 9_857),
        ((1, 1, 8), 737),
        ((2, 3, 4, 5), 25 * (2 * 4 + 4 * 4 + 4 * 3) + 4 + 4 + 3),
    ],
)
def test_count_parameters(arguments, expected):
    assert count_parameters(SimpleCNN(*arguments)) == expected


def test_numpy_integers_are_sizes_too():
    assert count_parameters(SimpleCNN(1, 1, np.int64(8), np.int32(3))) == 737


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_ch": 0}, "in_ch must be a positive integer, got 0"),
        ({"out_ch": -1}, "out_ch must be a positive integer, got -1"),
        ({"n_filters": 2.0}, r"n_filters must be a positive integer, got 2\.0"),
        ({"n_filters": True}, "n_filters must be a positive integer, got True"),
        ({"kernel_size": "3"}, "kernel_size must be a positive integer, got '3'"),
        ({"kernel_size": (3, 3)}, r"kernel_size must be a positive integer, got \(3, 3\)"),
        ({"final_activation": "elu"}, "final_activation must be one of None, 'relu', .* got 'elu'"),
        ({"final_activation": nn.ReLU()}, "final_activation must be one of"),
        ({"padding_mode": "same"}, "padding_mode must be one of 'zeros', .* got 'same'"),
        ({"residual": True, "out_ch": 2}, "out_ch must equal in_ch = 1, got 2"),
    ],
)
def test_bad_architecture(arguments, message):
    with pytest.raises(ValueError, match=message):
        SimpleCNN(**{"in_ch": 1, "out_ch": 1, "n_filters": 2, **arguments})


def reach(model, channels=1, size=65):
    """How many pixels across have an influence on one output pixel, from the gradient."""
    model = model.double()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    y = torch.rand(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    out = model(y)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    touched = y.grad[0].sum(dim=0).nonzero()  # (pixels, 2)
    return int((touched.amax(dim=0) - touched.amin(dim=0)).max()) + 1


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (SimpleCNN(1, 1, 3), 7),
        (SimpleCNN(1, 1, 3, kernel_size=5), 13),
        (SimpleCNN(1, 1, 3, kernel_size=1), 1),
        (nn.Sequential(nn.Conv2d(1, 1, 3, stride=2), nn.ReLU(), nn.Conv2d(1, 1, 5)), 11),
        (nn.Sequential(nn.Conv2d(1, 1, 3, dilation=4), nn.Conv2d(1, 1, 3, dilation=2)), 13),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3)), 8),
        (nn.Sequential(nn.AvgPool2d(3, stride=2), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3)), 13),
        (nn.Sequential(nn.Conv2d(1, 1, (3, 7), stride=(2, 1)), nn.Conv2d(1, 1, (3, 1))), 7),
        (nn.Sequential(nn.Conv2d(1, 1, (7, 3), stride=(1, 2)), nn.Conv2d(1, 1, (1, 5))), 11),
        (nn.Sequential(*[nn.Conv2d(1, 1, 3)] * 3), 7),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1), nn.Conv2d(1, 1, 3)).eval(), 5),
    ],
)
def test_receptive_field_is_what_the_gradient_reaches(model, expected):
    assert receptive_field(model) == reach(model) == expected


def test_receptive_field_of_max_pooling():
    assert receptive_field(nn.Sequential(nn.MaxPool2d(3, 2, dilation=2), nn.Conv2d(1, 1, 3))) == 9


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 4)), "got Linear"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.Upsample(2)), "got Conv2d, Upsample"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.ConvTranspose2d(1, 1, 3)), "ConvTranspose2d"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1)), "AdaptiveAvgPool2d"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveMaxPool2d(1)), "AdaptiveMaxPool2d"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.PixelShuffle(2)), "PixelShuffle"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4)), "GroupNorm"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4)), "InstanceNorm2d"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.LayerNorm((8, 8))), "LayerNorm"),
        (nn.ReLU(), "got neither"),
    ],
)
def test_no_receptive_field(model, found):
    with pytest.raises(ValueError, match=f"model must be made of .*{found}"):
        receptive_field(model)


@pytest.mark.parametrize(
    ("padding_mode", "smallest"), [("zeros", 1), ("replicate", 1), ("circular", 3), ("reflect", 4)]
)
def test_the_smallest_picture(padding_mode, smallest):
    model = SimpleCNN(1, 1, 2, kernel_size=7, padding_mode=padding_mode)
    assert model(torch.rand(1, 1, smallest, 9)).shape == (1, 1, smallest, 9)
    if smallest > 1:
        for shape in ((smallest - 1, 9), (9, smallest - 1)):
            told = f"at least {smallest}×{smallest} pixels .*, got {shape[0]}×{shape[1]}"
            with pytest.raises(ValueError, match=told):
                model(torch.rand(1, 1, *shape))


def test_a_picture_of_no_device_is_checked_like_any_other():
    model = SimpleCNN(1, 1, 2).to("meta")
    assert model(torch.rand(1, 1, 4, 4, device="meta")).shape == (1, 1, 4, 4)
    with pytest.raises(TypeError, match=r"y must be torch\.float32, as the weights are"):
        model(torch.rand(1, 1, 4, 4, device="meta", dtype=torch.float64))


@pytest.fixture
def model():
    torch.manual_seed(3)
    return SimpleCNN(1, 1, 4)


def unlike(model):
    """A model of the same architecture with other weights, in training mode."""
    other = SimpleCNN(1, 1, 4).train()
    assert not torch.equal(other.conv1.weight, model.conv1.weight)
    return other


def assert_same_weights(a, b):
    assert a.state_dict().keys() == b.state_dict().keys()
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name]), name


def test_weights_there_and_back(model, tmp_path):
    path = tmp_path / "new folder" / "net.pth"
    save_weights(model, path)
    other = unlike(model)
    assert load_weights(other, str(path)) is other
    assert not other.training
    assert_same_weights(other, model)
    assert os.listdir(path.parent) == ["net.pth"]


def test_weights_from_plain_torch_save(model, tmp_path):
    torch.save(model.state_dict(), tmp_path / "net.pth")
    assert_same_weights(load_weights(unlike(model), tmp_path / "net.pth"), model)


def test_same_weights_same_bytes(model, tmp_path):
    save_weights(model, tmp_path / "a.pth")
    save_weights(model.to(memory_format=torch.channels_last), tmp_path / "b.pth")
    flat = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    nn.utils.vector_to_parameters(flat, model.parameters())
    save_weights(model, tmp_path / "c.pth")
    a, b, c = ((tmp_path / f"{name}.pth").read_bytes() for name in "abc")
    assert a == b == c
    weights = torch.load(tmp_path / "a.pth", weights_only=True)
    assert all(tensor.device.type == "cpu" for tensor in weights.values())


def test_weights_come_to_the_number_type_of_the_model(model, tmp_path):
    save_weights(model, tmp_path / "net.pth")
    other = load_weights(unlike(model).double(), tmp_path / "net.pth")
    assert other.conv1.weight.dtype == torch.float64
    assert torch.equal(other.conv1.weight.float(), model.conv1.weight)


def test_the_whole_file_is_on_the_disk_before_it_gets_its_name(model, tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    save_weights(model, tmp_path / "net.pth")
    assert sizes == [(tmp_path / "net.pth").stat().st_size]


def test_interrupted_save_keeps_the_last_file(model, tmp_path, monkeypatch):
    path = tmp_path / "net.pth"
    save_weights(model, path)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(unlike(model), path)
    assert os.listdir(tmp_path) == ["net.pth"]
    assert_same_weights(load_weights(unlike(model), path), model)


class Intruder:
    """What runs when an unguarded pickle is opened."""

    def __reduce__(self):
        return (Path("intruder-was-here").touch, ())


def test_code_in_a_weight_file_is_not_run(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({**model.state_dict(), "extra": Intruder()}, "net.pth")
    with pytest.raises(ValueError, match=r"net\.pth was refused: .* could run code"):
        load_weights(unlike(model), "net.pth")
    Path("plain.pth").write_bytes(pickle.dumps(Intruder()))
    with pytest.raises(ValueError, match=r"plain.pth is .*not written by torch\.save"):
        load_weights(unlike(model), "plain.pth")
    assert not Path("intruder-was-here").exists()


def test_missing_weight_file(model, tmp_path):
    for name in ("CNN.pth", "CNN_16.pth"):
        save_weights(model, tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"file .*cnn2\.pth.*: CNN\.pth, CNN_16\.pth"):
        load_weights(model, tmp_path / "cnn2.pth")
    with pytest.raises(FileNotFoundError, match=r"\.pth files in that folder: none"):
        load_weights(model, tmp_path / "nowhere" / "cnn.pth")
    with pytest.raises(FileNotFoundError, match="no weight file"):
        load_weights(model, tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.3, 0.7, 0.99])
def test_truncated_weight_file(model, tmp_path, keep):
    path = tmp_path / "net.pth"
    save_weights(model, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(ValueError, match=r"net\.pth is damaged, cut short"):
        load_weights(unlike(model), path)


def test_flipped_bit_in_the_weights(model, tmp_path):
    path = tmp_path / "net.pth"
    save_weights(model, path)
    content = bytearray(path.read_bytes())
    place = content.find(model.conv2.weight.detach().numpy().tobytes())
    assert place > 0
    content[place + 7] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load_weights(unlike(model), path)


def test_zip_file_that_torch_did_not_write(model, tmp_path):
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match=r"arrays\.npz is damaged"):
        load_weights(model, tmp_path / "arrays.npz")


@pytest.mark.parametrize(
    ("other", "problems"),
    [
        (SimpleCNN(1, 1, 8), [r"conv1\.weight has shape \(8, 1, 3, 3\) in the file, \(4, 1, 3, 3"]),
        (SimpleCNN(1, 1, 4, kernel_size=5), [r"conv3\.weight has shape \(1, 4, 5, 5\)"]),
        (nn.Sequential(nn.Conv2d(1, 1, 3)), [r"0\.bias is not part", r"conv1\.bias is missing"]),
    ],
)
def test_weights_of_another_architecture(model, tmp_path, other, problems):
    save_weights(other, tmp_path / "net.pth")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for problem in problems:
        with pytest.raises(
            ValueError, match=f"another architecture than this SimpleCNN.*{problem}"
        ):
            load_weights(model.train(), tmp_path / "net.pth")
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_file_that_holds_something_else(model, tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"model": model.state_dict(), "step": 12}, path)
    with pytest.raises(ValueError, match=r"must hold tensors by name .*got model, step"):
        load_weights(model, path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(ValueError, match="got no dictionary"):
        load_weights(model, path)
    torch.save({**model.state_dict(), "conv1.bias": torch.zeros(4, dtype=torch.int64)}, path)
    with pytest.raises(ValueError, match=r"conv1\.bias must be floating point, got torch\.int64"):
        load_weights(model, path)
    torch.save({**model.state_dict(), "conv2.bias": torch.tensor([0, 0, 0, torch.nan])}, path)
    with pytest.raises(ValueError, match=r"conv2\.bias holds NaN"):
        load_weights(model, path)


def test_published_reference_weights():
    place = os.environ.get("IPPY_TEST_REFERENCE")
    if not place:
        pytest.skip("no reference weights: set IPPY_TEST_REFERENCE to their .pth file")
    model = load_weights(SimpleCNN(1, 1, 32), place)
    assert count_parameters(model) == 9_857
    x = torch.zeros(1, 1, 64, 64)
    x[..., 20:40, 20:40] = 0.5
    with torch.no_grad():
        assert (model(x) - x).abs()[..., 24:36, 24:36].max() < 0.1
