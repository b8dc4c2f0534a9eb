"""`ippy export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ippy.cli.evaluate import load, read_description
from ippy.cli.shared import Refusal, describe, head, head_options, percent
from ippy.cli.shared import in_words as blur_in_words


@click.command(short_help="Write a network as a file that the book's pages read.")
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@head_options
def export(
    weights: Path,
    out: Path,
    final_activation: str | None,
    residual: bool | None,
    padding_mode: str | None,
) -> None:
    """Write the network in WEIGHTS to OUT, a .safetensors file, which holds numbers only.

    The laboratory of the book's site reads it: drop the file there, and it restores pictures in
    the page itself. The file says how the network is built. Its size is read from WEIGHTS; its
    final activation and padding from the description beside it, unless given as options. From there
    come also the blur and the noise that it was trained for, so that the laboratory can say when it
    is asked to undo another blur.

    \b
    Examples:
      ippy export runs/mine.pth mine.safetensors
      ippy export others.pth others.safetensors --final-activation relu
    """
    from ippy.checkpoint import write_atomically
    from ippy.export import to_safetensors
    from ippy.models import count_parameters

    if out.suffix != ".safetensors":
        raise Refusal(f"OUT must end in .safetensors, got {out}")
    given = head(final_activation, residual, padding_mode)
    described = read_description(weights)
    model, architecture = load(weights, described, given)
    try:
        training = trained_for(described)
        remark = in_words(training)
    except (LookupError, TypeError, ValueError) as error:
        raise Refusal(
            f"the description beside {weights} is damaged ({error!r}); delete it"
        ) from error
    content = to_safetensors(model, training)
    write_atomically(content, out)
    click.echo(f"{out}: {describe(architecture, count_parameters(model))}, {len(content):,} bytes")
    click.echo(f"Trained for {remark}")


def trained_for(described: dict[str, Any]) -> dict[str, Any] | None:
    """The blur, as keywords of `Blurring`, and the noise level in the description of weights."""
    from ippy.course import BLUR

    if "recipe" not in described:
        return None
    if described.get("kernel") is not None:
        blur: dict[str, Any] = {"kernel": described["kernel"]}
    else:
        blur = dict(described.get("blur", BLUR))
    return {
        "blur": {"padding": "zeros", **blur},
        "noise_level": described["recipe"]["noise_level"],
    }


def in_words(training: dict[str, Any] | None) -> str:
    """What a network was trained for, for a person."""
    if training is None:
        return "an unknown blur: no description lies beside the weights, and the page will say so"
    blur = {key: value for key, value in training["blur"].items() if key != "padding"}
    kernel = blur.get("kernel")
    name = f"a kernel of {len(kernel)}×{len(kernel[0])}" if kernel else blur_in_words(**blur)
    level, padding = training["noise_level"], training["blur"]["padding"]
    return f"{name}, {percent(level)} noise, padding {padding}"
