"""Exercises of chapter 2: build the network, and put two of its layers into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ippy.checks.verdict import Found, Mistake, close, differs, exercise, run, tensor

NOT_A_NETWORK = Mistake(
    "not a network",
    "Your function must return a network, an nn.Module.",
    "A class of your own that derives from nn.Module will do, or an nn.Sequential of layers.",
    "The network, whole",
)


def network_of(answer: Any, *arguments: Any) -> nn.Module:
    """Call an answer that must return a network."""
    network = run(answer, *arguments)
    if not isinstance(network, nn.Module):
        raise Found(NOT_A_NETWORK)
    return network


ACTIVATION_AT_END = Mistake(
    "activation after the last layer",
    "There is an activation behind the last convolution; here the last layer stays bare.",
    "With a ReLU at the end a network cannot answer below zero, and learns nothing where it would.",
    "The network, whole",
)
NO_ACTIVATION = Mistake(
    "no activation",
    "Nothing non-linear stands between your layers: all three are one single convolution.",
    "Put a ReLU behind the first and behind the second convolution.",
    "Why something non-linear must come between",
)
ONE_ACTIVATION = Mistake(
    "one activation missing",
    "One of the two ReLUs is missing, and two of the layers collapse into one.",
    "A ReLU behind the first and one behind the second convolution.",
    "Why something non-linear must come between",
)
OTHER_ACTIVATION = Mistake(
    "another activation",
    "Something non-linear stands between your layers, but it is no ReLU.",
    "max(0, h), nothing else: nn.ReLU() or h.relu().",
    "Why something non-linear must come between",
)
OTHER_PARAMETERS = Mistake(
    "other parameters",
    "Besides three kernels and three biases your network has parameters of another kind, such as "
    "those of a batch normalisation or of a PReLU.",
    "Three times Conv2d and two times ReLU are all that it takes.",
    "The network, whole",
)
SIZE_SHRINKS = Mistake(
    "padding missing",
    "The output is smaller than the input: each layer cuts off a rim.",
    'padding="same" keeps the size, for every kernel size; padding=1 does so for 3 × 3 only.',
    "The network, whole",
)
CHANNELS_MIXED_UP = Mistake(
    "channels in the wrong order",
    "With other numbers of channels at the two ends the network does not fit together.",
    "in_ch → n_filters → n_filters → out_ch: what leaves one layer enters the next.",
    "The network, whole",
)
BIAS_SWITCHED_OFF = Mistake(
    "bias missing",
    "Your layers have no biases: the network answers a black picture with black, whatever it is.",
    "Conv2d has a bias unless it is told bias=False.",
    "Channels",
)
KERNEL_SIZE_IGNORED = Mistake(
    "kernel size ignored",
    "kernel_size has no effect on your network.",
    "Hand it on to every layer.",
    "The network, whole",
)
BORDER_DIFFERS = Mistake(
    "padded otherwise",
    "Inside all is right, but at the border each layer should meet zeros.",
    'Pad each layer by itself, with zeros: padding="same" in each Conv2d.',
    "The network, whole",
)


@exercise("Build the network", chapter=2, praise="Right: three layers, two ReLUs, size kept.")
def small_network(answer: Callable[..., Any]) -> Mistake | None:
    """c3(relu(c2(relu(c1(y))))), each with zero padding and biases, whatever the class.

    The three weights are recognised by their shapes, and the network is compared with the formula.
    """
    for in_ch, out_ch, n_filters, k in ((1, 1, 4, 3), (2, 3, 4, 3), (3, 1, 5, 5), (1, 2, 3, 1)):
        y = torch.randn(2, in_ch, 20, 18, generator=torch.Generator().manual_seed(k))
        network = network_of(answer, in_ch, out_ch, n_filters, k)
        try:
            value = tensor(run(network, y))
        except Found as found:
            raise Found(CHANNELS_MIXED_UP if _unfit(found.mistake) else found.mistake) from None
        weights, _ = _weights_and_biases(network)
        sides = [max(w.shape[2:]) for w in weights]
        if any(side != k for side in sides):
            return KERNEL_SIZE_IGNORED
        if value.ndim == 4 and value.shape[-1] < 18:
            sentence = f"20 × 18 pixels go in, {value.shape[-2]} × {value.shape[-1]} come out."
            return SIZE_SHRINKS.because(f"{sentence} Each layer cuts off a rim.")
        if value.ndim == 4 and value.shape[1] != out_ch:
            return CHANNELS_MIXED_UP
        value = tensor(value, (2, out_ch, 20, 18))
        mistake = _compare_network(network, y, value, in_ch, out_ch)
        if mistake:
            return mistake
    return None


def _weights_and_biases(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Its parameters, sorted; a bias may have the shape (C,), (C, 1, 1) or (1, C, 1, 1)."""
    parameters = [p.detach().double() for p in network.parameters()]
    weights = [p for p in parameters if p.ndim == 4 and (p.shape[0], *p.shape[2:]) != (1, 1, 1)]
    biases = [p.reshape(-1) for p in parameters if all(p is not w for w in weights)]
    return weights, biases


