"""Files that these programs write: each is replaced whole, or stays what it was."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ADVICE = "what was there before is whole: make room or choose another folder, then do it again"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place at the end of the `with` block.

    Raises:
        OSError: it cannot be written; the message names `path` and says what to do.
    """
    unfinished = path.with_name(f".unfinished-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        raise OSError(f"{path} cannot be written ({error.strerror or error}); {ADVICE}") from error
    finally:
        with suppress(OSError):  # it may never have been made
            unfinished.unlink()


def write(path: Path, content: bytes) -> None:
    """Put `content` into the file `path`, on whose way folders are made."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def copy(source: Path, path: Path) -> None:
    """Put the content of the file `source` into the file `path`."""
    write(path, source.read_bytes())


@contextmanager
def set_aside(folder: Path) -> Iterator[Path]:
    """An empty folder inside `folder`, for what is not to stand there before all of it is made."""
    unfinished = folder / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
