"""Every public function against the same list of bad values and bad tensors, row by row.

Where the value is wrong the message begins with the argument's name and says what came; where it is
unusual and yet right, the result is that of the plain value. Nothing passes in between.
"""

import contextlib
import importlib
import inspect
import math
import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from traitlets import TraitError

from ippy import Blurring, Identity, SimpleCNN, gaussian_noise, poisson_noise, psnr, ssim
from ippy import relative_error as relative
from ippy.adapters import as_deepinv, as_scipy
from ippy.classical import frequency_response, tikhonov, total_variation, tune, tuning_curve, wiener
from ippy.course import load_model, weights_path
from ippy.data import MayoDataset, find_data, hold_out, load_image
from ippy.distribution import engine
from ippy.evaluation import evaluate, measure
from ippy.explorers import explorer_class, names
from ippy.export import to_safetensors
from ippy.models import count_parameters, load_weights, receptive_field, save_weights
from ippy.operators import adjoint_error, gaussian_kernel, motion_kernel
from ippy.phantoms import phantom, write_dataset
from ippy.questions import choose, number
from ippy.recipe import Recipe, preset
from ippy.training import initialise, train
from ippy.weights import make_weights

HERE = Path(__file__).parent
nan, inf = math.nan, math.inf
x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
K = Blurring((16, 16), kernel_type="motion", kernel_size=5)
SMALL = Recipe(steps=2, batch_size=1, crop=8)
NO_NUMBERS: list[Any] = [None, "1", b"1", [1], (1,), {}, 1j, object()]
NO_COUNTS: list[Any] = [*NO_NUMBERS, nan, inf, 1.5, 0, -1]


@pytest.fixture(scope="module", autouse=True)
def slices(tmp_path_factory) -> SimpleNamespace:
    """Three slices of 16×16, reached through the name `files` in the table."""
    folder = tmp_path_factory.mktemp("slices")
    (folder / "P").mkdir()
    for i in range(3):
        Image.fromarray(np.full((16, 16), 50 + i, np.uint8)).save(folder / "P" / f"{i}.png")
    files.folder, files.png = folder, folder / "P" / "0.png"
    files.set = MayoDataset(folder, 16, cache=False)
    return files


files = SimpleNamespace()


def trained(**settings: Any) -> Any:
    return train(SimpleCNN(1, 1, 4), K, [x[0]], SMALL, progress=False, **settings)


