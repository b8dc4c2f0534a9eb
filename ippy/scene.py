"""The stage of a slice: coordinates around the body, the couch, and the covers in the air."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ippy.anatomy import ANGLES, Patient, normal, uniform
from ippy.canvas import ALL, GRID, Array, Canvas, modes, texture

AIR, FOAM = 3.3, 8.5


@lru_cache(maxsize=16)
def _pair(seed: int, name: int, corner: float, power: float) -> NDArray[np.complex128]:
    rng = np.random.Generator(np.random.PCG64([seed, 4, name]))
    return np.stack([modes(rng, corner, power), modes(rng, corner, power)])


class Slice:
    """One slice of a patient on a canvas: everything that the drawing steps share.

    Attributes:
        canvas: what is drawn on; it starts as air.
        cx, cy, k: the centre of the body and the size of its rib cage.
        rho, index, weight: each pixel's distance from the centre and its direction.
        body, cage: signed distances to the skin and to the inside of the rib cage.
        grain: draws that belong to this slice alone, for the noise.
    """

    def __init__(self, patient: Patient, z: float, size: int) -> None:
        self.patient, self.z, self.size = patient, z, size
        self.canvas = Canvas(size)
        self.grain = np.random.Generator(np.random.PCG64([patient.seed, 3, round(z * 1e6) + 10**6]))
        self.cx, self.cy = patient.centre
        self.k = patient.scale * patient.cage
        canvas = self.canvas
        canvas.grey += AIR
        dx, dy = canvas.x - self.cx, canvas.y - self.cy
        self.rho = np.sqrt(dx * dx + dy * dy)
        turn = np.arctan2(dy, dx) * (ANGLES / (2 * np.pi))
        low = np.floor(turn)
        self.weight = turn - low
        self.index = low.astype(np.int64) % ANGLES
        self.body = self.polar(patient.body(z))
        self.cage = self.polar(patient.cavity(z))

    def polar(self, radii: Array) -> Array:
        """Signed distance to the outline r(angle), to first order."""
        slope = (np.roll(radii, -1) - np.roll(radii, 1)) * (ANGLES / (4 * np.pi)) / radii
        table = np.stack([radii, 1 / np.sqrt(1 + slope**2)])
        table = np.concatenate([table, table[:, :1]], axis=1)
        step = np.diff(table, axis=1)
        r = table[0][self.index] + self.weight * step[0][self.index]
        return np.asarray((self.rho - r) * table[1][self.index])

    def stream(self, name: int) -> np.random.Generator:
        """Draws that are the same in all slices of the patient."""
        return np.random.Generator(np.random.PCG64([self.patient.seed, 4, name]))

    def texture(self, name: int, corner: float, power: float, speed: float = 12.0) -> Array:
        """A texture that turns smoothly into another one as z grows."""
        a, b = _pair(self.patient.seed, name, corner, power)
        angle = speed * self.z
        return self.canvas.extend(texture(np.cos(angle) * a + np.sin(angle) * b, self.size))


def draw_table(s: Slice) -> None:
    """The couch: long bright arcs y = y0 - sag (2x - 1)^2, and the mat the body lies on."""
    canvas, rng = s.canvas, s.stream(1)
    rows = canvas.box(0, 1, 0.35, 1.1)[0]
    every = (rows, slice(None))
    y = canvas.y[rows]
    back = s.cy + 0.29 * s.patient.scale * s.patient.depth

    def arc(y0: float, sag: float, middle: float) -> Array:
        t = 2 * (canvas.x - middle)
        return np.asarray((y - y0 + sag * t * t) / np.sqrt(1 + (4 * sag * t) ** 2))

    def stroke(d: Array, width: float, grey: float) -> None:
        canvas.paint(every, canvas.band(d, width), grey)

    middle = uniform(rng, 0.47, 0.53)
    sag = uniform(rng, 0.1, 0.16)
    top = min(max(back + uniform(rng, 0.02, 0.09), 0.84), 0.95)
    gap = uniform(rng, 0.075, 0.115)
    grey = uniform(rng, 90, 140)
    inside = arc(top, sag, middle)
    lower = arc(top + gap, sag * uniform(rng, 0.9, 1.1), middle)
    mat = arc(back + uniform(rng, 0.0, 0.03), sag * uniform(rng, 0.7, 1.3), middle)
    canvas.paint(every, canvas.cover(-mat) * canvas.cover(lower), FOAM)
    for _ in range(int(uniform(rng, 2, 5))):
        d = arc(back + uniform(rng, -0.005, 0.045), sag * uniform(rng, 0.5, 1.3), middle)
        stroke(d, uniform(rng, 0.002, 0.011), uniform(rng, 12, 40))
    stroke(inside, uniform(rng, 1.5, 2.2) / GRID, grey)
    stroke(lower, uniform(rng, 1.5, 2.2) / GRID, grey * uniform(rng, 0.85, 1.05))
    if rng.random() < 0.4:
        third = arc(top + gap * uniform(rng, 1.3, 2.2), sag, middle)
        stroke(third, uniform(rng, 1, 2) / GRID, grey)


def draw_covers(s: Slice) -> None:
    """Gown, blanket and leads: faint thin lines in the air around the body."""
    canvas, rng = s.canvas, s.stream(2)
    radii = s.patient.body(s.z)
    t = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    for _ in range(int(uniform(rng, 2, 5))):
        k = np.arange(1, 10)[:, None]
        size, phase = 0.3 * normal(rng, (9, 1)) / k**0.5, 2 * np.pi * rng.random((9, 1))
        waves = size * np.cos(k * t + phase + 3 * s.z)
        gap = uniform(rng, 0.004, 0.05) * np.maximum(1 + 1.6 * waves.sum(0), 0.05)
        d = s.polar(radii + gap)
        width = uniform(rng, 0.8, 1.6) / GRID
        start, length = uniform(rng, 0, ANGLES), uniform(rng, 0.4, 1.0) * ANGLES
        seen = ((s.index - start) % ANGLES) < length
        canvas.paint(ALL, canvas.band(d, width) * seen, uniform(rng, 10, 30))
    if rng.random() < 0.7:
        x = s.cx + uniform(rng, -0.1, 0.1)
        y = s.cy - radii[3 * ANGLES // 4] - uniform(rng, 0.01, 0.03)
        for _ in range(int(uniform(rng, 2, 6))):
            nx, ny = x + uniform(rng, -0.04, 0.05), y + uniform(rng, -0.012, 0.012)
            canvas.line(x, y, nx, ny, uniform(rng, 0.002, 0.008), uniform(rng, 12, 60))
            x, y = nx, ny
