"""The shipped weights: which networks there are, how each was made, and how to make them again."""

import hashlib
import json
import math
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ippy import course
from ippy.checkpoint import History, write_atomically
from ippy.data import MayoDataset, find_data, hold_out, project_root, weights_folder
from ippy.locks import only_one
from ippy.models import SimpleCNN, count_parameters, save_weights
from ippy.recipe import PRESETS, Recipe
from ippy.training import evaluate, read_history, train

HISTORY_LENGTH = 50
STANDARD = {"n_filters": 32, "in_ch": 1, "out_ch": 1}


@dataclass(frozen=True)
class Entry:
    """A network and how it is trained.

    Attributes:
        recipe: how it is trained.
        architecture: the arguments of `SimpleCNN` that are not the standard ones.
    """

    recipe: Recipe
    architecture: dict[str, Any] = field(default_factory=dict)

    def model(self) -> SimpleCNN:
        """The network, untrained."""
        return SimpleCNN(**STANDARD | self.architecture)


# A preset has a noise level of its own; here the course's applies, which an instructor may change.
SHORT, LONG = (replace(PRESETS[name], noise_level=course.NOISE_LEVEL) for name in ("short", "long"))
SEEDS = range(3)

HEADS: dict[str, dict[str, Any]] = {
    "none": {},
    "relu": {"final_activation": "relu"},
    "sigmoid": {"final_activation": "sigmoid"},
    "tanh": {"final_activation": "tanh"},
    "residual-tanh": {"final_activation": "tanh", "residual": True},
}

# One thing at a time is changed in filters-32, each with three seeds. Heads differ in nothing but
# the head. The identity start means something for some of them only, so that all of them, "none"
# too, get PyTorch's own start.
VARIANTS: dict[str, Entry] = {
    "filters-8": Entry(SHORT, {"n_filters": 8}),
    "filters-16": Entry(SHORT, {"n_filters": 16}),
    "filters-32": Entry(SHORT),
    "filters-64": Entry(SHORT, {"n_filters": 64}),
    "kernel-5": Entry(SHORT, {"kernel_size": 5}),
    "kernel-7": Entry(SHORT, {"kernel_size": 7}),
    "circular": Entry(SHORT, {"padding_mode": "circular"}),
    "noise-0": Entry(replace(SHORT, noise_level=0.0)),
    "noise-5": Entry(replace(SHORT, noise_level=0.05)),
} | {
    f"head-{head}": Entry(replace(SHORT, start="default"), architecture)
    for head, architecture in HEADS.items()
}

# From the plain loop to the short recipe, one change after the other, each for 55 million pixels.
# The next two are filters-32-0, which has the better optimiser too, and CNN, trained for longer.
PLAIN = replace(PRESETS["plain"], noise_level=course.NOISE_LEVEL, steps=105)
CROPS = replace(
    SHORT, optimiser="adam", learning_rate=1e-3, warm_up=0, decay_from=1, start="default"
)
SCHEDULE = replace(CROPS, learning_rate=5e-3, warm_up=SHORT.warm_up, decay_from=SHORT.decay_from)
CHANGES: dict[str, Entry] = {
    "recipe-plain": Entry(PLAIN),
    "recipe-crops": Entry(CROPS),
    "recipe-schedule": Entry(SCHEDULE),
    "recipe-identity": Entry(replace(SCHEDULE, start="identity")),
}

CATALOGUE: dict[str, Entry] = {
    "CNN": Entry(LONG),
    **{
        f"{name}-{seed}": Entry(replace(entry.recipe, seed=seed), entry.architecture)
        for name, entry in VARIANTS.items()
        for seed in SEEDS
    },
    **CHANGES,
}


class Split(NamedTuple):
    """Slices to train on, to watch, and to score in the end."""

    train: MayoDataset
    watched: MayoDataset
    test: MayoDataset


def read_manifest(folder: str | Path | None = None) -> dict[str, Any]:
    """The manifest of a folder of weights, by file name without ending; empty if there is none.

    An entry holds "command", "architecture", "parameters", "recipe", "blur", "data", "versions",
    "seconds", "sha256", "scores" and "history", a thinned history of the training.
    """
    path = Path(folder or weights_folder()) / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def make_weights(
    names: str | Iterable[str] | None = None,
    folder: str | Path | None = None,
    data_path: str | Path | None = None,
    progress: bool = True,
    say: Callable[[str], object] = print,
) -> list[Path]:
    """Train networks of the `CATALOGUE` on the course's data; write them and their manifest.

    What is there already, made in the same way from the same slices, is left alone. A run that was
    stopped goes on from its checkpoint, which stays in `runs/weights/` until the weights are made.

    Args:
        names: of the networks; None for all of them.
        folder: where they go, by default `weights/` at the project's root.
        data_path: holds `train/` and `test/`, by default what `ippy.data.find_data` finds.
        progress: whether each network has a progress bar.
        say: is told what there is to do, how long it will take, and which network comes next.

    Returns:
        The weight files, in the order of the names.

    Raises:
        ValueError: a name is not in the catalogue.
    """
    names = [names] if isinstance(names, str) else list(CATALOGUE if names is None else names)
    for name in names:
        if name not in CATALOGUE:
            raise ValueError(f"names must be of {', '.join(CATALOGUE)}, got {name!r}")
    folder = Path(folder or weights_folder())
    root = find_data(data_path)
    slices = Split(*hold_out(MayoDataset(root / "train")), MayoDataset(root / "test"))
    data = {"slices": len(slices.train), "sha256": fingerprint(slices.train)}
    made = {name: {"data": data, "blur": course.BLUR, **describe(name)} for name in names}
    missing = [name for name in names if not _is_made(name, made[name], folder)]
    say(f"{len(names) - len(missing)} of {len(names)} networks are up to date")
    if missing:
        say(announce(missing, slices.train))
    for number, name in enumerate(missing, 1):
        say(f"{name} ({number} of {len(missing)})")
        _make(name, made[name], folder, slices, progress)
    return [folder / f"{name}.pth" for name in names]


