"""The exercises of chapter 3 on measurements: the noise, and the loss of one training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ippy.checks.verdict import Found, Mistake, close, differs, exercise, run, tensor

OF_THE_BATCH = Mistake(
    "noise level over the whole batch",
    "The level of an image depends on the images beside it.",
    "Both norms, of the noise and of y, are to be taken image by image: which axes belong to one?",
    "One level for each image",
)
NOT_NORMALISED = Mistake(
    "noise not normalised",
    "The norm of the noise is left to chance: it changes from one draw to the next.",
    "Draw n, then divide it by its own norm before you scale it.",
    "From a slice to a measurement",
)
LEVEL_SQUARED = Mistake(
    "level squared",
    "The noise is of another level: the level enters squared, or under a root.",
    "The definition compares norms, not squared norms: ‖e‖ = level · ‖y‖.",
    "From a slice to a measurement",
)
RELATIVE_TO_MAX = Mistake(
    "relative to the maximum",
    "The noise is scaled by the largest grey value, not by the norm of the image.",
    "‖y‖ is the root of the sum of all squared pixels: y.flatten(1).norm(dim=1).",
    "From a slice to a measurement",
)
SAME_FOR_ALL = Mistake(
    "same noise for every image",
    "All images of the batch get one and the same noise pattern.",
    "Draw as many numbers as y has entries: torch.randn(y.shape, ...).",
    "One level for each image",
)
GENERATOR_IGNORED = Mistake(
    "generator ignored",
    "The same seed gives other noise each time: the numbers do not come from the generator.",
    "torch.randn takes generator=...; torch.randn_like draws from torch's global state.",
    "Why measure anew at every step?",
)
SAME_EVERY_TIME = Mistake(
    "same noise every time",
    "Called again, your function draws the very same noise: it starts anew each time.",
    "Use the generator as it comes. Seed it outside, once.",
    "Why measure anew at every step?",
)
ADDED_ALREADY = Mistake(
    "noise added already",
    "This is y + e. The exercise asks for e alone.",
    "Return the noise; adding it is the caller's line, y_delta = y + e.",
    "From a slice to a measurement",
)
NOT_GAUSSIAN = Mistake(
    "not Gaussian",
    "The level is right, but the numbers are not drawn from a normal distribution around zero.",
    "torch.rand is uniform between 0 and 1, torch.randn is the normal distribution.",
    "From a slice to a measurement",
)
FOLLOWS_THE_PICTURE = Mistake(
    "follows the picture",
    "The noise is weaker where the picture is dark; it must be equally strong at all its pixels.",
    "One norm an image, over all its pixels: not one a row, and no product of y and n.",
    "One level for each image",
)

NO_GRAD_MISSING = Mistake(
    "no_grad missing",
    "The measurement y_delta carries a gradient: backward() would go on through the blur.",
    "Measurements are data. Make them within torch.no_grad().",
    "What the loss sees",
)
NOISE_ONCE = Mistake(
    "noise drawn once",
    "Two calls, and the same noise: a slice would come back with the noise it had before.",
    "Draw from the generator at every call, and seed it outside.",
    "Why measure anew at every step?",
)
NOISE_BEFORE_BLUR = Mistake(
    "noise before the blur",
    "The noise was added to the slice, and was blurred with it.",
    "First y = K(x), then y + e: the noise belongs to the detector, not to the patient.",
    "From a slice to a measurement",
)
NO_NOISE = Mistake(
    "noise forgotten",
    "The network is shown Kx without any noise.",
    "y_delta = y + e: is the second term there, and is its level the one that was asked for?",
    "Noise in training",
)
NOT_BLURRED = Mistake(
    "blur forgotten",
    "The network is shown the slice without the blur: there is nothing to undo.",
    "The input of the network is Kx + e.",
    "The data's way",
)
OTHER_LEVEL = Mistake(
    "another noise level",
    "The noise is not of the level that was asked for.",
    "The level is relative to ‖Kx‖ of each image, not to ‖x‖ and not to the batch.",
    "One level for each image",
)
WRONG_TARGET = Mistake(
    "wrong target",
    "The answer is compared with the measurement: the network would learn to do nothing.",
    "What should x_hat come close to? It is the slice, not what was measured of it.",
    "What the loss sees",
)
SUM_OF_SQUARES = Mistake(
    "sum instead of mean",
    "This is a sum of squares; the exercise asks for the mean over all entries.",
    "Divide by the number of all entries, x.numel(), or take nn.MSELoss() as it is.",
    "The loss",
)
NETWORK_LEFT_OUT = Mistake(
    "network left out",
    "The network was never called: the loss cannot depend on it.",
    "x_hat = model(y_delta) comes before the comparison.",
    "The data's way",
)
GRADIENT_CUT = Mistake(
    "gradient cut off",
    "The loss has no gradient with respect to the weights: the network could not learn.",
    "no_grad() ends before the network; .item() and .detach() come after backward().",
    "What the loss sees",
)


def levels(e: Tensor, y: Tensor) -> Tensor:
    """‖e_i‖ / ‖y_i‖ for every image of a batch, (N, C, H, W) to (N,)."""
    return e.flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)


def _percent(values: Tensor) -> str:
    return ", ".join(f"{100 * float(value):.3g} %" for value in values)


def _agree(a: Tensor, b: Tensor | float, tolerance: float = 1e-3) -> bool:
    """Whether positive numbers agree to a relative tolerance."""
    return bool(((a - b).abs() <= tolerance * torch.as_tensor(b).abs()).all())


@exercise("Noise of a given level", chapter=3, praise="Right: one level, image by image.")
def noise(answer: Callable[[Tensor, float, torch.Generator], Any]) -> Mistake | None:
    """e = level · ‖y‖ · n / ‖n‖, n normal, for each image of y (N, C, H, W); e of the same shape.

    The third image is a dim one, so that a norm of the whole batch shows; all are dim in the upper
    half, so that a norm of each row shows; no image has maximum 1.
    """
    level, source = 0.05, torch.Generator().manual_seed(0)
    y = torch.rand(3, 1, 64, 64, generator=source, dtype=torch.float64)
    y = (y * torch.tensor([0.8, 0.6, 0.15]).view(3, 1, 1, 1)).float()
    y[:, :, :32] *= 0.7

    def draw(images: Tensor, generator: torch.Generator) -> Tensor:
        shape = tuple(images.shape)
        return tensor(run(answer, images, level, generator), shape).view(shape)

    generator = torch.Generator().manual_seed(1)
    e, later = draw(y, generator), draw(y, generator)
    again = draw(y, torch.Generator().manual_seed(1))
    alone = draw(y[2:], torch.Generator().manual_seed(2))
    y = y.double()

    if _agree(levels(e - y, y), level, 0.05):
        return ADDED_ALREADY
    if close(e, later):
        return SAME_EVERY_TIME
    if not close(e, again):
        return GENERATOR_IGNORED
    if not _agree(levels(e, y), level):
        return _wrong_level(e, later, alone, y, level)
    directions = e.flatten(1) / e.flatten(1).norm(dim=1, keepdim=True)
    if close(directions[0], directions[1], 1e-6):
        return SAME_FOR_ALL
    n = directions * directions.shape[1] ** 0.5  # of variance 1
    upper, lower = n.square().chunk(2, dim=1)
    if not _agree(upper.mean(dim=1), lower.mean(dim=1), 0.2):
        return FOLLOWS_THE_PICTURE
    if bool((n.mean(dim=1).abs() > 0.1).any()) or not _agree((n**4).mean(dim=1), 3.0, 0.2):
        return NOT_GAUSSIAN
    return None


def _wrong_level(e: Tensor, later: Tensor, alone: Tensor, y: Tensor, level: float) -> Mistake:
    peaks = torch.stack([y.amax(dim=(1, 2, 3)), y.max().expand(3)])
    sizes = (e.flatten(1).norm(dim=1), e.flatten(1).std(dim=1), e.abs().amax().expand(3))
    if any(_agree(size / peak, level, 0.05) for size in sizes for peak in peaks):
        return RELATIVE_TO_MAX
    told = f"Asked for {100 * level:g} %, the three images get {_percent(levels(e, y))}"
    if _agree(levels(alone, y[2:]), level):
        return OF_THE_BATCH.because(f"{told}; alone, the third gets {100 * level:g} %.")
    if _agree(levels(e, y), level**2) or _agree(levels(e, y), level**0.5):
        return LEVEL_SQUARED.because(f"{told}: the level enters squared, or under a root.")
    if not _agree(levels(e, y), levels(later, y)):
        return NOT_NORMALISED.because(
            f"{told}, and at the next draw {_percent(levels(later, y))}: left to chance."
        )
    return Mistake("another level", told + ".", "Print ‖e‖ / ‖y‖ for each image.")


class ProbeBlur(nn.Module):
    """A small lopsided blur whose kernel is a parameter; it remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        kernel = [[0.0, 0.1, 0.2], [0.1, 0.3, 0.0], [0.3, 0.0, 0.0]]
        self.kernel = nn.Parameter(torch.tensor(kernel).view(1, 1, 3, 3))
        self.inputs: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.inputs.append(x.detach().clone())
        return F.conv2d(x, self.kernel, padding=1)

    __matmul__ = nn.Module.__call__


