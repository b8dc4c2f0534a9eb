"""Listening and pruning, of chapter 2, against right answers and planted mistakes."""

import copy
import functools

import torch
from cases import Case, ask, standard
from torch import nn
from torch.nn import functional as F

from ippy.checks import cnn, surgery
from ippy.models import SimpleCNN


def listen(model, layer, y):
    maps = []
    handle = layer.register_forward_hook(lambda layer, inputs, output: maps.append(output))
    with torch.no_grad():
        model(y)
    handle.remove()
    return maps[0].relu()


def listen_with_finally(model, layer, y):
    found = {}

    def hook(layer, inputs, output):
        found["maps"] = output.detach().clamp(min=0)

    handle = layer.register_forward_hook(hook)
    try:
        model(y)
    finally:
        handle.remove()
    return found["maps"]


def listen_in_a_with(model, layer, y):
    kept = torch.zeros(0)

    def hook(layer, inputs, output):
        nonlocal kept
        kept = torch.where(output > 0, output, 0).detach()

    with layer.register_forward_hook(hook):
        model(y)
    return kept[0]


def listen_to_a_copy(model, layer, y):
    double = copy.deepcopy(model)
    names = {id(m): name for name, m in model.named_modules()}
    twin = double.get_submodule(names[id(layer)])
    maps = []
    twin.register_forward_hook(lambda layer, inputs, output: maps.append(output.detach()))
    double(y)
    return maps[-1].relu().numpy()


def listen_by_patching(model, layer, y):
    original, maps = layer.forward, []

    def forward(h):
        maps.append(original(h))
        return maps[-1]

    layer.forward = forward
    with torch.no_grad():
        model(y)
    del layer.forward
    return torch.relu(maps[0]).tolist()


def listen_before(model, layer, y):
    """The layer is computed a second time, from its input."""
    inputs = []
    handle = layer.register_forward_pre_hook(lambda layer, args: inputs.append(args[0].detach()))
    with torch.inference_mode():
        model(y)
    handle.remove()
    with torch.no_grad():
        return F.relu(layer(inputs[0].clone()))


def forgetful(model, layer, y):
    maps = []
    layer.register_forward_hook(lambda layer, inputs, output: maps.append(output.detach()))
    model(y)
    return maps[0].relu()


def forgetful_of_one(model, layer, y):
    layer.register_forward_hook(lambda layer, inputs, output: None)
    return listen(model, layer, y)


def forgetful_before(model, layer, y):
    layer.register_forward_pre_hook(lambda layer, inputs: None)
    return listen(model, layer, y)


def hooked(what, relu=True, detach=True):
    def answer(model, layer, y):
        maps = []
        handle = layer.register_forward_hook(lambda *arguments: maps.append(what(*arguments)))
        model(y)
        handle.remove()
        kept = maps[0].relu() if relu else maps[0]
        return kept.detach() if detach else kept

    return answer


def cutting(model, layer, y):
    maps = listen(model, layer, y)
    model.conv3 = nn.Identity()
    return maps


def spoiling(model, layer, y):
    maps = listen(model, layer, y)
    with torch.no_grad():
        layer.weight.zero_()
    return maps


def stopping_short(model, layer, y):
    name = next(name for name, m in model.named_children() if m is layer)
    for later in ("conv2", "conv3"):
        if later > name:
            setattr(model, later, nn.Identity())
    return model(y).detach().relu()


def collecting():
    everything = []

    def answer(model, layer, y):
        handle = layer.register_forward_hook(lambda _, __, output: everything.append(output))
        with torch.no_grad():
            model(y)
        handle.remove()
        return everything[0].relu()

    return answer


def by_default_argument():
    def answer(model, layer, y, maps={}):  # noqa: B006
        if "maps" not in maps:
            maps["maps"] = listen(model, layer, y)
        return maps["maps"]

    return answer


def cached():
    known = []

    @functools.wraps(listen)
    def answer(model, layer, y):
        known.append(listen(model, layer, y))
        return known[0].clone()

    return answer


class Afresh:
    """An answer that forgets everything when a new check begins."""

    def __init__(self, make):
        self.make, self.model, self.count = make, None, 0
        self.__name__ = make.__name__

    def __call__(self, model, layer, y):
        if self.count % 2 == 0:
            self.answer = self.make()
        self.count += 1
        return self.answer(model, layer, y)


