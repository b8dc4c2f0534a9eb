"""`ippy data import`."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any

import click

from ippy.cli.shared import Refusal, quiet


@click.command("import")
@click.argument("src", type=click.Path(path_type=Path))
@click.argument("dst", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--series",
    default="full dose",
    show_default=True,
    help='Part of the description of the series to take; "" takes any CT series.',
)
@click.option(
    "--window",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    default=(-1024, 1600),
    show_default=True,
    help="Hounsfield units that become black and white.",
)
@click.option(
    "--test",
    "test",
    multiple=True,
    metavar="PATIENT",
    help="Patient whose slices are for testing; may be given several times.  "
    "[default: the last one in ten]",
)
def import_dicom(
    src: Path, dst: Path, series: str, window: tuple[float, float], test: tuple[str, ...]
) -> None:
    """Turn a scanner's DICOM files into slices: DST/{train,test}/PATIENT/NUMBER.png.

    SRC is a folder as the Low-Dose CT Image and Projection Data collection is downloaded
    (doi.org/10.7937/9npb-2637), or any other folder of CT scans. Raw projections and whatever else
    lies there are skipped, and said to be. Broken off, the same command goes on where it stopped.

    \b
    Examples:
      ippy data import ~/LDCT-and-Projection-data Mayo --test C081
      ippy data import ~/scans slices --series "" --window -160 240
    """
    if importlib.util.find_spec("pydicom") is None:
        raise Refusal("reading DICOM files needs pydicom: pip install pydicom")
    from ippy.dicom import convert, default_test, report, survey
    from ippy.locks import only_one

    found = survey(src, series, _bar("headers", "file"))
    if not found.slices:
        raise Refusal(_nothing(src, series, found))
    chosen = list(test) or default_test(found.patients)
    with only_one(dst / ".import.lock", "importing into", f"{dst}"):
        try:
            counts = convert(found, dst, chosen, window, _bar("slices", "slice"))
        except KeyboardInterrupt:
            kept = f"{dst} keeps the slices that are written"
            raise KeyboardInterrupt(f"{kept}: the same command goes on with the rest") from None
    click.echo(report(found, counts, chosen, dst))
    click.echo(f"To use them: --data {dst}, or set IPPY_DATA to that folder.")


def _nothing(src: Path, series: str, found: Any) -> str:
    if found.series:
        there = ", ".join(f"“{name}” ({number})" for name, number in found.series.most_common(5))
        return f"--series: no CT series in {src} is called “{series}”; there are: {there}"
    reasons = "; ".join(f"{len(paths)} {reason}" for reason, paths in found.skipped.items())
    return f"SRC: no CT slices in {src} ({reasons or 'it is empty'})"


def _bar(description: str, unit: str) -> Any:
    from tqdm import tqdm

    return partial(tqdm, desc=description, unit=unit, disable=quiet())
