"""The exercises of chapter 5 on what to do about it: a living start, a clip, enough seeds."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ippy.checks.activations import drawn, random
from ippy.checks.verdict import Found, Mistake, close, differs, exercise, run, tensor
from ippy.models import SimpleCNN

DEAD = "Dead gradients"
RANGE = "The range, and a free repair"
SEEDS = "The trained heads, three seeds each"

STILL_DEAD = Mistake(
    "still born dead",
    "Of the unlucky draws that we tried, one is still born with hardly a living pixel.",
    "z must be above zero from the beginning, by more than the draw can pull it down.",
    DEAD,
)
OTHER_BIAS = Mistake(
    "bias of another layer",
    "You raised the bias of an earlier layer; the last kernel may turn it into something negative.",
    "Only the last layer's bias is added to z itself.",
    DEAD,
)
ZEROED = Mistake(
    "kernels set to zero",
    "All pixels live, but the first layer gets no gradient: a kernel of zeros lets none through.",
    "Leave the kernels as they were drawn; the bias is enough.",
    DEAD,
)
HEAD_EXCHANGED = Mistake(
    "head exchanged",
    "The ReLU at the end is gone. That cures it, but was not asked for.",
    "Change where the network starts, not what it is.",
    DEAD,
)
FROZEN = Mistake(
    "frozen",
    "Some weights do not want a gradient any more (requires_grad is False).",
    "Write into the values, layer.bias.data or under torch.no_grad(); leave requires_grad alone.",
    DEAD,
)
TOO_BRIGHT = Mistake(
    "too bright",
    "All pixels live, but the network starts with an answer above 1, further off than black is.",
    "Take a grey value from the middle of [0, 1].",
    DEAD,
)
CLIPPED_IN_TRAINING = Mistake(
    "clipped while training",
    "You clip in training as well: outside [0, 1] no gradient comes through, on both sides.",
    "Ask net.training: clip only if it is False.",
    RANGE,
)
NOT_CLIPPED = Mistake(
    "not clipped",
    "At evaluation the answer still leaves [0, 1].",
    "clamp(0, 1), if net.training is False.",
    RANGE,
)
NOT_BY_MODE = Mistake(
    "gradients asked instead of the mode",
    "Evaluated outside of no_grad(), the answer still leaves [0, 1].",
    "Whether gradients are recorded is another question. Ask net.training.",
    RANGE,
)
TURNED_ROUND = Mistake(
    "modes turned round",
    "You clip in training and not at evaluation: just the other way round.",
    "net.training is True while training.",
    RANGE,
)
MODE_CHANGED = Mistake(
    "mode changed",
    "After your function the network is in another mode than before.",
    "Only read net.training; whoever called you has chosen the mode.",
    RANGE,
)
ONE_SIDE = Mistake(
    "clipped on one side",
    "Only one end of [0, 1] is guarded.",
    "Both: below 0 and above 1.",
    RANGE,
)
SQUEEZED = Mistake(
    "squeezed instead of clipped",
    "Pixels that were inside [0, 1] have changed; clipping leaves them alone.",
    "No sigmoid, no stretching: only what lies outside moves, to the nearest end.",
    RANGE,
)
GRADIENT_LOST = Mistake(
    "no gradient in training",
    "In training your answer carries no gradient: with it nothing could be learned.",
    "Look for detach(), numpy(), item() or no_grad() on the way.",
    RANGE,
)
OVER_SLICES = Mistake(
    "spread over slices",
    "This is the spread over slices: it tells how unlike the pictures are, not the trainings.",
    "Average over the slices first, scores.mean(dim=1): one number a seed.",
    SEEDS,
)
POOLED = Mistake(
    "seeds and slices pooled",
    "You took the spread of all numbers together, slices and seeds in one pot.",
    "Average over the slices first, scores.mean(dim=1): one number a seed.",
    SEEDS,
)
DIVIDED_BY_N = Mistake(
    "divided by n",
    "Your standard deviation divides by n; for a sample of n runs it must be n − 1.",
    "torch.std does so by itself; numpy needs ddof=1. With three runs it matters: 22 %.",
    SEEDS,
)
ERROR_FOR_SPREAD = Mistake(
    "error taken for spread",
    "In second place stands the standard error; the standard deviation is larger.",
    "How far does one run lie from the mean? And how far the mean of n runs from the truth?",
    SEEDS,
)
WRONG_COUNT = Mistake(
    "standard error with another count",
    "The standard error is not the standard deviation by the root of the number of seeds.",
    "Independent are the seeds; slices are shared by all of them.",
    SEEDS,
)
VARIANCE = Mistake(
    "variance",
    "In second place stands the variance, in decibels squared.",
    "The standard deviation is its root.",
    SEEDS,
)

# Unlucky draws: fewer than one pixel in a hundred lives, and hardly more if the last bias is set to
# zero or an earlier one is raised.
BORN_DEAD = (5, 12, 14, 35, 59)
BIASES = ("conv1.bias", "conv2.bias", "conv3.bias")


@exercise("Dead at birth", chapter=5, praise="Right: every draw lives, and every layer can learn.")
def birth(answer: Callable[[SimpleCNN], Any]) -> Mistake | None:
    """Change the initial weights of a network with a ReLU head so that z > 0, whatever the draw.

    What counts is the network afterwards: returned, or changed in place.
    """
    y = torch.rand(4, 1, 16, 16, generator=random(54))
    x = y.roll(1, dims=3)
    for seed in BORN_DEAD:
        net = drawn(seed, final_activation="relu")
        before = copy.deepcopy(net.state_dict())
        born = _in_place(answer, net)
        trial = torch.tensor([-2.0, -0.5, 0.5, 2.0])
        head = born.final_activation
        if not (callable(head) and close(run(head, trial), trial.relu())):
            return HEAD_EXCHANGED
        if not all(p.requires_grad for p in born.parameters()):
            return FROZEN
        x_hat = run(born, y)
        alive = tensor(x_hat, tuple(y.shape)) > 0
        if alive.double().mean() < 0.25:
            weights = born.state_dict()
            kept = {name for name in BIASES if torch.equal(weights[name], before[name])}
            return OTHER_BIAS if "conv3.bias" in kept and len(kept) < 3 else STILL_DEAD
        (gradient,) = torch.autograd.grad(((x_hat - x) ** 2).mean(), [born.conv1.weight])
        if not bool(gradient.any()):
            return ZEROED
        if x_hat.median() > 1:
            return TOO_BRIGHT
    return None


def _in_place(answer: Any, net: SimpleCNN) -> SimpleCNN:
    """Run an answer that may change `net` and return nothing."""

    def called(net: SimpleCNN) -> Any:
        result = answer(net)
        return net if result is None else result

    born = run(called if callable(answer) else answer, net)
    if not (isinstance(born, SimpleCNN) and set(BIASES) <= set(born.state_dict())):
        sentence = "A SimpleCNN with three layers is expected: return the one that you were given."
        raise Found(Mistake("not a network", sentence))
    return born


class _Probe(nn.Module):
    """A network of one weight, whose answers go beyond [0, 1] on both sides.

    `calls` counts how often it is asked, `reached` adds up the gradients that come to its answers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.calls, self.reached = 0, torch.zeros(())

    def forward(self, y: Tensor) -> Tensor:
        self.calls += 1
        raw = self.gain * y - 0.5
        if raw.requires_grad:
            raw.register_hook(self._arrived)
        return raw

    def _arrived(self, gradient: Tensor) -> None:
        self.reached = self.reached + gradient


