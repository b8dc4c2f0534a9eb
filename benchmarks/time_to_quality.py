"""How good a network is after how many seconds: the recipe "short" against the plain loop.

    python benchmarks/time_to_quality.py                  scored on the embedded test slices
    python benchmarks/time_to_quality.py --data FOLDER    on the slices FOLDER/test/<patient>/*.png
    python benchmarks/time_to_quality.py --kernel FILE    with another blur (.npy, or .txt)
    python benchmarks/time_to_quality.py --plot FILE      the curves as a picture

Both train on the embedded slices, one after the other, in one process: first the recipe, then, for
as many seconds, the recipe "plain": whole slices in batches of 8, Adam with one learning rate, as
a course would write it first. Reading the slices, and making them where they are not there yet, is
part of the recipe's time; scoring is part of nobody's. The last line says, from the pace measured
here, when the plain loop would be through all of its steps.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ippy import course
from ippy.checkpoint import History
from ippy.data import MayoDataset, embedded_data
from ippy.evaluation import Slices, evaluate
from ippy.models import SimpleCNN
from ippy.operators import Blurring
from ippy.recipe import PRESETS
from ippy.training import train

SCORES = 10


def main() -> None:
    arguments = parse()
    began = time.perf_counter()
    train_set = MayoDataset(embedded_data() / "train")
    train_slices = [train_set[i] for i in range(len(train_set))]
    reading = time.perf_counter() - began
    test_set = MayoDataset((arguments.data or embedded_data()) / "test")
    some = Some(test_set, arguments.slices)
    K = read_blur(arguments.kernel)

    torch.set_num_threads(arguments.threads)
    measured = evaluate(lambda y: y, K, test_set, course.NOISE_LEVEL)
    print(f"{arguments.threads} threads; {len(train_set)} training slices in {reading:.0f} s")
    print(f"measurement: {measured}")
    short = timed("short", PRESETS[arguments.recipe].steps, K, train_slices, some, arguments.recipe)
    budget = short[-1]["seconds"] + reading
    pace = timed(None, 3, K, train_slices, None, "plain")[-1]["seconds"] / 3
    steps = max(SCORES, int(budget / pace))
    plain = timed("plain", steps, K, train_slices, some, "plain")

    print(f"\n{'seconds':>8} {'recipe':>8}   {'seconds':>8} {'plain':>8}     (PSNR in dB)")
    for ours, theirs in zip(scored(short), scored(plain), strict=False):
        print(
            f"{ours['seconds'] + reading:8.1f} {ours['psnr']:8.2f}   "
            f"{theirs['seconds']:8.1f} {theirs['psnr']:8.2f}"
        )
    whole = PRESETS["plain"].steps * plain[-1]["seconds"] / plain[-1]["step"]
    print(
        f"\nplain: {plain[-1]['step']} of {PRESETS['plain'].steps} steps were run; "
        f"at this pace all of them take {whole / 60:.0f} minutes"
    )
    if arguments.plot:
        plot(short, plain, reading, arguments.plot)


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
    name: str | None,
    steps: int,
    K: Blurring,
    train_set: Slices,
    test_set: Slices | None,
    recipe: str,
) -> History:
    """Train for some steps of a recipe and score ten times on the way."""
    if name:
        print(f"{name}: {steps} steps ...", flush=True)
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


def plot(short: History, plain: History, reading: float, path: Path) -> None:
    """Both curves, PSNR against seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for history, offset, style, name in (
        (short, reading, "o-", "recipe"),
        (plain, 0, "s--", "plain"),
    ):
        points = [(entry["seconds"] + offset, entry["psnr"]) for entry in scored(history)]
        axes.plot(*zip(*points, strict=True), style, label=name)
    axes.set(xlabel="seconds of training", ylabel="PSNR on test slices (dB)")
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
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
