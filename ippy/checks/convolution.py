"""The exercises of chapter 1 on convolution itself: its kernel, its sizes, its borders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ippy.checks.verdict import Found, Mistake, close, differs, exercise, run, tensor

NOT_FLIPPED = Mistake(
    "kernel not flipped",
    "This is the cross-correlation: your kernel was laid on the picture without its half turn.",
    "One bright pixel shows it: a convolution must answer with the kernel as it is written.",
    "Convolution or cross-correlation?",
)
FLIPPED_ONCE = Mistake(
    "flipped along one axis",
    "The kernel was mirrored along one axis only; a half turn mirrors both.",
    "kernel.flip(0, 1) turns rows and columns.",
    "One pixel, by hand",
)
BORDER_FORGOTTEN = Mistake(
    "border forgotten",
    "Inside all is right, but the border pixels are wrong: there the window hangs over the edge.",
    "How many zeros does a kernel of this size need on each side?",
    "Beyond the border",
)
NOT_PADDED = Mistake(
    "not padded",
    "The result is too small: only the places where the whole window fits were computed.",
    "Put r = (m − 1)/2 pixels of padding around the picture first.",
    "How large is the result?",
)
OFF_BY_ONE = Mistake(
    "pad wrong by one",
    "The result is right but stands one pixel off: the window is not centred on its pixel.",
    "For a 3×3 kernel one row above and one below; range(i - r, i + r + 1) has 2r + 1 numbers.",
    "Where is the kernel anchored?",
)
ONE_RADIUS = Mistake(
    "one radius for both axes",
    "Right for square kernels, not for one of 3 rows and 5 columns: each axis has its own radius.",
    "k.shape[0] // 2 zeros above and below, k.shape[1] // 2 at the sides; F.pad takes the sides "
    "first.",
    "One pixel, by hand",
)
NOT_ROUNDED_DOWN = Mistake(
    "floor forgotten",
    "Right where the stride divides evenly, wrong where it does not: a last step that does not "
    "fit is not made, so the quotient is rounded down.",
    "In Python, // divides and rounds down.",
    "How large is the result?",
)
DILATION_FORGOTTEN = Mistake(
    "dilation forgotten",
    "Right for dilation 1 only: m taps at distance d span d·(m − 1) + 1 pixels.",
    "Draw three taps with one pixel between neighbours, d = 2, and count: five pixels.",
    "How large is the result?",
)
PADDED_ONCE = Mistake(
    "padding counted once",
    "Right without padding only: p is the padding on each side, and it adds to the n pixels "
    "before the window starts to move.",
    "How many pixels are there after padding?",
    "How large is the result?",
)
ONE_PLACE_MISSING = Mistake(
    "+ 1 missing",
    "One too few everywhere: the quotient counts the steps, but the first place counts too.",
    "A kernel as large as the picture makes no step and still gives one pixel.",
    "How large is the result?",
)
STRIDE_MISPLACED = Mistake(
    "stride misplaced",
    "Right for stride 1 only: the way that the window can move, and nothing else, is divided "
    "by the stride; the first place is added after that.",
    "Try 6 pixels, 3 taps, stride 2, no padding: the window stands at 0 and at 2.",
    "How large is the result?",
)
PAD_WRONG_BY_ONE = Mistake(
    "pad wrong by one",
    "Each side is wrong by one for odd kernels: m taps take m − 1 pixels away in all, half of "
    "them on each side.",
    "How many pixels of a 3-tap kernel hang over the edge when its middle is on the first pixel?",
    "How large is the result?",
)
EVEN_KERNEL = Mistake(
    "even kernel",
    "Right for odd kernels only: with an even kernel the number of zeros is odd, and the two "
    "sides cannot be equal.",
    "Work out the sum of both sides first, then split it.",
    "Where is the kernel anchored?",
)
LEANS_THE_OTHER_WAY = Mistake(
    "leans the other way",
    "The sum is right, but the extra zero stands before the row; here it is to stand after it.",
    "Round the smaller half down and give the rest to the other side.",
    "Where is the kernel anchored?",
)
PADDED_TWICE = Mistake(
    "padded twice",
    "Each side got what both sides together need, so that the result grows.",
    "This is the ‘full’ convolution; split the zeros between the sides.",
    "How large is the result?",
)
SCALE_LOST = Mistake(
    "scale lost",
    "The shapes of column and row are right, but their product is a multiple of k.",
    "The sum of all products is (sum of the column) · (sum of the row). Compare it with k.sum().",
    "Convolution or cross-correlation?",
)
COLUMN_AND_ROW_SWAPPED = Mistake(
    "column and row swapped",
    "You returned the row first: its length is the number of columns of k.",
    "The column has one weight for every row of k; k.sum(dim=1) has that many.",
    "Convolution or cross-correlation?",
)


def convolved(x: Tensor, k: Tensor, padding: str = "constant") -> Tensor:
    """Cross-correlate with the turned kernel; x of shape (H, W), k of shape (m, n), both odd."""
    rows, columns = (s // 2 for s in k.shape)
    padded = F.pad(x[None, None], (columns, columns, rows, rows), mode=padding)
    return F.conv2d(padded, k.flip(0, 1)[None, None])[0, 0]


def picture_of(answer: Any, x: Tensor, k: Tensor, *more: Any) -> Tensor:
    """The answer's picture, of the size of x."""
    result = run(answer, x, k, *more)
    valid = tuple(n - m + 1 for n, m in zip(x.shape, k.shape, strict=True))
    if tuple(tensor(result).shape[-2:]) == valid:
        raise Found(NOT_PADDED)
    return tensor(result, tuple(x.shape))


