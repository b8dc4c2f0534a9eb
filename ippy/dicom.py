"""CT slices from a scanner's own files: DICOM in, the course's folders of PNG pictures out.

A DICOM file stores numbers v; its header says which Hounsfield units they mean, and a window turns
those into greys:

    HU = slope · v + intercept,   grey = 255 · clip((HU − low) / (high − low), 0, 1).

The work is done in two rounds: `survey` reads the headers only and decides what is taken, under
which name; `convert` reads the pixels, one file at a time. Whatever is not taken is reported with
its reason, and a conversion that was broken off goes on where it stopped.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

WINDOW = (-1024.0, 1600.0)  # HU; fat (−100) becomes 90 and muscle (50) 104 of 255
SERIES = "full dose"
RECORD = "import.json"
LONGEST_NAME = 100  # of a patient's folder; disks take 255 bytes
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"  # DICOM part 4, annex B.5: CT Image Storage
HEADER = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "PatientID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "InstanceNumber",
    "ImageType",
    "NumberOfFrames",
)


@dataclass(frozen=True)
class Slice:
    """One file that will become `patient/number.png`."""

    source: Path
    patient: str
    number: int
    instance: str


class Placed(NamedTuple):
    """A file with the place of its slice along the table."""

    place: float
    path: Path
    instance: str


# By patient and series.
Groups = dict[tuple[str, str], list[Placed]]


@dataclass
class Survey:
    """What lies in a folder of DICOM files."""

    slices: list[Slice] = field(default_factory=list)
    skipped: dict[str, list[Path]] = field(default_factory=dict)
    series: Counter[str] = field(default_factory=Counter)

    def skip(self, path: Path, reason: str) -> None:
        self.skipped.setdefault(reason, []).append(path)

    @property
    def patients(self) -> list[str]:
        return list(dict.fromkeys(s.patient for s in self.slices))


def survey(source: Path, series: str = SERIES, watch: Callable[..., Iterable] = iter) -> Survey:
    """Read all headers below a folder and choose the slices.

    Of each patient the CT series whose description contains `series` (in any case) is taken, and
    if there are several of them, the one with most slices; slices are numbered from 0 in the order
    of the table's position, so that neighbours in the body are neighbours in number.

    Args:
        source: a folder, searched to any depth; links to folders are not followed.
        series: part of the series' description; "" takes every CT series.
        watch: wraps the list of files, for a progress bar.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: two patients would share a folder.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    if not source.is_dir():
        raise FileNotFoundError(f"SRC must be a folder of DICOM files, got {source}, which is none")
    found = Survey()
    groups: Groups = {}
    for path in watch(list(_files(source, found))):
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER))
            reason = _unfit(header)
            placed = Placed(_position(header), path, str(header.get("SOPInstanceUID", path.name)))
            key = (str(header.get("PatientID", "")), str(header.get("SeriesInstanceUID", "")))
            description = str(header.get("SeriesDescription", ""))
        except InvalidDicomError:
            found.skip(path, "no DICOM file")
            continue
        except Exception as error:  # a damaged header can raise anything
            found.skip(path, f"damaged ({type(error).__name__})")
            continue
        if reason:
            found.skip(path, reason)
            continue
        found.series[description or "no description"] += 1
        if series.lower() not in description.lower():
            found.skip(path, f"of another series than “{series}”")
            continue
        groups.setdefault(key, []).append(placed)
    _choose(groups, found)
    return found


