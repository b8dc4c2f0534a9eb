"""The exercises of chapter 3 on judging a result: the PSNR, and an evaluation function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ippy.checks.verdict import Mistake, close, differs, exercise, run, tensor
from ippy.metrics import psnr as true_psnr

WHOLE_BATCH = Mistake(
    "PSNR of the whole batch",
    "All images were thrown together: one number, where each image has its own.",
    "Take the mean over the axes of one image: flatten(1) leaves the first axis alone.",
    "The loss in decibels",
)
NATURAL_LOGARITHM = Mistake(
    "natural logarithm",
    "The logarithm is the natural one; a decibel is made with the logarithm to base 10.",
    "torch.log10, not torch.log.",
    "The loss in decibels",
)
FACTOR = Mistake(
    "factor 10 or 20",
    "The result is half or twice what it should be.",
    "10 belongs to squares, 10 log10(R² / MSE); 20 belongs to their roots, 20 log10(R / RMSE).",
    "The loss in decibels",
)
DATA_RANGE = Mistake(
    "data range",
    "The R of your formula is not data_range, or it is not squared.",
    "Where the error is squared, R is squared. It is the argument, not 1 and not the maximum of x.",
    "The loss in decibels",
)
SIGN = Mistake(
    "sign",
    "The sign is wrong: a better reconstruction must have the higher PSNR.",
    "The error belongs below the fraction bar.",
    "The loss in decibels",
)
NO_MEAN_SQUARE = Mistake(
    "not the mean square",
    "The error inside the logarithm is not the mean of squares over the image.",
    "Not a sum, which grows with the picture, and not the mean of absolute values.",
    "The loss in decibels",
)
CLIPPED = Mistake(
    "clipped",
    "The reconstruction was clipped first: its errors outside the range no longer count.",
    "In this book nothing is clipped; who clips must say so, for it raises the PSNR.",
    "A fair evaluation",
)

TRAINING_MODE = Mistake(
    "model left in training mode",
    "The network was judged in training mode: layers such as dropout spoil its answers.",
    "One call before the loop over the batches puts it into evaluation mode.",
    "The network's two modes",
)
NO_GRAD_MISSING_HERE = Mistake(
    "no_grad missing in the evaluation",
    "Autograd took notes of everything, as if a backward() were to follow: memory for nothing.",
    "Put the loop within torch.no_grad().",
    "A fair evaluation",
)
MODE_NOT_RESTORED = Mistake(
    "mode not restored",
    "After your function the network is in another mode than before.",
    "Remember model.training at the beginning, and set it again with model.train(remembered).",
    "The network's two modes",
)
POOLED = Mistake(
    "PSNR of the mean error",
    "This is the PSNR of the mean error; the mean of the PSNRs was asked for.",
    "First the logarithm, slice by slice, then the mean over the slices.",
    "The loss in decibels",
)
MEAN_OF_MEANS = Mistake(
    "mean of batch means",
    "Each batch counts the same, though the last one has fewer slices.",
    "Gather the PSNRs of all slices, torch.cat, and take one mean at the end.",
    "A fair evaluation",
)
NOT_ALL_BATCHES = Mistake(
    "not all batches",
    "Only some of the batches are in the result.",
    "Look where your return stands, and what is overwritten from batch to batch.",
    "A fair evaluation",
)


@exercise("PSNR, image by image", chapter=3, praise="Right: one number for each image.")
def psnr(answer: Callable[[Tensor, Tensor, float], Any]) -> Mistake | None:
    """10 log10(R² / mean((x_hat − x)²)), called as answer(x_hat, x, R); (N, C, H, W) → (N,)."""
    source = torch.Generator().manual_seed(0)
    noise = torch.tensor([0.02, 0.1, 0.4]).view(3, 1, 1, 1)
    for data_range in (1.0, 4.0):
        x = data_range * 0.9 * torch.rand(3, 2, 8, 8, generator=source)
        x_hat = x + data_range * noise * torch.randn(x.shape, generator=source)
        result = run(answer, x_hat, x, data_range)
        value = tensor(result)
        if value.numel() == 1:
            return WHOLE_BATCH
        value = tensor(result, (3,))
        if not close(value, _decibel(x_hat, x, data_range), 1e-4):
            return _name_psnr(value, x_hat, x, data_range)
    return None


def _decibel(x_hat: Tensor, x: Tensor, data_range: float) -> Tensor:
    mse = (x_hat - x).double().square().flatten(1).mean(dim=1)
    return 10 * torch.log10(data_range**2 / mse)


def _name_psnr(value: Tensor, x_hat: Tensor, x: Tensor, data_range: float) -> Mistake:
    error = (x_hat - x).double().flatten(1)
    right = _decibel(x_hat, x, data_range)
    if close(value, value.mean().expand(3)):
        return WHOLE_BATCH
    ranges = [1.0, math.sqrt(data_range), *(m.max() for m in (x, x_hat))]
    peaks = x.flatten(1).amax(dim=1).double()
    other = [
        10 * torch.log10(torch.as_tensor(r).double() ** 2 / error.square().mean(1)) for r in ranges
    ]
    other.append(10 * torch.log10(peaks**2 / error.square().mean(1)))
    other.append(10 * torch.log10((peaks - x.flatten(1).amin(dim=1)) ** 2 / error.square().mean(1)))
    clipped = [_decibel(x_hat.clamp(0, high), x, data_range) for high in {1.0, data_range}]
    wrong_errors = (error.square().sum(1), error.abs().mean(1) ** 2, error.abs().mean(1))
    candidates = [
        (SIGN, [-right]),
        (FACTOR, [right / 2, right * 2]),
        (
            NATURAL_LOGARITHM,
            [right * math.log(10), right * math.log(10) / 10, right / 2 * math.log(10)],
        ),
        (CLIPPED, clipped),
        (DATA_RANGE, other),
        (NO_MEAN_SQUARE, [10 * torch.log10(data_range**2 / e) for e in wrong_errors]),
    ]
    for mistake, values in candidates:
        if any(close(value, candidate, 1e-4) for candidate in values):
            return mistake
    return differs(value, right)


class _Calls(list[tuple[bool, bool]]):
    """Training mode and gradient mode of each call; a copy of the network writes here as well."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Calls:
        return self


