"""The checks of chapter 5 on heads: right answers of many kinds, planted mistakes."""

import math

import numpy as np
import scipy.special
import torch
import torch.nn.functional as F
from cases import Case, ask, standard
from torch import nn

from ippy.checks import activations
from ippy.models import SimpleCNN

HEADS = {
    "none": lambda z: z,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "residual-tanh": torch.tanh,
}


def pre_activation(net, y, inner=torch.relu):
    return net.conv3(inner(net.conv2(inner(net.conv1(y)))))


def ended(end, inner=torch.relu):
    """A forward pass whose end is end(z, y, head)."""
    return lambda net, y, head: end(pre_activation(net, y, inner), y, head)


# heads: x_hat = a(z), or y + tanh(z)


def heads_by_table(net, y, head):
    x_hat = HEADS[head](pre_activation(net, y))
    return y + x_hat if head == "residual-tanh" else x_hat


def heads_by_whole_net(net, y, head):
    z = net(y)
    if head == "relu":
        return z.clamp(min=0)
    if head == "sigmoid":
        return (1 + torch.tanh(z / 2)) / 2
    if head == "tanh":
        return 2 * torch.sigmoid(2 * z) - 1
    return y + z.tanh() if head.startswith("residual") else z


def heads_by_setting(net, y, head):
    names = {"none": None, "residual-tanh": "tanh"}
    name = names.get(head, head)
    other = SimpleCNN(1, 1, net.conv1.out_channels, final_activation=name, residual="-" in head)
    other.load_state_dict(net.state_dict())
    return other(y)


def heads_by_numpy(net, y, head):
    z = pre_activation(net, y).detach().numpy()
    ends = {
        "none": z,
        "relu": np.maximum(z, 0),
        "sigmoid": scipy.special.expit(z),
        "tanh": np.tanh(z),
    }
    return ends[head] if head in ends else y.numpy() + np.tanh(z)


def heads_by_hook(net, y, head):
    kept = []
    net.conv3.register_forward_hook(lambda m, i, out: kept.append(out))
    net(y)
    z = kept[0]
    return (y + torch.tanh(z)) if head == "residual-tanh" else HEADS[head](z)


class HeadsAsClass:
    def __call__(self, net, y_delta, head):
        return [heads_by_table(net, y[None], head)[0].tolist() for y in y_delta]


def early(net, y, head):
    out = net.conv3(HEADS[head](net.conv2(net.conv1(y).relu()).relu()))
    return y + out if head == "residual-tanh" else out


def early_for_relu(net, y, head):
    return net.conv3(HEADS[head](net.conv2(net.conv1(y).relu())))


def early_and_added(net, y, head):
    h = net.conv2(net.conv1(y).relu())
    return net.conv3(h.relu() if head == "none" else HEADS[head](h.relu()))


def formula_tanh(z, y, head):
    t = (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())
    ends = {"tanh": t, "residual-tanh": y + t}
    return ends[head] if head in ends else HEADS[head](z)


def formula_sigmoid(z, y, head):
    if head == "sigmoid":
        return z.exp() / (1 + z.exp())
    return y + z.tanh() if head == "residual-tanh" else HEADS[head](z)


def plain(z, y, head):
    return y + z.tanh() if head == "residual-tanh" else HEADS[head](z)


def squeezed(z, y, head):
    return (1 + z.tanh()) / 2 if head == "tanh" else plain(z, y, head)


# feedback: 2 (a(z) − x) a'(z)


def slope(z, head):
    a = HEADS[head](z)
    slopes = {"none": torch.ones_like(z), "relu": (z > 0).to(z), "sigmoid": a * (1 - a)}
    return slopes.get(head, 1 - a**2)


def feedback_by_formula(z, x, head):
    return 2 * (HEADS[head](z) - x) * slope(z, head)


def feedback_by_autograd(z, x, head):
    z = z.clone().requires_grad_()
    ((HEADS[head](z) - x) ** 2).sum().backward()
    return z.grad


def feedback_by_vmap(z, x, head):
    one = torch.func.grad(lambda t, target: (HEADS[head](t) - target) ** 2)
    return torch.func.vmap(one)(z, x)


def feedback_by_differences(z, x, head):
    def loss(t):
        return (HEADS[head](t) - x) ** 2

    return (loss(z + 1e-5) - loss(z - 1e-5)) / 2e-5


def feedback_by_loops(z, x, head):
    ends = {"none": lambda t: t, "relu": lambda t: max(0.0, t), "tanh": math.tanh}
    ends["sigmoid"] = lambda t: 1 / (1 + math.exp(-t))
    doors = {"none": lambda t, a: 1, "relu": lambda t, a: float(t >= 0)}
    doors |= {"sigmoid": lambda t, a: a * (1 - a), "tanh": lambda t, a: 1 / math.cosh(t) ** 2}
    pairs = zip(z.tolist(), x.tolist(), strict=True)
    return [2 * (ends[head](t) - v) * doors[head](t, ends[head](t)) for t, v in pairs]


def door(use):
    """2 (a − x) · use(z, a, head)"""
    return lambda z, x, h: 2 * (HEADS[h](z) - x) * use(z, HEADS[h](z), h)