# What is called with a value, the values, and what each of them is told.
Call = Callable[[Any], Any]
VALUES: dict[str, tuple[Call, Iterable[Any], str]] = {
    "Blurring img_shape": (
        lambda v: Blurring((v, 16), kernel_type="motion"),
        [*NO_COUNTS, 10**30],
        "img_shape must be a pair (H, W) of",
    ),
    "motion_kernel size": (motion_kernel, [*NO_COUNTS, True, 2], "kernel_size must be a positive"),
    "motion_kernel angle": (
        lambda v: motion_kernel(3, v),
        [*NO_NUMBERS, True, nan, inf],
        "motion_angle must be",
    ),
    "gaussian_kernel variance": (
        lambda v: gaussian_kernel(3, v),
        [*NO_NUMBERS, True, nan, inf, 0, -1],
        "kernel_variance must be",
    ),
    "Identity shape": (Identity, [None, 3, (3,), (3, 0), (2.5, 3)], "img_shape must be a pair"),
    "adjoint_error K": (adjoint_error, [None, 3, torch.eye(3)], "K must be an Operator, got"),
    "noise level": (
        lambda v: gaussian_noise(x, v),
        [*NO_NUMBERS, True, nan, inf, -0.1],
        "noise_level must",
    ),
    "noise generator": (
        lambda v: gaussian_noise(x, 0.1, v),
        [0, "0", torch, np.random.default_rng(0)],
        "generator must be a torch.Generator, got",
    ),
    "poisson peak": (
        lambda v: poisson_noise(x, v),
        [*NO_NUMBERS, True, nan, inf, 0, -1, 1e15],
        "peak must",
    ),
    "psnr range": (
        lambda v: psnr(x, x, v),
        [*NO_NUMBERS, True, nan, inf, 0, -1],
        "data_range must be a",
    ),
    "ssim range": (
        lambda v: ssim(x, x, v),
        [*NO_NUMBERS, True, nan, inf, 0, -1],
        "data_range must be a",
    ),
    "SimpleCNN filters": (
        lambda v: SimpleCNN(1, 1, v),
        [*NO_COUNTS, True],
        "n_filters must be a positive integer, got",
    ),
    "SimpleCNN kernel": (
        lambda v: SimpleCNN(1, 1, 4, v),
        [*NO_COUNTS, True],
        "kernel_size must be a positive integer, got",
    ),
    "SimpleCNN residual": (
        lambda v: SimpleCNN(1, 1, 4, residual=v),
        ["no", "False", 0, 1, None, []],
        "residual must be True or False, got",
    ),
    "wiener constant": (
        lambda v: wiener(x, K, v),
        [*NO_NUMBERS, True, nan, inf, -1],
        "constant must be",
    ),
    "tikhonov weight": (
        lambda v: tikhonov(x, K, v),
        [*NO_NUMBERS, True, nan, inf, -1],
        "weight must be",
    ),
    "tikhonov iterations": (
        lambda v: tikhonov(x, K, 0.1, v),
        [*NO_COUNTS, True],
        "iterations must be a positive integer, got",
    ),
    "total_variation weight": (
        lambda v: total_variation(x, K, v),
        [*NO_NUMBERS, True, nan, inf, -1, 0],
        "weight must be",
    ),
    "frequency_response shape": (
        lambda v: frequency_response(K, v),
        [3, "ab", (3,), (3, 0), (1.5, 3), (10**30, 3)],
        "shape must be a pair (H, W) of",
    ),
    "tune slices": (
        lambda v: tune(wiener, K, [x[0]], [0.1], 0.01, slices=v),
        NO_COUNTS,
        "slices must be a positive integer, got",
    ),
    "tune method": (
        lambda v: tune(v, K, [x[0]], [0.1], 0.01),
        [None, "wiener", 3],
        "method must be a function such as wiener, got",
    ),
    "tune dataset": (
        lambda v: tune(wiener, K, v, [0.1], 0.01),
        [None, 3, [], [x[0].numpy()], "slices"],
        "dataset must hold",
    ),
    "tuning_curve of a method that gives NaN": (
        lambda v: tuning_curve(lambda y, K, value: y * value, K, [x[0]], [v, 1], 0.01),
        [nan],
        "gives NaN with the value",
    ),
    "measure seed": (
        lambda v: measure(x, K, 0.01, v),
        [None, "1", 1.5, True, 10**30, -(10**30)],
        "seed must be a",
    ),
    "measure K": (lambda v: measure(x, v, 0.01, 0), [None, "K", 3], "K must be an Operator, got"),
    "evaluate dataset": (
        lambda v: evaluate(lambda y: y, K, v, 0.01),
        [None, 3, [], [x[0].numpy()], "slices"],
        "dataset must hold",
    ),
    "evaluate result": (
        lambda v: evaluate(lambda y: v, K, [x[0]], 0.01),
        [None, x.numpy(), x[:1] > 0.5, (255 * x[:1]).byte(), (255 * x[:1]).long(), x[:1] + 0j],
        "reconstruct must return",
    ),
    "phantom seed": (phantom, [*NO_NUMBERS, True, nan, inf, 1.5, -1], "seed must be"),
    "phantom size": (lambda v: phantom(0, v), [*NO_COUNTS, True, 31], "size must be"),
    "write_dataset patients": (
        lambda v: write_dataset("nowhere", train_patients=v),
        [*NO_NUMBERS, True, -1, 1.5],
        "train_patients must be",
    ),
    "Recipe steps": (
        lambda v: Recipe(steps=v),
        [*NO_COUNTS, True],
        "steps must be a positive integer, got",
    ),
    "Recipe seed": (
        lambda v: Recipe(seed=v),
        [*NO_NUMBERS, True, nan, 1.5, -1],
        "seed must be an integer from 0 up, got",
    ),
    "preset": (preset, [None, "fast", 3], "recipe must be one of"),
    "train log_every": (
        lambda v: trained(log_every=v),
        [*NO_COUNTS, True],
        "log_every must be a positive number of steps, got",
    ),
    "train validate_every": (
        lambda v: trained(validate_every=v),
        [*NO_COUNTS, True],
        "validate_every must be a positive number of steps, got",
    ),
    "train save_every": (
        lambda v: trained(save_every=v),
        [*NO_COUNTS, True],
        "save_every must be a positive number of steps, got",
    ),
    "train set": (
        lambda v: train(SimpleCNN(1, 1, 4), K, v, SMALL, progress=False),
        [None, 3, [], [x[0].numpy()], "slices"],
        "the training set must hold",
    ),
    "train validation_set": (
        lambda v: trained(validation_set=v),
        [3, [], [x[0].numpy()], "slices"],
        "validation_set must hold",
    ),
    "train on slices and watch others of another size": (
        lambda v: trained(validation_set=[v]),
        [x[0, :, :8], x[0, 0, 0]],
        "x must have the shape (16, 16)",
    ),
    "train on grey values": (
        lambda v: train(SimpleCNN(1, 1, 4), K, [v * x[0]], SMALL, progress=False),
        [255, 65535, nan],
        "look for slices that are not in [0, 1]",
    ),
    "initialise start": (
        lambda v: initialise(SimpleCNN(1, 1, 4), v, 0),
        [None, "zero", 3],
        "start must be 'identity', 'default' or 'given', got",
    ),
    "save_weights model": (
        lambda v: save_weights(v, "nowhere"),
        [None, {}, "CNN"],
        "model must be a torch.nn.Module, got",
    ),
    "load_weights model": (
        lambda v: load_weights(v, "nowhere"),
        [None, {}, "CNN"],
        "model must be a torch.nn.Module, got",
    ),
    "count_parameters": (count_parameters, [None, {}], "model must be a torch.nn.Module, got"),
    "receptive_field": (
        receptive_field,
        [None, torch.nn.ReLU(), torch.nn.Linear(2, 2)],
        "model must be",
    ),
    "to_safetensors": (
        to_safetensors,
        [None, torch.nn.Linear(3, 3), {}],
        "model must be a SimpleCNN, got",
    ),
    "to_safetensors trained_for": (
        lambda v: to_safetensors(SimpleCNN(1, 1, 4), v),
        [{"noise_level": nan}, {"noise_level": inf}, {"blur": object()}, {"blur": {1, 2}}],
        "trained_for must be",
    ),
    "as_scipy": (as_scipy, [None, torch.eye(3)], "K must be an ippy Operator, got"),
    "as_deepinv": (as_deepinv, [None, torch.eye(3)], "K must be an ippy Operator, got"),
    "as_deepinv channels": (
        lambda v: as_deepinv(K, channels=v),
        [*NO_COUNTS, True],
        "channels must be a positive integer, got",
    ),
    "MayoDataset path": (MayoDataset, [None, 3, b"x", ["x"], ""], "data_path must"),
    "MayoDataset shape": (
        lambda v: MayoDataset(files.folder, v),
        [*NO_COUNTS, True, 2**31],
        "data_shape must be a positive integer",
    ),
    "MayoDataset max_value": (
        lambda v: MayoDataset(files.folder, 16, v),
        [*NO_NUMBERS[1:], nan, inf, 0, -1],
        "max_value must be a positive number, got",
    ),
    "load_image path": (lambda v: load_image(v, 16), [None, 3, b"x", ""], "path must"),
    "load_image max_value": (
        lambda v: load_image(files.png, 16, v),
        [1, 49],
        "max_value must be at least the largest grey value, got",
    ),
    "find_data": (find_data, [3, b"x", "", "nowhere"], "data_path must"),
    "hold_out count": (
        lambda v: hold_out(files.set, v),
        NO_COUNTS,
        "count must be a positive number of slices, got",
    ),
    "load_model": (load_model, ["U-Net", "../CNN", "CNN.pth", ""], "name must be one of the"),
    "weights_path": (weights_path, ["U-Net", "../x"], "name must be one of the shipped weights"),
    "make_weights": (make_weights, ["U-Net", ["CNN", "x"]], "names must be of CNN"),
    "engine devices": (engine, [*NO_COUNTS, True], "devices must be a positive integer, got"),
    "engine nodes": (lambda v: engine(1, v), [*NO_COUNTS], "nodes must be a positive integer, got"),
    "choose answers": (
        lambda v: choose("2 + 2", v, right="4"),
        [None, ["4", "5"], {"4": "yes"}],
        "answers must",
    ),
    "number right": (
        lambda v: number("2 + 2", right=v),
        [*NO_NUMBERS, True, nan, inf],
        "right must be",
    ),
}
ROWS = [
    pytest.param(call, value, told, id=f"{name}: {str(value)[:20]}")
    for name, (call, values, told) in VALUES.items()
    for value in values
]


