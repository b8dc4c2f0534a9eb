"""`ippy export` and the files it writes, read back by the safetensors package."""

import json
import struct
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load

from ippy.cli import main
from ippy.course import BLUR
from ippy.export import architecture, to_safetensors
from ippy.models import SimpleCNN, load_weights, save_weights

ODD = {"n_filters": 6, "kernel_size": 5, "final_activation": "tanh", "padding_mode": "reflect"}


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_safetensors_reads_the_same_numbers():
    model = SimpleCNN(2, 3, 7, kernel_size=5)
    found, expected = load(to_safetensors(model)), model.state_dict()
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], tensor)


def test_numbers_of_other_types_and_layouts():
    model = SimpleCNN(1, 1, 8).double().to(memory_format=torch.channels_last)
    found = load(to_safetensors(model))
    for name, tensor in model.state_dict().items():
        assert torch.equal(found[name], tensor.float())
    model.to(torch.bfloat16)
    assert torch.equal(load(to_safetensors(model))["conv2.weight"], model.conv2.weight.float())


@pytest.mark.parametrize("options", [{}, ODD, {"residual": True, "final_activation": "relu"}])
def test_the_file_says_how_its_network_is_built(tmp_path: Path, options: dict):
    model = SimpleCNN(1, 1, **{"n_filters": 4, **options})
    path = tmp_path / "model.safetensors"
    path.write_bytes(to_safetensors(model))
    with safe_open(path, framework="pt") as file:
        told = json.loads(file.metadata()["architecture"])
    assert told == architecture(model)
    other = SimpleCNN(**told)
    other.load_state_dict(load(path.read_bytes()))
    y = torch.rand(1, 1, 16, 16)
    assert torch.equal(other(y), model(y))


def test_numbers_begin_at_a_multiple_of_eight():
    for n_filters in range(1, 9):
        content = to_safetensors(SimpleCNN(1, 1, n_filters))
        assert struct.unpack("<Q", content[:8])[0] % 8 == 0


def test_the_same_network_gives_the_same_bytes():
    model = SimpleCNN(1, 1, 4)
    assert to_safetensors(model) == to_safetensors(model)


def test_only_a_simple_cnn_is_exported():
    with pytest.raises(TypeError, match="model must be a SimpleCNN, got Linear"):
        to_safetensors(torch.nn.Linear(1, 1))  # type: ignore[arg-type]


def test_a_head_that_the_file_cannot_name_is_refused():
    model = SimpleCNN(1, 1, 2)
    model.final_activation = torch.nn.ELU()
    with pytest.raises(ValueError, match=r"model must end in one of None, 'relu', .*, got ELU"):
        to_safetensors(model)


def test_command(tmp_path: Path):
    model = SimpleCNN(1, 1, 6, kernel_size=5)
    save_weights(model, tmp_path / "mine.pth")
    code, output = run("export", tmp_path / "mine.pth", tmp_path / "new" / "mine.safetensors")
    assert code == 0, output
    assert "6 filters of 5×5" in output
    found = load((tmp_path / "new" / "mine.safetensors").read_bytes())
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())


def test_command_reads_the_description_and_the_options(tmp_path: Path):
    save_weights(SimpleCNN(1, 1, 4), tmp_path / "mine.pth")
    (tmp_path / "mine.json").write_text(json.dumps({"architecture": {"final_activation": "tanh"}}))
    out = tmp_path / "mine.safetensors"

    def told() -> dict:
        with safe_open(out, framework="pt") as file:
            return json.loads(file.metadata()["architecture"])

    assert run("export", tmp_path / "mine.pth", out)[0] == 0
    assert (told()["final_activation"], told()["residual"]) == ("tanh", False)
    options = ("--final-activation", "none", "--residual", "--padding-mode", "circular")
    assert run("export", tmp_path / "mine.pth", out, *options)[0] == 0
    assert (told()["final_activation"], told()["residual"]) == (None, True)
    assert told()["padding_mode"] == "circular"


def trained_for(path: Path) -> dict | None:
    with safe_open(path, framework="pt") as file:
        told = file.metadata().get("trained_for")
    return told and json.loads(told)


def test_the_file_says_what_its_network_was_trained_for(tmp_path: Path):
    known = {"blur": {"kernel_type": "gaussian", "kernel_size": 5}, "noise_level": 0.02}
    path = tmp_path / "mine.safetensors"
    for told in (known, None):
        path.write_bytes(to_safetensors(SimpleCNN(1, 1, 4), told))
        assert trained_for(path) == told


@pytest.mark.parametrize("kernel", [None, [[0.25, 0.5, 0.25]]], ids=["the course's", "a table"])
def test_command_records_the_blur_of_the_run(tmp_path: Path, kernel: list | None):
    save_weights(SimpleCNN(1, 1, 4), tmp_path / "mine.pth")
    described = {"architecture": {}, "recipe": {"noise_level": 0.03}, "kernel": kernel}
    (tmp_path / "mine.json").write_text(json.dumps(described))
    code, output = run("export", tmp_path / "mine.pth", tmp_path / "mine.safetensors")
    assert code == 0, output
    words = "a kernel of 1×3" if kernel else "motion over 9 pixels at 20°"
    assert f"Trained for {words}, 3 % noise, padding zeros" in output
    found = trained_for(tmp_path / "mine.safetensors")
    assert found is not None
    assert found["noise_level"] == 0.03
    blur = {"kernel": kernel} if kernel else BLUR
    assert found["blur"] == {**blur, "padding": "zeros"}


def test_command_says_when_nothing_is_known_of_the_training(tmp_path: Path):
    save_weights(SimpleCNN(1, 1, 4), tmp_path / "mine.pth")
    _, output = run("export", tmp_path / "mine.pth", tmp_path / "mine.safetensors")
    assert "Trained for an unknown blur: no description lies beside" in output
    assert trained_for(tmp_path / "mine.safetensors") is None


def test_command_refuses_in_a_sentence(tmp_path: Path):
    save_weights(SimpleCNN(1, 1, 4), tmp_path / "mine.pth")
    code, output = run("export", tmp_path / "mine.pth", tmp_path / "mine.onnx")
    assert code == 2
    assert "OUT must end in .safetensors" in output
    save_weights(SimpleCNN(2, 2, 4), tmp_path / "two.pth")
    code, output = run("export", tmp_path / "two.pth", tmp_path / "two.safetensors")
    assert code == 2
    assert "2 channels" in output
    assert not (tmp_path / "two.safetensors").exists()
    (tmp_path / "no.pth").write_bytes(b"no weights")
    code, output = run("export", tmp_path / "no.pth", tmp_path / "no.safetensors")
    assert code == 2
    assert "damaged" in output


def test_shipped_weights_survive_the_way_there_and_back(tmp_path: Path):
    from ippy.course import load_model, weights_path

    out = tmp_path / "CNN.safetensors"
    assert run("export", weights_path("CNN"), out)[0] == 0
    model = SimpleCNN(1, 1, 32)
    model.load_state_dict(load(out.read_bytes()))
    expected = load_weights(SimpleCNN(1, 1, 32), weights_path("CNN"))
    y = torch.rand(1, 1, 32, 32)
    assert torch.equal(model(y), expected(y))
    assert architecture(load_model("head-residual-tanh-0"))["residual"] is True
