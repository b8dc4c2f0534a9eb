"""`ippy evaluate`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ippy.cli.shared import (
    Refusal,
    blur,
    describe,
    head,
    head_options,
    measurement_options,
    percent,
    quiet,
    read_kernel,
    slices,
    write_json,
)

if TYPE_CHECKING:
    from ippy.data import MayoDataset
    from ippy.evaluation import Scores
    from ippy.models import SimpleCNN
    from ippy.operators import Blurring


@click.command(short_help="Reconstruct slices and say how well.")
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@measurement_options
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    default="test",
    show_default=True,
    help="Which slices are reconstructed.",
)
@head_options
@click.option(
    "--thorough", is_flag=True, help="Also Tikhonov and total variation, seconds a slice."
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every number to this file, too.",
)
def evaluate(
    weights: Path,
    data_path: Path | None,
    kernel_file: Path | None,
    noise_level: float | None,
    size: int,
    split: str,
    final_activation: str | None,
    residual: bool | None,
    padding_mode: str | None,
    thorough: bool,
    json_file: Path | None,
) -> None:
    """Reconstruct every test slice with the network in WEIGHTS, and say how well.

    The table has PSNR and SSIM of the measurement, of a Wiener filter and of the network: mean ±
    standard deviation over the slices, smallest and largest. The filter's constant is tuned on
    training slices. Every slice has its own noise, the same each time.

    The size of the network is read from WEIGHTS; its final activation and padding, and the blur it
    is meant for, from the description beside it that ippy train wrote, unless given as options.

    \b
    Examples:
      ippy evaluate weights/CNN.pth
      ippy evaluate weights/CNN.pth --data ~/ct --json scores.json
      ippy evaluate runs/mine.pth --noise-level 0.05 --thorough
    """
    from ippy import course
    from ippy.device import get_device
    from ippy.evaluation import evaluate
    from ippy.models import count_parameters

    if json_file in (weights, weights.with_suffix(".json")):
        raise Refusal(f"--json: {json_file} is the network or its description; name another file")
    level = course.NOISE_LEVEL if noise_level is None else noise_level
    described = read_description(weights)
    model, architecture = load(weights, described, head(final_activation, residual, padding_mode))
    kernel, source = described.get("kernel"), "which it was trained for"
    if kernel_file is not None:
        kernel, source = read_kernel(kernel_file), f"{kernel_file}"
    K, name = blur(kernel, source, size)
    test_set, train_set = slices(data_path, split, size), slices(data_path, "train", size)
    click.echo(f"Network   {weights}: {describe(architecture, count_parameters(model))}")
    click.echo(f"Blur      {name}; noise {percent(level)}")
    click.echo(f"Slices    {len(test_set)} from {test_set.data_path}")

    methods: dict[str, Callable[..., Any]] = {"measurement": lambda y: y}
    constants = {}
    for title, method, values in classical_methods(thorough):
        constant = constants[title] = tuned(title, method, K, train_set, values, level)
        methods[title] = lambda y, method=method, constant=constant: method(y, K, constant)
    methods["network"] = model.to(get_device())
    pairs = ", ".join(f"{title} {constant:.2g}" for title, constant in constants.items())
    click.echo(f"Constants {pairs}; tuned on slices from {train_set.data_path}\n")

    scores = {}
    for title, method in methods.items():
        if not quiet():
            click.echo(title, err=True)
        scores[title] = evaluate(method, K, test_set, level, progress=not quiet())
    click.echo(table(scores))
    click.echo(f"\n{verdict(scores)}")
    if json_file is not None:
        result = {
            "weights": f"{weights}",
            "architecture": architecture,
            "blur": name,
            "kernel": K.kernel[0, 0].tolist(),
            "noise_level": level,
            "data": f"{test_set.data_path}",
            "slices": scores["network"].names,
            "constants": constants,
            "scores": {title: numbers(score) for title, score in scores.items()},
        }
        write_json(result, json_file)


def read_description(weights: Path) -> dict[str, Any]:
    """What is written beside weights about how they were made; empty if nothing is."""
    from ippy.weights import read_manifest, sha256

    own = weights.with_suffix(".json")
    damaged = f"the description beside {weights} is damaged; delete it"
    try:
        if own.is_file():
            described = json.loads(own.read_text(encoding="utf-8"))
        else:
            described = read_manifest(weights.parent).get(weights.stem, {})
        parts = [described, described.get("architecture", {}), described.get("recipe", {})]
    except (ValueError, AttributeError, RecursionError) as error:
        raise Refusal(damaged) from error
    if not all(isinstance(part, dict) for part in parts):
        raise Refusal(damaged)
    if described.get("sha256") in (None, sha256(weights)):
        return described
    if own.is_file():
        raise Refusal(
            f"{own} describes other weights than those that {weights} holds now: bring back what "
            "belongs together, or delete it and say yourself how the network is built"
        )
    return {}


def load(
    weights: Path, described: dict[str, Any], given: dict[str, Any]
) -> tuple[SimpleCNN, dict[str, Any]]:
    """The network in a file of weights, and the arguments of SimpleCNN that make it."""
    from ippy.models import SimpleCNN, _read_weights, load_weights

    tensors = _read_weights(weights)
    try:
        n_filters, in_ch, kernel_size, _ = tensors["conv1.weight"].shape
        out_ch = len(tensors["conv3.weight"])
    except (KeyError, ValueError):
        raise Refusal(f"{weights} holds no SimpleCNN, with layers conv1, conv2, conv3") from None
    if (in_ch, out_ch) != (1, 1):
        raise Refusal(f"{weights} goes from {in_ch} to {out_ch} channels; slices have one")
    shape = {"in_ch": 1, "out_ch": 1, "n_filters": n_filters, "kernel_size": kernel_size}
    architecture = {**described.get("architecture", {}), **shape, **given}
    if not described and not given:
        click.echo(
            f"No description lies beside {weights}: it is taken for a network with nothing after "
            "its last layer; for another one give --final-activation, --residual, --padding-mode",
            err=True,
        )
    try:
        model = SimpleCNN(**architecture)
    except TypeError as error:
        raise Refusal(f"the description beside {weights} is damaged ({error}); delete it") from None
    return load_weights(model, weights), architecture


def classical_methods(thorough: bool) -> list[tuple[str, Callable[..., Any], list[float]]]:
    """Title, function and the constants to try."""
    from ippy.classical import tikhonov, total_variation, wiener

    methods: list[tuple[str, Callable[..., Any], list[float]]]
    methods = [("Wiener", wiener, [10 ** (k / 8) for k in range(-40, 9)])]
    if thorough:
        methods += [("Tikhonov", tikhonov, [10 ** (k / 3) for k in range(-12, 1)])]
        methods += [("TV", total_variation, [10 ** (k / 3) for k in range(-15, -5)])]
    return methods


def tuned(
    title: str,
    method: Callable[..., Any],
    K: Blurring,
    train_set: MayoDataset,
    values: list[float],
    level: float,
) -> float:
    """The constant of a method; what `tune` warns of goes to stderr as a sentence."""
    from ippy.classical import tune

    if not quiet():
        click.echo(f"tuning {title}", err=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        constant = tune(method, K, train_set, values, level)
    for warning in caught:
        click.echo(f"{title}: {warning.message}", err=True)
    return constant


def table(scores: dict[str, Scores]) -> str:
    """One line a method: mean, standard deviation, smallest and largest PSNR and SSIM."""
    width = max(map(len, scores)) + 1
    lines = [
        f"{'':{width}}{'PSNR in dB':^31}{'SSIM':^33}",
        f"{'':{width}}{'mean ± std':^15}{'min … max':^16}{'mean ± std':^17}{'min … max':^16}",
    ]
    for title, score in scores.items():
        p, s = score.psnr.double(), score.ssim.double()
        lines.append(
            f"{title:{width}}"
            f"{p.mean():6.2f} ± {p.std(correction=0):<5.2f} {p.min():6.2f} … {p.max():<5.2f}  "
            f"{s.mean():8.4f} ± {s.std(correction=0):.4f} {s.min():7.4f} … {s.max():.4f}"
        )
    return "\n".join(line.rstrip() for line in lines)


def verdict(scores: dict[str, Scores]) -> str:
    """How far the network is above or below each of the others."""
    parts = []
    for title, score in scores.items():
        if title != "network":
            gain = scores["network"].mean_psnr - score.mean_psnr
            parts.append(f"{abs(gain):.2f} dB {'above' if gain >= 0 else 'below'} {title}")
    parts[0] = parts[0].replace("measurement", "the measurement")
    return f"On average the network is {', '.join(parts[:-1])} and {parts[-1]}."


def numbers(score: Scores) -> dict[str, Any]:
    """Scores in plain values."""
    result: dict[str, Any] = {}
    for name in ("psnr", "ssim"):
        values = getattr(score, name).double()
        result[f"mean_{name}"] = values.mean().item()
        result[f"std_{name}"] = values.std(correction=0).item()
        result[name] = values.tolist()
    return result
