"""A phantom patient: how large, how fat, where the organs lie, and the vessel trees of the lungs.

Lengths are in units of the picture's width, about 40 cm; z grows from the shoulders to the feet.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ippy.canvas import Array

ANGLES = 720
THICKNESS = 0.006


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw from [low, high). Only `random` is used anywhere: its values are plain bits."""
    return low + (high - low) * float(rng.random())


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draws that are close to normal: the sum of 12 uniform ones, less 6."""
    return np.asarray(rng.random((12, *shape)).sum(axis=0) - 6.0)


def outline(a: float, front: float, back: float, power: float, ripples: Array) -> Array:
    """Radii at ANGLES directions of |x/a|^n + |y/b|^n = 1, b its front or back depth, rippled.

    `ripples` holds amplitudes and phases, shape (2, M), of the angular frequencies 2 ... M + 1.
    """
    t = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    depth = np.where(np.sin(t) < 0, front, back)
    r = (np.abs(np.cos(t) / a) ** power + np.abs(np.sin(t) / depth) ** power) ** (-1 / power)
    k = np.arange(2, 2 + ripples.shape[1])[:, None]
    return np.asarray(r * (1 + (ripples[0][:, None] * np.cos(k * t + ripples[1][:, None])).sum(0)))


@dataclass(frozen=True)
class Patient:
    """What stays the same through a patient's slices; everything follows from `seed`."""

    seed: int
    scale: float
    depth: float
    fat: float
    fatness: float
    muscle: float
    breasts: float
    arms: bool
    shift: tuple[float, float]
    roundness: float
    cage: float
    ripples: Array
    bone: float
    contrast: float
    lung: float
    sharpness: float
    noise: float
    phase: float

    @classmethod
    def from_seed(cls, seed: int) -> "Patient":
        rng = np.random.Generator(np.random.PCG64([seed, 1]))
        wide = rng.random() < 0.2
        scale = uniform(rng, 1.08, 1.25) if wide else uniform(rng, 0.86, 1.04)
        female = rng.random() < 0.5
        ripples = np.stack(
            [normal(rng, (7,)) * 0.014 / np.arange(1, 8) ** 0.7, rng.random(7) * 2 * np.pi]
        )
        return cls(
            seed=seed,
            scale=scale,
            depth=uniform(rng, 0.88, 1.08),
            fat=uniform(rng, 0.012, 0.06),
            fatness=uniform(rng, 85.5, 91.5),
            muscle=uniform(rng, 0.018, 0.045),
            breasts=uniform(rng, 0.0, 0.05) if female else 0.0,
            arms=rng.random() < 0.1,
            shift=(uniform(rng, -0.02, 0.02), uniform(rng, -0.03, 0.03)),
            roundness=uniform(rng, 1.9, 2.4),
            cage=uniform(rng, 0.92, 1.06),
            ripples=ripples,
            bone=uniform(rng, 0.8, 1.15),
            contrast=uniform(rng, -1.5, 4.0),
            lung=uniform(rng, 9.0, 14.0),
            sharpness=uniform(rng, 0.43, 0.56),
            noise=uniform(rng, 0.7, 1.3),
            phase=uniform(rng, 0.0, 1.0),
        )

    @property
    def centre(self) -> tuple[float, float]:
        return 0.5 + self.shift[0], 0.54 + self.shift[1]

    @property
    def vessels(self) -> Array:
        return lung_vessels(self.seed, *self.centre, self.scale * self.cage)

    def body(self, z: float) -> Array:
        """Radii of the skin at height z."""
        width = np.interp(z, [0, 0.1, 0.25, 0.5, 0.65, 1], [0.51, 0.49, 0.47, 0.43, 0.41, 0.42])
        front = np.interp(z, [0, 0.2, 0.5, 1], [0.24, 0.28, 0.32, 0.29])
        power = self.roundness + np.interp(z, [0, 0.1, 0.3, 0.5, 1], [-0.4, -0.2, 0, 0.25, 0.1])
        r = outline(
            width * self.scale,
            front * self.scale * self.depth,
            0.29 * self.scale * self.depth,
            power,
            self.ripples,
        )
        t = np.arange(ANGLES) * (2 * np.pi / ANGLES)
        lift = self.breasts * np.exp(-(((z - 0.38) / 0.14) ** 2))
        for side in (-0.68, -2.46):
            gap = np.angle(np.exp(1j * (t - side)))
            r = r + lift * np.exp(-((gap / 0.38) ** 2))
        return np.asarray(r)

    def cavity(self, z: float) -> Array:
        """Radii of the inside of the rib cage at height z."""
        grow = np.interp(z, [-0.1, 0, 0.1, 0.2, 0.4, 0.6, 1], [0.5, 0.8, 0.9, 0.96, 1, 1, 0.92])
        s = self.scale * self.cage * grow
        front = np.interp(z, [0, 0.2, 0.5, 1], [0.2, 0.235, 0.265, 0.225])
        return outline(
            0.325 * s, front * s * self.depth, 0.235 * s * self.depth, 2.15, self.ripples * 0.6
        )


