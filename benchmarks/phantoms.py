"""How like real CT slices are the phantoms? Distances of grey values and edges, beside a picture.

    python benchmarks/phantoms.py SLICES --picture phantoms.png

SLICES is a folder below which real slices lie as PNG files (or set IPPY_TEST_SLICES). The table
holds Wasserstein distances between phantoms and real slices, and, as a scale, between one half of
the phantom patients and the other. Real slices are only measured; nothing of them is kept, unless
a picture is asked for.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from scipy.stats import wasserstein_distance

from ippy.anatomy import Patient
from ippy.data import load_image
from ippy.phantoms import GRID, LEVELS, render

SLICES = 40


def phantoms(count: int, first_seed: int) -> np.ndarray:
    """Grey values 0 ... 255 of one slice of each of `count` patients, the heights evenly spread."""
    low, high = LEVELS
    heights = low + (high - low) * ((np.arange(count) * 7) % count + 0.5) / count
    patients = [Patient.from_seed(first_seed + n) for n in range(count)]
    slices = [render(p, float(z)) for p, z in zip(patients, heights, strict=True)]
    return np.stack(slices) * 255


def real(folder: Path) -> np.ndarray:
    """Grey values 0 ... 255 of all PNG files below a folder, at the phantoms' size."""
    files = sorted(folder.rglob("*.png"))
    if not files:
        sys.exit(f"no PNG file below {folder}; give a folder of real slices")
    return np.stack([load_image(file, GRID).squeeze().numpy() * 255 for file in files])


def log_gradients(images: np.ndarray) -> np.ndarray:
    """log10(1 + |∇x|), x in grey values, from differences of neighbours."""
    dy = np.diff(images, axis=1)[:, :, :-1]
    dx = np.diff(images, axis=2)[:, :-1, :]
    return np.log10(1 + np.hypot(dx, dy))


def distances(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Wasserstein distances of grey values and of log-gradients, from 2000 quantiles of each."""
    levels = (np.arange(2000) + 0.5) / 2000

    def distance(u: np.ndarray, v: np.ndarray) -> float:
        return float(wasserstein_distance(np.quantile(u, levels), np.quantile(v, levels)))

    return distance(a, b), distance(log_gradients(a), log_gradients(b))


def picture(above: np.ndarray, below: np.ndarray, path: Path) -> None:
    """Ten of each, the phantoms above; a square root makes the lungs visible."""
    from PIL import Image

    rows = []
    for images in (above, below):
        chosen = images[np.linspace(0, len(images) - 1, 10).astype(int)]
        rows += [np.hstack(chosen[:5]), np.hstack(chosen[5:])]
    grey = np.sqrt(np.clip(np.vstack(rows) / 255, 0, 1)) * 255
    Image.fromarray(np.rint(grey).astype(np.uint8)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    place = os.environ.get("IPPY_TEST_SLICES")
    parser.add_argument("slices", nargs="?", type=Path, default=place and Path(place))
    parser.add_argument("--picture", type=Path, help="where ten of each are drawn")
    arguments = parser.parse_args()
    if arguments.slices is None:
        parser.error("give a folder of real slices, or set IPPY_TEST_SLICES")

    slices, drawn = real(arguments.slices), phantoms(SLICES, first_seed=0)
    print("Wasserstein distance              grey values (of 255)   log10(1 + |gradient|)")
    for name, a, b in (
        (f"{len(drawn)} phantoms, {len(slices)} real slices", drawn, slices),
        ("half of the phantoms, other half", drawn[::2], drawn[1::2]),
    ):
        grey, gradient = distances(a, b)
        print(f"{name:34s}{grey:12.2f}{gradient:26.4f}")
    print(f"mean grey value: phantoms {drawn.mean():.1f}, real {slices.mean():.1f}")
    if arguments.picture:
        picture(drawn, slices, arguments.picture)
        print(f"phantoms above, real slices below: {arguments.picture}")


if __name__ == "__main__":
    main()
