"""A run on disk is whole or not there, holds plain values, and only goes on where it belongs."""

import copy
import errno
import os
import pickle
import platform
import re
import time

import pytest
import torch
from filelock import FileLock

from ippy import checkpoint, locks
from ippy.checkpoint import (
    Progress,
    fingerprint,
    held,
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


def in_float64():
    model = SimpleCNN(1, 1, 3).double()
    return model, SOAP(model.parameters())


def sparing():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3))
    return model, SOAP(model.parameters())


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


@pytest.mark.parametrize(
    ("other", "theirs", "ours"),
    [
        (fresh(n_filters=4), "'conv1.weight': '(3, 1, 3, 3)", "'conv1.weight': '(4, 1, 3, 3)"),
        (in_float64(), "'conv3.bias': '(1,) float32'", "'conv3.bias': '(1,) float64'"),
        (sparing(), "'conv1.bias'", "not {'0.weight'"),
    ],
)
def test_another_network_is_refused_and_left_as_it_was(tmp_path, other, theirs, ours):
    save(tmp_path / "run.ckpt")
    model, optimiser = other
    before = copy.deepcopy((model.state_dict(), optimiser.state_dict()))
    with pytest.raises(
        ValueError, match=r"made with another network: .*give another name"
    ) as error:
        load_checkpoint(tmp_path / "run.ckpt", IDENTITY, model, optimiser)
    assert theirs in str(error.value).split(", not {")[0]
    assert ours in str(error.value)
    assert str(before) == str((model.state_dict(), optimiser.state_dict()))


def test_another_optimiser_is_refused_and_the_network_left_as_it_was(tmp_path):
    save(tmp_path / "run.ckpt")
    model, _ = fresh()
    before = copy.deepcopy(model.state_dict())
    optimiser = SOAP(list(model.parameters())[:2])
    with pytest.raises(ValueError, match="made with another optimiser; give another name"):
        load_checkpoint(tmp_path / "run.ckpt", IDENTITY, model, optimiser)
    assert str(before) == str(model.state_dict())


@pytest.mark.parametrize(
    ("part", "name", "value", "told"),
    [
        ("model", "conv1.bias", 3.0, "another network: .*no numbers but a float"),
        ("model", "conv1.bias", torch.ones(3, device="meta"), "another network: .*no numbers"),
        ("optimiser", "state", 3, "another optimiser"),
        ("optimiser", "param_groups", [1], "another optimiser"),
        ("progress", "step", "three", "does not say where its run stands"),
        ("progress", "more", 1, "does not say where its run stands"),
    ],
)
def test_what_is_no_run_at_a_closer_look_changes_nothing(tmp_path, part, name, value, told):
    path = tmp_path / "run.ckpt"
    save(path)
    whole = torch.load(path, weights_only=True)
    whole[part][name] = value
    torch.save(whole, path)
    model, optimiser = fresh()
    before = copy.deepcopy((model.state_dict(), optimiser.state_dict()))
    with pytest.raises(ValueError, match=rf"run.ckpt .*{told}.*or delete it"):
        load_checkpoint(path, IDENTITY, model, optimiser)
    assert str(before) == str((model.state_dict(), optimiser.state_dict()))


@pytest.mark.parametrize("part", ["identity", "progress", "model", "optimiser"])
def test_every_part_is_a_dictionary(tmp_path, part):
    path = tmp_path / "run.ckpt"
    save(path)
    torch.save(torch.load(path, weights_only=True) | {part: [1]}, path)
    with pytest.raises(ValueError, match=r"run.ckpt is no checkpoint; .*delete it"):
        load_checkpoint(path, IDENTITY, *fresh())


def test_damaged_and_foreign_files_are_refused(tmp_path):
    save(tmp_path / "run.ckpt")
    whole = (tmp_path / "run.ckpt").read_bytes()
    step = len(whole) // 40
    parts = [whole[:end] for end in [0, 1, 2, 3, 4, 10, *range(step, len(whole), step), -22, -1]]
    for part in [*parts, b"x" + whole[1:], whole.replace(b"OrderedDict", b"OrderlyDict")]:
        (tmp_path / "part.ckpt").write_bytes(part)
        with pytest.raises(ValueError, match=r"part.ckpt is damaged or is no .* or delete it"):
            load_checkpoint(tmp_path / "part.ckpt", IDENTITY, *fresh())
    weights = SimpleCNN(1, 1, 3).state_dict()
    for name, content in (("weights", weights), ("list", [1]), ("bare", {"progress": {}})):
        torch.save(content, tmp_path / f"{name}.ckpt")
        with pytest.raises(ValueError, match=f"{name}.ckpt is no checkpoint"):
            load_checkpoint(tmp_path / f"{name}.ckpt", IDENTITY, *fresh())


