"""Training a network to undo K: the loop."""

import math
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from ippy.checkpoint import (
    History,
    Progress,
    fingerprint,
    load_checkpoint,
    read_history,
    save_checkpoint,
    write_history,
)
from ippy.crops import TrainingCrops, generator_for
from ippy.device import get_device
from ippy.evaluation import Scores, Slices, evaluate, measure
from ippy.models import receptive_field
from ippy.operators import Operator
from ippy.recipe import PRESETS, Recipe, preset
from ippy.soap import SOAP

__all__ = [
    "PRESETS",
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
        checkpoint: file that keeps the run, written every `save_every` steps. If it is there
            already, training goes on from it, to the same weights as without the break.
        log_every: steps from one entry of the history to the next.
        progress: whether a progress bar is shown.
        **changes: fields of the recipe to change, such as `steps=200`.

    Returns:
        The history: a dictionary for every `log_every` steps, with "step", "loss" (mean since the
        entry before), "learning_rate", "seconds" (of training) and, where it was taken, "psnr".

    Raises:
        FloatingPointError: the loss is not a number any more, or absurdly large.
        ValueError: the checkpoint belongs to another recipe, network, operator or training set.
    """
    recipe = replace(preset(recipe) if isinstance(recipe, str) else recipe, **changes)
    device = torch.device(get_device())
    initialise(model, recipe.start, recipe.seed)
    model.to(device).to(memory_format=torch.channels_last).train()
    optimiser = make_optimiser(model, recipe)
    crops = make_crops(model, K, train_set, recipe)
    identity = {"recipe": asdict(recipe), "training set": crops.fingerprint, "K": fingerprint(K)}
    run = Progress()
    if checkpoint is not None and Path(checkpoint).exists():
        run = load_checkpoint(checkpoint, identity, model, optimiser)

    steps = tqdm(
        range(run.step, recipe.steps),
        initial=run.step,
        total=recipe.steps,
        disable=not progress,
        unit="step",
    )
    for step in steps:
        clock = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        batch = crops.batch(step, recipe.batch_size)
        x, y_delta, mask = (part.to(device) for part in batch)  # (N, C, h, w), mask (N, 1, h, w)

        x_hat = model(y_delta)  # (N, C, h, w)
        loss = (mask * (x_hat - x) ** 2).sum() / (x.shape[0] * x.shape[1] * crops.pixels)
        run.losses.append(loss.item())
        check_loss(run, recipe)

        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

        run.step += 1
        run.seconds += time.perf_counter() - clock
        last = run.step == recipe.steps
        if last or run.step % log_every == 0:
            entry = {"step": run.step, "loss": sum(run.losses) / len(run.losses)}
            entry |= {"learning_rate": recipe.learning_rate_at(step), "seconds": run.seconds}
            if validation_set is not None and (last or run.step % validate_every == 0):
                entry["psnr"] = evaluate(model, K, validation_set, recipe.noise_level).mean_psnr
            run.history.append(entry)
            run.losses = []
            steps.set_postfix({k: f"{entry[k]:.4g}" for k in ("loss", "psnr") if k in entry})
        if checkpoint is not None and (last or run.step % save_every == 0):
            save_checkpoint(checkpoint, identity, run, model, optimiser)
    model.eval()
    return run.history


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
        "warm_up; if it happens at once, look for NaN in the slices or in the given weights"
    )
