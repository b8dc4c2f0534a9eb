"""`ippy train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ippy.cli.shared import (
    Refusal,
    blur,
    count,
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

OUT = Path("runs/CNN.pth")
WATCHED_SLICES = 4


@click.command(short_help="Train a network to undo a blur.")
@click.argument("out", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--preset",
    metavar="NAME",
    default="short",
    show_default=True,
    help="Recipe: tiny, brief, short (minutes), long (up to two hours), plain.",
)
@click.option("--steps", metavar="N", type=click.IntRange(min=1), help="Instead of the preset's.")
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the initial weights, the order of the slices and the noise.",
)
@measurement_options
@click.option(
    "--n-filters",
    metavar="N",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Filters in each of the first two layers.",
)
@click.option(
    "--kernel-size",
    metavar="PIXELS",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Side of the filters.",
)
@head_options
@click.option("--resume", is_flag=True, help="Go on with the run that was stopped.")
@click.option("--force", is_flag=True, help="Replace OUT, or the run that was stopped.")
@click.option(
    "--weights",
    "names",
    multiple=True,
    metavar="NAME",
    help="Make the book's own weights of that name again (all: all of them), and nothing else.",
)
def train(out: Path | None, names: tuple[str, ...], **settings: Any) -> None:
    """Train a network to undo a blur, and write its weights to OUT [default: runs/CNN.pth].

    Beside OUT stand its description (.json) and the loss as it went (.jsonl); while the training
    is unfinished, a checkpoint (.ckpt).

    \b
    Examples:
      ippy train runs/mine.pth
      ippy train runs/mine.pth --preset long --data ~/ct
      ippy train runs/wide.pth --n-filters 64 --kernel blur.txt --noise-level 0.05
    """
    if names:
        make_again(names)
    else:
        run(out or OUT, **settings)


def make_again(names: tuple[str, ...]) -> None:
    """Train the networks that the book's chapters load."""
    from ippy.weights import make_weights

    context = click.get_current_context()
    others = [
        parameter.opts[-1]
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) == ParameterSource.COMMANDLINE
        and parameter.name != "names"
    ]
    if others:
        raise Refusal(f"--weights fixes everything else; leave out {', '.join(others)}")
    for path in make_weights(None if "all" in names else names, progress=not quiet()):
        click.echo(path)


def run(
    out: Path,
    *,
    preset: str,
    steps: int | None,
    seed: int,
    data_path: Path | None,
    kernel_file: Path | None,
    noise_level: float | None,
    size: int,
    n_filters: int,
    kernel_size: int,
    final_activation: str | None,
    residual: bool | None,
    padding_mode: str | None,
    resume: bool,
    force: bool,
) -> None:
    """Train one network."""
    checkpoint = out.with_suffix(".ckpt")
    check_output(out, checkpoint, resume, force)
    from dataclasses import asdict, replace

    from ippy import course, recipe, training
    from ippy.models import SimpleCNN, count_parameters, save_weights

    level = course.NOISE_LEVEL if noise_level is None else noise_level
    how = replace(recipe.preset(preset), noise_level=level, seed=seed)
    how = how if steps is None else replace(how, steps=steps)
    kernel = None if kernel_file is None else read_kernel(kernel_file)
    K, name = blur(kernel, f"{kernel_file}", size)
    architecture: dict[str, Any] = {"in_ch": 1, "out_ch": 1, "n_filters": n_filters}
    architecture["kernel_size"] = kernel_size
    architecture |= head(final_activation, residual, padding_mode)
    model = SimpleCNN(**architecture)
    train_set, test_set = slices(data_path, "train", size), slices(data_path, "test", size)
    watched = [test_set[i] for i in range(0, len(test_set), -(-len(test_set) // WATCHED_SLICES))]

    click.echo(f"Network   {describe(architecture, count_parameters(model))}")
    click.echo(f"Blur      {name}; noise {percent(level)}")
    click.echo(f"Slices    {len(train_set)} from {train_set.data_path}")
    click.echo(f"Recipe    {preset}: {how.steps:,} steps of {how.batch_size} pictures, seed {seed}")
    try:
        history = training.train(
            model,
            K,
            train_set,
            how,
            validation_set=watched,
            checkpoint=checkpoint,
            progress=not quiet(),
        )
    except KeyboardInterrupt:
        advice = "nothing was kept yet"
        if checkpoint.exists():
            advice = "the same command with --resume goes on from the last checkpoint"
        click.echo(f"\nStopped; {advice}.", err=True)
        raise SystemExit(130) from None
    save_weights(model, out)
    last = history[-1]
    description = {
        "architecture": architecture,
        "recipe": asdict(how),
        "kernel": kernel,
        "data": f"{train_set.data_path}",
        "seconds": round(last["seconds"], 1),
    }
    write_json(description, out.with_suffix(".json"))
    checkpoint.unlink(missing_ok=True)
    minutes, seconds = divmod(round(last["seconds"]), 60)
    click.echo(
        f"Done in {minutes} min {seconds} s: mean squared error {last['loss']:.2e} in training, "
        f"PSNR {last['psnr']:.2f} dB on {count(len(watched), 'test slice')}"
    )
    click.echo(f"Weights   {out}")
    click.echo(f"Next      ippy evaluate {out}")


def check_output(out: Path, checkpoint: Path, resume: bool, force: bool) -> None:
    """Refuse to write over weights or an unfinished run, unless told to."""
    if resume and not checkpoint.exists():
        raise Refusal(f"--resume: there is no unfinished run {checkpoint}; leave --resume out")
    if checkpoint.exists() and not resume:
        if not force:
            raise Refusal(
                f"an unfinished run is kept in {checkpoint}; --resume goes on with it, --force "
                "starts again"
            )
        checkpoint.unlink()
    if out.exists() and not (resume or force):
        raise Refusal(f"{out} exists already; name another file, or replace it with --force")
