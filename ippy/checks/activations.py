"""The exercises of chapter 5: heads, what they send back, and one of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ippy.checks.verdict import Found, Mistake, close, differs, exercise, run, tensor
from ippy.models import SimpleCNN

ENDS = "Four ways to end"
SENT_BACK = "What the loss sends back"
KINKS = "Is the kink a problem?"
DEAD = "Dead gradients"
RESIDUAL = "Residual networks, and why tanh sits well there"

Head = Callable[[Tensor], Tensor]
HEADS: dict[str, Head] = {
    "none": lambda z: z,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}

HEAD_TOO_EARLY = Mistake(
    "head before the last layer",
    "The head acts before the last convolution; what leaves the network is linear again.",
    "A head comes last: first z = net.conv3(…), then a(z).",
    ENDS,
)
HEAD_BETWEEN = Mistake(
    "head between the layers",
    "The head stands between the layers, where the ReLU belongs.",
    "Between the layers it is always ReLU; only what follows the last layer changes.",
    ENDS,
)
NO_RELU = Mistake(
    "no ReLU between the layers",
    "A ReLU between the layers is missing: the pre-activation z is already another one.",
    "conv1, ReLU, conv2, ReLU, conv3, and then the head.",
    ENDS,
)
RESIDUAL_INSIDE = Mistake(
    "residual added before tanh",
    "You add the measurement before the tanh: it is bent too, and the answer stays below 1.",
    "The tanh is for the correction alone; the measurement is added to what it returns.",
    RESIDUAL,
)
RESIDUAL_FORGOTTEN = Mistake(
    "measurement not added",
    "For residual-tanh you return the correction alone, without the measurement.",
    "A residual network answers with y_delta plus a correction.",
    RESIDUAL,
)
TANH_SQUEEZED = Mistake(
    "tanh mapped to another range",
    "You squeeze the tanh into (0, 1); the tanh head of the table keeps its range (−1, 1).",
    "(1 + tanh z)/2 is a sigmoid, of 2z. Return tanh z as it is.",
    ENDS,
)
CLIPPED_ABOVE = Mistake(
    "relu clipped above",
    "Your ReLU stops at 1; it has a floor, and no ceiling.",
    "max(0, z): what is larger than 1 stays.",
    ENDS,
)
HEAD_FORGOTTEN = Mistake(
    "head forgotten",
    "What comes back is z itself, although a head was asked for.",
    "Look at the name that you are given, and apply that head to z.",
    ENDS,
)
OVERFLOWS = Mistake(
    "formula overflows",
    "For large |z| your formula gives NaN: e^z is infinite there, and infinity by infinity is NaN.",
    "Take torch.sigmoid and torch.tanh, or rewrite the formula with e^(−|z|), which cannot grow.",
    ENDS,
)
DOOR_FORGOTTEN = Mistake(
    "door forgotten",
    "This is the error, 2(a − x), alone: the derivative a'(z) of the head is missing.",
    "The chain rule multiplies the error by the slope of the head at z.",
    SENT_BACK,
)
ERROR_FORGOTTEN = Mistake(
    "error forgotten",
    "This is the slope a'(z) of the head; the error 2(a − x) is missing.",
    "Differentiate the loss (a(z) − x)², not a(z).",
    SENT_BACK,
)
SLOPE_OF_Z = Mistake(
    "formula for a fed with z",
    "a(1 − a) and 1 − a² want the output a = a(z), or the slope the place z; you mixed the two.",
    "Compute a = a(z) first and put that into the formula; or differentiate at z, not at a.",
    ENDS,
)
ERROR_OF_Z = Mistake(
    "error of z",
    "You compare z with x; the loss compares the output a(z) with x.",
    "The error is 2(a(z) − x).",
    SENT_BACK,
)
TWO_FORGOTTEN = Mistake(
    "factor 2 forgotten",
    "All is half as large as it should be: the 2 of the square is missing.",
    "d/da (a − x)² = 2(a − x).",
    SENT_BACK,
)
SIGN_TURNED = Mistake(
    "sign turned",
    "The sign is turned: this is the direction of a step, the gradient points the other way.",
    "a(z) − x, not x − a(z).",
    SENT_BACK,
)
AVERAGED = Mistake(
    "mean instead of each pixel",
    "You divided by the number of pixels: this is the gradient of the mean of the losses.",
    "Each pixel has a loss of its own here. With autograd: .sum() before .backward().",
    SENT_BACK,
)
KINK = Mistake(
    "kink taken for an error",
    "For z exactly 0 your function stops or gives NaN; a kink is no reason to stop.",
    "At a kink any slope between those of the two sides will do. PyTorch takes 0 for the ReLU.",
    KINKS,
)
OUT_OF_RANGE = Mistake(
    "leaves the range",
    "Your head leaves [0, 1].",
    "Print the smallest and the largest value for z from −10 to 10.",
    ENDS,
)
FALLS = Mistake(
    "falls",
    "Your head falls somewhere: a larger z gives a smaller grey value.",
    "Plot it from −10 to 10; it must never go down.",
    ENDS,
)
JUMPS = Mistake(
    "jumps",
    "Your head jumps: there are grey values that no z gives.",
    "A gradient of your own in the backward pass is allowed; the curve itself must be whole.",
    ENDS,
)
NOT_REACHED = Mistake(
    "ends not reached",
    "Between z = −10 and 10 your head does not come within 0.01 of both 0 and 1.",
    "Black and white must be within reach of the network.",
    ENDS,
)
SHUT_IN_THE_AIR = Mistake(
    "shut in the air",
    "Where your head gives the grey of air, 0.01 to 0.02, its slope is below 0.1.",
    "The sigmoid fails here. Try a head that is straight in between and bends only at the ends.",
    SENT_BACK,
)
DEAD_OUTSIDE = Mistake(
    "dead outside",
    "A little beyond one end the slope is exactly 0: a pixel that gets there cannot come back.",
    "Round the corner off, or give the backward pass a slope of its own.",
    DEAD,
)
TOO_STEEP = Mistake(
    "too steep",
    "The slope exceeds 1.2. Then all that opens the door is a stretched z.",
    "The same is had from a larger learning rate. Keep the slope at about 1 and change the shape.",
    SENT_BACK,
)
NO_GRADIENT = Mistake(
    "no gradient",
    "Autograd finds no way through your head.",
    "Look for detach(), numpy() or no_grad().",
    SENT_BACK,
)


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, **settings: Any) -> SimpleCNN:
    """A small network with the weights that PyTorch draws for this seed."""
    torch.manual_seed(seed)
    return SimpleCNN(1, 1, 8, **settings)


@exercise("Five ends", chapter=5, praise="Right: the same three layers, five ends.")
def heads(answer: Callable[[SimpleCNN, Tensor, str], Any]) -> Mistake | None:
    """x_hat = a(z), or y_delta + tanh(z), where z is what the last layer of `net` delivers.

    The network comes with large weights at last, where careless formulas overflow.
    """
    y = torch.rand(2, 1, 8, 8, generator=random(50))
    for gain in (8.0, 3000.0):
        for head in ("sigmoid", "tanh", "relu", "none", "residual-tanh"):
            net = drawn(51)
            with torch.no_grad():
                net.conv3.weight.mul_(gain)
                expected, candidates = _ends(net, y, head)
            result = run(answer, net, y, head)
            try:
                value = tensor(result, tuple(y.shape))
            except Found as found:
                raise Found(OVERFLOWS) if found.mistake.name == "not finite" else found from None
            if not close(value, expected):
                named = [mistake for mistake, other in candidates if close(value, other)]
                return named[0] if named else differs(value, expected)
    return None


def _ends(net: SimpleCNN, y: Tensor, head: str) -> tuple[Tensor, list[tuple[Mistake, Tensor]]]:
    """What is right, and what the mistakes give."""
    residual, a = head == "residual-tanh", HEADS[head.removeprefix("residual-")]
    add = y if residual else torch.zeros(())
    relu, nothing, sigmoid = torch.relu, HEADS["none"], torch.sigmoid

    def inside(first: Head, second: Head) -> Tensor:
        return net.conv3(second(net.conv2(first(net.conv1(y)))))

    z, early = inside(relu, relu), inside(relu, lambda h: a(torch.relu(h)))
    candidates = [(HEAD_FORGOTTEN, z), (HEAD_FORGOTTEN, add + z)]
    if residual:
        squeezed = (1 + torch.tanh(z)) / 2
        candidates = [(RESIDUAL_FORGOTTEN, a(z)), (RESIDUAL_INSIDE, a(y + z)), *candidates]
        candidates += [(TANH_SQUEEZED, squeezed), (TANH_SQUEEZED, y + squeezed)]
    if head == "tanh":
        candidates += [(TANH_SQUEEZED, (1 + torch.tanh(z)) / 2)]
    if head == "relu":
        candidates += [(CLIPPED_ABOVE, z.clamp(0, 1))]
    if head != "none":
        candidates += [(HEAD_TOO_EARLY, add + w) for w in (early, inside(relu, a))]
    for inner in (a, sigmoid):
        between = inside(inner, inner)
        candidates += [(HEAD_BETWEEN, add + w) for w in (between, a(between))]
    for pair in ((nothing, nothing), (nothing, relu), (relu, nothing)):
        candidates += [(NO_RELU, add + a(inside(*pair)))]
    return add + a(z), candidates


@exercise("What the head sends back", chapter=5, praise="Right: error times door.")
def feedback(answer: Callable[[Tensor, Tensor, str], Any]) -> Mistake | None:
    """∂/∂z (a(z) − x)² = 2 (a(z) − x) a'(z), pixel by pixel; z, x (n,) in double precision.

    At the kink of the ReLU everything between the two sides' answers is right.
    """
    z = torch.tensor([-3.0, -1.2, -0.4, -0.1, 0.2, 0.5, 0.9, 1.7, 4.0], dtype=torch.float64)
    x = torch.tensor([0.0, 0.3, 0.9, 0.5, 0.0, 1.0, 0.2, 0.4, 0.7], dtype=torch.float64)
    for head, a in HEADS.items():
        value = tensor(run(answer, z, x, head), (len(z),))
        slope, at_a = slope_of(a, z), slope_of(a, a(z))
        expected = 2 * (a(z) - x) * slope
        if close(value, expected, 1e-3):
            continue
        mixed = {"sigmoid": z * (1 - z), "tanh": 1 - z**2}.get(head, at_a)
        candidates = [
            (DOOR_FORGOTTEN, 2 * (a(z) - x)),
            (ERROR_FORGOTTEN, slope),
            (ERROR_FORGOTTEN, 2 * slope),
            *((SLOPE_OF_Z, 2 * (a(z) - x) * other) for other in (at_a, mixed)),
            (ERROR_OF_Z, 2 * (z - x) * slope),
            (TWO_FORGOTTEN, expected / 2),
            (SIGN_TURNED, -expected),
            (AVERAGED, expected / len(z)),
        ]
        named = [mistake for mistake, other in candidates if close(value, other, 1e-3)]
        return named[0] if named else differs(value, expected)
    zero, x = torch.zeros(3, dtype=torch.float64), x[1:4]
    try:
        value = tensor(run(answer, zero, x, "relu"), (3,))
    except Found as found:
        raise Found(KINK) if found.mistake.name in ("raised", "not finite") else found from None
    between = (value <= 1e-3) & (value >= -2 * x - 1e-3)
    return None if bool(between.all()) else differs(value, torch.zeros(3))


def slope_of(a: Head, z: Tensor) -> Tensor:
    z = z.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(a(z).sum(), z)
    return slope


@exercise("A head of your own", chapter=5, praise="Right: inside [0, 1], and the door stays open.")
def bounded(answer: Head | type[nn.Module]) -> Mistake | None:
    """A head from z to [0, 1] that never falls, reaches both ends and is awake in the air.

    For z from −10 to 10: 0 ≤ a(z) ≤ 1; a(z) never falls, never jumps, and comes within 0.01 of 0
    and of 1; a'(z) ≥ 0.1 wherever 0.01 ≤ a(z) ≤ 0.02; a'(z) > 0 also 0.3 beyond the places where
    the ends are all but reached; a'(z) ≤ 1.2. The slope is what autograd says.
    """
    z = torch.linspace(-10, 10, 8001, dtype=torch.float64, requires_grad=True)
    if isinstance(answer, type) and issubclass(answer, nn.Module):
        answer = run(answer)
    a = run(answer, z)
    value = tensor(a, tuple(z.shape))
    if not (isinstance(a, Tensor) and a.requires_grad):
        return NO_GRADIENT
    (slope,) = run(lambda: torch.autograd.grad(a.sum(), z, allow_unused=True))
    if slope is None:
        return NO_GRADIENT
    slope = tensor(slope)
    if value.min() < -1e-6 or value.max() > 1 + 1e-6:
        least, most = float(value.min()), float(value.max())
        return OUT_OF_RANGE.because(f"Your head leaves [0, 1]: from {least:.3g} to {most:.3g}.")
    if (value.diff() < -1e-6).any():
        return FALLS
    # The steepest place again, a hundred times finer: there a step shrinks, a jump does not.
    n = int(value.diff().argmax())
    finer = torch.linspace(z[n].item(), z[n + 1].item(), 101, dtype=z.dtype)
    if tensor(run(answer, finer)).diff().max() > 0.5 * value.diff().max() > 1e-3:
        return JUMPS
    if value[0] > 0.01 or value[-1] < 0.99:
        return NOT_REACHED
    if (slope[(value >= 0.01) & (value <= 0.02)] < 0.1).any():
        return SHUT_IN_THE_AIR
    low, high = int((value <= 0.01).sum()) - 1, len(z) - int((value >= 0.99).sum())
    beyond = [max(low - 120, 0), min(high + 120, len(z) - 1)]  # 120 places are 0.3
    if (slope[beyond] == 0).any():
        return DEAD_OUTSIDE
    return TOO_STEEP if slope.max() > 1.2 else None