def test_a_flipped_bit_never_comes_back_as_a_weight(tmp_path):
    path = tmp_path / "run.ckpt"
    save(path)
    whole, (saved, optimiser) = path.read_bytes(), fresh()
    load_checkpoint(path, IDENTITY, saved, optimiser)
    for place in range(64, len(whole), 251):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        model, optimiser = fresh()
        before = copy.deepcopy(model.state_dict())
        try:
            load_checkpoint(path, IDENTITY, model, optimiser)
        except ValueError:
            same_as = before
        else:  # what is between the records means nothing
            same_as = saved.state_dict()
        assert all(torch.equal(model.state_dict()[name], same_as[name]) for name in same_as)


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path):
    (tmp_path / "run.ckpt").mkdir()
    with pytest.raises(OSError, match=r"Is a directory|Permission denied"):
        load_checkpoint(tmp_path / "run.ckpt", IDENTITY, *fresh())


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


def test_a_run_that_cannot_be_kept_says_what_to_do(tmp_path, monkeypatch):
    path = tmp_path / "run.ckpt"
    save(path)
    before = path.read_bytes()
    for code, words in ((errno.ENOSPC, "No space left on device"), (None, "the cable is out")):

        def fail(*_, code=code, words=words):
            raise OSError(words) if code is None else OSError(code, words)

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.os, "fsync", fail)
            with pytest.raises(OSError, match=f"kept in {path} .{words}.; what was") as caught:
                save(path)
        assert "Make room or choose another folder" in str(caught.value)
        assert path.read_bytes() == before
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot be kept in"):
        save(tmp_path / "file" / "run.ckpt")


def test_a_checkpoint_is_held_by_one_at_a_time(tmp_path):
    path = tmp_path / "deep" / "run.ckpt"
    me = f"process {os.getpid()} on {platform.node()}"
    who = f"{me} is training with checkpoint {path}, since {time.strftime('%Y-')}"
    with held(path):
        for _ in range(2):
            with pytest.raises(ValueError, match=re.escape(who)), held(path):
                pass
        (path.parent / "run.ckpt.lock").write_text("")
        with pytest.raises(ValueError, match="another process is training"), held(path):
            pass
        with held(tmp_path / "deep" / "other.ckpt"), held(None):
            pass
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ZeroDivisionError), held(path):
        raise ZeroDivisionError
    with held(path):
        assert [file.name for file in path.parent.iterdir()] == ["run.ckpt.lock"]


def test_a_lock_is_given_back_not_only_forgotten(tmp_path, monkeypatch):
    made = []

    def kept(path):
        made.append(FileLock(path))
        return made[-1]

    monkeypatch.setattr(locks, "FileLock", kept)
    with held(tmp_path / "run.ckpt"):
        assert made[0].is_locked
    assert not made[0].is_locked


def test_holding_clears_away_what_was_half_written(tmp_path):
    others = ["other.ckpt.1.tmp", "run.ckpt", "run.jsonl", "run.tmp", "xrun.ckpt.1.tmp"]
    for name in ["run[1].ckpt.12.tmp", "run[1].jsonl.12.tmp", "run1.ckpt.12.tmp", *others]:
        (tmp_path / name).touch()
    with held(tmp_path / "run[1].ckpt"):
        left = sorted(file.name for file in tmp_path.iterdir())
    assert left == sorted(["run[1].ckpt.lock", "run1.ckpt.12.tmp", *others])


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OSError, match=r"cannot be written \(.*\); choose a folder that may"),
        held(tmp_path / "file" / "run.ckpt"),
    ):
        pass


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
    monkeypatch.setattr(checkpoint, "sync_folder", calls.append)
    write_atomically(b"old", tmp_path / "file")
    write_atomically(b"newer", tmp_path / "file")
    assert calls == [3, (b"old", False), tmp_path, 5, (b"newer", b"old"), tmp_path]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX opens folders")
def test_a_folder_is_synchronised_and_closed_again(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(
        checkpoint.os,
        "fsync",
        lambda fd: (
            synced.append(os.path.realpath(f"/proc/self/fd/{fd}")),
            fsync(fd),
            synced.append(fd),
        ),
    )
    checkpoint.sync_folder(tmp_path)
    if os.path.isdir("/proc/self/fd"):
        assert synced[0] == os.path.realpath(tmp_path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(synced[1])


def test_histories_are_json_lines(tmp_path):
    history = [{"step": 1, "loss": 0.1}, {"step": 2, "loss": 1e-7, "psnr": 30.25}]
    write_history(history, tmp_path / "h.jsonl")
    assert (tmp_path / "h.jsonl").read_text().splitlines()[0] == '{"step": 1, "loss": 0.1}'
    assert read_history(tmp_path / "h.jsonl") == history


def test_a_damaged_history_is_named(tmp_path):
    (tmp_path / "h.jsonl").write_text('{"step": 1}\n{"st')
    with pytest.raises(ValueError, match=r"the history .*h\.jsonl is damaged .*; delete it"):
        read_history(tmp_path / "h.jsonl")


def test_fingerprint_tells_operators_apart():
    def print_of(angle, shape=(32, 32), **more):
        return fingerprint(
            Blurring(shape, kernel_type="motion", kernel_size=9, motion_angle=angle, **more)
        )

    assert print_of(20) == print_of(20) == print_of(200)
    prints = [print_of(20), print_of(21), print_of(20, (32, 31)), print_of(20, padding="circular")]
    assert len(set(prints)) == 4
