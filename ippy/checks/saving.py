"""Exercise of chapter 2: the weights of a network go to disk and come back."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ippy.checks.verdict import Mistake, exercise, run


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def same_state(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].shape == b[k].shape and torch.equal(a[k].cpu(), b[k].cpu()) for k in a
    )


def _call(answer: Any, *arguments: Any) -> Any:
    """Call an answer that may well return nothing, such as one that writes a file."""
    results = []

    def keep(*handed: Any) -> bool:
        results.append(answer(*handed))
        return True

    run(keep if callable(answer) else answer, *arguments)
    return results[0]


NO_FILE = Mistake(
    "no file",
    "Your my_save has written no file at the path that it was given.",
    "torch.save takes what is to be saved first, then the path.",
    "Saving and loading",
)
WHOLE_MODEL = Mistake(
    "whole model pickled",
    "The file holds the network as a Python object: it can only be read by running code from it.",
    "Save the dictionary of tensors, model.state_dict().",
    "Saving and loading",
)
INCOMPLETE = Mistake(
    "only part of the state saved",
    "The file lacks what batch normalisation has measured: buffers, which are no parameters.",
    "model.state_dict() has both, model.named_parameters() has not.",
    "Saving and loading",
)
OTHER_WEIGHTS = Mistake(
    "other weights saved",
    "The file holds other weights than those of the network that my_save was given.",
    "Whose state_dict() is it? A network that is built anew starts with random weights.",
    "Saving and loading",
)
NOT_LOADED = Mistake(
    "not loaded",
    "After my_load the network still has the random weights that it came with.",
    "torch.load only reads the file; load_state_dict pours the numbers into the network.",
    "Saving and loading",
)
RETURNS_REPORT = Mistake(
    "returns the report",
    "Your my_load returns what load_state_dict says (<All keys matched>), not the network.",
    "load_state_dict works in place: call it on one line, return the network on another.",
    "Saving and loading",
)
WITHOUT_EVAL = Mistake(
    "loaded without eval",
    "The network is still in training mode: dropout rolls its dice, and two calls with the same "
    "measurement give two answers.",
    "network.eval() after loading.",
    "Saving and loading",
)
MISMATCH_HIDDEN = Mistake(
    "mismatch hidden",
    "A file from another network was loaded without a word, and what did not fit was skipped.",
    "Leave strict at True and let the error come: it says what does not belong.",
    "Saving and loading",
)
RUNS_CODE = Mistake(
    "runs code from the file",
    "A file with an instruction hidden in it was opened, and the instruction was run.",
    "torch.load(path, weights_only=True) refuses such files.",
    "Saving and loading",
)

_alarms: list[str] = []


def _alarm(name: str) -> None:
    _alarms.append(name)


class _Trap:
    """An object that makes whoever unpickles it call `_alarm`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _alarm, ("run",)


class _Centre(nn.Module):
    """What matters here of batch normalisation: a mean that is measured in training mode."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        if self.training:
            self.mean.lerp_(h.detach().mean(), 0.1)
        return h - self.mean


def _probe(seed: int) -> nn.Sequential:
    """A network for which training mode matters, and which has a buffer."""
    torch.manual_seed(seed)
    ends = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)
    network = nn.Sequential(ends[0], _Centre(), nn.ReLU(), nn.Dropout(0.5), ends[1])
    network(torch.rand(4, 1, 8, 8))  # the mean is measured
    return network


@exercise("Save and load", chapter=2, praise="Right: the weights only, complete, checked, in eval.")
def save_and_load(
    save: Callable[[nn.Module, Path], Any], load: Callable[[Path, nn.Module], Any]
) -> Mistake | None:
    """my_save(model, path) and my_load(path, network), tried on a network with dropout."""
    _alarms.clear()
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder, "mine.pth"), _probe(0).eval()
        network: nn.Module = _probe(1)
        kept, fresh = state_of(model), state_of(network)
        _call(save, model, path)
        if not path.is_file():
            return NO_FILE
        mistake = _look_into(path, kept)
        if mistake:
            return mistake
        result = _call(load, path, network)
        if isinstance(result, nn.Module):
            network = result
        elif result is not None:
            return RETURNS_REPORT
        if not same_state(state_of(network), kept):
            return NOT_LOADED if same_state(state_of(network), fresh) else OTHER_WEIGHTS
        if any(layer.training for layer in network.modules()):
            return WITHOUT_EVAL
        return _mistreat(save, load, Path(folder))


def _look_into(path: Path, kept: dict[str, Tensor]) -> Mistake | None:
    """What is in the file; a file of a kind of its own is judged by the round trip alone."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return WHOLE_MODEL if _names_layers(path) else None
    if not isinstance(content, Mapping) or not all(map(torch.is_tensor, content.values())):
        return None
    missing = kept.keys() - content.keys()
    if missing and content.keys() <= kept.keys():
        return INCOMPLETE
    return None if missing or same_state(content, kept) else OTHER_WEIGHTS


def _names_layers(path: Path) -> bool:
    """Whether a pickle in the file asks for a class of torch.nn; it is read, not run."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
    except zipfile.BadZipFile:
        pickles = [path.read_bytes()]
    return any(b"torch.nn.modules" in content for content in pickles)


def _mistreat(save: Any, load: Any, folder: Path) -> Mistake | None:
    """Files that must be refused: of another network, and with an instruction in them."""
    stranger = nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3)), nn.Conv2d(4, 1, 3))
    for number, other in enumerate((stranger, _probe(2)[:2], nn.Sequential(*_probe(3), _probe(4)))):
        path = folder / f"other-{number}.pth"
        _call(save, other, path)
        if not _refuses(load, path):
            return MISMATCH_HIDDEN
    path = folder / "trap.pth"
    torch.save({**state_of(_probe(5)), "0.weight": _Trap()}, path)
    _refuses(load, path)
    return RUNS_CODE if _alarms else None


def _refuses(load: Any, path: Path) -> bool:
    try:
        load(path, _probe(6))
    except Exception:
        return True
    return False
