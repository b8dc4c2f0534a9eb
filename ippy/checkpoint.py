"""A training run on disk: all that is needed to go on as if it had never stopped."""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ippy.locks import only_one
from ippy.models import is_intact
from ippy.operators import Operator

History = list[dict[str, Any]]

PARTS = {"identity", "progress", "model", "optimiser"}


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

    def log(self, learning_rate: float) -> dict[str, Any]:
        """Close the steps since the last entry with an entry of their mean loss; return it."""
        loss = sum(self.losses) / len(self.losses)
        entry = {"step": self.step, "loss": loss, "learning_rate": learning_rate}
        self.history.append(entry | {"seconds": self.seconds})
        self.losses = []
        return self.history[-1]


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

    Raises:
        OSError: the disk is full, or the folder may not be written; the old file stays.
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
    try:
        write_atomically(buffer.getvalue(), path)
        write_history(progress.history, path.with_suffix(".jsonl"))
    except OSError as error:
        raise OSError(
            f"the run cannot be kept in {path} ({error.strerror or error}); what was kept there "
            "before, if anything, is whole. Make room or choose another folder, then go on from it"
        ) from error


def load_checkpoint(
    path: str | Path,
    identity: dict[str, Any],
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
) -> Progress:
    """Put model and optimiser into a saved state; return where the run stands.

    Only tensors and plain values are read: code hidden in the file is refused, not run. Whatever is
    refused leaves model and optimiser as they were.

    Raises:
        ValueError: the file is damaged, no checkpoint, or one of another run.
        OSError: the file may not be read.
    """
    advice = "give another name, or delete it to train from the start"
    content = Path(path).read_bytes()  # what fails from here on is not the disk's fault
    if not is_intact(io.BytesIO(content)):
        raise ValueError(f"{path} is damaged or is no checkpoint; {advice}")
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # what is damaged fails in all kinds of ways
        raise ValueError(f"{path} is damaged or is no checkpoint; {advice}") from error
    if not isinstance(state, dict) or not all(isinstance(state.get(p), dict) for p in PARTS):
        raise ValueError(f"{path} is no checkpoint; {advice}")
    progress, fresh = state["progress"], vars(Progress())
    if {n: type(value) for n, value in progress.items()} != {n: type(fresh[n]) for n in fresh}:
        raise ValueError(f"{path} does not say where its run stands; {advice}")
    for part, ours in identity.items():
        theirs = state["identity"].get(part)
        if theirs != ours:
            raise ValueError(
                f"checkpoint {path} was made with another {part}: {theirs}, not {ours}; {advice}"
            )
    # torch itself would copy what fits, cast what does not, and only then complain.
    theirs, ours = layout(state["model"]), layout(model.state_dict())
    if theirs != ours:
        raise ValueError(
            f"checkpoint {path} was made with another network: {theirs}, not {ours}; {advice}"
        )
    try:
        optimiser.load_state_dict(state["optimiser"])
    except Exception as error:
        raise ValueError(f"checkpoint {path} was made with another optimiser; {advice}") from error
    model.load_state_dict(state["model"])
    return Progress(**progress)


def layout(weights: dict[str, Any]) -> dict[str, str]:
    """Shapes and types of the tensors of a network, and of what stands in a tensor's place.

    >>> layout(nn.Linear(3, 2).state_dict())
    {'weight': '(2, 3) float32', 'bias': '(2,) float32'}
    """

    def said(value: Any) -> str:
        if not isinstance(value, Tensor) or value.is_meta or value.layout != torch.strided:
            return f"no numbers but a {type(value).__name__}"
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"

    return {name: said(value) for name, value in weights.items()}


@contextmanager
def held(path: str | Path | None) -> Iterator[None]:
    """Keep a checkpoint for this process as long as the `with` block runs; None keeps nothing.

    What a killed process may have left of a half-written checkpoint is cleared away.

    Raises:
        ValueError: another process holds it.
        OSError: the folder may not be written.
    """
    if path is None:
        yield
        return
    path = Path(path)
    with only_one(path.with_name(f"{path.name}.lock"), "training with", f"checkpoint {path}"):
        for file in (path, path.with_suffix(".jsonl")):
            for left_over in path.parent.glob(f"{escape(file.name)}.*.tmp"):
                left_over.unlink(missing_ok=True)
        yield


def fingerprint(K: Operator) -> str:
    """A hash of what K does to a picture of noise, which tells operators apart."""
    probe = torch.rand(1, *K.img_shape, generator=torch.Generator().manual_seed(0))
    return hashlib.sha256((K(probe) * 1e4).round().numpy().tobytes()).hexdigest()


def write_history(history: History, path: str | Path) -> None:
    """Write a history as JSON lines, one entry a line."""
    lines = "".join(json.dumps(entry) + "\n" for entry in history)
    write_atomically(lines.encode(), Path(path))


def read_history(path: str | Path) -> History:
    """Read what `write_history` wrote.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise ValueError(f"the history {path} is damaged ({error}); delete it") from error


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
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """See to it that a renamed file keeps its new name when the power fails."""
    if os.name == "posix":  # elsewhere folders cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
