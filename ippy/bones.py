"""The bones of a slice: dense shells around a spongy inside."""

import numpy as np

from ippy.anatomy import ANGLES, uniform
from ippy.canvas import Array, capsule, ellipse, smooth_union
from ippy.scene import Slice


def draw_ribs(s: Slice, spongy: Array) -> None:
    """Ribs cut obliquely: flat lenses along the cage that slide round it as z grows."""
    canvas, p, rng = s.canvas, s.patient, s.stream(9)
    every = 27 * ANGLES / 360
    slide = (s.z * 1100 + p.phase * 360) * ANGLES / 360
    ring = np.abs(s.cage - 0.01) < 0.025
    across, angle, radius = s.cage[ring] - 0.009, (s.index + s.weight)[ring], s.rho[ring]
    left = (angle > ANGLES / 4) & (angle < 3 * ANGLES / 4)
    around = np.where(left, 3 * ANGLES / 4 - angle, (angle - 3 * ANGLES / 4) % ANGLES)
    number = np.floor((around - slide) / every)
    which = (number.astype(int) + 41 * left) % 97
    table = rng.random((5, 97))
    back = np.clip(around / (ANGLES / 2), 0, 1)
    length = (0.018 + 0.03 * table[0][which] + 0.09 * back**5) * p.scale
    along = (around - slide - (number + 0.5) * every) * (2 * np.pi / ANGLES) * radius
    along = along + 0.025 * (table[1][which] - 0.5)
    thick = 0.008 * (0.7 + 0.6 * table[2][which])
    tilt = 0.16 * (table[3][which] - 0.5)
    shown = (back > 0.2) & (back < 0.95) & (table[4][which] > 0.1)
    d = np.where(shown, ellipse(along, across - tilt * along, 0.0, 0.0, length, thick), 1.0)
    outer, inner = canvas.cover(d), canvas.cover(d + 0.0035)
    front = np.clip((0.33 - back) / 0.06, 0, 1)
    hard = p.bone * (125 + 50 * table[1][which] + 30 * back**3)
    cortex = hard + (112 - hard) * front + 8 * spongy[ring]
    marrow = 113 - 4 * front + 9 * spongy[ring]
    part = canvas.grey[ring]
    part += outer * (cortex - part)
    part += inner * (marrow - part)
    canvas.grey[ring] = part


def draw_vertebra(s: Slice, spongy: Array) -> None:
    """The vertebral body, its arch around the spinal canal and the processes."""
    canvas, p, k, rng = s.canvas, s.patient, s.k, s.stream(13)
    x, y = s.cx, s.cy + 0.14 * k
    turn = 2 * np.pi * (s.z / 0.06 + p.phase)
    pulse, other = float(np.cos(turn)), float(np.sin(turn))
    where = canvas.box(x - 0.13, x + 0.13, y - 0.06, y + 0.17)
    xs, ys, fine = canvas.x[:, where[1]], canvas.y[where[0]], spongy[where]
    body = ellipse(xs, ys, x, y, 0.05 * k, 0.041 * k)
    canvas.paint(where, canvas.cover(body), (132 + 8 * pulse) * p.bone)
    canvas.paint(where, canvas.cover(body + 0.0035), 112 + 6 * pulse + 10 * (p.bone - 1) + 9 * fine)
    cy = y + 0.062 * k
    hole = ellipse(xs, ys, x, cy, 0.021 * k, 0.018 * k)
    arch = np.where(ys > cy - 0.01, hole - 0.007 * k, 1.0)
    length = uniform(rng, 0.045, 0.06) + 0.012 * pulse
    tip = (x + 0.004 * other, cy + length * k)
    arch = smooth_union(arch, capsule(xs, ys, x, cy + 0.022 * k, *tip, 0.004), 0.01)
    for side in (-1, 1):
        bend = cy + 0.012 * k + 0.008 * other
        tip = (x + side * (0.06 + 0.02 * pulse) * k, bend)
        wing = capsule(xs, ys, x + side * 0.026 * k, cy, *tip, 0.006)
        arch = smooth_union(arch, wing, 0.01)
        if pulse > -0.3:
            tip = (x + side * 0.1 * k, cy + 0.012 * k)
            rib = capsule(xs, ys, x + side * 0.055 * k, cy - 0.02 * k, *tip, 0.006)
            arch = np.minimum(arch, rib)
    cortex = (175 + 15 * other) * p.bone + 12 * fine
    canvas.paint(where, canvas.cover(arch), cortex)
    canvas.paint(where, canvas.cover(arch + 0.0038), 130 + 12 * fine)
    canvas.paint(where, canvas.cover(hole), 97)


