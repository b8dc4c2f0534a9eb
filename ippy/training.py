"""Training a network to undo K: the loop."""

import math
import time
import zlib
from dataclasses import asdict, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ippy.checkpoint import (
    History,
    Progress,
    fingerprint,
    held,
    load_checkpoint,
    read_history,
    save_checkpoint,
    write_history,
)
from ippy.crops import Batch, TrainingCrops, generator_for
from ippy.distribution import Alone, Engine
from ippy.evaluation import Scores, Slices, check_slices, evaluate, measure
from ippy.fast import PIECE, add_gradient, keep_memory
from ippy.interruption import Interrupted, Interruption
from ippy.models import receptive_field
from ippy.operators import Operator
from ippy.recipe import PRESETS, Recipe, preset
from ippy.soap import SOAP

__all__ = [
    "PRESETS",
    "Interrupted",
    "Recipe",
    "Scores",
    "evaluate",
    "initialise",
    "measure",
    "preset",
    "read_history",
    "train",
    "write_history",
]

# Slices lie in [0, 1]: no sensible answer is wrong by more than 1.
ABSURD_LOSS = 10.0


def train(
    model: nn.Module,
    K: Operator,
    train_set: Slices,
    recipe: Recipe | str = "short",
    *,
    validation_set: Slices | None = None,
    checkpoint: str | Path | None = None,
    log_every: int = 50,
    validate_every: int = 500,
    save_every: int = 500,
    progress: bool = True,
    engine: Engine | None = None,
    **changes: Any,
) -> History:
    """Minimise the mean of (model(Kx + e) − x)² over the pixels of the slices x, e ever new.

    The model is trained in place, on the best device there is, and left in eval mode.

    Args:
        model: maps measurements (N, C, H, W) to reconstructions.
        K: the operator to undo.
        train_set: slices of shape (C, H, W) in [0, 1], such as a `MayoDataset`.
        recipe: a `Recipe`, or the name of one in `PRESETS`.
        validation_set: slices on which the PSNR is taken every `validate_every` steps.
        checkpoint: file that keeps the run, written at the start, every `save_every` steps, and
            when the run is stopped by Ctrl-C or SIGTERM. If it is there already, training goes on
            from it, to the same weights as without the break.
        log_every: steps from one entry of the history to the next.
        progress: whether a progress bar is shown.
        engine: the processes that share the work, see `ippy.distribution.engine`; None for this
            one alone.
        **changes: fields of the recipe to change, such as `steps=200`.

    Returns:
        The history: a dictionary for every `log_every` steps, with "step", "loss" (mean since the
        entry before), "learning_rate", "seconds" (of training) and, where it was taken, "psnr".

    Raises:
        FloatingPointError: the loss is not a number any more, or absurdly large.
        Interrupted: Ctrl-C or SIGTERM came; the step was finished and the run kept. After the last
            step, too: the model is trained then, but what follows the call does not run.
        OSError: the checkpoint cannot be written; the one before it stays.
        TypeError: an argument is not what it should be.
        ValueError: the checkpoint belongs to another recipe, network, operator or training set,
            another process is training with it, or the processes of `engine` do not see the same.
    """
    check_arguments(model, K, recipe)
    check_intervals(log_every=log_every, validate_every=validate_every, save_every=save_every)
    recipe = replace(preset(recipe) if isinstance(recipe, str) else recipe, **changes)
    engine = engine or Alone()
    share = range(engine.global_rank, recipe.batch_size, engine.world_size)
    if recipe.batch_size < engine.world_size:
        raise ValueError(
            f"batch_size must be at least the number of processes, {engine.world_size}, "
            f"got {recipe.batch_size}"
        )
    # First what may be refused: until then the model keeps the weights that it came with.
    crops = make_crops(model, K, train_set, recipe)
    if validation_set is not None:  # else it would be found unfit hundreds of steps later
        check_slices(validation_set, "validation_set")
        K(validation_set[0])
    initialise(model, recipe.start, recipe.seed)
    model.to(engine.device).to(memory_format=torch.channels_last).train()
    network = engine.setup_module(model)  # shares its weights with the model
    optimiser = make_optimiser(model, recipe)
    number = next(model.parameters())  # the dtype and the device of everything
    # Several processes exchange their gradients after each piece: for them, a batch is in one.
    piece = PIECE if engine.world_size == 1 else None
    keep_memory()
    identity = {
        "recipe": asdict(recipe),
        "training set": crops.fingerprint,
        "K": fingerprint(K),
        "network": " ".join(str(model).split()),
    }
    writes = engine.global_rank == 0
    run, shown = Progress(), dict[str, str]()

    def backward(part: Tensor) -> None:
        engine.backward(part * engine.world_size)  # the engine takes the mean over the processes

    def keep() -> None:
        if checkpoint is not None and writes:
            save_checkpoint(checkpoint, identity, run, model, optimiser)

    with held(checkpoint if writes else None), Interruption() as interruption:
        if checkpoint is not None and Path(checkpoint).exists():
            run = load_checkpoint(checkpoint, identity, model, optimiser)
        check_agreement(engine, run, identity)  # it waits: nobody writes before all have read
        keep()
        steps = tqdm(
            range(run.step, recipe.steps),
            initial=run.step,
            total=recipe.steps,
            disable=not (progress and writes),
            unit="step",
        )
        for step in steps:
            clock = time.perf_counter()
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate_at(step)
            shared = crops.batch(step, recipe.batch_size, share)
            batch = Batch(*(z.to(number) for z in shared))
            scale = recipe.batch_size * batch.x.shape[1] * crops.pixels

            optimiser.zero_grad()
            loss = add_gradient(network, batch, scale, backward, piece)  # of the squared error
            told = torch.tensor([loss, interruption.signal], dtype=torch.float64)
            whole_loss, stop = engine.all_reduce(told.to(number), reduce_op="sum").tolist()
            run.losses.append(whole_loss)
            check_loss(run, recipe)
            optimiser.step()

            run.step += 1
            run.seconds += time.perf_counter() - clock
            last = run.step == recipe.steps
            if last or run.step % log_every == 0:
                entry = run.log(learning_rate=recipe.learning_rate_at(step))
                if (
                    validation_set is not None
                    and writes
                    and (last or run.step % validate_every == 0)
                ):
                    scores = evaluate(model, K, validation_set, recipe.noise_level)
                    entry["psnr"] = scores.mean_psnr
                shown |= {name: f"{entry[name]:.4g}" for name in ("loss", "psnr") if name in entry}
                steps.set_postfix(shown)
            if last or stop or run.step % save_every == 0:
                keep()
            if stop and not last:
                engine.barrier()  # a launcher ends all processes as soon as one is gone
                raise Interrupted(farewell(run, recipe, checkpoint), interruption.signal)
        model.eval()
        if interruption.signal:  # it came in the last step
            raise Interrupted(farewell(run, recipe, checkpoint), interruption.signal)
    return run.history


