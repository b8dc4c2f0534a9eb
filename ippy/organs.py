"""The soft parts of a slice: body wall, heart and vessels, lungs and airways, upper abdomen.

Greys are those of a wide CT window, of 255: air 3, lung 12, fat 88, muscle 102, blood 105.
"""

import numpy as np

from ippy.anatomy import ANGLES, crossing, uniform
from ippy.canvas import ALL, Array, Window, capsule, ellipse, smooth_union
from ippy.scene import Slice

MUSCLE, BLOOD = 102.5, 105.0


def draw_body(s: Slice) -> None:
    """Skin, fat and the layers of muscle around the rib cage."""
    canvas, p = s.canvas, s.patient
    planes = s.texture(3, 0.012, 3.0)
    strands = s.texture(4, 0.06, 1.6)
    wall = s.cage - p.muscle * (0.9 + 0.6 * planes)
    t = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    skin = p.body(s.z)
    depth = p.fat * (0.7 + 0.9 * np.abs(np.cos(t)) ** 3 + 0.5 * (np.sin(t) < 0))
    deep = s.polar(np.maximum(skin - depth, 0.02)) + 0.002 + 0.5 * p.fat * planes
    muscle = np.maximum(np.minimum(np.maximum(deep, -s.cage), wall), deep)
    gaps = np.clip(np.abs(planes + 0.2 * strands) / 0.08 - 0.3, 0, 1)
    share = canvas.cover(muscle) * (0.2 + 0.8 * gaps)
    tissue = p.fatness + (MUSCLE + p.contrast - p.fatness) * share + 1.5 * strands
    tissue += 5 * canvas.cover(np.abs(s.body + 0.003) - 0.002)
    near = np.exp(-np.maximum(s.body, 0) / 0.05)
    canvas.grey += 3.0 * near * (s.body > 0)
    canvas.paint(ALL, canvas.cover(s.body), tissue)
    if p.arms:
        for side in (-1, 1):
            x, y = s.cx + side * 0.53 * p.scale, s.cy + 0.06
            canvas.ellipse(x, y, 0.075, 0.09, p.fatness)
            canvas.ellipse(x, y, 0.06, 0.072, MUSCLE)
            where = canvas.box(x - 0.03, x + 0.03, y - 0.03, y + 0.03)
            d = ellipse(canvas.x[:, where[1]], canvas.y[where[0]], x, y, 0.024, 0.024)
            canvas.bone(where, d, 220, 105, 0.008)


def mediastinum(s: Slice, x: Array, y: Array) -> Array:
    """Signed distance to what lies between the lungs: heart, great vessels, spine."""
    z, k, rng = s.z, s.k, s.stream(11)

    def at(heights: list[float], values: list[float]) -> float:
        return float(np.interp(z, heights, values))

    w = [uniform(rng, 0.85, 1.15) for _ in range(8)]
    hx = s.cx + k * at([0, 0.2, 0.35, 0.5, 0.6], [0.0, 0.01, 0.015, 0.045, 0.06])
    hy = s.cy + k * at([0, 0.2, 0.35, 0.5, 0.6], [-0.13, -0.1, -0.08, -0.07, -0.07])
    rx = w[0] * k * at([0, 0.15, 0.3, 0.45, 0.55], [0.07, 0.05, 0.07, 0.105, 0.14])
    ry = w[1] * k * at([0, 0.15, 0.3, 0.45, 0.55], [0.07, 0.08, 0.1, 0.115, 0.12])
    d = ellipse(x, y, hx, hy, rx, ry, 0.3 * w[2])
    spine = s.cy + 0.14 * k
    waist = w[3] * k * at([0, 0.2, 0.4], [0.02, 0.015, 0.012])
    parts = [
        capsule(x, y, s.cx, hy, s.cx + 0.01, s.cy + 0.14 * k, waist),
        ellipse(x, y, s.cx + 0.03 * k, s.cy + 0.085 * k, w[4] * 0.033 * k, w[4] * 0.036 * k),
        ellipse(x, y, s.cx, spine, 0.053 * k, 0.046 * k),
        ellipse(x, y, s.cx, spine + 0.1 * k, 0.11 * k, 0.05 * k),
    ]
    for side in (-1, 1):
        if 0.15 < z < 0.48:
            grow = np.sin(np.pi * (z - 0.15) / 0.33)
            hx = s.cx + side * (0.03 + 0.05 * grow) * k
            ry = 0.026 * w[6] * k
            rx = 0.045 * grow * k + 0.004
            parts.append(ellipse(x, y, hx, s.cy + 0.02 * side * w[5], rx, ry, side * 0.5))
    for part in parts:
        d = smooth_union(d, part, 0.02)
    junction = capsule(
        x, y, s.cx + 0.01, hy, s.cx + 0.03 * (w[7] - 1), s.cy - 0.3 * k, 0.006 * w[7]
    )
    return smooth_union(d, junction, 0.015)