@exercise("Convolution by hand", chapter=1, praise="Right: a half turn, and zeros around.")
def convolve(answer: Callable[[Tensor, Tensor], Any]) -> Mistake | None:
    """y[i, j] = Σ_{s,t} k[s, t] · x[i − s, j − t], zeros outside; x (H, W), k (m, n) odd; y (H, W).

    Pictures and kernels are random and lopsided, so that no symmetry hides a slip.
    """
    generator = torch.Generator().manual_seed(1)
    for shape, size in (((6, 6), (3, 3)), ((7, 9), (5, 5)), ((8, 6), (3, 5))):
        x, k = torch.rand(shape, generator=generator), torch.rand(size, generator=generator)
        try:
            value, expected = picture_of(answer, x, k), convolved(x, k)
        except Found as found:
            square = size[0] == size[1]
            if not square and found.mistake.name in ("raised", "another shape"):
                return ONE_RADIUS
            raise
        if not close(value, expected):
            return _name_it(value, expected, x, k)
    return None


def _name_it(value: Tensor, expected: Tensor, x: Tensor, k: Tensor) -> Mistake:
    if close(value, convolved(x, k.flip(0, 1))):
        return NOT_FLIPPED
    if any(close(value, convolved(x, k.flip(axis))) for axis in (0, 1)):
        return FLIPPED_ONCE
    r, c = (m // 2 for m in k.shape)
    if close(value[r:-r, c:-c], expected[r:-r, c:-c]):
        return BORDER_FORGOTTEN
    for step in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)):
        moved = torch.roll(expected, step, dims=(0, 1))
        if close(value[2:-2, 2:-2], moved[2:-2, 2:-2]):
            return OFF_BY_ONE
    return differs(value, expected)