def farewell(run: Progress, recipe: Recipe, checkpoint: str | Path | None) -> str:
    """What is to be said of a run that was stopped."""
    if run.step == recipe.steps:
        return f"training was stopped when all {run.step} steps were done; the model is trained"
    kept = "nothing was kept, for want of a checkpoint"
    if checkpoint is not None:
        kept = f"{checkpoint} keeps it, and the same call goes on from there"
    return f"training was stopped after step {run.step} of {recipe.steps}; {kept}"


def initialise(model: nn.Module, start: str, seed: int) -> None:
    """Draw the initial weights of a model's convolutions and linear layers from a seed.

    "default": every weight and bias uniform in ±1/√(fan-in), PyTorch's own rule. "identity": then
    the first kernel of each layer is set to one on the middle pixel of its first channel, to zero
    elsewhere, and its bias to zero, so that this channel hands the picture on from layer to layer.
    "given": nothing is changed.

    Raises:
        ValueError: `start` is unknown, or "identity" is asked of a network that is not made of
            convolutions with biases.
    """
    if start not in ("identity", "default", "given"):
        raise ValueError(f"start must be 'identity', 'default' or 'given', got {start!r}")
    if start == "given":
        return
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    generator = generator_for(seed, 2)
    with torch.no_grad():
        for layer in layers:
            bound = 1 / math.sqrt(layer.weight[0].numel())
            for parameter in layer.parameters():
                uniform = torch.rand(parameter.shape, generator=generator)
                parameter.copy_(bound * (2 * uniform - 1))
        if start == "identity":
            for layer in layers:
                if not isinstance(layer, nn.Conv2d) or layer.bias is None:
                    raise ValueError(
                        "start='identity' needs a network of convolutions with biases, "
                        f"got a {type(layer).__name__}; use start='default'"
                    )
                height, width = layer.kernel_size
                layer.weight[0] = 0
                layer.weight[0, 0, (height - 1) // 2, (width - 1) // 2] = 1
                layer.bias[0] = 0


def check_arguments(model: Any, K: Any, recipe: Any) -> None:
    """Say what is wrong before anything is changed."""
    if not isinstance(model, nn.Module) or next(model.parameters(), None) is None:
        raise TypeError(
            f"model must be a torch.nn.Module with weights to train, got {type(model).__name__}"
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("model must have weights to train, got none: use requires_grad_(True)")
    if not torch.is_grad_enabled():
        raise ValueError(
            "train cannot work where gradients are switched off: leave torch.no_grad()"
        )
    if not isinstance(K, Operator):
        raise TypeError(f"K must be an Operator, got {type(K).__name__}; Blurring(...) is one")
    if not isinstance(recipe, Recipe | str):
        names = ", ".join(PRESETS)
        raise TypeError(f"recipe must be a Recipe or one of {names}, got {type(recipe).__name__}")


def check_intervals(**intervals: int) -> None:
    """NaN, a fraction or a negative number of steps would pass silently, and mean never."""
    for name, steps in intervals.items():
        if not isinstance(steps, Integral) or isinstance(steps, bool) or steps < 1:
            raise ValueError(f"{name} must be a positive number of steps, got {steps!r}")


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser that a recipe asks for."""
    if recipe.optimiser == "soap":
        return SOAP(model.parameters(), lr=recipe.learning_rate)
    return torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)


def make_crops(model: nn.Module, K: Operator, train_set: Slices, recipe: Recipe) -> TrainingCrops:
    """The crops that a recipe asks for, cut as wide as the model's receptive field needs them."""
    reach, wraps = 0, False
    if recipe.crop is not None:
        reach = receptive_field(model) // 2
        wraps = any(getattr(m, "padding_mode", "zeros") == "circular" for m in model.modules())
    return TrainingCrops(
        train_set, K, recipe.crop, reach, recipe.noise_level, wraps=wraps, seed=recipe.seed
    )


def check_agreement(engine: Engine, run: Progress, identity: dict[str, Any]) -> None:
    """Refuse to train together with processes that read another checkpoint, or other slices."""
    ours = repr([run.step, identity["recipe"], identity["training set"]])
    number = torch.tensor(zlib.crc32(ours.encode()), device=engine.device)
    total = engine.all_reduce(number.clone(), reduce_op="sum")
    if total != engine.world_size * number:
        raise ValueError(
            "the processes do not agree on where training goes on: they must have the same slices "
            f"and see the same checkpoint (this one is at step {run.step}); share the folders of "
            "both between the computers, or copy them"
        )


def check_loss(run: Progress, recipe: Recipe) -> None:
    """Stop a run that has gone astray, and say what is known about it."""
    if run.losses[-1] <= ABSURD_LOSS:
        return
    known = [entry["loss"] for entry in run.history] + run.losses[:-1]
    before = f", after {known[-1]:.3g} before it" if known else " from the start"
    raise FloatingPointError(
        f"training diverged at step {run.step + 1} of {recipe.steps}: the loss is "
        f"{run.losses[-1]:.3g}{before}, with learning rate "
        f"{recipe.learning_rate_at(run.step):.2g}. Use a smaller learning_rate or a longer "
        "warm_up; if it happens at once, look for slices that are not in [0, 1], and for NaN in "
        "them or in the given weights"
    )