@pytest.mark.parametrize(("call", "value", "told"), ROWS)
def test_a_bad_value_is_refused_with_a_sentence(call, value, told):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((TypeError, ValueError, FloatingPointError, OSError)) as refusal:
            call(value)
    assert told in str(refusal.value)


def trained_on(model: torch.nn.Module, slices: list[torch.Tensor]) -> None:
    train(model, K, slices, SMALL, progress=False)


def without_gradients() -> None:
    with torch.no_grad():
        trained_on(SimpleCNN(1, 1, 2), list(x))


class Mean(torch.nn.Conv2d):
    """One number for each picture, which torch would compare with every pixel of it."""

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return super().forward(y).mean((2, 3), keepdim=True)


WHOLE = Recipe(steps=2, batch_size=2, crop=None, start="default")
TRAININGS: dict[str, tuple[Callable[[], object], str]] = {
    "a channel too many comes out": (
        lambda: trained_on(SimpleCNN(1, 2, 2), list(x)),
        "model must return the shape of the slices, (1, 1, 8, 8), got (1, 2, 8, 8)",
    ),
    "a number comes out": (
        lambda: train(Mean(1, 1, 3), K, list(x), WHOLE, progress=False),
        "model must return the shape of the slices, (2, 1, 16, 16), got (2, 1, 1, 1)",
    ),
    "the borders are gone": (
        lambda: train(torch.nn.Conv2d(1, 1, 3), K, list(x), WHOLE, progress=False),
        "got (2, 1, 14, 14); look at its channels and its padding",
    ),
    "nothing to train": (
        lambda: trained_on(SimpleCNN(1, 1, 2).requires_grad_(False), list(x)),
        "model must have weights to train, got none",
    ),
    "no gradients": (without_gradients, "leave torch.no_grad()"),
    "pictures without channels": (
        lambda: trained_on(SimpleCNN(1, 1, 2), [z[0] for z in x]),
        "the training set must hold slices of one shape (C, H, W), got (16, 16)",
    ),
    "a batch for a slice": (
        lambda: trained_on(SimpleCNN(1, 1, 2), [x]),
        "the training set must hold slices of one shape (C, H, W), got (2, 1, 16, 16)",
    ),
    "slices of two sizes": (
        lambda: trained_on(SimpleCNN(1, 1, 2), [x[0], x[0, :, :8, :8]]),
        "of one shape (C, H, W), got (1, 8, 8), (1, 16, 16)",
    ),
}