def convert(
    found: Survey,
    target: Path,
    test: Iterable[str] = (),
    window: tuple[float, float] = WINDOW,
    watch: Callable[..., Iterable] = iter,
) -> dict[str, int]:
    """Write the slices as `target/{train,test}/<patient>/<number>.png`, 8-bit grey.

    Each picture is written under another name and then renamed, so that no half picture ever stands
    in the folder. What an earlier run with the same settings has finished is left as it is.

    Args:
        found: the slices, from `survey`; files that turn out unreadable join `found.skipped`.
        target: a new folder, or the one of an earlier run.
        test: patients whose slices go to `test/`, all others to `train/`.
        window: the Hounsfield units that become black and white.
        watch: wraps the list of slices, for a progress bar.

    Returns:
        How many slices were "written" and how many "kept".

    Raises:
        ValueError: the window is empty; a patient is unknown; the folder was made with other
            settings.
        FileExistsError: a picture of another origin stands where one is to be written.
        OSError: the disk is full, or the folder may not be written; the same call goes on later.
    """
    low, high = window
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"window must be two numbers LOW < HIGH in HU, got {low:g} and {high:g}")
    test = set(test)
    unknown = sorted(test - set(found.patients))
    if unknown:
        known = ", ".join(found.patients)
        raise ValueError(f"test: no slices of patient {unknown[0]} were found; there are: {known}")
    done = _open_record(target, {"window": [low, high], "test": sorted(test)})
    counts = {"written": 0, "kept": 0}
    with (target / RECORD).open("a", encoding="utf-8") as record:
        for item in watch(found.slices):
            split = "test" if item.patient in test else "train"
            name = f"{split}/{item.patient}/{item.number}.png"
            if done.get(name) == item.instance and (target / name).is_file():
                counts["kept"] += 1
                continue
            if (target / name).exists() and name not in done:
                raise FileExistsError(
                    f"{target / name} is there already and was not imported; name a new folder"
                )
            try:
                grey = to_grey(item.source, window)
            except Exception as error:  # the decoders raise whatever they meet
                found.skip(item.source, f"pixels cannot be read ({_first_line(error)})")
                continue
            # The record comes first: a picture that stands in the folder is always known to it.
            record.write(json.dumps({"file": name, "instance": item.instance}) + "\n")
            record.flush()
            _write(grey, target / name)
            counts["written"] += 1
    return counts


def to_grey(path: Path, window: tuple[float, float] = WINDOW) -> np.ndarray:
    """The picture in one DICOM file as 255 · clip((HU − low) / (high − low), 0, 1), (H, W) uint8.

    Pixels that the header calls padding (outside the scanner's circle) become black.

    Raises:
        ValueError: the file holds no single grey picture, or no scale.
    """
    from pydicom import dcmread
    from pydicom.pixels import apply_rescale

    data = dcmread(path)
    stored = data.pixel_array
    if stored.ndim != 2:
        raise ValueError(f"one grey picture is expected, got an array of shape {stored.shape}")
    if data.get("RescaleSlope") is None:
        raise ValueError("it does not say which Hounsfield units its numbers mean")
    low, high = window
    units = np.asarray(apply_rescale(stored, data), dtype=np.float64)
    share = np.clip((units - low) / (high - low), 0, 1)
    padding = data.get("PixelPaddingValue")
    if isinstance(padding, int):
        share[stored == padding] = 0
    return np.round(255 * share).astype(np.uint8)


