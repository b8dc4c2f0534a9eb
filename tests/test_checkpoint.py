"""A run on disk is whole or not there, holds plain values, and only goes on where it belongs."""

import os
import pickle

import pytest
import torch

from ippy import checkpoint
from ippy.checkpoint import (
    Progress,
    fingerprint,
    load_checkpoint,
    read_history,
    save_checkpoint,
    write_atomically,
    write_history,
)
from ippy.models import SimpleCNN
from ippy.operators import Blurring
from ippy.soap import SOAP

IDENTITY = {"recipe": {"steps": 3, "crop": None}, "K": "k"}


def a_run(n_filters=3):
    torch.manual_seed(0)
    model = SimpleCNN(1, 1, n_filters)
    optimiser = SOAP(model.parameters())
    for _ in range(3):
        optimiser.zero_grad()
        model(torch.rand(1, 1, 9, 9)).square().mean().backward()
        optimiser.step()
    return model, optimiser


def save(path, n_filters=3, identity=IDENTITY):
    model, optimiser = a_run(n_filters)
    run = Progress(3, 1.5, [0.25], [{"step": 2, "loss": 0.5}])
    save_checkpoint(path, identity, run, model, optimiser)
    return model, optimiser, run


def fresh(n_filters=3):
    model = SimpleCNN(1, 1, n_filters)
    return model, SOAP(model.parameters(), lr=1.0)


def test_what_is_saved_comes_back(tmp_path):
    model, optimiser, run = save(tmp_path / "a" / "run.ckpt")
    again, other = fresh()
    assert load_checkpoint(tmp_path / "a" / "run.ckpt", IDENTITY, again, other) == run
    for mine, theirs in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    mine, theirs = other.state_dict(), optimiser.state_dict()
    assert mine["param_groups"] == theirs["param_groups"]
    for index, state in theirs["state"].items():
        for name, value in state.items():
            assert torch.equal(torch.as_tensor(mine["state"][index][name]), torch.as_tensor(value))
    assert read_history(tmp_path / "a" / "run.jsonl") == run.history


def test_a_fresh_start_is_step_zero():
    assert vars(Progress()) == {"step": 0, "seconds": 0.0, "losses": [], "history": []}


@pytest.mark.parametrize(
    ("identity", "part"),
    [
        (IDENTITY | {"recipe": {"steps": 4, "crop": None}}, "recipe"),
        (IDENTITY | {"K": "other"}, "K"),
        (IDENTITY | {"training set": "t"}, "training set"),
    ],
)
def test_another_run_is_refused_and_named(tmp_path, identity, part):
    save(tmp_path / "run.ckpt")
    model, optimiser = fresh()
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=rf"run.ckpt was made with another {part}: .*delete it"):
        load_checkpoint(tmp_path / "run.ckpt", identity, model, optimiser)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_another_network_is_refused(tmp_path):
    save(tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match="made with another network; give another name"):
        load_checkpoint(tmp_path / "run.ckpt", IDENTITY, *fresh(n_filters=4))


def test_damaged_and_foreign_files_are_refused(tmp_path):
    save(tmp_path / "run.ckpt")
    whole = (tmp_path / "run.ckpt").read_bytes()
    (tmp_path / "half.ckpt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.ckpt").write_bytes(b"")
    for name in ("half", "empty"):
        with pytest.raises(ValueError, match=f"{name}.ckpt is damaged or is no checkpoint"):
            load_checkpoint(tmp_path / f"{name}.ckpt", IDENTITY, *fresh())
    for name, content in (("weights", SimpleCNN(1, 1, 3).state_dict()), ("list", [1])):
        torch.save(content, tmp_path / f"{name}.ckpt")
        with pytest.raises(ValueError, match=f"{name}.ckpt is no checkpoint"):
            load_checkpoint(tmp_path / f"{name}.ckpt", IDENTITY, *fresh())


class Bomb:
    def __reduce__(self):
        return os.putenv, ("IPPY_TEST_BOMB", "went off")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_checkpoint_does_not_run(tmp_path):
    for name, write in (
        ("torch", torch.save),
        ("pickle", lambda o, p: p.write_bytes(pickle.dumps(o))),
    ):
        write({"progress": Bomb()}, tmp_path / f"{name}.ckpt")
        with pytest.raises(ValueError, match="is damaged or is no checkpoint"):
            load_checkpoint(tmp_path / f"{name}.ckpt", IDENTITY, *fresh())


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(b"old", path)
    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*_):
                raise OSError("No space left on device")

            patch.setattr(checkpoint.os, function, fail)
            with pytest.raises(OSError, match="No space left"):
                write_atomically(b"new", path)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_on_disk_before_the_old_file_goes(tmp_path, monkeypatch):
    calls = []
    replace, fsync = os.replace, os.fsync
    monkeypatch.setattr(
        checkpoint.os, "fsync", lambda fd: (calls.append(os.fstat(fd).st_size), fsync(fd))
    )

    def watched(source, target):
        calls.append((source.read_bytes(), target.exists() and target.read_bytes()))
        replace(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", watched)
    write_atomically(b"old", tmp_path / "file")
    write_atomically(b"newer", tmp_path / "file")
    assert calls == [3, (b"old", False), 5, (b"newer", b"old")]


def test_histories_are_json_lines(tmp_path):
    history = [{"step": 1, "loss": 0.1}, {"step": 2, "loss": 1e-7, "psnr": 30.25}]
    write_history(history, tmp_path / "h.jsonl")
    assert (tmp_path / "h.jsonl").read_text().splitlines()[0] == '{"step": 1, "loss": 0.1}'
    assert read_history(tmp_path / "h.jsonl") == history


def test_fingerprint_tells_operators_apart():
    def print_of(angle, shape=(32, 32), **more):
        return fingerprint(
            Blurring(shape, kernel_type="motion", kernel_size=9, motion_angle=angle, **more)
        )

    assert print_of(20) == print_of(20) == print_of(200)
    prints = [print_of(20), print_of(21), print_of(20, (32, 31)), print_of(20, padding="circular")]
    assert len(set(prints)) == 4
