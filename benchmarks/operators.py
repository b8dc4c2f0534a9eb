"""How fast is `Blurring`? Against the fastest of deepinv, kornia and scipy, in one run.

    python benchmarks/operators.py                      the worst cases, over all cases
    python benchmarks/operators.py --table              every case
    python benchmarks/operators.py --kernels 9 31 --images 64 2048 --batches 1 --paddings zeros

A case is a dense random kernel, an image size, a batch and a padding, forward or adjoint. A peer
takes part where it offers that padding and gives the same result. All take turns, call by call, and
the smallest time of each counts. "ratio" is the fastest peer's time over
ours: above 1 we are faster. Peers that sum directly are left out above DIRECT_SUMS products, where
they take seconds and the FFT has long been faster.
"""

import argparse
import itertools
import random
import time
import warnings
from collections.abc import Callable
from functools import partial

import deepinv
import kornia.filters
import numpy as np
import scipy.ndimage
import scipy.signal
import torch
from machine import machine
from torch import Tensor

from ippy.operators import Blurring

KERNELS = (3, 5, 7, 9, 11, 15, 31, 63, 127)
IMAGES = (64, 128, 256, 512, 1024, 2048)
BATCHES = (1, 8)
TORCH_NAMES = {"zeros": "constant", "circular": "circular"}
TORCH_NAMES |= {"reflect": "reflect", "replicate": "replicate"}
SCIPY_NAMES = {"zeros": "constant", "circular": "wrap", "reflect": "mirror", "replicate": "nearest"}
DIRECT_SUMS = 2e9
TOLERANCE = 1e-4  # of the largest value
SECONDS = 0.25  # for one case
ROUNDS = 5

Call = Callable[[], Tensor | np.ndarray]


def contestants(K: Blurring, x: Tensor, adjoint: bool) -> dict[str, Call]:
    """Ours, and every peer that offers the padding: name and call."""
    kernel, size, padding = K.kernel, x.shape[-1], K.padding
    border = TORCH_NAMES[padding]
    direct = x.numel() * kernel.numel() <= DIRECT_SUMS
    calls: dict[str, Call] = {"ours": (lambda: K.T(x)) if adjoint else (lambda: K(x))}

    for use_fft in (False, True):
        if direct or use_fft:
            blur = deepinv.physics.Blur(kernel, padding=border, use_fft=use_fft)
            name = "deepinv Blur, FFT" if use_fft else "deepinv Blur"
            calls[name] = partial(blur.A_adjoint if adjoint else blur.A, x)
    if padding == "circular" and kernel.shape[-1] <= size:
        fft = deepinv.physics.BlurFFT((1, size, size), kernel)
        calls["deepinv BlurFFT"] = partial(fft.A_adjoint if adjoint else fft.A, x)

    # What turns the kernel around is the adjoint only where the padding is linear and copies none
    # of the image's pixels twice.
    if adjoint and padding not in ("zeros", "circular"):
        return calls
    way = "corr" if adjoint else "conv"
    calls["kornia fft_conv"] = lambda: kornia.filters.fft_conv(x, kernel[0], border, behaviour=way)
    k = (kernel.flip(-2, -1) if adjoint else kernel)[0, 0].numpy()
    if direct:
        calls["kornia filter2d"] = lambda: kornia.filters.filter2d(
            x, kernel[0], border, behaviour=way
        )
        mode = SCIPY_NAMES[padding]
        images = x[:, 0].numpy()
        calls["scipy ndimage"] = lambda: np.stack(
            [scipy.ndimage.convolve(image, k, mode=mode) for image in images]
        )
    if padding == "zeros" and len(k) <= size:
        images, k3 = x[:, 0].numpy(), k[None]
        for name in ("fftconvolve", "oaconvolve"):
            convolve = getattr(scipy.signal, name)
            calls[f"scipy {name}"] = partial(convolve, images, k3, mode="same", axes=(1, 2))
    return calls


def measure(calls: dict[str, Call]) -> dict[str, float]:
    """The smallest seconds of each, in turns; without those that fail or give another result."""
    expected, times = torch.as_tensor(calls["ours"]()), {}
    for name, call in calls.items():
        try:
            began = time.perf_counter()
            result = torch.as_tensor(call())
            times[name] = time.perf_counter() - began
        except (RuntimeError, ValueError):  # a kernel too large for a peer's padding
            continue
        difference = (result.reshape(expected.shape) - expected).abs().max()
        if difference > TOLERANCE * expected.abs().max():
            del times[name]
    # Who is far behind need not be asked again.
    best = min(times.values())
    running = [name for name in times if name == "ours" or times[name] < 4 * best]
    order = random.Random(0)
    began, rounds = time.perf_counter(), 0
    while rounds < ROUNDS or time.perf_counter() - began < SECONDS:
        # Single calls, in an order that changes: who comes after whom matters, and so does what
        # else the machine does.
        for name in order.sample(running, len(running)):
            start = time.perf_counter()
            calls[name]()
            times[name] = min(times[name], time.perf_counter() - start)
        rounds += 1
    return times


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    print(machine())
    print(f"{'':9}padding     kernel  image  batch   ours ms   fastest peer           ms    ratio")
    rows = []
    cases = itertools.product(
        arguments.kernels, arguments.images, arguments.batches, arguments.paddings, (False, True)
    )
    for size, side, batch, padding, adjoint in cases:
        if (padding == "circular" and size // 2 > side) or (
            padding == "reflect" and size // 2 >= side
        ):
            continue
        generator = torch.Generator().manual_seed(size)
        kernel = torch.rand(size, size, generator=generator)
        K = Blurring((side, side), kernel=kernel / kernel.sum(), padding=padding)
        x = torch.rand(batch, 1, side, side, generator=generator)
        with torch.no_grad():
            times = measure(contestants(K, x, adjoint))
        ours = times.pop("ours")
        peer = min(times, key=lambda name: times[name])
        ratio = times[peer] / ours
        row = (
            f"{'adjoint' if adjoint else 'forward':9}{padding:10} {size:4}×{size:<4}{side:5}"
            f"{batch:6} {1e3 * ours:10.3f}   {peer:18}{1e3 * times[peer]:9.3f}{ratio:8.2f}"
        )
        rows.append((ratio, row))
        if arguments.table:
            print(row, flush=True)
    ratios = np.array([ratio for ratio, _ in rows])
    if not arguments.table:
        print("\n".join(row for _, row in sorted(rows)[: arguments.worst]))
    slower = [(ratios < 1 / limit).sum() for limit in (1.1, 1.25)]
    print(
        f"{len(rows)} cases: slower by more than 10 % in {slower[0]}, by more than 25 % in "
        f"{slower[1]}; ratio {ratios.min():.2f} at worst, {np.median(ratios):.2f} in the middle, "
        f"{ratios.max():.1f} at best"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernels", type=int, nargs="+", default=KERNELS, help="sides")
    parser.add_argument("--images", type=int, nargs="+", default=IMAGES, help="sides")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--paddings", nargs="+", choices=TORCH_NAMES, default=list(TORCH_NAMES))
    parser.add_argument("--table", action="store_true", help="print every case")
    parser.add_argument("--worst", type=int, default=10, help="how many of the worst are printed")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deepinv's, on its own deprecations
        main()