def _unfit(mistake: Mistake) -> bool:
    """Whether torch complains of a wrong number of channels."""
    return mistake.name == "raised" and "channels" in mistake.sentence


def _compare_network(
    network: nn.Module, y: Tensor, value: Tensor, in_ch: int, out_ch: int
) -> Mistake | None:
    """Put the network's own weights into the formula, and into what is often written instead."""
    weights, biases = _weights_and_biases(network)
    if len(weights) != 3:
        sentence = f"The network has {len(weights)} convolutions, expected three."
        return Mistake("number of layers", sentence, "Write them in __init__ as self.conv1 to 3.")
    if len(biases) < 3:
        return BIAS_SWITCHED_OFF
    if sorted(map(len, biases)) != sorted(map(len, weights)):
        return OTHER_PARAMETERS
    if in_ch == out_ch:  # the layers cannot be told apart; the next sizes will do
        return None
    first = [i for i, w in enumerate(weights) if w.shape[1] == in_ch]
    last = [i for i, w in enumerate(weights) if w.shape[0] == out_ch]
    if len(first) != 1 or len(last) != 1 or first == last:
        return CHANNELS_MIXED_UP
    order = [first[0], 3 - first[0] - last[0], last[0]]
    inner = [b for b in biases if len(b) != out_ch]
    ends = [b for b in biases if len(b) == out_ch]
    guesses: list[tuple[Mistake | None, tuple[Any, ...]]] = [
        (None, (F.relu, F.relu, None)),
        (NO_ACTIVATION, (None, None, None)),
        (ACTIVATION_AT_END, (F.relu, F.relu, F.relu)),
        (ACTIVATION_AT_END, (F.relu, F.relu, torch.sigmoid)),
        (ACTIVATION_AT_END, (F.relu, F.relu, torch.tanh)),
        (ACTIVATION_AT_END, (None, None, F.relu)),
        (ONE_ACTIVATION, (F.relu, None, None)),
        (ONE_ACTIVATION, (None, F.relu, None)),
    ]
    others = (F.leaky_relu, F.elu, F.gelu, F.silu, torch.sigmoid, torch.tanh)
    guesses += [(OTHER_ACTIVATION, (other, other, None)) for other in others]
    inside = (..., slice(6, -6), slice(6, -6))
    for pair in (inner, inner[::-1]):  # which bias is whose, the shapes do not tell
        arguments = [weights[i] for i in order], [*pair, *ends]
        for mistake, activations in guesses:
            expected = _layers(y.double(), *arguments, activations)
            if close(value, expected):
                return mistake
            if mistake is None and close(value[inside], expected[inside]):
                return BORDER_DIFFERS
    expected = _layers(y.double(), [weights[i] for i in order], [*inner, *ends], guesses[0][1])
    return differs(value, expected)


def _layers(
    h: Tensor, weights: list[Tensor], biases: list[Tensor], activations: tuple[Any, ...]
) -> Tensor:
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        h = F.conv2d(h, weight, bias, padding="same")
        h = activation(h) if activation else h
    return h


