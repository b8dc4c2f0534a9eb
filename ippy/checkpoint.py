"""A training run on disk: all that is needed to go on as if it had never stopped."""

import hashlib
import io
import json
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ippy.operators import Operator

History = list[dict[str, Any]]


@dataclass
class Progress:
    """Where a run stands, next to its weights and its optimiser.

    The order of the crops and the noise are functions of (seed, step), so that no state of a random
    generator has to be kept.

    Attributes:
        step: steps that are done.
        seconds: time that they took.
        losses: of the steps since the last entry of the history.
        history: the entries.
    """

    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    history: History = field(default_factory=list)


def save_checkpoint(
    path: str | Path,
    identity: dict[str, Any],
    progress: Progress,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write a run to `path`, whole or not at all, and its history beside it, as JSON lines.

    Args:
        identity: what must be the same for the run to go on: its recipe, its data, its operator.
    """
    path = Path(path)
    state = {
        "identity": identity,
        "progress": vars(progress),
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(buffer.getvalue(), path)
    write_history(progress.history, path.with_suffix(".jsonl"))


def load_checkpoint(
    path: str | Path,
    identity: dict[str, Any],
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
) -> Progress:
    """Put model and optimiser into a saved state; return where the run stands.

    Only tensors and plain values are read: code hidden in the file is refused, not run.

    Raises:
        ValueError: the file is damaged, no checkpoint, or one of another run.
    """
    advice = "give another name, or delete it to train from the start"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged or is no checkpoint; {advice}") from error
    if not isinstance(state, dict) or "progress" not in state:
        raise ValueError(f"{path} is no checkpoint; {advice}")
    for part, ours in identity.items():
        theirs = state["identity"].get(part)
        if theirs != ours:
            raise ValueError(
                f"checkpoint {path} was made with another {part}: {theirs}, not {ours}; {advice}"
            )
    try:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"checkpoint {path} was made with another network; {advice}") from error
    return Progress(**state["progress"])


def fingerprint(K: Operator) -> str:
    """A hash of what K does to a picture of noise, which tells operators apart."""
    probe = torch.rand(1, *K.img_shape, generator=torch.Generator().manual_seed(0))
    return hashlib.sha256((K(probe) * 1e4).round().numpy().tobytes()).hexdigest()


def write_history(history: History, path: str | Path) -> None:
    """Write a history as JSON lines, one entry a line."""
    lines = "".join(json.dumps(entry) + "\n" for entry in history)
    write_atomically(lines.encode(), Path(path))


def read_history(path: str | Path) -> History:
    """Read what `write_history` wrote."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def write_atomically(content: bytes, path: Path) -> None:
    """Put `content` into the file `path`, which at any moment holds the old or the new content.

    The bytes go to a temporary file, which takes the place of the old one only when all of them
    are on the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
