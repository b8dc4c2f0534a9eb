"""What the commands have in common: the options of a measurement, and where things come from."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ippy.data import MayoDataset
    from ippy.operators import Blurring

Command = TypeVar("Command", bound=Callable[..., Any])
Kernel = list[list[float]]

SIZE = 256
DARK = 1 / 8  # twice what 12 bits come to in files of 16; bone and table are brighter


class Refusal(click.ClickException):
    """A mistake in what was given: one sentence, exit code 2."""

    exit_code = 2


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several click options as one decorator, shown in the given order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


measurement_options = together(
    click.option(
        "--data",
        "data_path",
        metavar="FOLDER",
        type=click.Path(path_type=Path),
        help="Holds train/ and test/.  [default: see ippy data check --help]",
    ),
    click.option(
        "--kernel",
        "kernel_file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Convolution kernel of another blur: a table of numbers, .npy or .txt.",
    ),
    click.option(
        "--noise-level",
        metavar="LEVEL",
        type=click.FloatRange(min=0),
        help="Norm of the noise over the norm of the measurement.  [default: 0.01]",
    ),
    click.option(
        "--size",
        metavar="PIXELS",
        type=click.IntRange(min=11),
        default=SIZE,
        show_default=True,
        help="Side of the slices.",
    ),
)

head_options = together(
    click.option(
        "--final-activation",
        type=click.Choice(["none", "relu", "sigmoid", "tanh"]),
        help="What follows the last layer.  [default: none]",
    ),
    click.option(
        "--residual/--no-residual", default=None, help="Whether the input is added to the output."
    ),
    click.option(
        "--padding-mode",
        type=click.Choice(["zeros", "circular", "reflect", "replicate"]),
        help="Padding of the layers.  [default: zeros]",
    ),
)


def head(
    final_activation: str | None, residual: bool | None, padding_mode: str | None
) -> dict[str, Any]:
    """The arguments of SimpleCNN for those of the `head_options` that were given."""
    given: dict[str, Any] = {}
    if final_activation is not None:
        given["final_activation"] = None if final_activation == "none" else final_activation
    if residual is not None:
        given["residual"] = residual
    if padding_mode is not None:
        given["padding_mode"] = padding_mode
    return given


def describe(architecture: dict[str, Any], parameters: int) -> str:
    """The arguments of SimpleCNN in words."""
    side = architecture["kernel_size"]
    parts = [f"SimpleCNN, {architecture['n_filters']} filters of {side}×{side}"]
    if architecture.get("final_activation"):
        parts.append(f"{architecture['final_activation']} at the end")
    if architecture.get("residual"):
        parts.append("residual")
    if architecture.get("padding_mode", "zeros") != "zeros":
        parts.append(f"{architecture['padding_mode']} padding")
    return f"{', '.join(parts)}, {parameters:,} parameters"


def slices(data_path: Path | None, split: str, size: int) -> MayoDataset:
    """The slices of a split; where the data has no such folder, the embedded ones, said openly."""
    from ippy.data import MayoDataset, embedded_data, find_data

    root = find_data(data_path)
    if not (root / split).is_dir():
        click.echo(f"{root} has no folder {split}: the embedded {split} slices are used.", err=True)
        root = embedded_data()
    dataset = MayoDataset(root / split, size)
    some = {0, len(dataset) // 2, len(dataset) - 1}
    if dark := too_dark(max(float(dataset[index].max()) for index in some)):
        click.echo(f"{dataset.data_path}: {dark}", err=True)
    return dataset


def too_dark(brightest: float) -> str:
    """What to say of slices none of which is brighter than that; "" if they are as they should be.

    >>> too_dark(4095 / 65535)[:47]
    'the brightest grey is 0.0625, where white is 1;'
    """
    if brightest > DARK or brightest == 0:  # an empty slice is another fault
        return ""
    return (
        f"the brightest grey is {brightest:.3g}, where white is 1; numbers of 12 bits in files of "
        "16 look like this, and every score of them is too good: write them with their full range"
    )


def read_kernel(path: Path) -> Kernel:
    """A table of numbers: .npy as `numpy.save` writes it, or .txt with a line for each row."""
    import numpy as np

    if path.suffix not in (".npy", ".txt"):
        raise Refusal(f"--kernel: the file must end in .npy or .txt, got {path}")
    try:
        npy = path.suffix == ".npy"
        table = np.load(path, allow_pickle=False) if npy else np.loadtxt(path, ndmin=2)
        if not isinstance(table, np.ndarray) or np.iscomplexobj(table):
            raise ValueError("its content is of another kind")
        kernel = table.astype(float)
    except Exception as error:  # what is damaged fails in all kinds of ways
        raise Refusal(f"--kernel: {path} does not hold a table of numbers ({error})") from error
    if kernel.ndim != 2 or kernel.size == 0:
        raise Refusal(f"--kernel: {path} must hold rows of numbers, got the shape {kernel.shape}")
    return kernel.tolist()


def blur(kernel: Kernel | None, source: str, size: int) -> tuple[Blurring, str]:
    """The blur with this kernel, or the course's own, and what to call it."""
    import torch

    from ippy.course import BLUR, blurring
    from ippy.operators import Blurring

    if kernel is None:
        return blurring((size, size)), in_words(**BLUR)
    try:
        table = torch.tensor(kernel, dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise Refusal(f"the kernel, {source}, is no table of numbers ({error})") from error
    K = Blurring((size, size), kernel=table)
    return K, f"kernel of {K.kernel.shape[-2]}×{K.kernel.shape[-1]}, {source}"


def in_words(
    kernel_type: str, kernel_size: int = 3, kernel_variance: float = 1, motion_angle: float = 0
) -> str:
    """The arguments of `Blurring` for a person.

    >>> in_words("motion", kernel_size=9, motion_angle=20.0)
    'motion over 9 pixels at 20°'
    >>> in_words("gaussian", kernel_size=7, kernel_variance=2)
    'gaussian of variance 2 in 7×7 pixels'
    """
    if kernel_type == "motion":
        return f"motion over {kernel_size} pixels at {motion_angle:g}°"
    return f"gaussian of variance {kernel_variance:g} in {kernel_size}×{kernel_size} pixels"


def count(number: int, noun: str) -> str:
    """A number and its noun.

    >>> count(1, "slice"), count(3306, "slice")
    ('1 slice', '3,306 slices')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(level: float) -> str:
    """A relative level in per cent: 0.01 is 1 %."""
    return f"{100 * level:g} %"


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write a JSON file, with null for infinity and NaN, which JSON does not have."""
    from ippy.checkpoint import write_atomically

    write_atomically((json.dumps(_finite(content), indent=1) + "\n").encode(), path)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def quiet() -> bool:
    """Progress bars are for people: none where stderr is a file or a pipe."""
    # Nor where there is no stderr at all, as when a program without a terminal starts the command.
    return sys.stderr is None or not sys.stderr.isatty()
