"""The checks of chapter 5 on living starts, clipping and seeds: right answers, mistakes."""

import math

import numpy as np
import scipy.stats
import torch
import torch.nn.functional as F
from cases import Case, ask, standard
from torch import nn

from ippy.checks import remedies
from ippy.models import SimpleCNN
from ippy.training import initialise

# birth: alive from the first step


def filled(value):
    def birth(net):
        net.conv3.bias.data.fill_(value)
        return net

    return birth


def birth_without_return(net):
    nn.init.constant_(net.conv3.bias, 0.5)


def birth_by_identity(net):
    initialise(net, "identity", seed=0)
    return net


def birth_by_signs(net):
    with torch.no_grad():
        net.conv3.weight.abs_()
        net.conv3.bias.copy_(torch.full((1,), 0.1))
    return net


def birth_by_redrawing(net):
    y = torch.rand(2, 1, 16, 16)
    while (net(y) > 0).float().mean() < 0.9:
        for layer in (net.conv1, net.conv2, net.conv3):
            layer.reset_parameters()
    return net


def birth_new_net(net):
    other = SimpleCNN(1, 1, 8, final_activation="relu")
    other.conv3.bias = nn.Parameter(torch.tensor([0.4]))
    return other


class BirthAsClass:
    def __call__(self, net):
        net.conv3.bias.data += 0.6
        return net


def other_bias(*layers):
    def birth(net):
        for layer in layers:
            getattr(net, layer).bias.data.fill_(0.5)
        return net

    return birth


def zeroed(*layers):
    def birth(net):
        for layer in layers:
            getattr(net, layer).weight.data.zero_()
        net.conv3.bias.data.fill_(0.5)
        return net

    return birth


def new_head(head):
    def birth(net):
        net.final_activation = head
        return net

    return birth


def frozen(*parts):
    def birth(net):
        net.conv3.bias.data.fill_(0.5)
        for part in parts:
            getattr(net, part).requires_grad_(False)
        return net

    return birth


# clipping: the network as it is while training, clamp(0, 1) at evaluation


def clip_plain(net, y):
    return net(y) if net.training else net(y).clamp(0, 1)


def clip_by_functional(net, y):
    out = net(y)
    return out if net.training else F.hardtanh(out, 0.0, 1.0)


def clip_by_numpy_without_detach(net, y):
    if net.training:
        return net(y)
    return torch.from_numpy(np.clip(net(y).numpy(), 0, 1))


def clip_by_gradient_mode(net, y):
    return net(y) if torch.is_grad_enabled() else net(y).clip(0, 1)


def clip_straight_through(net, y):
    out = net(y)
    return out + (out.clamp(0, 1) - out).detach()


def clip_by_numpy(net, y):
    out = net(y)
    return out if net.training else np.clip(out.detach().numpy(), 0, 1)


class ClipAsClass:
    def __call__(self, net, y_delta):
        out = net(y_delta)
        if not net.training:
            out = torch.where(out < 0, torch.zeros_like(out), out)
            out = torch.where(out > 1, torch.ones_like(out), out)
        return out


def clip_left_in_eval(net, y):
    training = net.training
    net.eval()
    return net(y) if training else net(y).clamp(0, 1)


def clip_always_eval(net, y):
    net.eval()
    return net(y).clamp(0, 1)


def clip_always_train(net, y):
    out = net(y) if net.training else net(y).clamp(0, 1)
    net.train()
    return out


def only_below(net, y):
    return net(y) if net.training else net(y).relu()


def stretched(net, y):
    out = net(y)
    return out if net.training else (out - out.min()) / (out.max() - out.min())


# spread: mean, standard deviation over the seeds, standard error


def spread_plain(q):
    by_seed = q.mean(dim=1)
    return by_seed.mean(), by_seed.std(), by_seed.std() / math.sqrt(len(q))


def spread_by_numpy(q):
    m = q.numpy().mean(1)
    return np.array([m.mean(), m.std(ddof=1), m.std(ddof=1) / len(m) ** 0.5])


def spread_by_scipy(q):
    m = np.asarray(q).mean(axis=1)
    return [m.mean(), scipy.stats.tstd(m), scipy.stats.sem(m)]


def spread_by_loops(q):
    rows = [sum(row) / len(row) for row in q.tolist()]
    mean = sum(rows) / len(rows)
    variance = sum((r - mean) ** 2 for r in rows) / (len(rows) - 1)
    return mean, variance**0.5, (variance / len(rows)) ** 0.5


def spread_stacked(q):
    variance, mean = torch.var_mean(q.mean(1))
    return torch.stack([mean, variance.sqrt(), (variance / q.shape[0]).sqrt()])[None]


def spread_dictionary(q):
    mean, std, error = spread_plain(q)
    return {"mean": mean.item(), "spread": std.item(), "error": error.item()}


def spreads(std, error=None):
    """std(q), and its standard error unless another is given."""

    def spread(q):
        s = std(q)
        return q.mean(), s, s / len(q) ** 0.5 if error is None else error(q)

    return spread


def of_seeds(q):
    return q.mean(1).std()