@pytest.mark.parametrize(("call", "told"), TRAININGS.values(), ids=TRAININGS.keys())
def test_a_training_that_would_learn_nonsense_is_refused(call, told):
    with pytest.raises(ValueError) as refusal:
        call()
    assert told in str(refusal.value)


# Tensors: what is done to one, and whether the result is that of the plain tensor ("same").
SPECIAL: dict[str, Callable[[torch.Tensor], Any]] = {
    "bool": lambda x: x > 0.5,
    "bytes": lambda x: (255 * x).byte(),
    "whole numbers": lambda x: (255 * x).long(),
    "complex": lambda x: x + 0j,
    "quarter precision": lambda x: x.to(torch.float8_e4m3fn),
    "half precision": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "numpy": lambda x: x.numpy(),
    "list": lambda x: x.tolist(),
    "none": lambda x: None,
    "no picture": lambda x: x[:0],
    "no rows": lambda x: x[:, :, :0],
    "a number": lambda x: torch.tensor(1.0),
    "five axes": lambda x: x[None],
    "channels last in every sense": lambda x: x.expand(2, 3, 16, 16).permute(0, 2, 3, 1),
    "NaN": lambda x: x * nan,
    "infinity": lambda x: x * inf,
    "nowhere": lambda x: x.to("meta"),
    "every second pixel": lambda x: x.repeat_interleave(2, -1)[..., ::2],
    "a transposed view": lambda x: x.transpose(-2, -1).contiguous().transpose(-2, -1),
    "a negative view": lambda x: torch.complex(x, -x).conj().imag,
    "with a gradient": lambda x: x.clone().requires_grad_(),
    "a parameter": lambda x: torch.nn.Parameter(x.clone()),
    "channels last in memory": lambda x: x.to(memory_format=torch.channels_last),
}
SAME = list(SPECIAL)[-6:]
NOT_FLOAT, WRONG_KIND = list(SPECIAL)[:5], list(SPECIAL)[7:10]
EMPTY, NOT_FINITE = ["no picture", "no rows", "a number"], ["NaN", "infinity"]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


