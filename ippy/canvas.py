"""A canvas for shapes that are given by their signed distance, and textures given by a spectrum.

Lengths are in units of the picture's width, x to the right, y down; greys run from 0 (black) to 255
(white). A shape is a signed distance d(x, y), negative inside, so that it can be drawn at any
resolution.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Window = tuple[slice, slice]

GRID = 256
ALL = (slice(None), slice(None))


def ellipse(
    x: Array, y: Array, cx: float, cy: float, rx: float, ry: float, turn: float = 0.0
) -> Array:
    """Signed distance to an ellipse, to first order: k (k - 1) / |grad|, k = |(x/rx, y/ry)|."""
    c, s = np.cos(turn), np.sin(turn)
    u = c * (x - cx) + s * (y - cy)
    v = c * (y - cy) - s * (x - cx)
    k = np.sqrt((u / rx) ** 2 + (v / ry) ** 2)
    slope = np.sqrt((u / rx**2) ** 2 + (v / ry**2) ** 2)
    return np.asarray(k * (k - 1) / np.maximum(slope, 1e-9))


def capsule(x: Array, y: Array, ax: float, ay: float, bx: float, by: float, r: float) -> Array:
    """Signed distance to the segment from a to b thickened by r."""
    ux, uy = bx - ax, by - ay
    t = np.clip(((x - ax) * ux + (y - ay) * uy) / max(ux * ux + uy * uy, 1e-12), 0, 1)
    return np.asarray(np.hypot(x - ax - t * ux, y - ay - t * uy) - r)


def smooth_union(a: Array, b: Array, k: float) -> Array:
    """The union min(a, b) with its inward corners rounded over a length k (Quilez' polynomial)."""
    h = np.maximum(k - np.abs(a - b), 0) / k
    return np.asarray(np.minimum(a, b) - h * h * k / 4)


class Canvas:
    """A picture in grey values 0 ... 255 with a margin, so that blurring does not see an end."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pixel = 1 / size
        self.margin = -(-4 * size // GRID)
        n = size + 2 * self.margin
        self.axis = (np.arange(n) - self.margin + 0.5) / size
        self.grey = np.zeros((n, n))
        self.x = self.axis[None, :]
        self.y = self.axis[:, None]

    def box(self, x0: float, x1: float, y0: float, y1: float) -> Window:
        """The rows and columns that hold x0 <= x <= x1 and y0 <= y <= y1, and a pixel more."""
        r0, r1 = np.searchsorted(self.axis, (y0 - self.pixel, y1 + self.pixel))
        c0, c1 = np.searchsorted(self.axis, (x0 - self.pixel, x1 + self.pixel))
        return slice(int(r0), int(r1)), slice(int(c0), int(c1))

    def cover(self, distance: Array) -> Array:
        """The share of a pixel that lies inside a shape: an edge is one pixel wide."""
        return np.clip(0.5 - distance / self.pixel, 0, 1)

    def band(self, distance: Array, width: float | Array) -> Array:
        """The share of a pixel inside a line along distance = 0; a thinner one is fainter."""
        thin = np.minimum(1.0, width / self.pixel)
        return np.asarray(thin * self.cover(np.abs(distance) - np.maximum(width, self.pixel) / 2))

    def paint(self, where: Window, share: Array, grey: float | Array) -> None:
        """Cover `share` of each pixel of the window with a grey."""
        part = self.grey[where]
        part += share * (grey - part)

    def extend(self, inner: Array) -> Array:
        """A (size, size) texture continued over the margin by reflection."""
        return np.pad(inner, self.margin, mode="reflect")

    def ellipse(
        self, cx: float, cy: float, rx: float, ry: float, grey: float, turn: float = 0.0
    ) -> None:
        r = max(rx, ry)
        where = self.box(cx - r, cx + r, cy - r, cy + r)
        d = ellipse(self.x[:, where[1]], self.y[where[0]], cx, cy, rx, ry, turn)
        self.paint(where, self.cover(d), grey)

    def line(self, ax: float, ay: float, bx: float, by: float, width: float, grey: float) -> None:
        r = width / 2
        where = self.box(min(ax, bx) - r, max(ax, bx) + r, min(ay, by) - r, max(ay, by) + r)
        d = capsule(self.x[:, where[1]], self.y[where[0]], ax, ay, bx, by, 0.0)
        self.paint(where, self.band(d, width), grey)

    def bone(self, where: Window, d: Array, cortex: float, marrow: float, shell: float) -> None:
        """A shape with a dense shell of the given thickness around a softer inside."""
        self.paint(where, self.cover(d), cortex)
        self.paint(where, self.cover(d + shell), marrow)

    def finish(self, sigma: float) -> Array:
        """Blur with a Gaussian of standard deviation sigma, below a pixel with a little less, and
        drop the margin.
        """
        # The integral over a pixel adds 1/12 to the variance, which is taken off beforehand.
        spread = math.sqrt(2 * max((sigma / self.pixel) ** 2 - 1 / 12, 1e-6))
        edges = [math.erf((k - 0.5) / spread) for k in range(-self.margin, self.margin + 2)]
        taps = np.diff(edges) / (edges[-1] - edges[0])
        n, image = self.size, self.grey
        image = sum(w * image[k : k + n] for k, w in enumerate(taps))
        return np.asarray(sum(w * image[:, k : k + n] for k, w in enumerate(taps)))


@lru_cache(maxsize=16)
def _amplitude(corner: float, power: float) -> Array:
    """A(f) on the half plane of a GRID x GRID transform, scaled to variance 1 at a point."""
    half = GRID // 2
    ky = np.fft.fftfreq(GRID, 1 / GRID)[:, None]
    kx = np.arange(half + 1)[None, :]
    amplitude = (1 + (kx**2 + ky**2) / (GRID * corner) ** 2) ** (-power / 2)
    amplitude[0, 0] = 0
    amplitude[half, :] = 0
    amplitude[:, half] = 0
    weight = np.where(kx == 0, 1 / 12, 1 / 3)
    return np.asarray(amplitude / np.sqrt((weight * amplitude**2).sum()))


def modes(rng: np.random.Generator, corner: float, power: float) -> NDArray[np.complex128]:
    """Random Fourier coefficients of a texture with the amplitude spectrum

    A(f) = (1 + (f / corner)^2)^(-power / 2),   f in cycles per 1/256 of the picture.
    """
    u = rng.random((2, GRID, GRID // 2 + 1)) - 0.5
    return np.asarray(_amplitude(corner, power) * (u[0] + 1j * u[1]))


def texture(coefficients: NDArray[np.complex128], size: int) -> Array:
    """The texture with these Fourier coefficients, (size, size), of mean 0.

    It holds no frequency above those of a 256-grid, and each value is the mean over its pixel, so
    that the texture drawn at 512 and averaged over 2x2 pixels is the one drawn at 256. Its variance
    is 1 at a point, and less over a pixel: 0.6 at 256 for the finest texture, 0.95 for coarse ones.
    """
    n = min(GRID, size) // 2
    k = np.arange(n)
    mean = np.sinc(k / size) * np.exp(1j * np.pi * k / size)
    full = np.zeros((size, size // 2 + 1), dtype=complex)
    full[:n, :n] = coefficients[:n, :n] * mean[:, None] * mean
    full[1 - n :, :n] = coefficients[1 - n :, :n] * mean[:0:-1, None].conj() * mean
    return np.asarray(np.fft.irfft2(full, s=(size, size), norm="forward"))
