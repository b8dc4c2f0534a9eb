"""The exercises of chapter 1 on operators and their adjoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ippy.checks.convolution import NOT_PADDED, convolved, picture_of
from ippy.checks.verdict import Mistake, close, differs, exercise, run, tensor

__all__ = ["NOT_PADDED", "adjoint", "shift_operator"]

NOT_TURNED_BACK = Mistake(
    "the operator itself",
    "This is K again, not its adjoint: your kernel has made the half turn that K makes.",
    "In ⟨Kx, y⟩ rename p − q; which sign is left in y[…]?",
    "Turning it around: the adjoint",
)
COPIES_FORGOTTEN = Mistake(
    "border forgotten",
    "Right with zeros, wrong at the border with padding ‘replicate’: K reads a border pixel "
    "several times, as itself and as its copies outside, so what comes back to all of these "
    "must be added up in it.",
    "First the adjoint of the padded step, which is larger than the picture; then fold the "
    "frame onto the border pixels.",
    "Turning it around: the adjoint",
)
INVERTED = Mistake(
    "inverse instead of adjoint",
    "This undoes K. The adjoint does not: it turns around who gives to whom, with the same "
    "weights.",
    "KᵀKx is x blurred twice, not x.",
    "Turning it around: the adjoint",
)
WRONG_DIRECTION = Mistake(
    "wrong direction",
    "The picture moved, but backwards: (T_v x)[p] = x[p − v] takes what was at p − v to p, so a "
    "positive v moves the picture down and to the right.",
    "Put a single 1 into a picture of zeros. Where must it be afterwards?",
    "Where is the kernel anchored?",
)
WRONG_AXES = Mistake(
    "wrong axes",
    "v = (rows, columns) belongs to the last two axes, in this order; yours moved others.",
    "The axes are images, channels, rows, columns; dims=(-2, -1) are the last two.",
    "One pixel, by hand",
)
FELL_OVER_THE_EDGE = Mistake(
    "not around the corner",
    "What leaves on one side must come in on the other; yours is lost, and something else came in.",
    "torch.roll does it; so do indices modulo H and W.",
    "Beyond the border",
)
ADJOINT_DOES_NOT_RETURN = Mistake(
    "adjoint does not move back",
    "The shift is right, its adjoint is not: ⟨T_v x, y⟩ and ⟨x, T_vᵀ y⟩ differ.",
    "Write ⟨T_v x, y⟩ = Σ x[p − v] y[p] and call p − v by a new name.",
    "Turning it around: the adjoint",
)


@exercise("The adjoint", chapter=1, praise="Right: ⟨Kx, y⟩ = ⟨x, Kᵀy⟩, border included.")
def adjoint(answer: Callable[[Tensor, Tensor, str], Any]) -> Mistake | None:
    """Kᵀy for Kx = k ∗ x with padding "zeros" or "replicate"; y (H, W), k (m, n) odd; Kᵀy (H, W).

    The kernel's middle is strong, so that K has an inverse to be mistaken for the adjoint.
    """
    generator = torch.Generator().manual_seed(2)
    for padding, mode in (("zeros", "constant"), ("replicate", "replicate")):
        for shape, size in (((7, 9), (3, 3)), ((9, 8), (5, 3))):
            x, y = torch.rand((2, *shape), generator=generator)
            k = torch.rand(size, generator=generator)
            k = k / k.sum()
            k[size[0] // 2, size[1] // 2] += 1
            z = x.clone().requires_grad_()
            Kx = convolved(z, k, mode)
            (expected,) = torch.autograd.grad((Kx * y).sum(), z)
            value = picture_of(answer, y, k, padding)
            if close(value, expected):
                continue
            if close(value, convolved(y, k, mode)):
                return NOT_TURNED_BACK
            if close(convolved(value.float(), k, mode), y, 1e-3):
                return INVERTED
            inside = tuple(slice(2 * (m // 2), -2 * (m // 2)) for m in size)
            if padding == "replicate" and close(value[inside], expected[inside]):
                return COPIES_FORGOTTEN
            left, right = float((Kx.detach() * y).sum()), float((x * value).sum())
            sentence = (
                f"For one random pair with padding {padding!r}, ⟨Kx, y⟩ = {left:.4f} but "
                f"⟨x, Kᵀy⟩ = {right:.4f} with your Kᵀ."
            )
            return Mistake("another value", sentence, "Try a 3×3 picture with a single 1 in y.")
    return None


@exercise("Your own operator", chapter=1, praise="Right: there, and back again.")
def shift_operator(answer: Callable[..., Any]) -> Mistake | None:
    """An operator T_v, (T_v x)[p] = x[p − v] around the corner; its adjoint is T_{−v}."""
    shape = (5, 7)
    x = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(3))
    for v in ((1, 0), (1, -2), (0, 3), (-2, 1)):
        T_v = run(answer, shape, v)
        if not hasattr(T_v, "T") or isinstance(T_v, Tensor):
            sentence = "It must make an operator, which has an adjoint .T; this has none."
            return Mistake("no operator", sentence, "Derive your class from Operator.")
        moved = tensor(run(T_v, x), tuple(x.shape))
        if not close(moved, torch.roll(x, v, dims=(-2, -1))):
            return _name_the_shift(moved, x, v)
        back = tensor(run(T_v.T, x), tuple(x.shape))
        if not close(back, torch.roll(x, (-v[0], -v[1]), dims=(-2, -1))):
            return ADJOINT_DOES_NOT_RETURN
    return None


def _name_the_shift(moved: Tensor, x: Tensor, v: tuple[int, int]) -> Mistake:
    for axes in ((-1, -2), (0, 1), (1, 2), (0, 2), (0, 3), (1, 3)):
        if close(moved, torch.roll(x, v, dims=axes)):
            return WRONG_AXES
    if close(moved, torch.roll(x, (-v[0], -v[1]), dims=(-2, -1))):
        return WRONG_DIRECTION
    (h, w), (a, b) = x.shape[-2:], v
    stayed = (
        ...,
        slice(max(a, 0), h + min(a, 0)),
        slice(max(b, 0), w + min(b, 0)),
    )
    if close(moved[stayed], torch.roll(x, v, dims=(-2, -1))[stayed]):
        return FELL_OVER_THE_EDGE
    return differs(moved, torch.roll(x, v, dims=(-2, -1)))
