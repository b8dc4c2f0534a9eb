"""CT slices: a folder of them as a dataset, and where such folders are found."""

import copy
import hashlib
import inspect
import operator
import os
import re
import shutil
from numbers import Integral
from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from ippy.cache import SliceCache, cache_folder
from ippy.png import _check_max_value, _check_path, _check_shape, load_image

__all__ = [
    "MayoDataset",
    "embedded_data",
    "embedded_folder",
    "find_data",
    "hold_out",
    "load_image",
    "project_root",
    "weights_folder",
]

SPLITS = ("train", "test")
DRAWN_BY = "IPPY_DRAWN_BY"
HOW_TO_GET_DATA = (
    "`ippy data make` makes the embedded slices; slices of your own go to "
    "<folder>/{train,test}/<patient>/<number>.png, and IPPY_DATA names that folder"
)


class MayoDataset(Dataset[Tensor]):
    """The slices `<data_path>/<patient>/*.png`, in natural order: 2.png comes before 10.png.

    Item i is the picture `paths[i]` as `load_image` gives it: a (1, data_shape, data_shape) float32
    tensor, grey value / 255 (16-bit files: / 65535). Nothing is scaled per slice.

    Each picture is decoded once; later epochs read it from the user's cache folder (see
    `ippy.cache`). Items are the same to the last bit with and without the cache.

    Args:
        data_path: the folder of one split, as `find_data() / "test"`.
        data_shape: side of the square slices, in pixels.
        max_value: the grey value that becomes 1; by default the largest one of the file format.
        cache: whether decoded slices are kept on disk.

    Attributes:
        paths: the files, one an item.

    Raises:
        FileNotFoundError: there is no such folder, or there are no slices in it.
        ValueError: `data_shape` or `max_value` is not positive; on reading, a file is damaged or is
            no PNG picture.
    """

    def __init__(
        self,
        data_path: str | Path,
        data_shape: int = 256,
        max_value: float | None = None,
        cache: bool = True,
    ) -> None:
        self.data_path = _check_path(data_path, "data_path").expanduser().absolute()
        self.data_shape = _check_shape(data_shape)
        self.max_value = _check_max_value(max_value)
        if not self.data_path.is_dir():
            raise FileNotFoundError(
                f"data_path must be a folder of slices, got {self.data_path}, which is none. "
                f"{HOW_TO_GET_DATA}"
            )
        self.paths = _slices(self.data_path)
        if not self.paths:
            raise FileNotFoundError(_why_empty(self.data_path))
        self._cache = SliceCache(self.data_shape, f"{self.max_value}") if cache else None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        path = self.paths[operator.index(index)]
        if self._cache is None:
            return load_image(path, self.data_shape, self.max_value)
        return self._cache.get(path, lambda: load_image(path, self.data_shape, self.max_value))

    def __repr__(self) -> str:
        return f"MayoDataset({str(self.data_path)!r}, {self.data_shape}): {len(self)} slices"


