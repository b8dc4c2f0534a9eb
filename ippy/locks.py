"""One process at a time: a lock that says who holds it, and since when."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def only_one(lock_file: Path, doing: str, what: str, patience: float = 0) -> Iterator[None]:
    """Hold `lock_file` as long as the `with` block runs; a process that dies lets go of it.

    Args:
        lock_file: made if missing, with its folder, and deleted at the end.
        doing, what: what its holder does, as others will read it: "training with", "run.ckpt".
        patience: seconds to wait for a holder that is soon done.

    Raises:
        ValueError: another process holds it: which one, where, and since when.
        OSError: the folder may not be written.
    """
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_file)
        lock.acquire(timeout=patience)
    except Timeout as error:
        who, since = holder(lock_file)
        raise ValueError(
            f"{who} is {doing} {what}{since}; wait for it, stop it, or give another name"
        ) from error
    except OSError as error:
        raise OSError(
            f"{what} cannot be written ({error.strerror or error}); choose a folder that may be "
            "written"
        ) from error
    try:
        note = f"process {os.getpid()} on {platform.node()}\n{time.strftime('%Y-%m-%d %H:%M')}\n"
        with suppress(OSError):  # Windows lets nobody write into a file that is locked
            lock_file.write_text(note, encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # nor delete it
            lock_file.unlink()
        lock.release()


def holder(lock_file: Path) -> tuple[str, str]:
    """Who wrote into a lock file, and ", since …", as far as it tells."""
    try:
        lines = lock_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        lines = []
    who, since = (*lines, "", "")[:2]
    return who or "another process", f", since {since}" if since else ""