FEATURE_MAPS = Case(
    "feature_maps",
    right=[
        listen,
        listen_with_finally,
        listen_in_a_with,
        listen_to_a_copy,
        listen_by_patching,
        listen_before,
    ],
    wrong={
        surgery.HOOK_LEFT: [forgetful, forgetful_of_one, forgetful_before],
        surgery.BEFORE_RELU: [
            hooked(lambda layer, inputs, output: output, relu=False),
            hooked(lambda layer, inputs, output: layer.forward(inputs[0]), relu=False),
            hooked(lambda layer, inputs, output: output.detach().clone(), relu=False),
        ],
        surgery.GRAPH_KEPT: [
            hooked(lambda layer, inputs, output: output, detach=False),
            hooked(lambda layer, inputs, output: output.clamp(min=0), relu=False, detach=False),
            hooked(lambda layer, inputs, output: output.relu().clone(), detach=False),
        ],
        surgery.INPUT_KEPT: [
            hooked(lambda layer, inputs, output: inputs[0]),
            hooked(lambda layer, inputs, output: inputs[0].clone(), relu=False),
            hooked(lambda layer, inputs, output: torch.cat(inputs)),
        ],
        surgery.WHOLE_OUTPUT: [
            lambda model, layer, y: model(y).detach(),
            lambda model, layer, y: (listen(model, layer, y), model(y))[1].tolist(),
            lambda model, layer, y: model(y.clone()).detach()[0],
        ],
        surgery.MODEL_CHANGED: [cutting, spoiling, stopping_short],
        surgery.STALE: [Afresh(collecting), Afresh(by_default_argument), Afresh(cached)],
    },
)


def prune(model, keep):
    small = copy.deepcopy(model)
    small.conv1.weight = nn.Parameter(model.conv1.weight[keep])
    small.conv1.bias = nn.Parameter(model.conv1.bias[keep])
    small.conv2.weight = nn.Parameter(model.conv2.weight[:, keep])
    return small


def prune_into_layers(model, keep):
    n = model.conv2.out_channels
    first = nn.Conv2d(1, len(keep), 3, padding=1)
    second = nn.Conv2d(len(keep), n, 3, padding=1)
    with torch.no_grad():
        first.weight.copy_(model.conv1.weight[keep])
        first.bias.copy_(model.conv1.bias[keep])
        second.weight.copy_(model.conv2.weight[:, keep])
        second.bias.copy_(model.conv2.bias)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), copy.deepcopy(model.conv3))


def prune_by_loading(model, keep):
    state = model.state_dict()
    state["conv1.weight"] = state["conv1.weight"][keep]
    state["conv1.bias"] = state["conv1.bias"][keep]
    state["conv2.weight"] = state["conv2.weight"].index_select(1, keep)
    small = SimpleCNN(1, 1, model.conv1.out_channels)
    small.conv1 = nn.Conv2d(1, len(keep), 3, padding="same")
    small.conv2 = nn.Conv2d(len(keep), small.conv2.out_channels, 3, padding="same")
    small.load_state_dict(state)
    return small


class Small(nn.Module):
    def __init__(self, model, keep):
        super().__init__()
        chosen = [int(k) for k in keep]
        self.weights = nn.ParameterList(
            [model.conv1.weight[chosen], model.conv2.weight[:, chosen], model.conv3.weight.clone()]
        )
        kept = [model.conv1.bias[chosen], model.conv2.bias.clone(), model.conv3.bias.clone()]
        self.biases = nn.ParameterList(kept)

    def forward(self, y):
        for number in range(3):
            y = y.relu() if number else y
            y = F.conv2d(y, self.weights[number], self.biases[number], padding=1)
        return y


def prune_one_by_one(model, keep):
    small = copy.deepcopy(model)
    for k in reversed(range(model.conv1.out_channels)):
        if k not in keep.tolist():
            stay = [i for i in range(small.conv1.weight.shape[0]) if i != k]
            small.conv1.weight = nn.Parameter(small.conv1.weight.detach()[stay])
            small.conv1.bias = nn.Parameter(small.conv1.bias.detach()[stay])
            small.conv2.weight = nn.Parameter(small.conv2.weight.detach()[:, stay])
    return small


