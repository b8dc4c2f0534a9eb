"""`ippy export`."""

from __future__ import annotations

from pathlib import Path

import click

from ippy.cli.evaluate import load, read_description
from ippy.cli.shared import Refusal, describe, head, head_options


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
    final activation and padding from the description beside it, unless given as options.

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
    model, architecture = load(weights, read_description(weights), given)
    content = to_safetensors(model)
    write_atomically(content, out)
    click.echo(f"{out}: {describe(architecture, count_parameters(model))}, {len(content):,} bytes")