def announce(names: list[str], train_set: MayoDataset) -> str:
    """How long it will take to train these networks, from the pace of a few steps of each kind."""
    paces: dict[str, float] = {}
    seconds = 0.0
    for name in names:
        entry = CATALOGUE[name]
        recipe = replace(entry.recipe, steps=4, seed=0, noise_level=0.0)
        kind = f"{recipe} {entry.architecture}"
        if kind not in paces:
            some = [train_set[i] for i in range(min(len(train_set), recipe.batch_size))]
            history = train(
                entry.model(), course.blurring(), some, recipe, log_every=1, progress=False
            )
            # The first step sets things up.
            paces[kind] = (history[-1]["seconds"] - history[0]["seconds"]) / 3
        seconds += paces[kind] * (entry.recipe.steps - _kept_steps(name))
    return (
        f"{len(names)} to make: about {math.ceil(seconds / 60)} min on this machine. Ctrl-C stops, "
        "and the same command goes on"
    )


def _kept_steps(name: str) -> int:
    """The steps that an unfinished run has behind it, as far as its last entry tells."""
    path = _checkpoint(name).with_suffix(".jsonl")
    history = read_history(path) if path.exists() else []
    return history[-1]["step"] if history else 0


def _checkpoint(name: str) -> Path:
    return project_root() / "runs" / "weights" / f"{name}.ckpt"


def describe(name: str) -> dict[str, Any]:
    """What the catalogue fixes about a network, in plain values."""
    entry = CATALOGUE[name]
    return {
        "command": f"ippy train --weights {name}",
        "architecture": STANDARD | entry.architecture,
        "parameters": count_parameters(entry.model()),
        "recipe": asdict(entry.recipe),
    }


def fingerprint(dataset: MayoDataset) -> str:
    """A hash of all pixels of a data set."""
    digest = hashlib.sha256()
    for index in range(len(dataset)):
        digest.update(dataset[index].numpy().tobytes())
    return digest.hexdigest()


def thin(history: History, length: int = HISTORY_LENGTH) -> History:
    """At most `length` entries: the mean loss of entries in a row, with the last step and PSNR.

    >>> thin([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}, {"step": 3, "loss": 0.1}], 2)
    [{'step': 2, 'loss': 0.375}, {'step': 3, 'loss': 0.1}]
    """
    size = -(-len(history) // length)
    thinned = []
    for start in range(0, len(history), size or 1):
        part = history[start : start + size]
        mean = sum(entry["loss"] for entry in part) / len(part)
        entry = {"step": part[-1]["step"], "loss": float(f"{mean:.4g}")}
        psnr = [e["psnr"] for e in part if "psnr" in e]
        thinned.append(entry | ({"psnr": round(psnr[-1], 3)} if psnr else {}))
    return thinned


def _is_made(name: str, made: dict[str, Any], folder: Path) -> bool:
    path, entry = folder / f"{name}.pth", read_manifest(folder).get(name, {})
    same = all(entry.get(part) == value for part, value in made.items())
    return same and path.exists() and sha256(path) == entry["sha256"]


def _make(name: str, made: dict[str, Any], folder: Path, slices: Split, progress: bool) -> None:
    entry, K = CATALOGUE[name], course.blurring()
    model, checkpoint, test_set = entry.model(), _checkpoint(name), slices.test
    history = train(
        model,
        K,
        slices.train,
        entry.recipe,
        validation_set=slices.watched,
        checkpoint=checkpoint,
        progress=progress,
    )
    path = folder / f"{name}.pth"
    save_weights(model, path)
    level = entry.recipe.noise_level
    reconstruction = evaluate(model, K, test_set, level)
    measurement = evaluate(lambda y: y, K, test_set, level)
    scores = {
        "noise_level": level,
        "slices": len(test_set),
        "psnr": round(reconstruction.mean_psnr, 3),
        "ssim": round(reconstruction.mean_ssim, 4),
        "psnr_of_slices": [round(value, 3) for value in reconstruction.psnr.tolist()],
        "measurement_psnr": round(measurement.mean_psnr, 3),
        "measurement_ssim": round(measurement.mean_ssim, 4),
    }
    result = {
        "sha256": sha256(path),
        "scores": scores,
        "seconds": round(history[-1]["seconds"]),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "history": thin(history),
    }
    enter(name, made | result, folder)
    checkpoint.unlink()
    checkpoint.with_suffix(".jsonl").unlink()


def enter(name: str, entry: dict[str, Any], folder: Path) -> None:
    """Put an entry into the manifest of a folder, as another process may be doing just now.

    Raises:
        ValueError: another process has held the manifest for a minute.
        OSError: the folder may not be written; the manifest stays what it was.
    """
    path = folder / "manifest.json"
    with only_one(path.with_name("manifest.lock"), "writing", f"{path}", patience=60):
        manifest = read_manifest(folder) | {name: entry}
        ordered = {key: manifest[key] for key in CATALOGUE if key in manifest}
        write_atomically((json.dumps(ordered, indent=1) + "\n").encode(), path)


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