def draw_breastbone(s: Slice) -> None:
    """The breastbone in front, and above it the inner ends of the collar bones."""
    canvas, p, z, k = s.canvas, s.patient, s.z, s.k
    if z < 0.5:
        x, y = s.cx, s.cy - p.cavity(z)[3 * ANGLES // 4] - 0.02
        width = float(np.interp(z, [0, 0.1, 0.5], [0.065, 0.036, 0.03])) * k
        where = canvas.box(x - 0.1, x + 0.1, y - 0.03, y + 0.03)
        d = ellipse(canvas.x[:, where[1]], canvas.y[where[0]], x, y, width, 0.015)
        d = np.maximum(d, np.abs(canvas.x[:, where[1]] - x) - 0.85 * width)
        canvas.bone(where, d, 138 * p.bone, 110, 0.0035)
    if z < 0.1:
        for side in (-1, 1):
            ax, ay = s.cx + side * 0.07 * k, s.cy - 0.2 * k * p.depth
            bx, by = s.cx + side * (0.12 + 0.8 * z) * k, ay + 0.02
            canvas.line(ax, ay, bx, by, 0.02, 165 * p.bone)
            canvas.line(ax, ay, bx, by, 0.013, 125)


def draw_shoulder_blades(s: Slice) -> None:
    """Thin curved plates behind the ribs, each with a thicker head; they end half-way down."""
    canvas, p, k, rng = s.canvas, s.patient, s.k, s.stream(14)
    low = uniform(rng, 0.32, 0.5)
    for side in (-1, 1):
        fade = 1 - s.z / low
        shape = [uniform(rng, -1, 1) for _ in range(4)]
        if fade <= 0:
            continue
        ax = s.cx + side * (0.335 + 0.07 * fade + 0.01 * shape[0]) * k
        ay = s.cy + (0.13 - 0.1 * fade + 0.02 * shape[1]) * k
        bx = s.cx + side * (0.29 - 0.02 * fade) * k
        by = s.cy + (0.17 + 0.05 * fade) * k
        t = np.linspace(0, 1, 9)
        bow = (0.014 + 0.012 * shape[2]) * np.sin(np.pi * t)
        bow += 0.008 * shape[3] * np.sin(2 * np.pi * t)
        px, py = ax + (bx - ax) * t - side * bow, ay + (by - ay) * t + bow
        for n in range(8):
            width = 0.0045 + 0.006 * (2 * t[n] - 0.9) ** 2
            canvas.line(px[n], py[n], px[n + 1], py[n + 1], width, 200 * p.bone)
        canvas.ellipse(ax, ay, 0.013 * k, 0.009 * k, 195 * p.bone, side * 0.5)
        canvas.ellipse(ax, ay, 0.008 * k, 0.005 * k, 140, side * 0.5)


def draw_bones(s: Slice) -> None:
    """Ribs, vertebra, breastbone and shoulder blades."""
    spongy = s.texture(10, 0.15, 1.0, speed=40.0)
    draw_ribs(s, spongy)
    draw_vertebra(s, spongy)
    draw_breastbone(s)
    draw_shoulder_blades(s)
