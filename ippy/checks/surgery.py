"""Exercises of chapter 2: listen in on a layer, and cut a network down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ippy.checks.cnn import network_of
from ippy.checks.saving import same_state, state_of
from ippy.checks.verdict import Found, Mistake, close, differs, exercise, run, tensor
from ippy.models import SimpleCNN, count_parameters

HOOK_LEFT = Mistake(
    "hook not removed",
    "Your hook is still in the network: from now on it runs, and keeps maps, at every call.",
    "register_forward_hook returns a handle; call handle.remove() when you have what you want.",
    "Listening in on a layer",
)
BEFORE_RELU = Mistake(
    "before the ReLU",
    "These are the numbers before the ReLU: some are negative.",
    "In our network the ReLU is no layer of its own, so that a hook on conv1 comes before it.",
    "Listening in on a layer",
)
GRAPH_KEPT = Mistake(
    "graph kept",
    "The maps still hang on the graph for the gradients, and hold all its memory.",
    "Put output.detach() aside, or call the model under torch.no_grad().",
    "Listening in on a layer",
)
INPUT_KEPT = Mistake(
    "input of the layer",
    "This is what the layer was given, not what it answered.",
    "A forward hook gets (layer, inputs, output).",
    "Listening in on a layer",
)
WHOLE_OUTPUT = Mistake(
    "output of the network",
    "This is the reconstruction, the output of the whole network.",
    "Return what the hook has put aside, not what the model returns.",
    "Listening in on a layer",
)
MODEL_CHANGED = Mistake(
    "network changed",
    "After your function the network computes something else than before.",
    "To listen is not to cut: a hook, or a copy of the model, leaves it as it was.",
    "Listening in on a layer",
)
STALE = Mistake(
    "maps of an earlier picture",
    "The second time, with another measurement, your function returns the maps of the first.",
    "Put the maps into a dictionary or list that is made anew inside the function.",
    "Listening in on a layer",
)


@exercise("Listen in", chapter=2, praise="Right: the maps after the ReLU, and no hook left behind.")
def feature_maps(answer: Callable[[nn.Module, nn.Module, Tensor], Any]) -> Mistake | None:
    """relu(layer's output) while model(y) is computed, for a layer of the model; no traces."""
    earlier, generator = None, torch.Generator().manual_seed(0)
    for name in ("conv2", "conv2", "conv1"):
        model = _random_network(6, seed=3).eval()
        layer, y = getattr(model, name), torch.rand(1, 1, 9, 9, generator=generator)
        first = model.conv1(y).detach()
        raw = first if name == "conv1" else model.conv2(first.relu()).detach()
        before = model(y).detach()
        result = run(answer, model, layer, y)
        value = tensor(result)
        if any(m._forward_hooks or m._forward_pre_hooks for m in model.modules()):
            return HOOK_LEFT
        try:
            unchanged = close(model(y), before)
        except Exception:
            unchanged = False
        if not unchanged:
            return MODEL_CHANGED
        for mistake, other in (
            (BEFORE_RELU, raw),
            (INPUT_KEPT, y if name == "conv1" else first.relu()),
            (WHOLE_OUTPUT, before),
            (STALE, earlier),
        ):
            if other is not None and close(value.reshape(-1), other.reshape(-1)):
                return mistake
        value = tensor(value, tuple(raw.shape)) if value.ndim != 3 else tensor(value)[None]
        if not close(value, raw.relu()):
            return differs(tensor(value, tuple(raw.shape)), raw.relu())
        if isinstance(result, Tensor) and result.requires_grad:
            return GRAPH_KEPT
        earlier = raw.relu()
    return None


def _random_network(n_filters: int, seed: int) -> SimpleCNN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SimpleCNN(1, 1, n_filters)


ORIGINAL_CHANGED = Mistake(
    "original changed",
    "The network that your function was given is not the same any more.",
    "Work on copy.deepcopy(model), or build a new one.",
    "Switch one off",
)
ONLY_ZEROED = Mistake(
    "zeroed, not removed",
    "The filters are set to zero, but they are still there: nothing has become smaller.",
    "conv1.weight must lose rows: model.conv1.weight[keep].",
    "Switch one off",
)
OTHERS_KEPT = Mistake(
    "the others kept",
    "You kept the filters that were to go.",
    "keep lists the numbers of those that stay.",
    "Switch one off",
)
FIRST_KEPT = Mistake(
    "the first ones kept",
    "The number of filters is right, but they are the first ones, not those in keep.",
    "weight[keep], not weight[:len(keep)].",
    "Switch one off",
)
INPUTS_NOT_CUT = Mistake(
    "second layer not cut",
    "The second layer does not read the maps that are left: its input channels must go as well.",
    "The input channels are axis 1 of its weight: model.conv2.weight[:, keep].",
    "Channels",
)
BIAS_NOT_CUT = Mistake(
    "bias not cut",
    "The bias of the first layer still has its old length, or belongs to other filters.",
    "A filter is a kernel and a bias: both go.",
    "Channels",
)


@exercise("Prune it", chapter=2, praise="Right: smaller, and the same output.")
def prune(answer: Callable[[SimpleCNN, Tensor], Any]) -> Mistake | None:
    """A network without the first-layer filters that are not in `keep`, with the same output."""
    y = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    for n, keep in ((6, [1, 3, 4]), (8, [2, 7])):
        model = _random_network(n, seed=n)
        kept = state_of(model)
        small = network_of(answer, model, torch.tensor(keep))
        if small is model or not same_state(state_of(model), kept):
            return ORIGINAL_CHANGED
        count, k = count_parameters(small), len(keep)
        expected = count_parameters(model) - (n - k) * (10 + 9 * n)
        try:
            value = tensor(run(small, y), (1, 1, 9, 9))
        except Found:
            bias = getattr(getattr(small, "conv1", None), "bias", None)
            return BIAS_NOT_CUT if bias is not None and len(bias) != k else INPUTS_NOT_CUT
        if count == count_parameters(model):
            return ONLY_ZEROED
        if not close(value, _switched_off(model, keep, y)):
            others = [i for i in range(n) if i not in keep]
            for mistake, chosen in ((OTHERS_KEPT, others), (FIRST_KEPT, list(range(k)))):
                if close(value, _switched_off(model, chosen, y)):
                    return mistake
            if close(value, _switched_off(model, keep, y, list(range(k)))):
                return BIAS_NOT_CUT
            for wrong in (list(range(k)), list(range(n))[-k:]):
                if close(value, _read_by(model, keep, wrong, y)):
                    return INPUTS_NOT_CUT
            return differs(value, _switched_off(model, keep, y))
        if count != expected:
            sentence = f"The output is right, but {count} parameters are left, expected {expected}."
            return Mistake("parameters left over", sentence, ONLY_ZEROED.hint, "Switch one off")
    return None


def _switched_off(
    model: SimpleCNN, keep: list[int], y: Tensor, biases: list[int] | None = None
) -> Tensor:
    """What the model answers with all other filters off; `biases` may be those of others."""
    return _read_by(model, keep, keep, y, biases)


def _read_by(
    model: SimpleCNN,
    keep: list[int],
    columns: list[int],
    y: Tensor,
    biases: list[int] | None = None,
) -> Tensor:
    state = state_of(model)
    bias = state["conv1.bias"][biases or keep]
    h = F.conv2d(y, state["conv1.weight"][keep], bias, padding="same").relu()
    weight = state["conv2.weight"][:, columns]
    h = F.conv2d(h, weight, state["conv2.bias"], padding="same").relu()
    return F.conv2d(h, state["conv3.weight"], state["conv3.bias"], padding="same")