# Argument, call, and what it takes without a word, because it is right (or plainly NaN) there.
FUNCTIONS: dict[str, tuple[str, Call, list[str]]] = {
    "Blurring": ("x", K, [*NOT_FINITE, "nowhere"]),
    "Blurring.T": ("x", K.T, [*NOT_FINITE, "nowhere"]),
    "Identity": ("x", Identity((16, 16)), [*NOT_FINITE, "nowhere"]),
    "SimpleCNN": ("y", SimpleCNN(1, 1, 4).eval(), [*NOT_FINITE, "no picture"]),
    "gaussian_noise": ("y", lambda y: gaussian_noise(y, 0.1, seeded()), []),
    "poisson_noise": ("y", lambda y: poisson_noise(y, 100, seeded()), []),
    "wiener": ("y", lambda y: wiener(y, K, 0.01), []),
    "tikhonov": ("y", lambda y: tikhonov(y, K, 0.01, 3), []),
    "total_variation": ("y", lambda y: total_variation(y, K, 0.01, 3), []),
    "psnr x_hat": ("x_hat", lambda z: psnr(z, x), [*NOT_FINITE, "half precision", "bfloat16"]),
    "psnr x": ("x", lambda z: psnr(x, z), [*NOT_FINITE, "half precision", "bfloat16"]),
    "ssim x_hat": ("x_hat", lambda z: ssim(z, x), [*NOT_FINITE, "half precision", "bfloat16"]),
    "relative_error": (
        "x_hat",
        lambda z: relative(z, x),
        [*NOT_FINITE, "half precision", "bfloat16"],
    ),
}
# Shapes that a function takes for pictures, rightly, whatever the meaning of their axes.
PICTURES = {
    "gaussian_noise": ["channels last in every sense"],
    "poisson_noise": ["channels last in every sense"],
}


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_tensor_of_a_strange_kind(name, special):
    argument, call, taken = FUNCTIONS[name]
    strange = SPECIAL[special](x)
    if special in SAME:
        assert torch.allclose(call(strange).detach(), call(x).detach(), atol=1e-6)
    elif special in NOT_FINITE and special in taken:
        assert not bool(call(strange).isfinite().any()) or name == "Identity"
    elif special in taken:
        result = call(strange)
        wide = special in ("half precision", "bfloat16")
        expected = call(strange.float()) if wide else result
        assert result.is_meta or result.numel() == 0 or torch.equal(result, expected)
    elif special in PICTURES.get(name, []):
        assert call(strange).shape == strange.shape
    else:
        with pytest.raises((TypeError, ValueError)) as refusal:
            call(strange)
        assert re.match(rf"(x_hat and )?{argument}( and x)? must ", str(refusal.value)), (
            refusal.value
        )


