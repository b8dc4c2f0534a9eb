"""The checks that ask for maps, against right answers of many kinds and planted mistakes."""

import copy
import itertools

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F
from cases import Case, ask, standard
from torch import nn

from ippy.checks import symmetry as eq
from ippy.models import SimpleCNN


def roll(z, v):
    return torch.roll(z, tuple(v), dims=(-2, -1))


def back(v):
    return (-v[0], -v[1])


def pad(x, r, mode="circular"):
    return F.pad(x, (r, r, r, r), mode=mode)


torch.manual_seed(0)
PLAIN, ROUND = SimpleCNN(1, 1, 4), SimpleCNN(1, 1, 4, padding_mode="circular")


def windows(x, r=1, mode="circular"):  # (1, 1, H, W) -> (H, W, (2r+1)²)
    side = 2 * r + 1
    return pad(x, r, mode)[0, 0].unfold(0, side, 1).unfold(1, side, 1).flatten(2)


def median(x, mode="circular"):
    return windows(x, mode=mode).median(dim=-1).values


def slope(x):
    return torch.hypot(x - roll(x, (1, 0)), x - roll(x, (0, 1)))


def by_numpy(x):
    return scipy.ndimage.maximum_filter(x[0, 0].detach().numpy(), 3, mode="wrap")


def waves(x):
    z = torch.fft.fft2(x)
    return torch.fft.ifft2(z * z.abs()).real


def up(x, s):
    return F.interpolate(x, scale_factor=s)


def with_place(x):
    h, w = x.shape[-2:]
    return x.square() * torch.linspace(0, 1, w) * torch.linspace(1, 2, h)[:, None]


def noisy(x):
    return slope(x) + 0.1 * torch.rand_like(x)


MAP = Case(
    "equivariant_map",
    right=[
        median,
        slope,
        by_numpy,
        waves,
        ROUND,
        lambda x: F.relu(F.conv2d(pad(x, 1), torch.ones(1, 1, 3, 3))),
        lambda x: F.max_pool2d(pad(x, 2), 5, stride=1),
        lambda x: (x - x.mean()).square(),
        lambda x: (x > x.mean()).float(),
        lambda x: x / x.max(),
        lambda x: torch.sqrt(x) + roll(x, (0, 3)),
        lambda x: (x > roll(x, (0, 1))).float().tolist(),
    ],
    wrong={
        eq.ONLY_MULTIPLES: [
            lambda x: up(F.max_pool2d(x, 2), 2),
            lambda x: up(slope(x)[..., ::4, ::4], 4),
            lambda x: up(F.relu(F.conv2d(x, torch.ones(1, 1, 2, 2), stride=2) - 2), 2),
            lambda x: up(F.avg_pool2d(x, (1, 2)).square(), (1, 2)),
        ],
        eq.BORDER: [
            PLAIN,
            lambda x: F.max_pool2d(-x, 3, stride=1, padding=1),
            lambda x: median(x, "constant"),
            lambda x: median(x, "replicate"),
            lambda x: (
                slope(x) * F.pad(torch.ones(1, x.shape[-2] - 2, x.shape[-1] - 2), (1, 1, 1, 1))
            ),
        ],
        eq.PLACE: [
            with_place,
            lambda x: x.flatten().sort().values.reshape(x.shape),
            lambda x: median(x) * (torch.arange(x.shape[-1]) > 10),
            lambda x: torch.cumsum(x.square(), dim=-1),
        ],
        eq.OTHER_WAY: [
            lambda x: slope(x).flip(-1),
            lambda x: median(x).flip(0, 1),
            lambda x: slope(x.flip(-2)),
        ],
        eq.NOTHING_MOVES: [
            lambda x: x.max() * torch.ones_like(x),
            torch.zeros_like,
            lambda x: torch.full_like(x, float(x.square().mean())),
        ],
        eq.POINTWISE: [
            torch.relu,
            lambda x: (x > 0.5).float() * x,
            lambda x: x.clone(),
            lambda x: roll(x, (0, 1)).square(),
        ],
        eq.A_CONVOLUTION: [
            lambda x: F.conv2d(pad(x, 1), torch.ones(1, 1, 3, 3) / 9),
            lambda x: x - roll(x, (0, 1)) + 1,
            lambda x: x - x.mean(),
            lambda x: torch.fft.ifft2(torch.fft.fft2(x) * (torch.fft.fft2(x * 0 + 1) + 1)).real,
        ],
        eq.BY_CHANCE: [
            noisy,
            lambda x: slope(x) + torch.randn(1),
            lambda x: F.dropout(median(x), 0.5),
        ],
    },
)


def rebuilt(model):
    new = SimpleCNN(1, 1, 32, padding_mode="circular")
    new.load_state_dict(model.state_dict())
    return new


def copied(model, mode="circular", layers=(nn.Conv2d,), only=3):
    new = copy.deepcopy(model)
    for layer in [z for z in new.modules() if isinstance(z, layers)][:only]:
        layer.padding_mode = mode
    return new


def padded_far(model):  # three pixels of surroundings, cut away again
    return lambda x: model(pad(x, 3))[..., 3:-3, 3:-3]


def by_hand(model):
    def f(x):
        for layer in (model.conv1, model.conv2, model.conv3):
            x = F.conv2d(pad(x, 1), layer.weight, layer.bias)
            x = x if layer is model.conv3 else x.relu()
        return x

    return f


