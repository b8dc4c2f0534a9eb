"""The course's own setting: its blur, its noise, its data and its weights, said in one place.

Everything that the chapters, the shipped weights and the tests share is here. Change `BLUR`, train
anew, and the whole book follows.
"""

import json
import os
from pathlib import Path
from typing import Any

from ippy.data import MayoDataset, embedded_data, embedded_folder, find_data, weights_folder
from ippy.models import SimpleCNN, load_weights
from ippy.operators import Blurring

IMG_SHAPE = (256, 256)
BLUR: dict[str, Any] = {"kernel_type": "motion", "kernel_size": 9, "motion_angle": 20.0}
NOISE_LEVEL = 0.01

# What the numbers in the prose were measured with. If BLUR or NOISE_LEVEL above is changed, these
# stay, and `expect` falls silent until the chapters have been read again.
_BOOK_BLUR = {"kernel_type": "motion", "kernel_size": 9, "motion_angle": 20.0}
_BOOK_NOISE_LEVEL = 0.01


def blurring(img_shape: tuple[int, int] = IMG_SHAPE, **changes: Any) -> Blurring:
    """The course's blur K; a keyword of `Blurring` given here replaces the course's own.

    >>> blurring().kernel.shape
    torch.Size([1, 1, 9, 9])
    """
    return Blurring(img_shape, **{**BLUR, **changes})


def datasets(data_path: str | Path | None = None) -> tuple[MayoDataset, MayoDataset]:
    """The training and the test slices, found as `ippy.data.find_data` says.

    A root that has only one of the two folders, such as a set of test slices, is completed by the
    embedded data, and a line says so.
    """
    root = find_data(data_path)
    splits = []
    for split in ("train", "test"):
        folder = root / split
        if not folder.is_dir():
            print(f"{root} has no folder {split!r}: the embedded {split} slices are used instead.")
            folder = embedded_data() / split
        splits.append(MayoDataset(folder, IMG_SHAPE[0]))
    return splits[0], splits[1]


def weights_path(name: str = "CNN") -> Path:
    """Where the shipped weights called `name` are: `weights/NAME.pth`."""
    folder = weights_folder()
    path = folder / f"{name}.pth"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in folder.glob("*.pth"))) or "none"
        raise FileNotFoundError(
            f"name must be one of the shipped weights ({names}), got {name!r}; "
            "`ippy train` makes weights of your own, `ippy.models.load_weights` reads them"
        )
    return path


def load_model(name: str = "CNN", **changes: Any) -> SimpleCNN:
    """The network with the shipped weights `name`, ready to be evaluated.

    Its architecture is the one in `weights/manifest.json`; a keyword of `SimpleCNN` given here
    replaces it, such as `padding_mode="circular"`.
    """
    path = weights_path(name)
    manifest = json.loads(path.with_name("manifest.json").read_text(encoding="utf-8"))
    architecture = manifest[name]["architecture"]
    return load_weights(SimpleCNN(**{**architecture, **changes}), path)


def is_books_own() -> bool:
    """Whether data, blur and noise are those that the numbers in the prose were measured with."""
    if (BLUR, NOISE_LEVEL) != (_BOOK_BLUR, _BOOK_NOISE_LEVEL):
        return False
    return find_data() == embedded_folder()


def expect(value: float, about: float, within: float, what: str) -> None:
    """Hold a number of the text to what was measured: |value - about| <= within.

    In the book's own setting (its data, blur and noise) a value outside raises an AssertionError
    where the environment variable IPPY_STRICT is 1, as it is when the book is built or tested, and
    otherwise prints both numbers, so that a reader who changes something can go on. With other
    data or another blur nothing is expected; there, what no longer holds is added to the file that
    IPPY_REREAD names, and the build of the book lists it.
    """
    if abs(float(value) - about) <= within:
        return
    message = f"{what}: the book has {about:g} (within {within:g}), here it is {float(value):g}"
    if not is_books_own():
        if place := os.environ.get("IPPY_REREAD"):
            with open(place, "a", encoding="utf-8") as file:
                file.write(f"{message}\n")
        return
    if os.environ.get("IPPY_STRICT") == "1":
        raise AssertionError(message)
    print(message)