def vessel_tree(rng: np.random.Generator, hilum: Array, ends: Array, radius: float) -> Array:
    """A tree from `hilum` that fills space: rows (ax, ay, az, bx, by, bz, radius, generation).

    The points `ends`, shape (2^n, 3), are halved again and again across their longest side; each
    half gets a branch towards its middle, thinner by 2^(-1/2.8) (Murray's law has 2^(-1/3)).
    Source: Kitaoka, Takaki and Suki, "A three-dimensional model of the human airway tree", 1999,
    where volumes are divided in the same spirit.
    """
    groups = ends[None]
    start = hilum[None]
    rows = []
    generations = int(np.log2(len(ends)))
    for g in range(generations + 1):
        middle = groups.mean(axis=1)
        reach = 0.55 if g < generations else 1.0
        stop = start + reach * (middle - start)
        stop = stop + normal(rng, stop.shape) * 0.12 * np.linalg.norm(stop - start, axis=1)[:, None]
        r = radius * 2 ** (-g / 2.8) * (0.75 + 0.5 * rng.random(len(start)))
        rows.append(np.column_stack([start, stop, r, np.full(len(start), g)]))
        if g == generations:
            break
        extent = groups.max(axis=1) - groups.min(axis=1)
        axis = np.argmax(extent, axis=1)
        key = np.take_along_axis(groups, axis[:, None, None], axis=2)[:, :, 0]
        order = np.argsort(key, axis=1, kind="stable")
        ordered = np.take_along_axis(groups, order[:, :, None], axis=1)
        groups = ordered.reshape(2 * len(groups), -1, 3)
        start = np.repeat(stop, 2, axis=0)
    return np.concatenate(rows)


@lru_cache(maxsize=8)
def lung_vessels(seed: int, cx: float, cy: float, s: float) -> Array:
    """The vessel trees of both lungs, of a chest of size s at (cx, cy), as `vessel_tree`."""
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    trees = []
    for side in (-1, 1):
        for root in (-0.04, 0.03):
            u = 2 * rng.random((2048, 3)) - 1
            u /= np.maximum(np.linalg.norm(u, axis=1), 1)[:, None]
            ends = np.array([cx + side * 0.17 * s, cy + 0.01, 0.33]) + u * np.array(
                [0.17 * s, 0.25 * s, 0.38]
            )
            hilum = np.array([cx + side * 0.06 * s, cy - 0.01 + root, 0.3 + root])
            trees.append(vessel_tree(rng, hilum, ends, 0.0125))
    return np.concatenate(trees)


def crossing(tree: Array, z: float, thickness: float = THICKNESS) -> tuple[Array, Array]:
    """The part of each branch inside the slab |z' - z| <= thickness/2 + radius.

    Returns capsules (ax, ay, bx, by, radius) and how much of the slab's thickness each fills.
    """
    a, b, r = tree[:, 0:3], tree[:, 3:6], tree[:, 6]
    half = thickness / 2 + 0.5 * r
    low, high = np.minimum(a[:, 2], b[:, 2]), np.maximum(a[:, 2], b[:, 2])
    keep = (low < z + half) & (high > z - half)
    a, b, r, half = a[keep], b[keep], r[keep], half[keep]
    dz = b[:, 2] - a[:, 2]
    dz = np.where(np.abs(dz) < 1e-9, 1e-9, dz)
    t0 = np.clip((z - half - a[:, 2]) / dz, 0, 1)
    t1 = np.clip((z + half - a[:, 2]) / dz, 0, 1)
    p = a + t0[:, None] * (b - a)
    q = a + t1[:, None] * (b - a)
    filled = np.minimum(1, (2 * r + np.abs(q[:, 2] - p[:, 2])) / (thickness + r))
    return np.column_stack([p[:, :2], q[:, :2], r]), filled
