"""A lock says who holds it and since when, outlives nobody, and never hides why it fails."""

import errno
import multiprocessing
import os
import platform
import subprocess
import sys
import threading
import time

import pytest

from ippy import locks, weights
from ippy.locks import holder, only_one

HOLD = """
import runpy, sys, time
from pathlib import Path
lock, module = map(Path, sys.argv[1:])
only_one = runpy.run_path(module)["only_one"]  # and not the package, which waits for torch
with only_one(lock, "making", "it"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_holds_it_and_since_when(tmp_path):
    lock = tmp_path / "deep" / "it.lock"
    year = time.strftime("%Y-")
    said = rf"process {os.getpid()} on {platform.node()} is making it, since {year}.*; wait for it"
    with only_one(lock, "making", "it"):
        for _ in range(2):
            with pytest.raises(ValueError, match=said), only_one(lock, "making", "it"):
                pass
    assert not list(lock.parent.iterdir())


def test_a_holder_that_was_killed_holds_nothing(tmp_path):
    """After kill -9 the file stays, with a name in it that means nothing any more."""
    lock = tmp_path / "it.lock"
    command = [sys.executable, "-c", HOLD, str(lock), locks.__file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with (
            pytest.raises(ValueError, match=f"process {other.pid} on"),
            only_one(lock, "making", "it"),
        ):
            pass
        other.kill()
    with only_one(lock, "making", "it"):
        assert holder(lock)[0] == f"process {os.getpid()} on {platform.node()}"


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"\xff\xfe", b"somebody"])
def test_a_note_of_nonsense_is_no_obstacle(tmp_path, content):
    (tmp_path / "it.lock").write_bytes(content)
    with only_one(tmp_path / "it.lock", "making", "it"):
        (tmp_path / "it.lock").write_bytes(content)
        with (
            pytest.raises(ValueError, match=r"(another process|somebody) is making it; wait"),
            only_one(tmp_path / "it.lock", "making", "it"),
        ):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="other system calls there")
@pytest.mark.filterwarnings("ignore:flock not supported")
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EIO])
def test_a_disk_without_locks_is_not_taken_for_another_process(tmp_path, monkeypatch, code):
    """Some network disks have none, or none at the moment."""
    import fcntl

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    entered = False
    try:
        with only_one(tmp_path / "it.lock", "making", "it"):
            entered = True
    except OSError as error:
        assert "it cannot be written (" in str(error) and os.strerror(code) in str(error)
    else:
        assert entered


def test_a_holder_that_is_soon_done_is_waited_for(tmp_path):
    lock, events = tmp_path / "it.lock", []

    def hold():
        with only_one(lock, "making", "it"):
            held.set()
            time.sleep(0.2)
            events.append("done")

    held = threading.Event()
    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    with (
        pytest.raises(ValueError, match="is making it"),
        only_one(lock, "making", "it", patience=0.01),
    ):
        pass
    with only_one(lock, "making", "it", patience=30):
        events.append("mine")
    other.join()
    assert events == ["done", "mine"] and not list(tmp_path.iterdir())


def enter_many(folder, who):
    """A process that puts one network after the other into a manifest, as fast as it can."""
    for number in range(50):
        weights.enter(f"{who}-{number}", {"sha256": who}, folder)


@pytest.mark.skipif(sys.platform != "linux", reason="forks processes, as only Linux does safely")
def test_two_processes_lose_no_entry_of_the_manifest(tmp_path, monkeypatch):
    """Each reads, adds its own and writes: without a lock one writes over what the other has."""
    names = [f"{who}-{number}" for number in range(50) for who in ("a", "b")]
    monkeypatch.setattr(weights, "CATALOGUE", dict.fromkeys(names))
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the race is not about the disk
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=enter_many, args=(tmp_path, who)) for who in ("a", "b")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    assert list(weights.read_manifest(tmp_path)) == names
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