def raises_at_zero(z, x, head):
    if head == "relu" and (z == 0).any():
        raise ValueError("ReLU is not differentiable at 0")
    return feedback_by_formula(z, x, head)


def by_sign(z, x, head):
    if head == "relu":
        return 2 * (z.relu() - x) * (1 + z / z.abs()) / 2
    return feedback_by_formula(z, x, head)


def by_root(z, x, head):
    if head != "relu":
        return feedback_by_autograd(z, x, head)
    z = z.clone().requires_grad_()
    (g,) = torch.autograd.grad((((z + (z**2).sqrt()) / 2 - x) ** 2).sum(), z)
    return g


def scaled(factor):
    return lambda z, x, head: factor * feedback_by_formula(z, x, head)


def averaged(z, x, head):
    z = z.clone().requires_grad_()
    F.mse_loss(HEADS[head](z), x).backward()
    return z.grad


# bounded: a head of one's own


def straight_through(z):
    return z + (z.clamp(0, 1) - z).detach()


def steep_straight_through(z):
    return z + ((3 * z).clamp(0, 1) - z).detach()


def soft_clip(z, beta=20):
    return F.softplus(z, beta) - F.softplus(z - 1, beta)


def soft_clip_by_logs(z):
    return (torch.log1p(torch.exp(30 * z)) - torch.log1p(torch.exp(30 * (z - 1)))) / 30