def draw_chest(s: Slice) -> None:
    """Lungs with their vessels and airways, and what lies between and below them."""
    canvas, p, z, k = s.canvas, s.patient, s.z, s.k
    reach = 0.37 * k
    where = canvas.box(s.cx - reach, s.cx + reach, s.cy - reach, s.cy + reach)
    x, y, cage = canvas.x[:, where[1]], canvas.y[where[0]], s.cage[where]
    between = mediastinum(s, x, y)
    parts = s.texture(5, 0.02, 2.5)[where]
    lung = np.maximum(cage + 0.004 + 0.002 * parts, -between + 0.003 * parts)
    domes = [
        1.5 * (height - z + 0.9 * ((x - s.cx - side * 0.15 * k) ** 2 + (y - s.cy + 0.04) ** 2))
        for side, height in ((-1, 0.5), (1, 0.54))
    ]
    dome = np.minimum(domes[0], domes[1])
    lung = np.maximum(lung, -dome)
    folds = canvas.cover(0.005 * (0.5 - np.abs(parts - 0.3) / 0.12))
    organs = BLOOD + p.contrast + 1.5 * s.texture(6, 0.08, 1.5)[where] - 11 * folds
    fatty = canvas.cover(0.02 * (parts + 0.1)) * np.clip((0.3 - z) * 6, 0, 0.8)
    if z > 0.52:
        low = canvas.cover(0.02 * (0.5 - parts) - 0.02 * (x > s.cx)) * canvas.cover(dome)
        fatty = fatty + low * np.clip((z - 0.52) * 8, 0, 1)
    organs = organs + (p.fatness + 2 - organs) * fatty
    canvas.paint(where, canvas.cover(cage + 0.006), organs)
    draw_heart(s)
    draw_stomach(s)
    if lung.min() < 0:
        gravity = 3.0 * (y - s.cy) / 0.25
        mottle = s.texture(7, 0.2, 1.1, speed=60.0)[where]
        air = p.lung + gravity + 3.0 * mottle + 1.2 * np.maximum(mottle, 0) ** 2
        air = air + 7 * fissures(s, x, y)
        air = air + (BLOOD + p.contrast - air) * vessels(s)[where]
        draw_bronchi(s, where, air)
        canvas.paint(where, canvas.cover(lung), air)
    draw_airways(s)


def fissures(s: Slice, x: Array, y: Array) -> Array:
    """Thin curved sheets between the lobes of the lungs."""
    rng = s.stream(12)
    share = np.zeros((y.size, x.size))
    for side in (-1, 1):
        slope, bend = uniform(rng, -0.6, 0.3), uniform(rng, -3, 3)
        t = side * (x - s.cx - side * 0.15)
        d = y - (s.cy + 0.16 - 0.4 * (s.z - 0.1) + slope * t + bend * t * t)
        share += np.clip(1 - np.abs(d) / 0.005, 0, 1) * (t > -0.15)
    return share


def draw_stomach(s: Slice) -> None:
    """The stomach below the left dome: a wall, food, and a bubble of gas on top."""
    canvas, z, k, rng = s.canvas, s.z, s.k, s.stream(15)
    size = np.interp(z, [0.5, 0.6], [0.0, 1.0]) * uniform(rng, 0.5, 1.0)
    x, y = s.cx + uniform(rng, 0.08, 0.15) * k, s.cy - uniform(rng, 0.03, 0.12) * k
    rx, ry, turn = 0.085 * k * size, 0.06 * k * size, uniform(rng, -0.5, 0.5)
    if size > 0.2:
        canvas.ellipse(x, y, rx + 0.01, ry + 0.01, BLOOD, turn)
        canvas.ellipse(x, y, rx, ry, uniform(rng, 94, 102), turn)
        canvas.ellipse(x, y - 0.4 * ry, 0.7 * rx, 0.5 * ry, 4.0, turn)