def test_noise_of_several_pictures_is_that_of_each():
    """Whatever their means: no picture of a batch changes the score or the noise of another."""
    batch = torch.cat([0.1 * x[:1], x[1:], 0 * x[:1] + 0.5])
    other = (batch + 0.05 * torch.randn(batch.shape, generator=seeded())).clamp(0, 1)
    for metric in (psnr, ssim, relative):
        alone = torch.cat([metric(other[i : i + 1], batch[i : i + 1]) for i in range(3)])
        assert torch.allclose(metric(other, batch), alone, atol=1e-5)
    level = gaussian_noise(batch, 0.1).flatten(1).norm(dim=1) / batch.flatten(1).norm(dim=1)
    assert torch.allclose(level, torch.full((3,), 0.1))


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_pictures_in_grey_values_do_not_pass_for_pictures_in_0_to_1(metric):
    with pytest.raises(
        ValueError, match=r"x must have a range of about 1, got values from .* to 2"
    ):
        metric(255 * x, 255 * x)
    assert torch.allclose(metric(230 * x, 255 * x, 255), metric(230 / 255 * x, x), atol=1e-4)


BAD_SETTINGS = [None, "x\0", nan, inf, -inf, 1e30, -1e30, 10**400, [], {}, b"1", 1j, object()]
BAD_SETTINGS += [torch.tensor(1.0), np.array([1, 2]), [nan], [[1]], "é" * 1000]


@pytest.mark.parametrize("name", names())
def test_every_parameter_of_every_explorer_refuses_what_it_cannot_show(name):
    explorer = explorer_class(name)()
    for key in explorer.parameters():
        before = getattr(explorer, key)
        for value in BAD_SETTINGS:
            # What it takes ([] for a list of filters that are off, say) is of its own type.
            with contextlib.suppress(TraitError):
                setattr(explorer, key, value)
                assert type(value) is type(before), (key, value)
                setattr(explorer, key, before)
            assert getattr(explorer, key) == before, (key, value)


MODULES = ["operators", "noise", "metrics", "classical", "models", "phantoms", "recipe", "export"]
MODULES += ["adapters", "evaluation"]
# Nothing is given to them, or they are arithmetic inside of those that are tested.
INNER = {"Operator", "Adjoint", "Composition", "Slices", "Scores", "check_slices", "is_intact"}
INNER |= {"gradient", "gradient_adjoint", "wiener_response", "render", "architecture"}


def test_no_public_function_is_left_out():
    text = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_bad_*.py"))
    missing = []
    for module in map(importlib.import_module, (f"ippy.{name}" for name in MODULES)):
        for name, value in vars(module).items():
            own = getattr(value, "__module__", "") == module.__name__
            public = not name.startswith("_") and (inspect.isclass(value) or callable(value))
            if own and public and name not in INNER and not re.search(rf"\b{name}\(?", text):
                missing.append(name)
    assert missing == []