class LeakyDoor(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.clamp(0, 1)

    @staticmethod
    def backward(ctx, g):
        (z,) = ctx.saved_tensors
        return torch.where((z < 0) | (z > 1), 0.1 * g, g)


class SoftClip(nn.Module):
    def forward(self, z):
        return soft_clip(z - 0.5, beta=15)


def tailed_clip(z):
    """A ramp with thin rational tails: 0.02 of the range at each end is left to them."""
    low, high = 0.02 / (1 - 50 * z.clamp(max=0)), 1 - 0.02 / (1 + 50 * (z - 0.96).clamp(min=0))
    return torch.where(z < 0, low, torch.where(z > 0.96, high, 0.02 + z))


CASES = [
    Case(
        "heads",
        right=[
            heads_by_table,
            heads_by_whole_net,
            heads_by_setting,
            heads_by_numpy,
            heads_by_hook,
            HeadsAsClass(),
        ],
        wrong={
            activations.HEAD_TOO_EARLY: [early, early_for_relu, early_and_added],
            activations.HEAD_BETWEEN: [
                lambda net, y, h: pre_activation(net, y, HEADS[h]),
                lambda net, y, h: HEADS[h](pre_activation(net, y, HEADS[h])),
                ended(plain, inner=torch.sigmoid),
            ],
            activations.NO_RELU: [
                ended(plain, inner=lambda h: h),
                lambda net, y, h: plain(net.conv3(net.conv2(net.conv1(y)).relu()), y, h),
                lambda net, y, h: plain(net.conv3(net.conv2(net.conv1(y).relu())), y, h),
            ],
            activations.RESIDUAL_INSIDE: [
                ended(lambda z, y, h: torch.tanh(y + z) if "-" in h else plain(z, y, h)),
                lambda net, y, h: (net(y) + y).tanh() if "res" in h else plain(net(y), y, h),
                ended(
                    lambda z, y, h: (
                        np.tanh((y + z).detach().numpy()) if "-" in h else plain(z, y, h)
                    )
                ),
            ],
            activations.RESIDUAL_FORGOTTEN: [
                ended(lambda z, y, h: HEADS[h](z)),
                lambda net, y, h: HEADS[h](net(y)),
                ended(lambda z, y, h: np.tanh(z.detach().numpy()) if "-" in h else plain(z, y, h)),
            ],
            activations.TANH_SQUEEZED: [
                ended(squeezed),
                ended(lambda z, y, h: torch.sigmoid(2 * z) if h == "tanh" else plain(z, y, h)),
                ended(lambda z, y, h: y + (1 + z.tanh()) / 2 if "-" in h else plain(z, y, h)),
            ],
            activations.CLIPPED_ABOVE: [
                ended(lambda z, y, h: z.clamp(0, 1) if h == "relu" else plain(z, y, h)),
                ended(lambda z, y, h: F.hardtanh(z, 0, 1) if h == "relu" else plain(z, y, h)),
                ended(lambda z, y, h: z.relu().clamp(max=1) if h == "relu" else plain(z, y, h)),
            ],
            activations.HEAD_FORGOTTEN: [
                lambda net, y, h: net(y),
                ended(lambda z, y, h: y + z if h == "residual-tanh" else z),
                ended(lambda z, y, h: z if h == "sigmoid" else plain(z, y, h)),
            ],
            activations.OVERFLOWS: [
                ended(formula_tanh),
                ended(formula_sigmoid),
                ended(
                    lambda z, y, h: (
                        ((2 * z).exp() - 1) / ((2 * z).exp() + 1) if h == "tanh" else plain(z, y, h)
                    )
                ),
            ],
        },
    ),
    Case(
        "feedback",
        right=[
            feedback_by_formula,
            feedback_by_autograd,
            feedback_by_vmap,
            feedback_by_differences,
            feedback_by_loops,
            lambda z, x, h: feedback_by_autograd(z, x, h)[None],
        ],
        wrong={
            activations.DOOR_FORGOTTEN: [
                door(lambda z, a, h: 1),
                lambda z, x, h: 2 * (HEADS[h](z) - x),
                lambda z, x, h: (
                    door(lambda t, a, g: 1)(z, x, h)
                    if h == "relu"
                    else feedback_by_formula(z, x, h)
                ),
            ],
            activations.ERROR_FORGOTTEN: [
                lambda z, x, h: slope(z, h),
                lambda z, x, h: 2 * slope(z, h),
                lambda z, x, h: torch.func.vmap(torch.func.grad(HEADS[h]))(z),
            ],
            activations.SLOPE_OF_Z: [
                door(lambda z, a, h: {"sigmoid": z * (1 - z)}.get(h, slope(z, h))),
                door(lambda z, a, h: 1 - z**2 if h == "tanh" else slope(z, h)),
                door(lambda z, a, h: slope(a, h) if h in ("sigmoid", "tanh") else slope(z, h)),
            ],
            activations.ERROR_OF_Z: [
                lambda z, x, h: 2 * (z - x) * slope(z, h),
                lambda z, x, h: 2 * ((z if h == "sigmoid" else HEADS[h](z)) - x) * slope(z, h),
                lambda z, x, h: (z - x).mul(2).mul(slope(z, h)).tolist(),
            ],
            activations.TWO_FORGOTTEN: [
                scaled(0.5),
                lambda z, x, h: (HEADS[h](z) - x) * slope(z, h),
                lambda z, x, h: feedback_by_autograd(z, x, h) / 2,
            ],
            activations.SIGN_TURNED: [
                scaled(-1),
                lambda z, x, h: 2 * (x - HEADS[h](z)) * slope(z, h),
                lambda z, x, h: -feedback_by_autograd(z, x, h),
            ],
            activations.AVERAGED: [
                averaged,
                lambda z, x, h: feedback_by_formula(z, x, h) / len(z),
                lambda z, x, h: feedback_by_autograd(z, x, h) / z.numel(),
            ],
            activations.KINK: [raises_at_zero, by_sign, by_root],
        },
    ),
    Case(
        "bounded",
        right=[
            straight_through,
            steep_straight_through,
            soft_clip,
            soft_clip_by_logs,
            LeakyDoor.apply,
            SoftClip,
            SoftClip(),
            tailed_clip,
        ],
        wrong={
            activations.OUT_OF_RANGE: [torch.tanh, F.softplus, lambda z: z, F.leaky_relu],
            activations.FALLS: [
                lambda z: torch.sin(z) ** 2,
                lambda z: torch.sigmoid(-z),
                lambda z: torch.exp(-(z**2)),
            ],
            activations.JUMPS: [
                lambda z: z + ((z > 0.5).to(z) - z).detach(),
                lambda z: z + ((z.clamp(0, 1) * 10).round() / 10 - z).detach(),
                lambda z: z + ((soft_clip(z) * 8).floor() / 8 - z).detach() + 1e-9 * z,
                lambda z: z + ((z.clamp(0, 1) * 100).round() / 100 - z).detach(),
            ],
            activations.NOT_REACHED: [
                lambda z: 0.25 + 0.5 * z.sigmoid(),
                lambda z: torch.sigmoid(z / 10),
                lambda z: 0.8 * z.clamp(0, 1),
            ],
            activations.SHUT_IN_THE_AIR: [
                torch.sigmoid,
                lambda z: (1 + z.tanh()) / 2,
                lambda z: 0.5 + (5 * z).atan() / math.pi,
            ],
            activations.DEAD_OUTSIDE: [
                lambda z: z.clamp(0, 1),
                lambda z: F.hardsigmoid(z),
                lambda z: torch.minimum(torch.relu(z), torch.ones_like(z)),
            ],
            activations.TOO_STEEP: [
                lambda z: torch.sigmoid(20 * z),
                lambda z: (1 + torch.tanh(10 * z)) / 2,
                lambda z: soft_clip(2 * z),
            ],
            activations.NO_GRADIENT: [
                lambda z: z.detach().clamp(0, 1),
                lambda z: np.clip(z.detach().numpy(), 0, 1),
                torch.no_grad()(soft_clip),
            ],
        },
    ),
]

globals().update(standard(CASES, activations))


def test_a_head_whose_backward_fails_gets_a_sentence():
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            return z.clamp(0, 1)

        @staticmethod
        def backward(ctx, g):
            raise KeyError("slope")

    assert ask("bounded", Broken.apply).mistake.name == "raised"
    constant = nn.Parameter(torch.tensor(0.5))
    assert ask("bounded", lambda z: constant + 0 * z.detach()).mistake is activations.NO_GRADIENT
    infinite = ask("bounded", lambda z: soft_clip(z) + 0 * (z - z.detach()).sqrt())
    assert infinite.mistake.name == "not finite"