@exercise("Output size", chapter=1, praise="Right in every setting, as PyTorch has it.")
def output_size(answer: Callable[[int, int, int, int, int], Any]) -> Mistake | None:
    """⌊(n + 2p − d(m − 1) − 1) / s⌋ + 1 for n pixels, m taps, padding p, stride s, dilation d."""
    settings = [
        (n, m, p, s, d)
        for n, m, p, s, d in product((6, 7, 12, 32), (1, 2, 3, 5), (0, 1, 2), (1, 2, 3), (1, 2, 3))
        if n + 2 * p > d * (m - 1)
    ]
    exact = {(n, m, p, s, d): (n + 2 * p - d * (m - 1) - 1) / s + 1 for n, m, p, s, d in settings}
    right = {setting: int(size) for setting, size in exact.items()}
    given = {}
    for setting in settings:
        size = tensor(run(answer, *setting))
        if size.numel() != 1:
            return Mistake("not one number", f"One number is expected, you return {size.numel()}.")
        given[setting] = float(size)
    if given == right:
        return None

    def agree(some: Iterable[tuple[int, int, int, int, int]]) -> bool:
        return all(given[setting] == right[setting] for setting in some)

    neighbours = {s: (exact[s], right[s], ceil(exact[s])) for s in settings}
    if all(min(abs(given[s] - size) for size in neighbours[s]) < 1e-3 for s in settings):
        return NOT_ROUNDED_DOWN
    if all(given[s] == right[s] - 1 for s in settings):
        return ONE_PLACE_MISSING
    for axis, plain, mistake in (
        (4, 1, DILATION_FORGOTTEN),
        (2, 0, PADDED_ONCE),
        (3, 1, STRIDE_MISPLACED),
    ):
        if agree(setting for setting in settings if setting[axis] == plain):
            return mistake
    first = next(setting for setting in settings if given[setting] != right[setting])
    n, m, p, s, d = first
    sentence = (
        f"For {n} pixels, {m} taps, padding {p}, stride {s}, dilation {d} you give "
        f"{given[first]:g}; the window has {right[first]} places."
    )
    return Mistake("another value", sentence, "Draw this row and count the places.")


@exercise("The same size", chapter=1, praise="Right, for even kernels and with dilation too.")
def same_padding(answer: Callable[[int, int], Any]) -> Mistake | None:
    """(before, after), together d·(m − 1) zeros, after ≥ before: a row keeps its length."""
    sides = {}
    for m, d in product(range(1, 8), (1, 2, 3)):
        pair = tensor(run(answer, m, d)).flatten()
        if pair.numel() not in (1, 2):
            sentence = f"Two numbers are expected, before and after; you return {pair.numel()}."
            return Mistake("another shape", sentence)
        sides[m, d] = (float(pair[0]), float(pair[-1]))
    right = {(m, d): (d * (m - 1) // 2, (d * (m - 1) + 1) // 2) for m, d in sides}
    if sides == right:
        return None
    wrong = [setting for setting in sides if sides[setting] != right[setting]]
    if all(sides[m, d] == (d * (m - 1),) * 2 for m, d in sides):
        return PADDED_TWICE
    if all(sides[s] == right[s][::-1] for s in wrong):
        return LEANS_THE_OTHER_WAY
    if all(abs(sides[m, 1][0] - m // 2) == 1 == abs(sides[m, 1][1] - m // 2) for m in (3, 5, 7)):
        return PAD_WRONG_BY_ONE
    if all(d > 1 for _, d in wrong):
        return DILATION_FORGOTTEN
    if all(sum(right[s]) % 2 for s in wrong):
        return EVEN_KERNEL
    m, d = wrong[0]
    before, after = sides[m, d]
    sentence = (
        f"For {m} taps at dilation {d} you give ({before:g}, {after:g}); a row of 20 pixels "
        f"becomes {20 + before + after - d * (m - 1):g} pixels long, and it is to stay in place."
    )
    return Mistake("another value", sentence, "The kernel takes d·(m − 1) pixels away.")


@exercise("One kernel, two passes", chapter=1, praise="Right: m + n multiplications, not m · n.")
def separate(answer: Callable[[Tensor], Any]) -> Mistake | None:
    """A column (m, 1) and a row (1, n) whose product is the separable kernel k (m, n)."""
    generator = torch.Generator().manual_seed(4)
    for m, n in ((5, 3), (3, 7), (9, 5)):
        column, row = torch.rand(m, generator=generator), torch.rand(n, generator=generator)
        k = torch.outer(column, row)  # its sum is not 1
        pair = run(answer, k)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            sentence = "Two things are expected, a column and a row: return column, row."
            return Mistake("not a pair", sentence)
        down, across = (tensor(part).flatten() for part in pair)
        if (down.numel(), across.numel()) == (n, m):
            return COLUMN_AND_ROW_SWAPPED
        down, across = tensor(down, (m,)), tensor(across, (n,))
        product_of_both = torch.outer(down, across)
        if close(product_of_both, k):
            continue
        scale = float((product_of_both * k).sum() / k.double().square().sum())
        if scale and close(product_of_both / scale, k):
            return SCALE_LOST.because(
                "The directions of column and row are right, but their product is "
                f"{scale:.3g} times k."
            )
        return differs(product_of_both, k)
    return None
