"""`ippy data make` and `ippy data check`; `ippy data import` is in `dicom.py` beside this file."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ippy.cli.shared import SIZE, Refusal, count, quiet, too_dark

if TYPE_CHECKING:
    from ippy.data import MayoDataset

KINDS = {
    "1": "black and white",
    "L": "8-bit grey",
    "LA": "8-bit grey with transparency",
    "P": "palette",
    "I;16": "16-bit grey",
    "RGB": "colour",
    "RGBA": "colour with transparency",
}


@click.group()
def data() -> None:
    """Make the embedded slices, import DICOM files, or look through a folder of slices.

    \b
    Examples:
      ippy data make
      ippy data import ~/LDCT-and-Projection-data Mayo --test C081
      ippy data check ~/ct
    """


@data.command()
@click.option(
    "--root",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write them to this new folder.  [default: the user's cache folder]",
)
def make(root: Path | None) -> None:
    """Make the embedded slices: seeded CT-like pictures, the same on every machine.

    \b
    Examples:
      ippy data make
      ippy data make --root slices
    """
    from ippy.data import SPLITS, embedded_data
    from ippy.locks import only_one
    from ippy.phantoms import write_dataset

    if root is None:
        folder = embedded_data()
    else:
        with only_one(root / ".making.lock", "making slices in", f"--root {root}"):
            for split in SPLITS:
                if (root / split).exists():
                    raise Refusal(f"--root: {root} has a folder {split} already; name a new folder")
            # Under another name until they are complete: a part of them would pass for all.
            unfinished = root / ".unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                write_dataset(unfinished, progress=not quiet())
                for split in SPLITS:
                    (unfinished / split).rename(root / split)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        folder = root
    number = {split: len(list(folder.glob(f"{split}/*/*.png"))) for split in SPLITS}
    click.echo(f"{number['train']} slices to train on, {number['test']} to test on: {folder}")
    if root is not None:
        click.echo(f"To use them: --data {folder}, or set IPPY_DATA to that folder.")


@data.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
def check(path: Path | None) -> None:
    """Say which slices are used and why, and read every one of them.

    PATH is a folder that holds train/ and test/. Without it, slices are looked for as every
    command does: in the folder that the environment variable IPPY_DATA names, else in the
    project's folder Mayo, else the embedded ones are taken.

    The exit code is 1 if a file cannot be read or a patient is in both train/ and test/.

    \b
    Examples:
      ippy data check
      ippy data check ~/ct
    """
    from ippy.data import SPLITS, MayoDataset, find_data

    root = find_data(path)
    click.echo(f"{root}\nis used because {_why(path)}.\n")
    faults: list[str] = []
    patients: dict[str, set[str]] = {split: set() for split in SPLITS}
    for split in SPLITS:
        if not (root / split).is_dir():
            click.echo(f"{split}: no such folder; the embedded {split} slices stand in for it.\n")
            continue
        dataset = MayoDataset(root / split, SIZE)
        patients[split] = {path.parent.name for path in dataset.paths}
        faults += _look_through(split, dataset)
    for patient in sorted(patients["train"] & patients["test"]):
        faults.append(f"patient {patient} is in train/ and in test/, which flatters the scores")
    if faults:
        click.echo(f"{count(len(faults), 'fault')}:")
        for fault in faults:
            click.echo(f"  {fault}")
        raise SystemExit(1)
    click.echo("No faults.")


def _look_through(split: str, dataset: MayoDataset) -> list[str]:
    """Print what a folder of slices holds; return what cannot be read."""
    from PIL import Image
    from tqdm import tqdm

    sizes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    unreadable: dict[Path, str] = {}
    empty, brightest = [], 0.0
    for index in tqdm(range(len(dataset)), desc=split, unit="slice", disable=quiet()):
        path = dataset.paths[index]
        try:
            x = dataset[index]
            with Image.open(path) as image:
                sizes["{}×{}".format(*image.size)] += 1
                kinds[KINDS.get(image.mode, image.mode)] += 1
        except (ValueError, OSError) as error:
            unreadable[path] = str(error)
        else:
            brightest = max(brightest, float(x.max()))
            if x.min() == x.max():
                empty.append(path)
    patients = Counter(path.parent.name for path in dataset.paths)
    fewest, most = min(patients.values()), max(patients.values())
    each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    click.echo(f"{split}: {count(len(dataset), 'slice')} of {count(len(patients), 'patient')}")
    click.echo(f"  slices a patient  {each}")
    click.echo(f"  pixels            {_tally(sizes)}")
    click.echo(f"  kind              {_tally(kinds)}")
    for title, files in {
        "unreadable": list(unreadable),
        "without content": empty,
        "not used": _other_files(dataset),
    }.items():
        if files:
            click.echo(f"  {title:<16}  {_examples(files, dataset.data_path)}")
    readable = len(dataset) - len(unreadable)
    click.echo(
        f"  used as           {count(readable, 'picture')} of {SIZE}×{SIZE}, grey in [0, 1]\n"
    )
    dark = too_dark(brightest)
    return list(unreadable.values()) + ([f"{split}: {dark}"] if dark else [])


def _why(path: Path | None) -> str:
    from ippy.data import project_root

    if path is not None:
        return "it was named in the command"
    if os.environ.get("IPPY_DATA"):
        return "the environment variable IPPY_DATA names it"
    if (project_root() / "Mayo").exists():
        return "it is the project's folder Mayo"
    return "no other slices were named; these are the embedded ones"


def _other_files(dataset: MayoDataset) -> list[Path]:
    """Files in the folder that are no slices, hidden ones left out."""
    slices = set(dataset.paths)
    found = []
    for folder, folders, files in os.walk(dataset.data_path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(folder) / name for name in sorted(files) if not name.startswith("."))
        found += [path for path in paths if path not in slices]
    return found


def _examples(paths: Sequence[Path], root: Path) -> str:
    names = [str(path.relative_to(root)) for path in paths[:3]]
    return f"{len(paths)}: {', '.join(names)}{', ...' if len(paths) > 3 else ''}"


def _tally(counter: Counter[str]) -> str:
    return ", ".join(f"{what} ({number})" for what, number in counter.most_common()) or "unknown"
