"""How fast is a training step, and an epoch of data? Ours and the plain way, in one run.

    python benchmarks/throughput.py                    both tables
    python benchmarks/throughput.py step               the training step, and what bounds it
    python benchmarks/throughput.py data               an epoch of slices after the first
    python benchmarks/throughput.py --rounds 20        more turns

Step: 8 slices of 256×256, 32 filters, the same slices, noise, loss and weights. "plain" is the loop
as one would write it first: blur slice by slice, default memory layout, Adam. "ours" is what
`ippy.training.train` does. They live in two processes, because the memory setting of ours would
help the other too, and take turns; the one that does not compute sleeps. Errors are distances from
the gradient in float64, relative to its length. "short" is ours for the step of that recipe, 16
crops of 48×48. The share is that of the rate of a product of 1024×1024 matrices, measured in turns
with it; additions and multiplications of the three convolutions, forward and backward, count.
Data: PNG slices of 512×512, decoded with Pillow and resized, against `MayoDataset`.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from machine import machine
from torch import Tensor

from ippy.course import NOISE_LEVEL, blurring
from ippy.crops import Batch
from ippy.models import SimpleCNN
from ippy.noise import gaussian_noise
from ippy.recipe import PRESETS
from ippy.training import initialise, make_optimiser

SLICES, SIDE, CROPS, CROP = 8, 256, 16, 48
MULTIPLICATIONS = (288 + 9216 + 288, 9216 + 288)  # a pixel: the three layers; those with an input
NAMES = ("plain", "ours", "short")


def work(pixels: int) -> float:
    """Operations of a step: forward, and backward to the weights and to each layer's input."""
    weights, inputs = MULTIPLICATIONS
    return 2 * pixels * (2 * weights + inputs)


def slices(count: int, side: int) -> Tensor:
    """Any pictures will do; (count, 1, side, side)."""
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(0))


