"""How good a network is after how many seconds: the recipe "short" against the plain loop.

    python benchmarks/time_to_quality.py                  scored on the embedded test slices
    python benchmarks/time_to_quality.py --data FOLDER    on the slices FOLDER/test/<patient>/*.png
    python benchmarks/time_to_quality.py --kernel FILE    with another blur (.npy, or .txt)
    python benchmarks/time_to_quality.py --plot FILE      the curves as a picture
    python benchmarks/time_to_quality.py --times 4        the plain loop for four times as long

Both train on the embedded slices, one after the other, in one process: first the recipe, then, for
as many seconds or some times as many, the recipe "plain": whole slices in batches of 8, Adam with
one learning rate, as a course would write it first (but with slices and blurred slices kept in
memory, which favours it). Making the embedded slices, in an empty folder, and reading them is part
of both times; scoring is part of nobody's. Below stand the classical methods, their constants tuned
on training slices, and what the plain loop would come to: its pace for all of its 12,420 steps, and
its quality, if each doubling of its time went on to gain what the last one gained.
"""

import argparse
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classical import METHODS
from machine import machine

from ippy import course
from ippy.checkpoint import History
from ippy.classical import tune
from ippy.data import MayoDataset, embedded_data
from ippy.evaluation import Slices, evaluate
from ippy.models import SimpleCNN
from ippy.operators import Blurring
from ippy.recipe import PRESETS
from ippy.training import train

SCORES = 10


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IPPY_CACHE"] = folder
        began = time.perf_counter()
        train_set = MayoDataset(embedded_data() / "train")
        train_slices = [train_set[i] for i in range(len(train_set))]
        making = time.perf_counter() - began
        test_set = MayoDataset((arguments.data or embedded_data()) / "test")
        some = Some(test_set, arguments.slices)
        K = read_blur(arguments.kernel)
        print(f"{len(train_set)} training slices made and read in {making:.0f} s")
        classical(K, some, train_set)

    recipe = PRESETS[arguments.recipe]
    short = timed(arguments.recipe, recipe.steps, K, train_slices, some)
    budget = arguments.times * short[-1]["seconds"]
    pace = timed("plain", 3, K, train_slices, None)[-1]["seconds"] / 3
    plain = timed("plain", max(SCORES, int(budget / pace)), K, train_slices, some)

    print(f"\n{'seconds':>8} {arguments.recipe:>8}   {'seconds':>8} {'plain':>8}     (PSNR in dB)")
    for ours, theirs in zip(scored(short), scored(plain), strict=False):
        print(
            f"{ours['seconds'] + making:8.1f} {ours['psnr']:8.2f}   "
            f"{theirs['seconds'] + making:8.1f} {theirs['psnr']:8.2f}"
        )
    whole = PRESETS["plain"].steps * plain[-1]["seconds"] / plain[-1]["step"]
    print(
        f"\nplain: {plain[-1]['step']} of {PRESETS['plain'].steps} steps were run; "
        f"at this pace all of them take {whole / 60:.0f} minutes"
    )
    gain = plain[-1]["psnr"] - plain[len(plain) // 2 - 1]["psnr"]
    doublings = math.log2(whole / plain[-1]["seconds"])
    end = plain[-1]["psnr"] + gain * doublings
    print(
        f"its last doubling gained {gain:.2f} dB; {doublings:.1f} more like it, that is all of "
        f"its steps, would bring it to {end:.1f} dB: extrapolated, and kindly, since gains shrink"
    )
    if arguments.plot:
        plot(short, plain, making, arguments.plot)


def classical(K: Blurring, test_set: "Some", train_set: MayoDataset) -> None:
    """What the network has to beat."""
    print(f"\n{'method':12} {'PSNR':>8}   seconds a slice")
    for name, (method, values) in METHODS.items():
        constant = tune(method, K, train_set, values, course.NOISE_LEVEL) if values else 0.0
        began = time.perf_counter()
        scores = evaluate(
            lambda y, f=method, c=constant: f(y, K, c), K, test_set, course.NOISE_LEVEL
        )
        seconds = (time.perf_counter() - began) / len(test_set)
        print(f"{name:12} {scores.mean_psnr:8.2f}   {seconds:.2f}", flush=True)


class Some:
    """Every n-th slice of a data set, with its file's number, so that its noise stays the same."""

    def __init__(self, dataset: MayoDataset, count: int) -> None:
        indices = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int))
        self.slices = [dataset[int(i)] for i in indices]
        self.paths = [dataset.paths[i] for i in indices]

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.slices[index]


def timed(
    recipe: str, steps: int, K: Blurring, train_set: Slices, test_set: Slices | None
) -> History:
    """Train for some steps of a recipe and score ten times on the way."""
    if test_set:
        print(f"{recipe}: {steps} steps ...", flush=True)
    changes: dict[str, Any] = {"steps": steps} if recipe == "plain" else {}
    return train(
        SimpleCNN(1, 1, 32),
        K,
        train_set,
        recipe,
        validation_set=test_set,
        log_every=max(1, steps // SCORES),
        validate_every=max(1, steps // SCORES),
        progress=False,
        **changes,
    )


def scored(history: History) -> History:
    return [entry for entry in history if "psnr" in entry]


def read_blur(path: Path | None) -> Blurring:
    """The course's blur, or one with the kernel in a file."""
    if path is None:
        return course.blurring()
    kernel = np.load(path) if path.suffix == ".npy" else np.loadtxt(path)
    return Blurring(course.IMG_SHAPE, kernel=torch.as_tensor(kernel, dtype=torch.float32))


def plot(short: History, plain: History, making: float, path: Path) -> None:
    """Both curves, PSNR against seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for history, style, name in ((short, "o-", "short recipe"), (plain, "s--", "plain loop")):
        points = [(entry["seconds"] + making, entry["psnr"]) for entry in scored(history)]
        axes.plot(*zip(*points, strict=True), style, label=name)
    axes.set_xscale("log")
    axes.set(xlabel="seconds from an empty folder", ylabel="PSNR on test slices (dB)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="root of the slices to score on, with test/ in it"
    )
    parser.add_argument("--kernel", type=Path, help="file of a blur kernel, .npy or .txt")
    parser.add_argument("--plot", type=Path, help="picture to write")
    parser.add_argument("--recipe", default="short", choices=sorted(PRESETS), help="ours")
    parser.add_argument("--slices", type=int, default=10, help="how many slices to score on")
    parser.add_argument("--times", type=float, default=1, help="how long plain runs, times ours")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