def default_test(patients: list[str]) -> list[str]:
    """One patient in ten, at least one, but never all: the last ones in natural order."""
    return patients[-max(1, len(patients) // 10) :] if len(patients) > 1 else []


def report(found: Survey, counts: dict[str, int], test: Iterable[str], target: Path) -> str:
    """What was imported and what was not, with an example for each reason."""
    test = set(test)
    slices = Counter("test" if s.patient in test else "train" for s in found.slices)
    lines = [f"{target}: {counts['written']} slices written, {counts['kept']} kept from before"]
    for split in ("train", "test"):
        own = [p for p in found.patients if (p in test) == (split == "test")]
        plural = "" if len(own) == 1 else "s"
        lines.append(f"  {split:5s}  {slices[split]:5d} slices of {len(own)} patient{plural}")
    if found.skipped:
        lines.append("skipped:")
        for reason, paths in sorted(found.skipped.items(), key=lambda entry: -len(entry[1])):
            lines.append(f"  {len(paths):5d}  {reason}, as {paths[0].name}")
    return "\n".join(lines)


def _files(source: Path, found: Survey) -> Iterator[Path]:
    def closed(error: OSError) -> None:
        found.skip(Path(error.filename), f"folder that cannot be read ({error.strerror})")

    for folder, folders, files in os.walk(source, onerror=closed, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(files) if not name.startswith("."))


def _unfit(header: Any) -> str | None:
    """Why a DICOM file is no slice of a CT scan; None if it is one."""
    if header.get("SOPClassUID") != CT_IMAGE:
        return "no CT picture (raw projections, other kinds of scans, reports)"
    if not header.get("PatientID"):
        return "without a patient's name"
    if int(header.get("NumberOfFrames") or 1) != 1:
        return "several pictures in one file"
    if "LOCALIZER" in [str(word).upper() for word in header.get("ImageType") or []]:
        return "an overview picture (localizer)"
    return None


def _choose(groups: Groups, found: Survey) -> None:
    """Of each patient the largest series; its slices in order, doubles left out."""
    names: dict[str, str] = {}
    largest: dict[str, str] = {}
    for (patient, series), members in groups.items():
        folder = folder_name(patient)
        known = names.setdefault(folder.lower(), patient)  # many a disk takes a and A for the same
        if known != patient:
            raise ValueError(
                f"patients {known!r} and {patient!r} would both be called {folder}; "
                "import them one by one into different folders"
            )
        best = largest.get(patient)
        if best is None or len(members) > len(groups[patient, best]):
            largest[patient] = series
    for patient in sorted(largest, key=_natural):
        for (other, series), members in groups.items():
            if other == patient and series != largest[patient]:
                for member in members:
                    found.skip(member.path, "of a smaller series of the same patient")
        kept: dict[float, Placed] = {}
        for member in groups[patient, largest[patient]]:
            if kept.setdefault(member.place, member) is not member:
                found.skip(member.path, "at the place of another slice")
        for number, place in enumerate(sorted(kept)):
            member = kept[place]
            found.slices.append(Slice(member.path, folder_name(patient), number, member.instance))


def folder_name(patient: str) -> str:
    """A patient's name as a folder's: letters, digits, - and _, so that it stays in its place.

    >>> folder_name("../C081 ")
    'C081'
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", patient).strip("-")
    return name[:LONGEST_NAME] or "unnamed"


def _position(header: Any) -> float:
    """Where a slice lies along the table: its corner along the normal of its plane, in mm."""
    corner, axes = header.get("ImagePositionPatient"), header.get("ImageOrientationPatient")
    if corner is not None and axes is not None and len(corner) == 3 and len(axes) == 6:
        row, column = np.array(axes[:3], dtype=float), np.array(axes[3:], dtype=float)
        place = float(np.cross(row, column) @ np.array(corner, dtype=float))
    else:
        place = float(header.get("InstanceNumber") or 0)
    if not math.isfinite(place):
        raise ValueError(f"a slice must lie somewhere, got {place}")
    return place


def _natural(name: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _open_record(target: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What earlier runs have finished; the settings stand in the record's first line."""
    target.mkdir(parents=True, exist_ok=True)
    record = target / RECORD
    if not record.exists():
        record.write_text(json.dumps({"settings": settings}) + "\n", encoding="utf-8")
        return {}
    done: dict[str, Any] = {}
    text = record.read_text(encoding="utf-8")
    if not text.endswith("\n"):  # a run was killed in the middle of its last line
        record.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict):
            continue
        if "settings" in entry and entry["settings"] != settings:
            raise ValueError(
                f"{target} was imported with {entry['settings']}, now {settings} is asked for; "
                "use the same settings or name a new folder"
            )
        if "file" in entry:
            done[entry["file"]] = entry.get("instance")
    return done


def _write(grey: np.ndarray, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        Image.fromarray(grey).save(unfinished, format="PNG")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