SECOND_NOT_TURNED = Mistake(
    "kernel not turned",
    "The two kernels have been joined without the half turn that the composition needs.",
    "conv2d slides without turning: one of the two must be flipped in both directions first.",
    "Why something non-linear must come between",
)
TURNED_THE_OTHER_WAY = Mistake(
    "result turned",
    "Your kernel is the right one, turned by 180°.",
    "Flip w2, not w1: the result is to be used by conv2d as it is.",
    "Why something non-linear must come between",
)
TOO_SMALL = Mistake(
    "kernel too small",
    "The composite is too small: two layers of 3 × 3 see 5 × 5 pixels.",
    "The full convolution is wanted: pad by k − 1 on each side, not by (k − 1)/2.",
    "Why something non-linear must come between",
)
INNER_BIAS_LOST = Mistake(
    "bias of the first layer lost",
    "The first layer's bias has no effect on your composite, or the wrong one.",
    "A constant b1[m] goes through the second layer: it comes out times the sum of w2[o, m].",
    "Why something non-linear must come between",
)
OUTER_BIAS_LOST = Mistake(
    "bias of the second layer lost",
    "The second layer's bias is missing.",
    "It is added at the very end, and stays as it is.",
    "Why something non-linear must come between",
)
AXES_EXCHANGED = Mistake(
    "axes exchanged",
    "Inputs and outputs are exchanged: the weight of a layer is (out, in, k, k).",
    "A transpose(0, 1) too many, or one too few.",
    "Channels",
)


@exercise("Two layers in one", chapter=2, praise="Right: kernel and bias, for all channels.")
def collapse(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> Mistake | None:
    """The weight and the bias of the one layer that does what two do: w2 ⋆ (w1 ⋆ x + b1) + b2."""
    generator = torch.Generator().manual_seed(2)
    for channels, k1, k2 in (((2, 3, 4), 3, 3), ((1, 2, 3), 5, 3)):
        before, middle, after = channels
        w1 = torch.randn(middle, before, k1, k1, generator=generator)
        w2 = torch.randn(after, middle, k2, k2, generator=generator)
        b1, b2 = torch.randn(middle, generator=generator), torch.randn(after, generator=generator)
        result = run(answer, w1, b1, w2, b2)
        if isinstance(result, nn.Conv2d):
            result = result.weight, result.bias
        if not isinstance(result, (tuple, list)) or len(result) != 2 or result[1] is None:
            sentence = "Two things are expected: the weight and the bias of the one layer."
            return Mistake("not a pair", sentence, "End with `return weight, bias`.")
        weight, bias = tensor(result[0]), tensor(result[1])
        expected = _compose(w1, w2)
        if weight.ndim == 4 and weight.shape[-1] < k1 + k2 - 1:
            return TOO_SMALL
        if not close(weight, expected):
            others = [
                (SECOND_NOT_TURNED, _compose(w1, w2.flip(2, 3))),
                (SECOND_NOT_TURNED, _compose(w1.flip(2, 3), w2)),
                (TURNED_THE_OTHER_WAY, expected.flip(2, 3)),
                (AXES_EXCHANGED, expected.transpose(0, 1)),
            ]
            for mistake, other in others:
                if close(weight, other):
                    return mistake
            return differs(tensor(weight, tuple(expected.shape)), expected)
        inner = torch.einsum("omst,m->o", w2, b1)
        if bias.numel() == 1 and not float(bias):
            return INNER_BIAS_LOST
        bias = tensor(bias, (after,))
        if close(bias, inner):
            return OUTER_BIAS_LOST
        if not close(bias, inner + b2):
            lost = any(close(bias, b2 + wrong) for wrong in (0, b1.sum(), b1.mean()))
            return INNER_BIAS_LOST if lost or not bias.any() else differs(bias, inner + b2)
    return None


def _compose(w1: Tensor, w2: Tensor) -> Tensor:
    pad = w2.shape[-1] - 1
    return F.conv2d(w1.transpose(0, 1), w2.flip(2, 3), padding=pad).transpose(0, 1)