CASES = [
    Case(
        "birth",
        right=[
            filled(0.5),
            birth_without_return,
            birth_by_identity,
            birth_by_signs,
            birth_by_redrawing,
            birth_new_net,
            BirthAsClass(),
        ],
        wrong={
            remedies.STILL_DEAD: [lambda net: net, filled(0.0), filled(-0.5), filled(0.01)],
            remedies.OTHER_BIAS: [
                other_bias("conv1"),
                other_bias("conv2"),
                other_bias("conv1", "conv2"),
            ],
            remedies.ZEROED: [zeroed("conv3"), zeroed("conv2"), zeroed("conv1", "conv2")],
            remedies.HEAD_EXCHANGED: [
                new_head(nn.Identity()),
                new_head(nn.LeakyReLU()),
                new_head(nn.Softplus()),
            ],
            remedies.FROZEN: [frozen("conv3"), frozen("conv1", "conv2"), frozen("conv2")],
            remedies.TOO_BRIGHT: [filled(100.0), filled(10.0), filled(3.0)],
        },
    ),
    Case(
        "clipping",
        right=[
            clip_plain,
            clip_by_functional,
            clip_by_numpy_without_detach,
            clip_straight_through,
            clip_by_numpy,
            ClipAsClass(),
        ],
        wrong={
            remedies.CLIPPED_IN_TRAINING: [
                lambda net, y: net(y).clamp(0, 1),
                lambda net, y: F.hardtanh(net(y), 0, 1),
                lambda net, y: torch.minimum(net(y).relu(), torch.ones_like(y)),
            ],
            remedies.NOT_CLIPPED: [
                lambda net, y: net(y),
                lambda net, y: net(y) if not net.training else net(y) + 0,
                lambda net, y: net(y).clamp(-1, 2),
            ],
            remedies.NOT_BY_MODE: [
                clip_by_gradient_mode,
                lambda net, y: net(y).clamp(0, 1) if not torch.is_grad_enabled() else net(y),
                lambda net, y: net(y) if net(y).requires_grad else net(y).clamp(0, 1),
            ],
            remedies.TURNED_ROUND: [
                lambda net, y: net(y).clamp(0, 1) if net.training else net(y),
                lambda net, y: net(y) if not net.training else F.hardtanh(net(y), 0, 1),
                lambda net, y: net(y).clip(0, 1) if torch.is_grad_enabled() else net(y),
            ],
            remedies.MODE_CHANGED: [clip_left_in_eval, clip_always_eval, clip_always_train],
            remedies.ONE_SIDE: [
                only_below,
                lambda net, y: net(y) if net.training else net(y).clamp(max=1),
                lambda net, y: net(y) if net.training else net(y).clamp(min=0),
            ],
            remedies.SQUEEZED: [
                stretched,
                lambda net, y: net(y) if net.training else net(y).sigmoid(),
                lambda net, y: torch.sigmoid(net(y)),
            ],
            remedies.GRADIENT_LOST: [
                lambda net, y: net(y).detach() if net.training else net(y).clamp(0, 1),
                torch.no_grad()(clip_plain),
                lambda net, y: net(y).detach().clamp(0, 1),
            ],
        },
    ),
    Case(
        "spread",
        right=[
            spread_plain,
            spread_by_numpy,
            spread_by_scipy,
            spread_by_loops,
            spread_stacked,
            spread_dictionary,
        ],
        wrong={
            remedies.OVER_SLICES: [
                spreads(lambda q: q.mean(0).std()),
                spreads(lambda q: q.mean(0).std(), lambda q: q.mean(0).std() / q.shape[1] ** 0.5),
                spreads(lambda q: np.std(q.numpy().mean(0))),
            ],
            remedies.POOLED: [
                spreads(lambda q: q.std()),
                spreads(lambda q: q.std(), lambda q: q.std() / q.numel() ** 0.5),
                spreads(lambda q: np.std(q.numpy())),
            ],
            remedies.DIVIDED_BY_N: [
                spreads(lambda q: q.mean(1).std(correction=0)),
                spreads(lambda q: np.std(q.numpy().mean(1))),
                spreads(lambda q: q.mean(1).var(correction=0).sqrt(), of_seeds),
            ],
            remedies.ERROR_FOR_SPREAD: [
                spreads(lambda q: of_seeds(q) / len(q) ** 0.5, of_seeds),
                spreads(
                    lambda q: of_seeds(q) / len(q) ** 0.5, lambda q: of_seeds(q) / len(q) ** 0.5
                ),
                spreads(lambda q: scipy.stats.sem(q.numpy().mean(1))),
            ],
            remedies.WRONG_COUNT: [
                spreads(of_seeds, lambda q: of_seeds(q) / q.shape[1] ** 0.5),
                spreads(of_seeds, lambda q: of_seeds(q) / q.numel() ** 0.5),
                spreads(of_seeds, lambda q: of_seeds(q) / len(q)),
                spreads(of_seeds, of_seeds),
            ],
            remedies.VARIANCE: [
                spreads(lambda q: q.mean(1).var()),
                spreads(lambda q: of_seeds(q) ** 2, lambda q: of_seeds(q) / len(q) ** 0.5),
                spreads(lambda q: np.var(q.numpy().mean(1), ddof=1)),
            ],
        },
    ),
]

globals().update(standard(CASES, remedies))


def test_answers_that_go_round_the_network_get_a_sentence():
    assert ask("clipping", lambda net, y: y.clamp(0, 1)).mistake.name == "network not asked"
    for other in (nn.Identity(), nn.Conv2d(1, 1, 3)):
        assert ask("birth", lambda net, other=other: other).mistake.name == "not a network"


def test_a_network_that_is_asked_twice_is_judged_by_both_gradients():
    def twice(net, y):
        first, second = net(y), net(y)
        out = torch.where(first > 0.5, first, second)
        return out if net.training else out.clamp(0, 1)

    assert ask("clipping", twice)
