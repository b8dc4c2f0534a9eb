"""A lock says who holds it and since when, outlives nobody, and never hides why it fails."""

import errno
import os
import platform
import subprocess
import sys
import time

import pytest

from ippy.locks import holder, only_one

HOLD = """
import sys, time
from pathlib import Path
from ippy.locks import only_one
with only_one(Path(sys.argv[1]), "making", "it"):
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
    command = [sys.executable, "-c", HOLD, str(lock)]
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
