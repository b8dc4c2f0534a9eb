"""Decoded slices on disk, so that a PNG file is decoded once and not once an epoch.

One small file holds one slice, because slices change, appear and are asked for one by one, in any
order and by several processes. It is a header and the float32 pixels, read straight into a tensor:
inflating and resizing a PNG picture of 512×512 takes milliseconds, this takes hundredths of one.
Rounded pixels would need less room (a whole Mayo set, 3,633 slices of 256×256, has 0.95 GB here),
but then an item would depend, in its last bits, on where it comes from.
"""

import contextlib
import hashlib
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FORMAT = 1  # raise it when decoding changes: older entries are then no longer found
HEADER_BYTES = 32
RECENT = 20_000_000  # ns; the clocks of common file systems tick in steps of up to 10 ms
WHOLE_SECONDS = 2_500_000_000  # ns; those of FAT, and of some network disks, in steps of 1 or 2 s

Stamp = tuple[int, int, int]


def cache_folder() -> Path:
    """Where things are kept that can be made again: IPPY_CACHE, or else the user's cache folder.

    Raises:
        OSError: the account has no home folder, as in many a container.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get("IPPY_CACHE")
    try:
        folder = Path(chosen or user_cache_path("ippy-book", appauthor=False)).expanduser()
    except RuntimeError as error:
        raise OSError(
            "there is no home folder to keep slices in; set the environment variable IPPY_CACHE to "
            "a folder, or HOME"
        ) from error
    return folder.absolute()


class SliceCache:
    """A store of decoded slices (1, side, side), in `cache_folder()`.

    An entry belongs to a file's path and to the recipe (size and scaling) of decoding, and holds as
    long as the file's size and times stay. Entries are written to a temporary file and renamed, so
    that other processes see a whole entry or none; what two of them write is the same. A damaged
    entry is made again. If the folder cannot be written to, a warning says so once and slices are
    decoded each time.

    Args:
        side: side of the slices, in pixels.
        recipe: whatever else the pixels depend on, as text.
    """

    def __init__(self, side: int, recipe: str) -> None:
        self.side = side
        self.recipe = f"{FORMAT} {side} {recipe}"
        self.folder = cache_folder() / "slices"
        self.writable = True
        self._checked: dict[str, tuple[Stamp, Stamp]] = {}
        # Tried here, before a DataLoader copies the cache into workers that would each warn.
        self._write(self.folder / "writable", b"")

    def get(self, path: Path, decode: Callable[[], Tensor]) -> Tensor:
        """The slice in the file `path`: from the cache, or else from `decode()`, and then kept."""
        # Before decoding: a file that changes meanwhile then differs from what the entry says.
        stamp = _stamp(path)
        entry = self._entry(path)
        x = self._read(entry, stamp)
        if x is None:
            x = decode()
            # A second change within one tick of the file system's clock could not be seen.
            recent = RECENT if stamp[1] % 1_000_000_000 else WHOLE_SECONDS
            if self.writable and abs(time.time_ns() - stamp[1]) > recent:
                self._write(Path(entry), _header(x, stamp) + x.numpy().tobytes())
        return x

    def _entry(self, path: Path) -> str:
        name = os.fsencode(f"{self.recipe}\0{path}")
        digest = hashlib.blake2b(name, digest_size=16).hexdigest()
        return os.path.join(self.folder, digest[:2], digest[2:])

    def _read(self, entry: str, stamp: Stamp) -> Tensor | None:
        """The slice in an entry, or None if there is none, it is out of date or damaged."""
        x = torch.empty(1, self.side, self.side)
        try:
            with open(entry, "rb", buffering=0) as file:
                stamps = stamp, _stamp(file.fileno())
                header = file.read(HEADER_BYTES)
                if file.readinto(x.numpy().data) != x.nbytes or file.read(1):
                    return None
        except OSError:
            return None
        if self._checked.get(entry) != stamps:
            if header != _header(x, stamp):
                return None
            self._checked[entry] = stamps
        return x

    def _write(self, entry: Path, content: bytes) -> None:
        temporary = None
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=entry.parent, suffix=".tmp")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            # A temporary file is for one user only; a course may share its cache.
            os.chmod(temporary, entry.parent.stat().st_mode & 0o666)
            try:
                os.replace(temporary, entry)
            except PermissionError:
                # On Windows a file that is being read elsewhere cannot be replaced.
                if not entry.is_file():
                    raise
        except OSError as error:
            self.writable = False
            warnings.warn(
                f"decoded slices cannot be kept in {self.folder} ({error}), so that each epoch "
                "decodes them again; set IPPY_CACHE to a folder with free space",
                stacklevel=4,
            )
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)


def _stamp(file: Path | int) -> Stamp:
    """Size and times of a file; together they change when its content does."""
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _header(x: Tensor, stamp: Stamp) -> bytes:
    """The stamp of the source file, and the sum of the pixels' bit patterns."""
    # A tenth of the cost of a CRC, and it changes with every single wrong pixel.
    checksum = x.numpy().view(np.uint32).sum(dtype=np.uint32)
    return np.array([*stamp, checksum], np.int64).tobytes()