def hold_out(dataset: MayoDataset, count: int = 5) -> tuple[MayoDataset, MayoDataset]:
    """Part slices by patients: all but the last one to train on, `count` slices of his to watch.

    Neighbouring slices of a patient are nearly the same picture, so whole patients are kept apart.
    If there is one patient only, some of the slices that are trained on are watched.

    Args:
        dataset: slices of `<patient>/<number>.png`.
        count: how many of the last patient's slices are watched, at equal distances.

    Returns:
        The slices to train on, and those to watch.

    Raises:
        ValueError: `count` is not positive.
    """
    if not isinstance(count, Integral) or count < 1:
        raise ValueError(f"count must be a positive number of slices, got {count!r}")
    last = dataset.paths[-1].parent
    his = [path for path in dataset.paths if path.parent == last]
    others = [path for path in dataset.paths if path.parent != last]
    return _part(dataset, others or his), _part(dataset, his[:: -(-len(his) // count)])


def _part(dataset: MayoDataset, paths: list[Path]) -> MayoDataset:
    part = copy.copy(dataset)
    part.paths = paths
    return part


def find_data(data_path: str | Path | None = None) -> Path:
    """The folder that holds `train/` and `test/` (or one of them).

    Looked for in this order: `data_path`; the folder that the environment variable IPPY_DATA names;
    a folder `Mayo/` at the project's root; the embedded slices, made when they are first asked for.
    The first of these that is given, set or present is used, and it is an error if it is no such
    folder: other data is never taken in its place.

    Raises:
        FileNotFoundError: the folder is missing or holds neither `train/` nor `test/`.
    """
    if data_path is not None:
        return _check_root(_check_path(data_path, "data_path"), "data_path")
    if os.environ.get("IPPY_DATA"):
        return _check_root(Path(os.environ["IPPY_DATA"]), "the environment variable IPPY_DATA")
    mayo = project_root() / "Mayo"
    if mayo.exists():
        return _check_root(mayo, "the project's folder Mayo")
    return embedded_data()


def embedded_data() -> Path:
    """The folder of the embedded slices, `ippy.phantoms`, in the user's cache folder.

    They are made on first use, with a progress bar, and anew after a change of the modules that
    draw them, whose hash is in the folder's name. Two processes that ask at once make them once.

    Raises:
        OSError: the cache folder cannot be written to.
    """
    from filelock import FileLock

    from ippy import phantoms

    root = embedded_folder()
    if root.is_dir():
        return root
    if os.environ.get(DRAWN_BY, str(os.getpid())) != str(os.getpid()):
        # A script without a __main__ guard is run once more in every process that draws. Each would
        # wait for the lock of the one that waits for it; as it is, that one draws alone.
        raise RuntimeError("the embedded slices are being drawn by the process that started this")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(root.with_suffix(".lock")):
            if not root.is_dir():
                unfinished = root.with_suffix(".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                os.environ[DRAWN_BY] = str(os.getpid())
                try:
                    phantoms.write_dataset(unfinished)
                finally:
                    del os.environ[DRAWN_BY]
                unfinished.rename(root)
    except OSError as error:
        raise OSError(
            f"the embedded slices cannot be written to {root.parent} ({error}); "
            "set the environment variable IPPY_CACHE to a folder with free space"
        ) from error
    return root


def embedded_folder() -> Path:
    """Where the embedded slices are, or will be when `embedded_data` makes them."""
    from ippy import phantoms

    recipe = hashlib.sha256()
    for module in (phantoms, *phantoms.SOURCES):
        recipe.update(inspect.getsource(module).encode())
    return cache_folder() / f"embedded-{recipe.hexdigest()[:12]}"


def project_root() -> Path:
    """The folder of the project, or, for a package installed without it, the current folder."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def weights_folder() -> Path:
    """Where the shipped weights are: the project's `weights/`, or what came with the package."""
    ours = Path(__file__).resolve().parent / "_weights"
    return ours if ours.is_dir() else project_root() / "weights"


def _slices(folder: Path) -> list[Path]:
    """`<folder>/<patient>/*.png` in natural order; names that start with a dot are left out."""
    patients = [entry for entry in _visible(folder) if entry.is_dir()]
    return [slice_ for patient in patients for slice_ in _pictures(patient)]


def _pictures(folder: Path) -> list[Path]:
    """Not `is_file`: a link that leads nowhere shall be an error when it is read, not left out."""
    files = (file for file in _visible(folder) if file.suffix.lower() == ".png")
    return [file for file in files if not file.is_dir()]


def _visible(folder: Path) -> list[Path]:
    names = (name for name in os.listdir(folder) if not name.startswith("."))
    return [folder / name for name in sorted(names, key=_natural)]


def _natural(name: str) -> tuple[list[str | int], str]:
    """Sort key in which numbers count as numbers: "2.png" < "10.png"."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdecimal() else part for part in parts], name


def _why_empty(folder: Path) -> str:
    """What is wrong with a folder in which no slices were found."""
    if _pictures(folder):
        return (
            f"{folder} holds pictures itself, so it is a patient's folder; "
            f"pass the folder above it, {folder.parent}"
        )
    deeper = [entry for entry in _visible(folder) if entry.is_dir() and _slices(entry)]
    if deeper:
        choice = " or ".join(str(entry) for entry in deeper[:2])
        return f"{folder} is one level too high: the slices' folder is {choice}"
    return f"no slices {folder}/<patient>/*.png. {HOW_TO_GET_DATA}"


def _check_root(root: Path, name: str) -> Path:
    root = root.expanduser().absolute()
    wanted = f"{name} must be a folder that holds train/ and test/, got {root}"
    if not root.is_dir():
        raise FileNotFoundError(f"{wanted}, which is no folder. {HOW_TO_GET_DATA}")
    if any((root / split).is_dir() for split in SPLITS):
        return root
    if root.name in SPLITS:
        raise FileNotFoundError(f"{wanted}; pass the folder above it, {root.parent}")
    for entry in _visible(root):
        if any((entry / split).is_dir() for split in SPLITS):
            raise FileNotFoundError(f"{wanted}; pass the folder in it, {entry}")
    raise FileNotFoundError(f"{wanted}, which holds neither. {HOW_TO_GET_DATA}")
