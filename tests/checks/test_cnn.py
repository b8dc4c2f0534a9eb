"""The networks and the collapse of chapter 2 against right answers and planted mistakes."""

import itertools

import torch
from cases import Case, standard
from torch import nn
from torch.nn import functional as F

from ippy.checks import cnn
from ippy.models import SimpleCNN


class Subclass(nn.Module):
    def __init__(self, in_ch, out_ch, width, m=3):
        super().__init__()
        n_filters, kernel_size = width, m
        self.last = nn.Conv2d(n_filters, out_ch, kernel_size, padding="same")
        self.middle = nn.Conv2d(n_filters, n_filters, kernel_size, padding=kernel_size // 2)
        self.first = nn.Conv2d(in_ch, n_filters, kernel_size, padding="same")

    def forward(self, y):
        return self.last(torch.relu(self.middle(torch.relu(self.first(y)))))


class Parameters(nn.Module):
    def __init__(self, read, written, n, k=3):
        super().__init__()
        in_ch, out_ch = read, written
        shapes = [(n, in_ch, k, k), (n, n, k, k), (out_ch, n, k, k)]
        self.weights = nn.ParameterList([torch.randn(s) / 9 for s in shapes])
        self.biases = nn.ParameterList([torch.randn(s[0]) for s in shapes])

    def forward(self, y):
        for number, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            y = F.conv2d(y.clamp(min=0) if number else y, w, b, padding="same")
        return y


class AddedBiases(Parameters):
    """Biases that are added, and not handed to conv2d, have the shape of a batch."""

    def __init__(self, read, written, n, k=3):
        super().__init__(read, written, n, k)
        self.biases = nn.ParameterList([b.detach()[None, :, None, None] for b in self.biases])

    def forward(self, y):
        for number, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            y = F.conv2d(y.relu() if number else y, w, padding="same") + b
        return y


def sequence(
    in_ch,
    out_ch,
    n_filters,
    kernel_size=3,
    activations=(nn.ReLU, nn.ReLU, nn.Identity),
    channels=lambda i, n, o: [(i, n), (n, n), (n, o)],
    **options,
):
    options = {"padding": "same", **options}
    layers = [
        part
        for pair, activation in zip(channels(in_ch, n_filters, out_ch), activations, strict=True)
        for part in (nn.Conv2d(*pair, kernel_size, **options), activation())
    ]
    return nn.Sequential(*layers)


def variant(**options):
    return lambda *arguments: sequence(*arguments, **options)


def by_modules(in_ch, out_ch, n_filters, kernel_size=3):
    pad = nn.ZeroPad2d(kernel_size // 2)
    conv = [nn.Conv2d(*p, kernel_size) for p in [(in_ch, n_filters), (n_filters, n_filters)]]
    last = nn.Conv2d(n_filters, out_ch, kernel_size)
    return nn.Sequential(pad, conv[0], nn.ReLU(True), pad, conv[1], nn.ReLU(), pad, last)


def padded_once(in_ch, out_ch, n_filters, kernel_size=3):
    whole = nn.ZeroPad2d(3 * (kernel_size // 2))
    return nn.Sequential(whole, sequence(in_ch, out_ch, n_filters, kernel_size, padding=0))


def head(activation):
    return variant(activations=(nn.ReLU, nn.ReLU, activation))


def double(*arguments):
    return SimpleCNN(*arguments).double().float()


SMALL_NETWORK = Case(
    "small_network",
    right=[sequence, SimpleCNN, Subclass, Parameters, by_modules, double, AddedBiases],
    wrong={
        cnn.ACTIVATION_AT_END: [head(nn.ReLU), head(nn.Sigmoid), head(nn.Tanh)],
        cnn.NO_ACTIVATION: [
            variant(activations=[nn.Identity] * 3),
            lambda *a: nn.Sequential(*[m for m in sequence(*a) if isinstance(m, nn.Conv2d)]),
            lambda *a: Linear(*a),
        ],
        cnn.ONE_ACTIVATION: [
            variant(activations=[nn.ReLU, nn.Identity, nn.Identity]),
            variant(activations=[nn.Identity, nn.ReLU, nn.Identity]),
            lambda *a: nn.Sequential(*list(sequence(*a))[:3], *list(sequence(*a))[4:]),
        ],
        cnn.OTHER_ACTIVATION: [
            variant(activations=[nn.LeakyReLU, nn.LeakyReLU, nn.Identity]),
            variant(activations=[nn.GELU, nn.GELU, nn.Identity]),
            variant(activations=[nn.Sigmoid, nn.Sigmoid, nn.Identity]),
        ],
        cnn.OTHER_PARAMETERS: [
            variant(activations=[nn.PReLU, nn.PReLU, nn.Identity]),
            lambda i, o, n, k=3: nn.Sequential(sequence(i, o, n, k), nn.BatchNorm2d(o)),
            lambda i, o, n, k=3: nn.Sequential(nn.GroupNorm(1, i), sequence(i, o, n, k)),
        ],
        cnn.SIZE_SHRINKS: [
            variant(padding=0),
            lambda i, o, n, k=3: sequence(i, o, n, k, padding=1),
            variant(padding="valid"),
            lambda i, o, n, k=3: sequence(i, o, n, k, padding=k // 2 - (k > 3)),
        ],
        cnn.CHANNELS_MIXED_UP: [
            variant(channels=lambda i, n, o: [(n, i), (n, n), (o, n)]),
            variant(channels=lambda i, n, o: [(1, n), (n, n), (n, 1)]),
            variant(channels=lambda i, n, o: [(i, n), (n, n), (n, i)]),
            variant(channels=lambda i, n, o: [(o, n), (n, n), (n, i)]),
        ],
        cnn.BIAS_SWITCHED_OFF: [
            variant(bias=False),
            lambda *a: without_bias(SimpleCNN(*a), "conv1", "conv2", "conv3"),
            lambda *a: without_bias(SimpleCNN(*a), "conv2"),
        ],
        cnn.KERNEL_SIZE_IGNORED: [
            lambda i, o, n, k=3: sequence(i, o, n),
            lambda i, o, n, k=3: Subclass(i, o, n),
            lambda i, o, n, k=3: sequence(i, o, n, 3, padding=k // 2),
        ],
        cnn.BORDER_DIFFERS: [
            padded_once,
            variant(padding_mode="circular"),
            variant(padding_mode="reflect"),
        ],
        cnn.NOT_A_NETWORK: [
            lambda *a: "conv1, relu, conv2, relu, conv3",
            lambda *a: [nn.Conv2d(1, 4, 3)],
            lambda *a: torch.relu,
        ],
    },
)


class Linear(Subclass):
    def forward(self, y):
        return self.last(self.middle(self.first(y)))


def without_bias(network, *names):
    for name in names:
        getattr(network, name).bias = None
    return network


def full(w1, w2):
    padding = w2.shape[-1] - 1
    return F.conv2d(w1.transpose(0, 1), w2.flip(2, 3), padding=padding).transpose(0, 1)


def inner(b1, w2):
    return torch.einsum("omst,m->o", w2, b1)


def composed(w1, b1, w2, b2):
    return full(w1, w2), b2 + inner(b1, w2)


def composed_by_loops(w1, b1, w2, b2):
    k, m = w1.shape[-1], w2.shape[-1]
    weight = torch.zeros(w2.shape[0], w1.shape[1], k + m - 1, k + m - 1)
    for s, t in itertools.product(range(m), repeat=2):
        weight[:, :, s : s + k, t : t + k] += torch.einsum("om,mist->oist", w2[:, :, s, t], w1)
    return weight, b2 + (w2.sum(dim=(2, 3)) @ b1)


def composed_by_transpose(w1, b1, w2, b2):
    weight = F.conv_transpose2d(w2, w1)
    return weight, b2 + (w2 * b1[:, None, None]).sum(dim=(1, 2, 3))


def composed_by_fourier(w1, b1, w2, b2):
    n = w1.shape[-1] + w2.shape[-1] - 1
    product = torch.einsum(
        "omfg,mifg->oifg", torch.fft.fft2(w2, (n, n)), torch.fft.fft2(w1, (n, n))
    )
    return torch.fft.ifft2(product).real, (b2 + inner(b1, w2)).tolist()


def composed_by_probing(w1, b1, w2, b2):
    """Two layers on one bright pixel for each channel: the answer is the kernel, turned."""
    n, channels = w1.shape[-1] + w2.shape[-1] - 1, w1.shape[1]
    dot = torch.zeros(channels, channels, 2 * n - 1, 2 * n - 1)
    dot[range(channels), range(channels), n - 1, n - 1] = 1
    weight = F.conv2d(F.conv2d(dot, w1), w2).flip(2, 3).transpose(0, 1)
    nothing = torch.zeros(1, channels, n, n)
    return weight.numpy(), F.conv2d(F.conv2d(nothing, w1, b1), w2, b2).flatten()


def composed_in_a_layer(w1, b1, w2, b2):
    weight, bias = composed(w1, b1, w2, b2)
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def cut(w1, w2):
    return F.conv2d(w1.transpose(0, 1), w2.flip(2, 3), padding=1).transpose(0, 1)


COLLAPSE = Case(
    "collapse",
    right=[
        composed,
        composed_by_loops,
        composed_by_transpose,
        composed_by_fourier,
        composed_by_probing,
        composed_in_a_layer,
    ],
    wrong={
        cnn.SECOND_NOT_TURNED: [
            lambda w1, b1, w2, b2: (full(w1, w2.flip(2, 3)), b2 + inner(b1, w2)),
            lambda w1, b1, w2, b2: composed(w1.flip(2, 3), b1, w2, b2),
            lambda w1, b1, w2, b2: (F.conv_transpose2d(w2, w1.flip(2, 3)), b2),
        ],
        cnn.TURNED_THE_OTHER_WAY: [
            lambda w1, b1, w2, b2: (full(w1, w2).flip(2, 3), b2 + inner(b1, w2)),
            lambda w1, b1, w2, b2: composed(w1.flip(2, 3), b1, w2.flip(2, 3), b2),
            lambda w1, b1, w2, b2: (F.conv_transpose2d(w2, w1).rot90(2, (2, 3)), b2),
        ],
        cnn.TOO_SMALL: [
            lambda w1, b1, w2, b2: (cut(w1, w2), b2 + inner(b1, w2)),
            lambda w1, b1, w2, b2: (w1.transpose(0, 1)[..., :3, :3], b2),
            lambda w1, b1, w2, b2: (full(w1, w2)[:, :, 1:-1, 1:-1], b2 + inner(b1, w2)),
        ],
        cnn.INNER_BIAS_LOST: [
            lambda w1, b1, w2, b2: (full(w1, w2), b2),
            lambda w1, b1, w2, b2: (full(w1, w2), 0),
            lambda w1, b1, w2, b2: (full(w1, w2), torch.zeros_like(b2)),
            lambda w1, b1, w2, b2: (full(w1, w2), b2 + b1.sum()),
        ],
        cnn.OUTER_BIAS_LOST: [
            lambda w1, b1, w2, b2: (full(w1, w2), inner(b1, w2)),
            lambda w1, b1, w2, b2: composed(w1, b1, w2, 0 * b2),
            lambda w1, b1, w2, b2: (full(w1, w2), (w2.sum(dim=(2, 3)) @ b1).tolist()),
        ],
        cnn.AXES_EXCHANGED: [
            lambda w1, b1, w2, b2: (full(w1, w2).transpose(0, 1), b2 + inner(b1, w2)),
            lambda w1, b1, w2, b2: (full(w1, w2).permute(1, 0, 2, 3), b2),
            lambda w1, b1, w2, b2: (
                F.conv2d(w1.transpose(0, 1), w2.flip(2, 3), padding=w2.shape[-1] - 1),
                b2,
            ),
        ],
    },
)


CASES = [SMALL_NETWORK, COLLAPSE]

globals().update(standard(CASES, cnn))