class ProbeNetwork(nn.Module):
    """Dims the measurement a little; in training mode it spoils it, as dropout would."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.98))
        self.calls = _Calls()

    def forward(self, y_delta: Tensor) -> Tensor:
        self.calls.append((self.training, torch.is_grad_enabled()))
        return self.weight * y_delta * (0.5 if self.training else 1.0)


@exercise("An evaluation function", chapter=3, praise="Right, and the network is left as it was.")
def evaluation(answer: Callable[..., Any]) -> Mistake | None:
    """The mean PSNR of all slices, called as answer(model, batches); batches of (y_delta, x).

    The last batch is smaller and harder, some answers leave [0, 1], and the network comes once in
    training mode and once in evaluation mode.
    """
    source = torch.Generator().manual_seed(0)
    batches = []
    for size, level in ((4, 0.02), (4, 0.05), (2, 0.4)):
        x = torch.rand(size, 1, 12, 12, generator=source)
        batches.append((x + level * torch.randn(x.shape, generator=source), x))
    for training in (True, False):
        model = ProbeNetwork().train(training)
        value = tensor(run(answer, model, batches), ())
        if not model.calls:
            return Mistake("network left out", "The network was never called.", "model(y_delta)")
        if any(mode for mode, _ in model.calls):
            return TRAINING_MODE
        with torch.no_grad():
            answers = [(model.weight * y_delta, x) for y_delta, x in batches]
        mistake = _wrong_mean(value, answers)
        if mistake is not None:
            return mistake
        if any(gradients for _, gradients in model.calls):
            return NO_GRAD_MISSING_HERE
        if model.training != training:
            names = {True: "training", False: "evaluation"}
            before, after = names[training], names[model.training]
            return MODE_NOT_RESTORED.because(
                f"The network came in {before} mode, and your function left it in {after} mode."
            )
    return None


def _wrong_mean(value: Tensor, answers: list[tuple[Tensor, Tensor]]) -> Mistake | None:
    """None if the value is the mean of the PSNRs, otherwise what else it is."""
    each = [true_psnr(x_hat, x).double() for x_hat, x in answers]
    right = torch.cat(each).mean()
    if close(value, right, 1e-5):
        return None
    errors = [(x_hat - x).double().square().flatten(1).mean(dim=1) for x_hat, x in answers]
    pooled = torch.stack([-10 * torch.log10(e.mean()) for e in errors])
    sizes = torch.tensor([float(len(e)) for e in errors], dtype=torch.float64)
    clipped = [true_psnr(x_hat.clamp(0, 1), x).double() for x_hat, x in answers]
    some = [torch.cat(each[:n]).mean() for n in range(1, len(each))]
    candidates = [
        (MEAN_OF_MEANS, [torch.stack([e.mean() for e in each]).mean()]),
        (POOLED, [-10 * torch.log10(torch.cat(errors).mean()), pooled.mean()]),
        (POOLED, [(sizes * pooled).sum() / sizes.sum()]),
        (CLIPPED, [torch.cat(clipped).mean()]),
        (NOT_ALL_BATCHES, [*some, *(e.mean() for e in each), each[0][0], each[-1][-1]]),
    ]
    for mistake, values in candidates:
        if any(close(value, candidate, 1e-5) for candidate in values):
            return mistake
    return differs(value, right)