def draw_heart(s: Slice) -> None:
    """Chambers and great vessels, a little brighter or darker than what is around them."""
    rng = s.stream(8)
    for n in range(14):
        upper = n < 7
        x = s.cx + s.k * (uniform(rng, -0.055, 0.055) if upper else uniform(rng, -0.05, 0.1))
        y = s.cy + s.k * (uniform(rng, -0.19, -0.04) if upper else uniform(rng, -0.16, 0.03))
        r = s.k * (uniform(rng, 0.011, 0.024) if upper else uniform(rng, 0.02, 0.045))
        level = uniform(rng, 0.0, 0.22) if upper else uniform(rng, 0.2, 0.6)
        grey, oval = BLOOD + s.patient.contrast + uniform(rng, -2, 5), uniform(rng, 0.7, 1.4)
        share = 1 - ((level - s.z) / 0.1) ** 2
        if share > 0:
            r = r * float(np.sqrt(share))
            s.canvas.ellipse(x, y, r, r * oval, grey)


def vessels(s: Slice) -> Array:
    """The share of each pixel that is vessel, shape as the canvas."""
    canvas = s.canvas
    rows, filled = crossing(s.patient.vessels, s.z)
    share = np.zeros_like(canvas.grey)
    length = np.hypot(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1])
    reach = length / 2 + rows[:, 4] + 2 * canvas.pixel
    n = len(canvas.axis)
    below = 0.0
    for half in (0.014, 0.03, 0.06, 0.12, 0.3):
        group = (reach > below) & (reach <= half)
        below = half
        if not group.any():
            continue
        a = rows[group]
        across = int(np.ceil(half / canvas.pixel))
        step = np.arange(-across, across + 1)
        col = np.floor((a[:, 0] + a[:, 2]) / (2 * canvas.pixel)).astype(int)[:, None] + step
        row = np.floor((a[:, 1] + a[:, 3]) / (2 * canvas.pixel)).astype(int)[:, None] + step
        x = ((col + 0.5) * canvas.pixel)[:, None, :]
        y = ((row + 0.5) * canvas.pixel)[:, :, None]
        ax, ay, bx, by, r = (v[:, None, None] for v in a.T)
        ux, uy = bx - ax, by - ay
        t = np.clip(((x - ax) * ux + (y - ay) * uy) / np.maximum(ux * ux + uy * uy, 1e-12), 0, 1)
        d = np.hypot(x - ax - t * ux, y - ay - t * uy)
        value = filled[group][:, None, None] * canvas.band(d, 2 * r)
        row, col = (np.clip(v + canvas.margin, 0, n - 1) for v in (row, col))
        at = row[:, :, None] * n + col[:, None, :]
        seen = value > 0
        np.maximum.at(share.ravel(), at[seen], value[seen])
    return share


def draw_bronchi(s: Slice, where: Window, air: Array) -> None:
    """Airways beside the first branches of the vessel trees: a dark bore in a thin wall."""
    canvas, tree = s.canvas, s.patient.vessels
    rows, _ = crossing(tree[tree[:, 7] <= 4], s.z)
    below, canvas.grey = canvas.grey, np.zeros_like(canvas.grey)
    canvas.grey[where] = air
    for ax, ay, bx, by, r in rows:
        shift = 1.7 * r if ax < s.cx else -1.7 * r
        bore = 1.6 * r
        canvas.line(ax + shift, ay - shift, bx + shift, by - shift, bore + 0.006, 55)
        canvas.line(ax + shift, ay - shift, bx + shift, by - shift, bore, 5)
    air[...] = canvas.grey[where]
    canvas.grey = below


def draw_airways(s: Slice) -> None:
    """Trachea and main bronchi: air with a thin wall."""
    canvas, z, k = s.canvas, s.z, s.k
    carina = 0.26
    tubes: list[tuple[float, float, float, float]] = []
    if z < carina:
        tubes = [(s.cx - 0.01, s.cy - 0.04 * k, 0.022, 0.024)]
    elif z < 0.42:
        apart = 0.02 + 0.35 * (z - carina)
        tubes = [
            (s.cx + side * apart * k, s.cy - 0.02 * k + 0.1 * (z - carina), 0.022, 0.014)
            for side in (-1, 1)
        ]
    for x, y, rx, ry in tubes:
        canvas.ellipse(x, y, rx * k + 0.004, ry * k + 0.004, 95)
        canvas.ellipse(x, y, rx * k, ry * k, 3.5)
