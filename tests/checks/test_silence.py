"""The checks of chapter 5 on dead and saturated pixels: right answers, planted mistakes."""

import numpy as np
import torch
from cases import Case, standard
from torch import nn

from ippy.checks import silence


def pre_activation(net, y):
    return net.conv3(net.conv2(net.conv1(y).relu()).relu())


# dead: the share of z < 0 among the pixels with x > 0


def dead_plain(net, y, x):
    return ((pre_activation(net, y) < 0) & (x > 0)).sum() / (x > 0).sum()


def dead_by_output(net, y, x):
    with torch.no_grad():
        return (net(y)[x > 0] == 0).float().mean().item()


def dead_by_autograd(net, y, x):
    z = pre_activation(net, y).detach().requires_grad_()
    ((net.final_activation(z) - x) ** 2).sum().backward()
    return (z.grad == 0)[x > 0].double().mean()


def dead_by_hook(net, y, x):
    kept = []
    hook = net.conv3.register_forward_hook(lambda m, i, out: kept.append(out.detach()))
    net(y)
    hook.remove()
    return np.mean(kept[0].numpy()[x.numpy() > 0] < 0)


def dead_by_loops(net, y, x):
    net.final_activation = nn.Identity()
    z = net(y).flatten().tolist()
    body = [t for t, v in zip(z, x.flatten().tolist(), strict=True) if v > 0]
    return sum(t <= 0 for t in body) / len(body)


class DeadAsClass:
    def __call__(self, net, y_delta, x):
        silent = pre_activation(net, y_delta).le(0).float()
        return (silent * x.gt(0)).sum().div(x.gt(0).sum()).reshape(1)


def hidden(net, y):
    return net.conv2(net.conv1(y).relu()).relu()


# saturated: the share of |a'(z)| < 0.05


def door_of(head, z):
    z = z.detach().clone().requires_grad_()
    (g,) = torch.autograd.grad(head(z).sum(), z)
    return g


def saturated_plain(head, z):
    return (door_of(head, z).abs() < 0.05).float().mean()


def saturated_by_backward(head, z):
    z = z.clone()
    z.requires_grad = True
    head(z).backward(torch.ones_like(z))
    return np.mean(np.abs(z.grad.numpy()) < 0.05)


def saturated_by_vmap(head, z):
    g = torch.func.vmap(torch.func.grad(head))(z.flatten())
    return int((g.abs() < 0.05).sum()) / z.numel()


def saturated_by_differences(head, z):
    return (((head(z + 1e-4) - head(z - 1e-4)) / 2e-4).abs() < 0.05).double().mean()


def saturated_by_coarse_differences(head, z):
    return (((head(z + 0.01) - head(z)) / 0.01).abs() < 0.05).double().mean()


def saturated_by_loops(head, z):
    shut = 0
    for value in z.flatten().tolist():
        t = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        head(t).backward()
        shut += abs(t.grad.item()) < 0.05
    return shut / z.numel()


def saturated_in_place(head, z):
    z.requires_grad_()
    return (torch.autograd.grad(head(z).sum(), z)[0].square() < 0.0025).float().mean()


CASES = [
    Case(
        "dead",
        right=[
            dead_plain,
            dead_by_output,
            dead_by_autograd,
            dead_by_hook,
            dead_by_loops,
            DeadAsClass(),
        ],
        wrong={
            silence.AFTER_HEAD: [
                lambda net, y, x: (net(y) < 0).float().mean(),
                lambda net, y, x: (pre_activation(net, y).relu() < 0)[x > 0].float().mean(),
                lambda net, y, x: ((net(y) < 0) & (x > 0)).sum() / (x > 0).sum(),
            ],
            silence.TRUTH_COUNTED: [
                lambda net, y, x: (x == 0).float().mean(),
                lambda net, y, x: 1 - x.gt(0).double().mean(),
                lambda net, y, x: (x <= 0).sum().item() / x.numel(),
            ],
            silence.WHOLE_PICTURE: [
                lambda net, y, x: (pre_activation(net, y) < 0).float().mean(),
                lambda net, y, x: (net(y) == 0).float().mean(),
                lambda net, y, x: ((pre_activation(net, y) < 0) & (x > 0)).float().mean(),
            ],
            silence.BLACK_COUNTED: [
                lambda net, y, x: (pre_activation(net, y) < 0)[x == 0].float().mean(),
                lambda net, y, x: (net(y)[x == 0] == 0).float().mean(),
                lambda net, y, x: ((net(y) == 0) & (x == 0)).sum() / (x == 0).sum(),
            ],
            silence.LIVING_COUNTED: [
                lambda net, y, x: 1 - dead_plain(net, y, x),
                lambda net, y, x: (pre_activation(net, y)[x > 0] > 0).float().mean(),
                lambda net, y, x: (net(y)[x > 0] > 0).float().mean(),
            ],
            silence.HIDDEN_LAYER: [
                lambda net, y, x: (hidden(net, y) == 0).float().mean(),
                lambda net, y, x: (net.conv1(y) < 0).float().mean(),
                lambda net, y, x: (net.conv2(net.conv1(y).relu()) < 0).float().mean(),
            ],
            silence.NUMBER_NOT_SHARE: [
                lambda net, y, x: (pre_activation(net, y)[x > 0] < 0).sum(),
                lambda net, y, x: (pre_activation(net, y) < 0).sum(),
                lambda net, y, x: int((net(y)[x > 0] == 0).sum()),
                lambda net, y, x: 100 * dead_plain(net, y, x),
            ],
        },
    ),
    Case(
        "saturated",
        right=[
            saturated_plain,
            saturated_by_backward,
            saturated_by_vmap,
            saturated_by_differences,
            saturated_by_coarse_differences,
            saturated_by_loops,
            saturated_in_place,
        ],
        wrong={
            silence.BY_OUTPUT: [
                lambda a, z: ((a(z) < 0.05) | (a(z) > 0.95)).float().mean(),
                lambda a, z: (a(z).abs() > 0.95).float().mean(),
                lambda a, z: (a(z).abs() < 0.05).float().mean(),
                lambda a, z: (z.abs() > 3).float().mean(),
            ],
            silence.SIGN_IGNORED: [
                lambda a, z: (door_of(a, z) < 0.05).float().mean(),
                lambda a, z: (((a(z + 1e-4) - a(z - 1e-4)) / 2e-4) < 0.05).double().mean(),
                lambda a, z: np.mean(door_of(a, z).numpy() < 0.05),
            ],
            silence.ONE_FORMULA: [
                lambda a, z: ((a(z) * (1 - a(z))).abs() < 0.05).float().mean(),
                lambda a, z: (1 - a(z) ** 2).abs().lt(0.05).float().mean(),
                lambda a, z: (z.sigmoid() * (1 - z.sigmoid()) < 0.05).float().mean(),
                lambda a, z: (a(z) * (1 - a(z)) < 0.05).float().mean(),
            ],
            silence.OPEN_COUNTED: [
                lambda a, z: 1 - saturated_plain(a, z),
                lambda a, z: (door_of(a, z).abs() > 0.05).float().mean(),
                lambda a, z: (door_of(a, z) ** 2 >= 0.0025).double().mean(),
            ],
            silence.NUMBER_NOT_SHARE: [
                lambda a, z: (door_of(a, z).abs() < 0.05).sum(),
                lambda a, z: int((door_of(a, z).abs() < 0.05).sum()),
                lambda a, z: z.numel() * saturated_plain(a, z),
            ],
        },
    ),
]

globals().update(standard(CASES, silence))
