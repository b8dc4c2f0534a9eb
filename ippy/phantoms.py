"""Seeded CT-like axial slices: the embedded data of the book.

A patient (`ippy.anatomy`) is described in continuous coordinates and drawn (`ippy.scene`,
`ippy.organs`, `ippy.bones`) on a canvas of any size (`ippy.canvas`). Then come the scanner's
point-spread function, its grain, and 8 bits. Nothing is taken from a real slice: shapes and greys
are set by hand.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from ippy import anatomy, bones, canvas, organs, scene
from ippy.anatomy import Patient, uniform
from ippy.bones import draw_bones
from ippy.canvas import GRID, Array, modes, texture
from ippy.organs import draw_body, draw_chest
from ippy.scene import Slice, draw_covers, draw_table

SOURCES = (anatomy, bones, canvas, organs, scene)
LEVELS = (0.0, 0.62)
FIELD_OF_VIEW = 0.667


def phantom(seed: int, size: int = GRID) -> Array:
    """One CT-like slice; patient and height follow from the seed.

    Args:
        seed: not negative.
        size: side of the picture in pixels, at least 32. The scene is the same at every size: the
            slice at 512, averaged over 2×2 pixels, is the one at 256 but for the finest details.

    Returns:
        (size, size), float64, grey values in [0, 1]. They are not rounded. After rounding to 8 bits
        they are the same on every platform.

    Raises:
        TypeError: seed or size is not an integer.
        ValueError: seed is negative, or size is below 32.

    >>> phantom(seed=1, size=64).shape
    (64, 64)
    """
    _check_integer("seed", seed, 0)
    rng = np.random.Generator(np.random.PCG64([seed, 0]))
    return render(Patient.from_seed(seed), uniform(rng, *LEVELS), size)


def render(patient: Patient, z: float, size: int = GRID) -> Array:
    """The slice of a patient at height z, as `phantom` returns it.

    Args:
        z: in units of the picture's width: 0 at the shoulders, 0.3 at the root of the lungs, 0.6 at
            the liver. Neighbouring slices change smoothly, except for the grain.
    """
    _check_integer("size", size, 32)
    s = Slice(patient, z, size)
    for draw in (draw_table, draw_covers, draw_body, draw_chest, draw_bones):
        draw(s)
    image = s.canvas.finish(patient.sharpness / GRID)
    tissue = np.clip(image / 90, 0, 1)
    grain = texture(modes(s.grain, 0.5, 0.0), size)
    streaks = texture(modes(s.grain, 0.1, 2.0), size)
    image += patient.noise * (1.2 * grain * (1 + 0.5 * tissue) + 2.0 * streaks * tissue)
    inner = slice(s.canvas.margin, s.canvas.margin + size)
    radius = np.hypot(s.canvas.x[:, inner] - 0.5, s.canvas.y[inner] - 0.5)
    image *= s.canvas.cover(radius - FIELD_OF_VIEW)
    return np.clip(image / 255, 0, 1)


def write_dataset(
    root: Path | str,
    train_patients: int = 30,
    train_slices: int = 10,
    test_patients: int = 8,
    test_slices: int = 5,
    size: int = GRID,
    seed: int = 0,
    progress: bool = True,
    workers: int | None = None,
) -> Path:
    """Write slices as {train,test}/<patient>/<n>.png below `root`, 8-bit grey PNG files.

    No patient is in both sets. A patient's slices go from the shoulders down in even steps.

    Args:
        root: a folder, made if missing.
        seed: another seed gives other patients.
        progress: whether a progress bar is shown.
        workers: how many processes draw; one for each core by default. Where no processes can be
            started, this one draws alone. The files are the same for any number.

    Returns:
        `root`.

    Raises:
        ValueError: a number is out of its range.
        OSError: a file cannot be written.
    """
    counts = {"train": (train_patients, train_slices), "test": (test_patients, test_slices)}
    for split, (patients, slices) in counts.items():
        _check_integer(f"{split}_patients", patients, 0)
        _check_integer(f"{split}_slices", slices, 1)
    _check_integer("size", size, 32)
    _check_integer("seed", seed, 0)
    workers = os.cpu_count() or 1 if workers is None else workers
    _check_integer("workers", workers, 1)

    jobs, number = [], 0
    for split, (patients, slices) in counts.items():
        for _ in range(patients):
            folder = Path(root) / split / f"P{number:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            heights = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * (np.arange(slices) + 0.5) / slices
            patient = 10_000 * (seed + 1) + number
            jobs += [_Job(folder / f"{n}.png", patient, float(z)) for n, z in enumerate(heights)]
            number += 1

    follow = partial(tqdm, total=len(jobs), desc="phantoms", unit="slice", disable=not progress)
    if workers > 1 and _draw_together(jobs, size, workers, follow):
        return Path(root)
    for _ in follow(map(partial(_draw, size=size), jobs)):
        pass
    return Path(root)


class _Job(NamedTuple):
    path: Path
    patient: int
    z: float


def _draw(job: _Job, size: int) -> None:
    grey = np.rint(render(Patient.from_seed(job.patient), job.z, size) * 255).astype(np.uint8)
    Image.fromarray(grey).save(job.path, compress_level=1)


def _draw_together(jobs: list[_Job], size: int, workers: int, follow: partial[Iterable]) -> bool:
    """Draw in several processes; False if that cannot be done here."""
    try:
        # Windows cannot wait for more than 61 of them.
        pool = ProcessPoolExecutor(min(workers, 61), mp_context=get_context("spawn"))
        with pool:
            for _ in follow(pool.map(partial(_draw, size=size), jobs, chunksize=10)):
                pass
    # A sandbox may forbid processes (OSError); a script without a __main__ guard breaks the pool.
    except (BrokenProcessPool, OSError):
        return False
    return True


def _check_integer(name: str, value: int, least: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