def plain_step(model: SimpleCNN) -> Callable[[], Tensor]:
    """The loop as one would write it first; its step returns the measurements."""
    K, x = blurring((SIDE, SIDE)), slices(SLICES, SIDE)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = torch.nn.MSELoss()
    generator = torch.Generator()

    def step() -> Tensor:
        y = torch.cat([K(image[None]) for image in x])
        y_delta = y + gaussian_noise(y, NOISE_LEVEL, generator=generator.manual_seed(0))
        loss = criterion(model(y_delta), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return y_delta

    return step


def our_step(model: SimpleCNN, recipe: str) -> Callable[[], Tensor]:
    """A step of `train`; the blur is applied once, before the first."""
    from ippy.fast import add_gradient, keep_memory

    keep_memory()
    count, side = (SLICES, SIDE) if recipe == "plain" else (CROPS, CROP)
    x = slices(count, side)
    with torch.no_grad():
        y = blurring((side, side))(x)
    mask = torch.ones_like(x)
    model.to(memory_format=torch.channels_last)
    optimiser = make_optimiser(model, PRESETS[recipe])
    generator = torch.Generator()

    def step() -> Tensor:
        y_delta = y + gaussian_noise(y, NOISE_LEVEL, generator=generator.manual_seed(0))
        optimiser.zero_grad()
        add_gradient(model, Batch(x, y_delta, mask), x.numel())
        optimiser.step()
        return y_delta

    return step


def contestant(name: str, threads: int, pipe: Connection) -> None:
    """A process that makes a step, of (name, is a product wanted too), when it is told to."""
    torch.set_num_threads(threads)
    model = SimpleCNN(1, 1, 32)
    initialise(model, "default", seed=0)
    reference = SimpleCNN(1, 1, 32).double()
    reference.load_state_dict(model.state_dict())
    step = (
        plain_step(model)
        if name == "plain"
        else our_step(model, "plain" if name == "ours" else name)
    )
    y_delta = step()
    gradient = flat(model)
    x = slices(len(y_delta), y_delta.shape[-1]).double()
    ((reference(y_delta.double()) - x) ** 2).mean().backward()
    pipe.send(float((gradient - flat(reference)).norm() / flat(reference).norm()))
    a, b = torch.rand(2, 1024, 1024).unbind()
    while pipe.recv():
        pipe.send((seconds(step), min(seconds(lambda: a @ b) for _ in range(5))))


def flat(model: SimpleCNN) -> Tensor:
    return torch.cat([p.grad.double().flatten() for p in model.parameters() if p.grad is not None])


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare_steps(rounds: int, threads: int) -> None:
    """The first table."""
    context = multiprocessing.get_context("spawn")
    pipes, errors = {}, {}
    for name in NAMES:
        pipes[name], far = context.Pipe()
        context.Process(target=contestant, args=(name, threads, far), daemon=True).start()
    for name, pipe in pipes.items():  # once all are ready, all but one sleep
        errors[name] = pipe.recv()
    times: dict[str, list[float]] = {name: [] for name in NAMES}
    products = []
    for _ in range(rounds):
        for name, pipe in pipes.items():
            for _ in range(1 if name == "plain" else 3):
                pipe.send(True)
                step, product = pipe.recv()
                times[name].append(step)
                products.append(product)
    for pipe in pipes.values():
        pipe.send(False)
    peak = 2 * 1024**3 / min(products) / 1e9
    usual = 2 * 1024**3 / statistics.median(products) / 1e9
    print(f"matrix product: {peak:.0f} GFLOP/s at best, {usual:.0f} in the middle")
    print(
        "step       ms, least   median   slices/s    ratio   GFLOP/s   share    error of gradient"
    )
    for name in NAMES:
        least, middle = min(times[name]), statistics.median(times[name])
        count, side = (CROPS, CROP) if name == "short" else (SLICES, SIDE)
        rate = work(count * side**2) / least / 1e9
        pace = (
            f"{count / least:11.1f}{min(times['plain']) / least:9.2f}"
            if name != "short"
            else 20 * " "
        )
        print(
            f"{name:8}{1e3 * least:12.1f}{1e3 * middle:9.1f}{pace}{rate:10.0f}{rate / peak:8.0%}"
            f"{errors[name]:15.1e}"
        )


def compare_data(rounds: int, count: int) -> None:
    """The second table."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        os.environ["IPPY_CACHE"] = f"{folder}/cache"
        from ippy.anatomy import Patient
        from ippy.data import MayoDataset
        from ippy.phantoms import render

        files = Path(folder) / "data" / "patient"
        files.mkdir(parents=True)
        for n in range(count):
            picture = Image.fromarray(
                np.rint(render(Patient.from_seed(n), 0.5) * 255).astype(np.uint8)
            )
            picture.resize((512, 512), Image.Resampling.BICUBIC).save(files / f"{n}.png")

        def decode() -> None:
            for file in files.iterdir():
                small = Image.open(file).convert("L").resize((SIDE, SIDE))
                torch.from_numpy(np.asarray(small, dtype=np.float32) / 255)[None]

        dataset = MayoDataset(files.parent, SIDE)

        def read() -> None:
            for i in range(count):
                dataset[i]

        time.sleep(0.1)  # the cache keeps no file that is newer than the clock can tell
        first = seconds(read)
        times: dict[str, list[float]] = {"decode": [], "read": []}
        for _ in range(rounds):
            times["decode"].append(seconds(decode))
            times["read"].append(seconds(read))
    plain, ours = min(times["decode"]), min(times["read"])
    print("\nepoch of data          ms a slice    ratio")
    for name, least in (("Pillow", plain), ("first epoch", first), ("later epochs", ours)):
        print(f"{name:20}{1e3 * least / count:13.3f}{plain / least:9.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=("step", "data"))
    parser.add_argument("--rounds", type=int, default=10, help="turns that each of them gets")
    parser.add_argument("--slices", type=int, default=40, help="in the epoch of data")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(machine())
    if arguments.part != "data":
        compare_steps(arguments.rounds, arguments.threads)
    if arguments.part != "step":
        compare_data(arguments.rounds, arguments.slices)


if __name__ == "__main__":
    main()