def prune_in_another_order(model, keep):
    return prune(model, keep.flip(0))


def zeroed(model, keep, original=False):
    small = model if original else copy.deepcopy(model)
    off = [i for i in range(model.conv1.out_channels) if i not in keep.tolist()]
    with torch.no_grad():
        small.conv1.weight[off] = 0
        small.conv1.bias[off] = 0
    return small


def masked(model, keep):
    small = copy.deepcopy(model)
    mask = torch.zeros(model.conv1.out_channels)
    mask[keep] = 1
    small.conv1.weight.data *= mask[:, None, None, None]
    small.conv1.bias.data *= mask
    return small


def second_zeroed(model, keep):
    small = copy.deepcopy(model)
    off = [i for i in range(model.conv1.out_channels) if i not in keep.tolist()]
    small.conv2.weight.data[:, off] = 0
    return small


def in_place(model, keep):
    model.conv1.weight = nn.Parameter(model.conv1.weight[keep])
    model.conv1.bias = nn.Parameter(model.conv1.bias[keep])
    model.conv2.weight = nn.Parameter(model.conv2.weight[:, keep])
    return model


def others(model, keep):
    return torch.tensor([i for i in range(model.conv1.out_channels) if i not in keep.tolist()])


def pruned(first=None, bias=None, second=None):
    """`prune`, with one of the three cuts made otherwise."""

    def answer(model, keep):
        small = prune(model, keep)
        for layer, name, make in (
            (small.conv1, "weight", first),
            (small.conv1, "bias", bias),
            (small.conv2, "weight", second),
        ):
            if make:
                setattr(layer, name, nn.Parameter(make(model, keep).detach().clone()))
        return small

    return answer


PRUNE = Case(
    "prune",
    right=[
        prune,
        prune_into_layers,
        prune_by_loading,
        Small,
        prune_one_by_one,
        prune_in_another_order,
    ],
    wrong={
        cnn.NOT_A_NETWORK: [
            lambda model, keep: prune(model, keep).state_dict(),
            lambda model, keep: model.conv1.weight[keep],
            lambda model, keep: (prune(model, keep), keep),
        ],
        surgery.ORIGINAL_CHANGED: [
            in_place,
            lambda model, keep: zeroed(model, keep, original=True),
            lambda model, keep: (prune(model, keep), zeroed(model, keep, original=True))[0],
        ],
        surgery.ONLY_ZEROED: [zeroed, masked, second_zeroed],
        surgery.OTHERS_KEPT: [
            lambda model, keep: prune(model, others(model, keep)),
            lambda model, keep: Small(model, others(model, keep)),
            lambda model, keep: prune_into_layers(model, others(model, keep)),
        ],
        surgery.FIRST_KEPT: [
            lambda model, keep: prune(model, torch.arange(len(keep))),
            lambda model, keep: Small(model, range(len(keep))),
            pruned(
                lambda m, k: m.conv1.weight[: len(k)],
                lambda m, k: m.conv1.bias[: len(k)],
                lambda m, k: m.conv2.weight[:, : len(k)],
            ),
        ],
        surgery.INPUTS_NOT_CUT: [
            pruned(second=lambda m, k: m.conv2.weight),
            pruned(second=lambda m, k: m.conv2.weight[k]),
            pruned(second=lambda m, k: m.conv2.weight[:, : len(k)]),
        ],
        surgery.BIAS_NOT_CUT: [
            pruned(bias=lambda m, k: m.conv1.bias),
            pruned(bias=lambda m, k: m.conv1.bias[: len(k)]),
            pruned(bias=lambda m, k: m.conv1.bias[1:]),
        ],
    },
)

CASES = [FEATURE_MAPS, PRUNE]

globals().update(standard(CASES, surgery))


def test_a_layer_on_the_way_left_over_is_told():
    def too_much(model, keep):
        return nn.Sequential(prune(model, keep), Spare())

    verdict = ask("prune", too_much)
    assert not verdict
    assert verdict.mistake.name == "parameters left over"


class Spare(nn.Identity):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5))