@exercise("Clip, but not while training", chapter=5, praise="Right: free when no gradient is due.")
def clipping(answer: Callable[[nn.Module, Tensor], Any]) -> Mistake | None:
    """net(y_delta) while training, clamp(net(y_delta), 0, 1) at evaluation.

    Training is judged by the gradient that reaches the network's answer, so that a clip with a
    gradient of its own is right as well.
    """
    y = torch.rand(2, 1, 6, 6, generator=random(53))
    raw = 2 * y - 0.5
    inside = (raw >= 0) & (raw <= 1)
    net = _Probe().train()
    learning = run(answer, net, y)
    value = tensor(learning, tuple(y.shape))
    changed = not net.training
    if net.calls == 0:
        return Mistake(
            "network not asked", "Your function does not call the network that it is given."
        )
    if not (isinstance(learning, Tensor) and learning.requires_grad):
        return GRADIENT_LOST
    learning.sum().backward()
    reached = net.reached.expand(raw.shape)

    net.eval()
    with torch.no_grad():
        judged = tensor(run(answer, net, y), tuple(y.shape))
    try:  # evaluated with gradients on, which an answer by numpy may refuse
        recorded = tensor(run(answer, net, y), tuple(y.shape))
    except Found:
        recorded = judged
    changed |= net.training
    if changed:
        return MODE_CHANGED
    if not (close(value[inside], raw[inside]) and close(judged[inside], raw[inside])):
        return SQUEEZED
    guarded = [bool(side) for side in ((judged >= 0).all(), (judged <= 1).all())]
    if not bool((reached[~inside] != 0).all()):
        return CLIPPED_IN_TRAINING if any(guarded) else TURNED_ROUND
    if not all(guarded):
        return ONE_SIDE if any(guarded) else NOT_CLIPPED
    if recorded.min() < 0 or recorded.max() > 1:
        return NOT_BY_MODE
    return None if close(judged, raw.clamp(0, 1)) else differs(judged, raw.clamp(0, 1))


@exercise("Mean, spread, error", chapter=5, praise="Right: seeds are the sample, slices are not.")
def spread(answer: Callable[[Tensor], Any]) -> Mistake | None:
    """m, s, s/√n with n seeds; m mean and s standard deviation (n − 1) of the means of the rows.

    scores (seeds, slices), in dB.
    """
    for seeds, slices in ((3, 5), (4, 7)):
        scores = torch.randn(slices, dtype=torch.float64, generator=random(55)) + 33
        noise = torch.randn(seeds, slices, dtype=torch.float64, generator=random(seeds))
        scores = scores + 0.3 * noise
        result = run(answer, scores)
        value = tensor(list(result.values()) if isinstance(result, dict) else result, (3,))
        runs = scores.mean(dim=1)
        s = float(runs.std())
        error = s / math.sqrt(seeds)
        expected = torch.tensor([float(runs.mean()), s, error], dtype=torch.float64)
        if bool(((value - expected).abs() < 1e-4).all()):
            continue
        mean, std = float(value[0]), float(value[1])
        if abs(mean - float(expected[0])) > 1e-4:
            return differs(value, expected)
        if abs(std - s) < 1e-4:
            return WRONG_COUNT
        by_slice = scores.mean(dim=0)
        candidates = {
            DIVIDED_BY_N: (float(runs.std(correction=0)),),
            ERROR_FOR_SPREAD: (error,),
            VARIANCE: (s**2,),
            OVER_SLICES: tuple(float(by_slice.std(correction=c)) for c in (0, 1)),
            POOLED: tuple(float(scores.std(correction=c)) for c in (0, 1)),
        }
        for mistake, others in candidates.items():
            if any(abs(std - other) < 1e-4 for other in others):
                return mistake
        return differs(value, expected)
    return None
