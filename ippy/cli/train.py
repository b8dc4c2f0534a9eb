"""`ippy train`."""

from __future__ import annotations

import hashlib
import io
import os
import signal
from functools import partial
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
LONGEST_NAME = 200  # disks take 255 bytes, and what is unfinished has a longer one


@click.command(short_help="Train a network to undo a blur.")
@click.argument("out", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--preset",
    metavar="NAME",
    default="short",
    show_default=True,
    help="Recipe: tiny, brief, short (a minute), long (ten minutes), plain (hours).",
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
@click.option(
    "--devices",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that share the work on this computer: graphics cards, or processor cores.",
)
@click.option(
    "--nodes",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Computers that share the work; run the same command on each (see the README).",
)
@click.option("--resume", is_flag=True, help="Go on with the run that was stopped.")
@click.option("--force", is_flag=True, help="Replace OUT, or the run that was stopped.")
@click.option(
    "--weights",
    "names",
    multiple=True,
    metavar="NAME",
    help="Make the book's own weights of that name again (all: all of them), on --data if given.",
)
def train(out: Path | None, names: tuple[str, ...], **settings: Any) -> None:
    """Train a network to undo a blur, and write its weights to OUT, a .pth file [runs/CNN.pth].

    Beside OUT stand its description (.json), the loss as it went (.jsonl) and a picture of it
    (.png); while the training is unfinished, a checkpoint (.ckpt). Ctrl-C keeps the run.

    \b
    Examples:
      ippy train runs/mine.pth
      ippy train runs/mine.pth --preset long --data ~/ct
      ippy train runs/wide.pth --n-filters 64 --kernel blur.txt --noise-level 0.05
    """
    if names:
        make_again(names, settings["data_path"])
    else:
        run(out or OUT, **settings)


def make_again(names: tuple[str, ...], data_path: Path | None) -> None:
    """Train the networks that the book's chapters load."""
    from ippy.weights import make_weights

    context = click.get_current_context()
    others = [
        parameter.opts[-1]
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) == ParameterSource.COMMANDLINE
        and parameter.name not in {"names", "data_path"}
    ]
    if others:
        raise Refusal(f"--weights fixes everything else; leave out {', '.join(others)}")
    chosen = None if "all" in names else names
    say = partial(click.echo, err=True)
    for path in make_weights(chosen, data_path=data_path, progress=not quiet(), say=say):
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
    devices: int,
    nodes: int,
    resume: bool,
    force: bool,
) -> None:
    """Train one network."""
    from dataclasses import asdict, replace

    from ippy import course, distribution, recipe, training
    from ippy.checkpoint import held
    from ippy.data import hold_out
    from ippy.models import SimpleCNN, count_parameters, save_weights

    if out.suffix != ".pth":  # so that nothing that stands beside it bears its name
        raise Refusal(f"OUT must end in .pth, got {out}")
    if len(os.fsencode(out.name)) > LONGEST_NAME:
        raise Refusal(f"OUT must be a name of at most {LONGEST_NAME} bytes, got {out.name[:50]}…")
    checkpoint = out.with_suffix(".ckpt")
    first = distribution.is_first_process()
    say = click.echo if first else silence
    if first:
        check_output(out, checkpoint, resume, force)
    level = course.NOISE_LEVEL if noise_level is None else noise_level
    how = replace(recipe.preset(preset), noise_level=level, seed=seed)
    how = how if steps is None else replace(how, steps=steps)
    if devices * nodes > how.batch_size:  # before so many processes are started
        raise Refusal(
            f"--devices, --nodes: {devices * nodes} processes cannot share a batch of "
            f"{how.batch_size} pictures; use at most {how.batch_size}"
        )
    kernel = None if kernel_file is None else read_kernel(kernel_file)
    K, name = blur(kernel, f"{kernel_file}", size)
    architecture: dict[str, Any] = {"in_ch": 1, "out_ch": 1, "n_filters": n_filters}
    architecture["kernel_size"] = kernel_size
    architecture |= head(final_activation, residual, padding_mode)
    model = SimpleCNN(**architecture)
    train_set, watched = hold_out(slices(data_path, "train", size))
    kept_out = not set(watched.paths) & set(train_set.paths)  # there is more than one patient

    say(f"Network   {describe(architecture, count_parameters(model))}")
    say(f"Blur      {name}; noise {percent(level)}")
    watching = f"{len(watched)} {'more' if kept_out else 'of them'} to watch"
    say(f"Slices    {len(train_set)} from {train_set.data_path}, {watching}")
    say(f"Recipe    {preset}: {how.steps:,} steps of {how.batch_size} pictures, seed {seed}")
    if first and checkpoint.exists() and not resume:
        with held(checkpoint):  # --force does not take it away from a run that goes on
            checkpoint.unlink()
    if nodes > 1:
        place = os.environ.get("MASTER_ADDR", "no address: MASTER_ADDR is not set, see the README")
        say(f"Waiting   for {nodes} computers, which meet at {place}")
    try:
        engine = distribution.engine(devices, nodes)
    except ModuleNotFoundError as error:
        raise Refusal(str(error)) from error
    if engine.world_size > 1:
        say(f"Processes {engine.world_size}, each takes its share of every batch")
    try:
        history = training.train(
            model,
            K,
            train_set,
            how,
            validation_set=watched,
            checkpoint=checkpoint,
            progress=not quiet(),
            engine=engine,
        )
    except KeyboardInterrupt as stopped:
        kept = f"{checkpoint} keeps the run: --resume goes on with it"
        say(f"\nStopped; {kept if checkpoint.exists() else 'nothing was kept yet'}.", err=True)
        number = getattr(stopped, "signal", signal.SIGINT)
        # A launcher would take another failure for the cause, and kill the first process.
        raise SystemExit(128 + number if first else 0) from None
    except RuntimeError as error:
        if engine.world_size == 1 or not distribution.is_of_others(error):
            raise
        raise Refusal("another process of this training has ended; it says why") from error
    if not first:
        return
    last = history[-1]
    description = {
        "architecture": architecture,
        "recipe": asdict(how),
        "kernel": kernel,
        "data": f"{train_set.data_path}",
        "seconds": round(last["seconds"], 1),
    }
    try:
        save_weights(model, out)
        description["sha256"] = hashlib.sha256(out.read_bytes()).hexdigest()
        write_json(description, out.with_suffix(".json"))
        draw(history, out.with_suffix(".png"))
    except OSError as error:
        raise Refusal(
            f"{out} cannot be written with all that belongs to it ({error.strerror or error}); "
            f"the trained network is whole in {checkpoint}: make room, then use --resume"
        ) from error
    checkpoint.unlink(missing_ok=True)
    minutes, seconds = divmod(round(last["seconds"]), 60)
    click.echo(
        f"Done in {minutes} min {seconds} s: mean squared error {last['loss']:.2e} in training, "
        f"PSNR {last['psnr']:.2f} dB on {count(len(watched), 'slice')} "
        f"{'kept out of it' if kept_out else 'of the only patient, trained on as well'}"
    )
    click.echo(f"Weights   {out}")
    click.echo(f"Curve     {out.with_suffix('.png')}")
    click.echo(f"Next      ippy evaluate {out}")


def silence(*_: Any, **__: Any) -> None:
    """Say nothing: one of several processes speaks."""


def draw(history: list[dict[str, Any]], path: Path) -> None:
    """A picture of how the training went."""
    import matplotlib

    from ippy.checkpoint import write_atomically
    from ippy.figures import show_history

    matplotlib.use("agg")  # whatever MPLBACKEND says: nothing is shown, and a notebook's is missing
    picture = io.BytesIO()
    show_history(history).savefig(picture, dpi=150)
    write_atomically(picture.getvalue(), path)


def check_output(out: Path, checkpoint: Path, resume: bool, force: bool) -> None:
    """Refuse to write over weights or an unfinished run, unless told to."""
    if resume and not checkpoint.exists():
        raise Refusal(f"--resume: there is no unfinished run {checkpoint}; leave --resume out")
    if checkpoint.exists() and not (resume or force):
        raise Refusal(
            f"an unfinished run is kept in {checkpoint}; --resume goes on with it, --force "
            "starts again"
        )
    if out.exists() and not (resume or force):
        raise Refusal(f"{out} exists already; name another file, or replace it with --force")