class Tiled(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        h, w = x.shape[-2:]
        return self.model(x.repeat(1, 1, 3, 3))[..., h : 2 * h, w : 2 * w]


def parameters_copied(model):
    new = SimpleCNN(1, 1, 32, padding_mode="circular")
    with torch.no_grad():
        for p, q in zip(new.parameters(), model.parameters(), strict=True):
            p.copy_(q)
    return new.double().float()


def in_place(model):
    for layer in model.children():
        layer.padding_mode = "circular"
    return model


def zeroed(model):
    new = rebuilt(model)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(0)
    return new


def half_loaded(model):
    new = SimpleCNN(1, 1, 32, padding_mode="circular")
    new.conv1.load_state_dict(model.conv1.state_dict())
    return new


NETWORK = Case(
    "circular_network",
    right=[rebuilt, copied, padded_far, by_hand, Tiled, parameters_copied],
    wrong={
        eq.NEW_WEIGHTS: [
            lambda model: SimpleCNN(1, 1, 32, padding_mode="circular"),
            lambda model: SimpleCNN(1, 1, 16, padding_mode="circular").eval(),
            half_loaded,
        ],
        eq.STILL_ZEROS: [
            lambda model: model,
            copy.deepcopy,
            lambda model: copied(model, "zeros"),
        ],
        eq.SOME_LAYERS: [
            lambda model: copied(model, only=1),
            lambda model: copied(model, only=2),
            lambda model: lambda x: model(pad(x, 1))[..., 1:-1, 1:-1],
            lambda model: lambda x: model(pad(x, 2))[..., 2:-2, 2:-2],
        ],
        eq.OTHER_PADDING: [
            lambda model: copied(model, "reflect"),
            lambda model: copied(model, "replicate"),
            lambda model: lambda x: model(pad(x, 3, "replicate"))[..., 3:-3, 3:-3],
        ],
        eq.ORIGINAL_CHANGED: [
            in_place,
            zeroed,
            lambda model: copy.deepcopy(in_place(model)),
        ],
    },
)


def grid(s):
    return list(itertools.product(range(s), range(s)))


def spin(f, x, s, V=None, sign=-1, by=None):
    V = V or grid(s)
    total = sum(roll(f(roll(x, v)), (sign * v[0], sign * v[1])) for v in V)
    return total / (by or len(V))


def spin_loops(f, x, s):
    total = torch.zeros_like(x)
    for a in range(s):
        for b in range(s):
            total += torch.roll(f(torch.roll(x, (a, b), (2, 3))), (-a, -b), (2, 3))
    return total / s**2


def spin_batch(f, x, s):
    answers = f(torch.cat([roll(x, v) for v in grid(s)]))
    led_back = [roll(z, back(v)) for z, v in zip(answers, grid(s), strict=True)]
    return torch.stack(led_back).mean(dim=0)


def spin_numpy(f, x, s):
    answers = [roll(f(roll(x, v)), back(v)).detach().numpy() for v in grid(s)]
    return np.mean(answers, axis=0)[0, 0]


class Spin:
    def __call__(self, f, x, s):
        mean = 0
        for count, v in enumerate(grid(s), 1):
            mean = mean + (roll(f(roll(x, v)), back(v)) - mean) / count
        return mean


SPIN = Case(
    "cycle_spinning",
    right=[
        spin,
        spin_loops,
        spin_batch,
        spin_numpy,
        Spin(),
        lambda f, x, s: spin(f, x, s, grid(2 * s)),
        lambda f, x, s: spin(f, x, s, [back(v) for v in grid(s)]),
    ],
    wrong={
        eq.NOT_BACK: [
            lambda f, x, s: spin(f, x, s, sign=0),
            lambda f, x, s: torch.stack([f(roll(x, v)) for v in grid(s)]).mean(0),
            lambda f, x, s: sum(f(roll(x, v)) for v in grid(s)),
            lambda f, x, s: sum(f(roll(x, back(v))) for v in grid(s)) / s**2,
        ],
        eq.BACK_THE_WRONG_WAY: [
            lambda f, x, s: spin(f, x, s, sign=1),
            lambda f, x, s: sum(roll(f(roll(x, back(v))), back(v)) for v in grid(s)) / s**2,
            lambda f, x, s: sum(roll(f(roll(x, v)), v) for v in grid(s)) / s,
        ],
        eq.WEIGHTS: [
            lambda f, x, s: spin(f, x, s, by=1),
            lambda f, x, s: spin(f, x, s, by=s),
            lambda f, x, s: spin(f, x, s, by=s**2 - 1),
        ],
        eq.TOO_FEW: [
            lambda f, x, s: spin(f, x, s, [(a, a) for a in range(s)]),
            lambda f, x, s: spin(f, x, s, [(0, a) for a in range(s)]),
            lambda f, x, s: f(x),
            lambda f, x, s: spin(f, x, s, grid(s)[1:]),
            lambda f, x, s: spin(f, x, s, grid(2)) if s > 2 else spin(f, x, s),
        ],
        eq.AVERAGED_BEFORE: [
            lambda f, x, s: f(sum(roll(x, v) for v in grid(s)) / s**2),
            lambda f, x, s: f(torch.cat([roll(x, v) for v in grid(s)]).mean(0, keepdim=True)),
            lambda f, x, s: f(F.avg_pool2d(pad(x, s - 1)[..., : 1 - s, : 1 - s], s, stride=1)),
            lambda f, x, s: f(sum(roll(x, back(v)) for v in grid(s)) / s**2),
        ],
    },
)


globals().update(standard([MAP, NETWORK, SPIN], eq))


def test_the_verdict_says_how_wide_the_ring_is_and_which_shifts_are_followed():
    assert "3 pixels" in str(ask("equivariant_map", PLAIN))
    assert "multiples of 4" in str(ask("equivariant_map", lambda x: up(slope(x)[..., ::4, ::4], 4)))


def test_the_random_state_stays_as_it_was():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    ask("equivariant_map", noisy)
    ask("circular_network", rebuilt)
    assert torch.equal(before, torch.random.get_rng_state())