class ProbeNetwork(nn.Module):
    """A network with one weight; it remembers its inputs, and whether they carried a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.3))
        self.inputs: list[Tensor] = []
        self.graph = False

    def forward(self, y_delta: Tensor) -> Tensor:
        self.inputs.append(y_delta.detach().clone())
        self.graph |= y_delta.requires_grad
        return self.weight * y_delta - 0.05


@exercise("The loss of one step", chapter=3, praise="Right: measured anew, compared with x.")
def training_loss(answer: Callable[..., Any]) -> Mistake | None:
    """mean((model(Kx + e) − x)²), e drawn at every call, no gradient through K.

    The answer is called as answer(model, K, x, noise_level, generator), twice with one generator:
    the second call must find other noise.
    """
    level, source = 0.1, torch.Generator().manual_seed(0)
    x = torch.rand(3, 1, 16, 16, generator=source) * torch.tensor([0.9, 0.7, 0.2]).view(3, 1, 1, 1)
    first, again = (torch.Generator().manual_seed(5) for _ in range(2))
    e = _one_loss(answer, x, level, first)
    later = _one_loss(answer, x, level, first)
    repeated = _one_loss(answer, x, level, again)
    if close(e, later, 1e-6):
        return NOISE_ONCE
    if not close(e, repeated, 1e-6):
        return GENERATOR_IGNORED
    return None


def _one_loss(
    answer: Callable[..., Any], x: Tensor, level: float, generator: torch.Generator
) -> Tensor:
    """The noise that the network saw in one call, after everything else has been examined."""
    model, K = ProbeNetwork(), ProbeBlur()
    result = run(answer, model, K, x, level, generator)
    value = tensor(result, ())
    if not model.inputs:
        raise Found(NETWORK_LEFT_OUT)
    with torch.no_grad():
        y, y_delta = F.conv2d(x, K.kernel, padding=1), torch.cat(model.inputs)
    if y_delta.shape != x.shape:
        sentence = f"The network was shown {tuple(y_delta.shape)} for {tuple(x.shape)} slices."
        raise Found(Mistake("another input", sentence, "Show it every slice of x once."))
    e = y_delta - y
    told = f"Asked for {100 * level:g} %, the three images get {_percent(levels(e, y))}."
    if not K.inputs or _agree(levels(y_delta - x, x), level, 0.2) or close(y_delta, x, 1e-6):
        raise Found(NOT_BLURRED)
    if not all(any(close(z, own, 1e-6) for own in x) for z in torch.cat(K.inputs)):
        raise Found(NOISE_BEFORE_BLUR)
    if close(y_delta, y, 1e-6):
        raise Found(NO_NOISE)
    if not _agree(levels(e, y), level):
        raise Found(OTHER_LEVEL.because(told))
    if model.graph:
        raise Found(NO_GRAD_MISSING)
    with torch.no_grad():
        x_hat = model(y_delta)
    targets = {"x": x, "y": y, "y_delta": y_delta}
    means = {name: F.mse_loss(x_hat, target).double() for name, target in targets.items()}
    if close(value, means["x"], 1e-5):
        weight = model.weight
        if weight.grad is None and not _depends(result, weight):
            raise Found(GRADIENT_CUT)
        return e
    if close(value, means["y"], 1e-5) or close(value, means["y_delta"], 1e-5):
        raise Found(WRONG_TARGET)
    if any(_agree(value, means["x"] * n) for n in (x.numel(), x[0].numel())):
        raise Found(SUM_OF_SQUARES)
    raise Found(differs(value, means["x"]))


def _depends(loss: Any, weight: Tensor) -> bool:
    """Whether the loss has a gradient with respect to a weight."""
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        return False
    return torch.autograd.grad(loss, weight, allow_unused=True)[0] is not None
