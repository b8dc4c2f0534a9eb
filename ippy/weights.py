"""The shipped weights: which networks there are, how each was made, and how to make them again."""

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ippy import course
from ippy.checkpoint import History, write_atomically
from ippy.data import MayoDataset, embedded_data, project_root
from ippy.models import SimpleCNN, count_parameters, save_weights
from ippy.recipe import PRESETS, Recipe
from ippy.training import evaluate, train

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


HEADS: dict[str, dict[str, Any]] = {
    "none": {},
    "relu": {"final_activation": "relu"},
    "sigmoid": {"final_activation": "sigmoid"},
    "tanh": {"final_activation": "tanh"},
    "residual-tanh": {"final_activation": "tanh", "residual": True},
}

SHORT = PRESETS["short"]

# Heads differ in nothing but the head. The identity start means something for some of them only,
# so that all get PyTorch's own start.
CATALOGUE: dict[str, Entry] = {
    "CNN": Entry(PRESETS["long"]),
    "CNN-noiseless": Entry(replace(SHORT, noise_level=0.0)),
    "CNN-noise5": Entry(replace(SHORT, noise_level=0.05)),
    "filters-8": Entry(SHORT, {"n_filters": 8}),
    "filters-16": Entry(SHORT, {"n_filters": 16}),
    "filters-32": Entry(SHORT),
    "filters-64": Entry(SHORT, {"n_filters": 64}),
    "kernel-5": Entry(SHORT, {"kernel_size": 5}),
    "kernel-7": Entry(SHORT, {"kernel_size": 7}),
} | {
    f"head-{head}-{seed}": Entry(
        replace(PRESETS["brief"], start="default", seed=seed), architecture
    )
    for head, architecture in HEADS.items()
    for seed in range(3)
}


def weights_folder() -> Path:
    """Where the shipped weights are: `weights/` at the project's root."""
    return project_root() / "weights"


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
    progress: bool = True,
) -> list[Path]:
    """Train networks of the `CATALOGUE` on the embedded data; write them and their manifest.

    What is there already, made in the same way from the same slices, is left alone. A run that was
    stopped goes on from its checkpoint, which stays in `runs/weights/` until the weights are made.

    Args:
        names: of the networks; None for all of them.
        folder: where they go, by default `weights/` at the project's root.
        progress: whether it is said what is done, with a progress bar for each network.

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
    root = embedded_data()
    train_set, test_set = MayoDataset(root / "train"), MayoDataset(root / "test")
    data = {"slices": len(train_set), "sha256": fingerprint(train_set)}
    for name in names:
        made = {"data": data, "blur": course.BLUR, **describe(name)}
        if _is_made(name, made, folder):
            if progress:
                print(f"{name}: up to date")
            continue
        if progress:
            print(f"{name}: {CATALOGUE[name].recipe.steps} steps")
        _make(name, made, folder, train_set, test_set, progress)
    return [folder / f"{name}.pth" for name in names]


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


def _make(
    name: str,
    made: dict[str, Any],
    folder: Path,
    train_set: MayoDataset,
    test_set: MayoDataset,
    progress: bool,
) -> None:
    entry, K = CATALOGUE[name], course.blurring()
    model, checkpoint = entry.model(), project_root() / "runs" / "weights" / f"{name}.ckpt"
    history = train(
        model,
        K,
        train_set,
        entry.recipe,
        validation_set=[test_set[i] for i in range(0, len(test_set), 5)],
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
    # Read again: another process may have added its networks meanwhile.
    manifest = read_manifest(folder) | {name: made | result}
    ordered = {key: manifest[key] for key in CATALOGUE if key in manifest}
    write_atomically((json.dumps(ordered, indent=1) + "\n").encode(), folder / "manifest.json")
    checkpoint.unlink()
    checkpoint.with_suffix(".jsonl").unlink()


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
