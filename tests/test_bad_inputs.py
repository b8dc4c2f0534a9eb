"""The table of bad inputs, one row each, with the message it gets or the result that is right.

A message names the argument, what was expected, what came and what to do. The worst outcome would
be a wrong answer without a word, so the second table holds what is unusual and yet right.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from traitlets import TraitError

from ippy import Blurring, SimpleCNN, gaussian_noise, poisson_noise, psnr, relative_error, ssim
from ippy.classical import frequency_response, tikhonov, total_variation, wiener
from ippy.course import blurring, load_model
from ippy.evaluation import evaluate, measure
from ippy.explorers import Convolution, Laboratory, Network, Window
from ippy.export import to_safetensors
from ippy.models import count_parameters, receptive_field
from ippy.operators import adjoint_error, gaussian_kernel, motion_kernel
from ippy.phantoms import phantom
from ippy.recipe import Recipe, preset
from ippy.training import train

nan, inf = math.nan, math.inf
x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
ARRAY = np.ones((16, 16))
K = Blurring((16, 16), kernel_type="motion", kernel_size=5, padding="circular")
BRIEF = Recipe(steps=2, batch_size=1, crop=8)


def row(label: str, call: Callable[[], Any], error: type[Exception], message: str) -> Any:
    return pytest.param(call, error, message, id=label)


REFUSED = [
    row(
        "img_shape text",
        lambda: Blurring("16", kernel_type="motion", kernel_size=3),
        TypeError,
        "img_shape must be a pair (H, W) of integers, got '16'",
    ),
    row(
        "img_shape one",
        lambda: Blurring((16,), kernel_type="motion", kernel_size=3),
        ValueError,
        "img_shape must be a pair (H, W) of positive integers, got (16,)",
    ),
    row(
        "img_shape zero",
        lambda: Blurring((0, 16), kernel_type="motion", kernel_size=3),
        ValueError,
        "img_shape must be a pair (H, W) of positive integers, got (0, 16)",
    ),
    row(
        "img_shape float",
        lambda: Blurring((16.0, 16), kernel_type="motion", kernel_size=3),
        TypeError,
        "img_shape must be a pair (H, W) of integers, got (16.0, 16)",
    ),
    row(
        "kernel_size even",
        lambda: Blurring((16, 16), kernel_type="motion", kernel_size=4),
        ValueError,
        "kernel_size must be a positive odd integer, got 4; use 3 or 5",
    ),
    row(
        "kernel_size neg",
        lambda: Blurring((16, 16), kernel_type="motion", kernel_size=-3),
        ValueError,
        "kernel_size must be a positive odd integer, got -3; use 1 or more",
    ),
    row(
        "kernel_size float",
        lambda: Blurring((16, 16), kernel_type="motion", kernel_size=3.0),
        TypeError,
        "kernel_size must be a positive odd integer, got 3.0",
    ),
    row(
        "kernel_type unknown",
        lambda: Blurring((16, 16), kernel_type="box", kernel_size=3),
        ValueError,
        "kernel_type must be 'motion' or 'gaussian', got 'box'",
    ),
    row(
        "kernel both",
        lambda: Blurring((16, 16), kernel=torch.ones(3, 3), kernel_type="motion", kernel_size=3),
        ValueError,
        "exactly one of kernel and kernel_type must be given, got both",
    ),
    row(
        "kernel neither",
        lambda: Blurring((16, 16)),
        ValueError,
        "exactly one of kernel and kernel_type must be given, got neither",
    ),
    row(
        "kernel nan",
        lambda: Blurring((16, 16), kernel=torch.full((3, 3), nan)),
        ValueError,
        "kernel must be finite, got one with NaN or infinity",
    ),
    row(
        "kernel empty",
        lambda: Blurring((16, 16), kernel=torch.ones(0, 3)),
        ValueError,
        "kernel must have the shape (kh, kw) or (1, 1, kh, kw), got (0, 3)",
    ),
    row(
        "kernel int",
        lambda: Blurring((16, 16), kernel=torch.ones(3, 3, dtype=torch.int64)),
        TypeError,
        "kernel must be float32 or float64, got torch.int64; use kernel.float()",
    ),
    row(
        "kernel complex",
        lambda: Blurring((16, 16), kernel=torch.ones(3, 3, dtype=torch.complex64)),
        TypeError,
        "kernel must be float32 or float64, got torch.complex64; use kernel.float()",
    ),
    row(
        "kernel list",
        lambda: Blurring((16, 16), kernel=[[1.0]]),
        TypeError,
        "kernel must be a torch.Tensor, got list; use torch.as_tensor",
    ),
    row(
        "kernel numpy",
        lambda: Blurring((16, 16), kernel=np.ones((3, 3))),
        TypeError,
        "kernel must be a torch.Tensor, got ndarray; use torch.as_tensor",
    ),
    row(
        "kernel 3d",
        lambda: Blurring((16, 16), kernel=torch.ones(2, 3, 3)),
        ValueError,
        "kernel must have the shape (kh, kw) or (1, 1, kh, kw), got (2, 3, 3)",
    ),
    row(
        "kernel 1d",
        lambda: Blurring((16, 16), kernel=torch.ones(3)),
        ValueError,
        "kernel must have the shape (kh, kw) or (1, 1, kh, kw), got (3,)",
    ),
    row(
        "kernel half",
        lambda: Blurring((16, 16), kernel=torch.ones(3, 3, dtype=torch.float16)),
        TypeError,
        "kernel must be float32 or float64, got torch.float16; use kernel.float()",
    ),
    row(
        "kernel huge circ",
        lambda: Blurring((8, 8), kernel=torch.ones(21, 21), padding="circular")(torch.rand(8, 8)),
        ValueError,
        "kernel of shape (21, 21) reaches 10 pixels beyond an img_shape of (8, 8), of which",
    ),
    row(
        "kernel huge reflect",
        lambda: Blurring((4, 4), kernel=torch.ones(9, 9), padding="reflect"),
        ValueError,
        "kernel of shape (9, 9) reaches 4 pixels beyond an img_shape of (4, 4), of which",
    ),
    row(
        "angle nan",
        lambda: Blurring((16, 16), kernel_type="motion", kernel_size=3, motion_angle=nan),
        ValueError,
        "motion_angle must be finite, got nan",
    ),
    row(
        "angle text",
        lambda: Blurring((16, 16), kernel_type="motion", kernel_size=3, motion_angle="20"),
        TypeError,
        "motion_angle must be a number, got '20'",
    ),
    row(
        "variance 0",
        lambda: Blurring((16, 16), kernel_type="gaussian", kernel_size=3, kernel_variance=0),
        ValueError,
        "kernel_variance must be positive (pixels²), got 0",
    ),
    row(
        "variance inf",
        lambda: Blurring((16, 16), kernel_type="gaussian", kernel_size=3, kernel_variance=inf),
        ValueError,
        "kernel_variance must be finite, got inf",
    ),
    row(
        "padding none",
        lambda: Blurring((16, 16), kernel_type="motion", kernel_size=3, padding="same"),
        ValueError,
        "padding must be 'zeros', 'circular', 'reflect' or 'replicate', got 'same'",
    ),
    row(
        "K list",
        lambda: K([[1.0]]),
        TypeError,
        "x must be a torch.Tensor, got list; use torch.as_tensor",
    ),
    row(
        "K numpy",
        lambda: K(ARRAY),
        TypeError,
        "x must be a torch.Tensor, got ndarray; use torch.as_tensor",
    ),
    row(
        "K int",
        lambda: K(torch.ones(16, 16, dtype=torch.uint8)),
        TypeError,
        "x must be float32 or float64, got torch.uint8; use x.float()",
    ),
    row(
        "K half",
        lambda: K(torch.ones(16, 16).half()),
        TypeError,
        "x must be float32 or float64, got torch.float16; use x.float()",
    ),
    row(
        "K complex",
        lambda: K(torch.ones(16, 16, dtype=torch.complex64)),
        TypeError,
        "x must be float32 or float64, got torch.complex64; use x.float()",
    ),
    row(
        "K transposed channels",
        lambda: K(torch.rand(16, 16, 3)),
        ValueError,
        "x must have the shape (16, 16), (C, 16, 16) or (N, C, 16, 16), got (16, 16, 3); reshape",
    ),
    row(
        "K wrong",
        lambda: K(torch.rand(1, 1, 16, 17)),
        ValueError,
        "x must have the shape (16, 16), (C, 16, 16) or (N, C, 16, 16), got (1, 1, 16, 17);",
    ),
    row(
        "K empty",
        lambda: K(torch.rand(0, 1, 16, 16)),
        ValueError,
        "x must have the shape (16, 16), (C, 16, 16) or (N, C, 16, 16), got (0, 1, 16, 16);",
    ),
    row(
        "K 5d",
        lambda: K(torch.rand(1, 1, 1, 16, 16)),
        ValueError,
        "x must have the shape (16, 16), (C, 16, 16) or (N, C, 16, 16), got (1, 1, 1, 16, 16);",
    ),
    row(
        "K@ mismatch",
        lambda: K @ Blurring((8, 8), kernel_type="motion", kernel_size=3),
        ValueError,
        "A @ B needs A.img_shape equal to B.out_shape, got (16, 16) and (8, 8); A acts on what B",
    ),
    row(
        "K@ text",
        lambda: K @ "x",
        TypeError,
        "x must be a torch.Tensor, got str; use torch.as_tensor",
    ),
    row(
        "adjoint_error fn",
        lambda: adjoint_error(lambda x: x),
        TypeError,
        "K must be an Operator, got function; see Operator's docstring",
    ),
    row(
        "motion_kernel 0",
        lambda: motion_kernel(0),
        ValueError,
        "kernel_size must be a positive odd integer, got 0; use 1 or more",
    ),
    row(
        "gauss none",
        lambda: gaussian_kernel(3, None),
        TypeError,
        "kernel_variance must be a number, got None",
    ),
    row(
        "noise int",
        lambda: gaussian_noise(torch.ones(4, 4, dtype=torch.int32), 0.01),
        TypeError,
        "y must be float32 or float64, got torch.int32; use y.float()",
    ),
    row(
        "noise neg",
        lambda: gaussian_noise(x, -1),
        ValueError,
        "noise_level must not be negative, got -1",
    ),
    row(
        "noise nan",
        lambda: gaussian_noise(x, nan),
        ValueError,
        "noise_level must be finite, got nan",
    ),
    row(
        "noise text",
        lambda: gaussian_noise(x, "1%"),
        TypeError,
        "noise_level must be a number, got '1%'",
    ),
    row(
        "noise inf",
        lambda: gaussian_noise(x * inf, 0.1),
        ValueError,
        "y must be finite, got NaN or infinity in it",
    ),
    row(
        "noise gen int",
        lambda: gaussian_noise(x, 0.01, 0),
        TypeError,
        "generator must be a torch.Generator, got int; use torch.Generator().manual_seed(0)",
    ),
    row(
        "noise numpy",
        lambda: gaussian_noise(np.ones((4, 4)), 0.01),
        TypeError,
        "y must be a torch.Tensor, got ndarray; use torch.as_tensor",
    ),
    row(
        "noise 1d",
        lambda: gaussian_noise(torch.rand(5), 0.1),
        ValueError,
        "y must have the shape (H, W), (C, H, W) or (N, C, H, W), got (5,)",
    ),
    row(
        "noise level tensor",
        lambda: gaussian_noise(x, torch.tensor(0.01)),
        TypeError,
        "noise_level must be a number, got tensor(0.01",
    ),
    row(
        "noise bool",
        lambda: gaussian_noise(x, True),
        TypeError,
        "noise_level must be a number, got True",
    ),
    row(
        "poisson neg",
        lambda: poisson_noise(-x, 100),
        ValueError,
        "y must not be negative, got a minimum of -0.99",
    ),
    row("poisson 0", lambda: poisson_noise(x, 0), ValueError, "peak must be positive, got 0"),
    row(
        "poisson huge",
        lambda: poisson_noise(x, 1e15),
        ValueError,
        "peak must keep peak · y below 1e12 photons, got 9.9",
    ),
    row(
        "psnr shapes",
        lambda: psnr(x, x[..., :8]),
        ValueError,
        "x_hat and x must have the same shape, got (1, 1, 16, 16) and (1, 1, 16, 8)",
    ),
    row(
        "psnr broadcast",
        lambda: psnr(x, torch.rand(2, 1, 16, 16)),
        ValueError,
        "x_hat and x must have the same shape, got (1, 1, 16, 16) and (2, 1, 16, 16)",
    ),
    row(
        "psnr int",
        lambda: psnr((x * 255).byte(), (x * 255).byte()),
        TypeError,
        "x_hat must be a floating-point tensor with values in [0, 1], got torch.uint8",
    ),
    row(
        "psnr 2d",
        lambda: psnr(x[0, 0], x[0, 0]),
        ValueError,
        "x_hat must have shape (N, C, H, W), got (16, 16); add the missing axes, as in x[None]",
    ),
    row(
        "psnr range 0",
        lambda: psnr(x, x, 0),
        ValueError,
        "data_range must be a positive number, got 0; use 1 for images in [0, 1]",
    ),
    row(
        "psnr range neg",
        lambda: psnr(x, x, -1),
        ValueError,
        "data_range must be a positive number, got -1; use 1 for images in [0, 1]",
    ),
    row(
        "psnr range text",
        lambda: psnr(x, x, "255"),
        TypeError,
        "data_range must be a number, got '255'; use 1 for [0, 1]",
    ),
    row(
        "psnr range nan",
        lambda: psnr(x, x, nan),
        ValueError,
        "data_range must be a positive number, got nan; use 1 for images in [0, 1]",
    ),
    row(
        "psnr empty",
        lambda: psnr(x[:0], x[:0]),
        ValueError,
        "x must hold at least one image, got shape (0, 1, 16, 16)",
    ),
    row(
        "psnr numpy",
        lambda: psnr(x.numpy(), x),
        TypeError,
        "x_hat must be a floating-point tensor with values in [0, 1], got ndarray",
    ),
    row(
        "ssim small",
        lambda: ssim(x[..., :8], x[..., :8]),
        ValueError,
        "x must have at least 11×11 pixels for the SSIM window, got 16×8",
    ),
    row(
        "ssim range list",
        lambda: ssim(x, x, [0, 1]),
        TypeError,
        "data_range must be a number, got [0, 1]; use 1 for [0, 1]",
    ),
    row(
        "rel numpy",
        lambda: relative_error(x.numpy(), x),
        TypeError,
        "x_hat must be a floating-point tensor with values in [0, 1], got ndarray",
    ),
    row(
        "cnn 0 filters",
        lambda: SimpleCNN(1, 1, 0),
        ValueError,
        "n_filters must be a positive integer, got 0",
    ),
    row(
        "cnn float",
        lambda: SimpleCNN(1, 1, 32.0),
        ValueError,
        "n_filters must be a positive integer, got 32.0",
    ),
    row(
        "cnn act",
        lambda: SimpleCNN(1, 1, 4, final_activation="softmax"),
        ValueError,
        "final_activation must be one of None, 'relu', 'sigmoid', 'tanh', got 'softmax'",
    ),
    row(
        "cnn pad",
        lambda: SimpleCNN(1, 1, 4, padding_mode="zero"),
        ValueError,
        "padding_mode must be one of 'zeros', 'circular', 'reflect', 'replicate', got 'zero'",
    ),
    row(
        "cnn resid",
        lambda: SimpleCNN(1, 2, 4, residual=True),
        ValueError,
        "a residual network adds its input to its output: out_ch must equal in_ch = 1, got 2",
    ),
    row(
        "cnn fwd 2ch",
        lambda: SimpleCNN(1, 1, 4)(torch.rand(1, 3, 16, 16)),
        ValueError,
        "y must have the shape (N, 1, H, W), got (1, 3, 16, 16); turn colours into grey first,",
    ),
    row(
        "cnn fwd 2d",
        lambda: SimpleCNN(1, 1, 4)(torch.rand(16, 16)),
        ValueError,
        "y must have the shape (N, 1, H, W), got (16, 16); add the missing axes, as in y[None,",
    ),
    row(
        "cnn fwd double",
        lambda: SimpleCNN(1, 1, 4)(torch.rand(1, 1, 16, 16).double()),
        TypeError,
        "y must be torch.float32, as the weights are, got torch.float64; use y.to(torch.float32)",
    ),
    row(
        "cnn fwd int",
        lambda: SimpleCNN(1, 1, 4)(torch.ones(1, 1, 16, 16, dtype=torch.uint8)),
        TypeError,
        "y must be torch.float32, as the weights are, got torch.uint8; use y.to(torch.float32)",
    ),
    row(
        "cnn fwd numpy",
        lambda: SimpleCNN(1, 1, 4)(np.ones((1, 1, 16, 16))),
        TypeError,
        "y must be a torch.Tensor, got ndarray; use torch.as_tensor",
    ),
    row(
        "cnn fwd last",
        lambda: SimpleCNN(1, 1, 4)(torch.rand(1, 16, 16, 1)),
        ValueError,
        "y must have the shape (N, 1, H, W), got (1, 16, 16, 1); channels come before rows and",
    ),
    row(
        "cnn reflect 1px",
        lambda: SimpleCNN(1, 1, 4, padding_mode="reflect")(torch.rand(1, 1, 1, 1)),
        ValueError,
        "y must have at least 2×2 pixels for padding_mode='reflect', got 1×1",
    ),
    row(
        "rf none",
        lambda: receptive_field(None),
        TypeError,
        "model must be a torch.nn.Module, got NoneType",
    ),
    row(
        "count none",
        lambda: count_parameters(3),
        TypeError,
        "model must be a torch.nn.Module, got int",
    ),
    row(
        "wiener neg",
        lambda: wiener(x, K, -1),
        ValueError,
        "constant must be finite and not be negative, got -1",
    ),
    row(
        "wiener nan",
        lambda: wiener(x, K, nan),
        ValueError,
        "constant must be finite and not be negative, got nan",
    ),
    row(
        "wiener text",
        lambda: wiener(x, K, "0.01"),
        TypeError,
        "constant must be a number, got '0.01'",
    ),
    row(
        "wiener shape",
        lambda: wiener(x[..., :8], K, 0.01),
        ValueError,
        "y must have the shape (16, 16), (C, 16, 16) or (N, C, 16, 16) that K returns, got (1,",
    ),
    row(
        "wiener K",
        lambda: wiener(x, None, 0.01),
        TypeError,
        "K must be a Blurring, which has one response for each frequency, got None; tikhonov and",
    ),
    row(
        "wiener int",
        lambda: wiener((x * 255).byte(), K, 0.01),
        TypeError,
        "y must be float32 or float64, got torch.uint8; use y.float()",
    ),
    row(
        "wiener comp",
        lambda: wiener(x, K @ K, 0.01),
        TypeError,
        "K must be a Blurring, which has one response for each frequency, got",
    ),
    row(
        "wiener numpy",
        lambda: wiener(x.numpy(), K, 0.01),
        TypeError,
        "y must be a torch.Tensor, got ndarray; use torch.as_tensor",
    ),
    row(
        "wiener nan y",
        lambda: wiener(x * nan, K, 0.01),
        ValueError,
        "y must be finite, got NaN or infinity in it",
    ),
    row(
        "tik neg",
        lambda: tikhonov(x, K, -1),
        ValueError,
        "weight must be finite and not be negative, got -1",
    ),
    row(
        "tik it",
        lambda: tikhonov(x, K, 0.1, iterations=0),
        ValueError,
        "iterations must be a positive integer, got 0",
    ),
    row(
        "tik K",
        lambda: tikhonov(x, lambda z: z, 0.1),
        TypeError,
        "K must be an Operator, got function; see Operator's docstring",
    ),
    row(
        "tik tol neg",
        lambda: tikhonov(x, K, 0.1, tolerance=-1),
        ValueError,
        "tolerance must be finite and not be negative, got -1",
    ),
    row(
        "tik tol nan",
        lambda: tikhonov(x, K, 0.1, tolerance=nan),
        ValueError,
        "tolerance must be finite and not be negative, got nan",
    ),
    row(
        "tv neg",
        lambda: total_variation(x, K, -1),
        ValueError,
        "weight must be finite and be positive, got -1",
    ),
    row(
        "tv 0",
        lambda: total_variation(x, K, 0).isfinite().all(),
        ValueError,
        "weight must be finite and be positive, got 0",
    ),
    row(
        "H shape",
        lambda: frequency_response(K, (0, 0)),
        ValueError,
        "shape must be a pair (H, W) of positive integers, got (0, 0)",
    ),
    row(
        "measure neg",
        lambda: measure(x, K, -1, 0),
        ValueError,
        "noise_level must not be negative, got -1",
    ),
    row(
        "measure seed",
        lambda: measure(x, K, 0.01, None),
        TypeError,
        "seed must be a whole number, got None; use 0",
    ),
    row(
        "measure seed float",
        lambda: measure(x, K, 0.01, 1.5),
        TypeError,
        "seed must be a whole number, got 1.5; use 0",
    ),
    row(
        "evaluate empty",
        lambda: evaluate(lambda y: y, K, [], 0.01),
        ValueError,
        "dataset must hold at least one slice, got none",
    ),
    row(
        "evaluate wrong out",
        lambda: evaluate(lambda y: y[..., :8], K, [x[0]], 0.01),
        ValueError,
        "x_hat and x must have the same shape, got (1, 1, 16, 8) and (1, 1, 16, 16)",
    ),
    row(
        "evaluate numpy",
        lambda: evaluate(lambda y: y.numpy(), K, [x[0]], 0.01),
        TypeError,
        "reconstruct must return a tensor, got ndarray",
    ),
    row(
        "evaluate none",
        lambda: evaluate(lambda y: None, K, [x[0]], 0.01),
        TypeError,
        "reconstruct must return a tensor, got NoneType",
    ),
    row(
        "evaluate notcallable",
        lambda: evaluate(None, K, [x[0]], 0.01),
        TypeError,
        "reconstruct must be a function of y, got NoneType",
    ),
    row("phantom neg", lambda: phantom(-1), ValueError, "seed must be at least 0, got -1"),
    row("phantom text", lambda: phantom("a"), TypeError, "seed must be an integer, got 'a'"),
    row("phantom small", lambda: phantom(0, 4), ValueError, "size must be at least 32, got 4"),
    row("phantom float", lambda: phantom(0, 64.0), TypeError, "size must be an integer, got 64.0"),
    row("recipe 0", lambda: Recipe(steps=0), ValueError, "steps must be a positive integer, got 0"),
    row(
        "recipe lr",
        lambda: Recipe(learning_rate=-1),
        ValueError,
        "learning_rate must be finite and not be negative, got -1",
    ),
    row(
        "recipe lr nan",
        lambda: Recipe(learning_rate=nan),
        ValueError,
        "learning_rate must be finite and not be negative, got nan",
    ),
    row(
        "recipe lr inf",
        lambda: Recipe(learning_rate=inf),
        ValueError,
        "learning_rate must be finite and not be negative, got inf",
    ),
    row(
        "recipe lr text",
        lambda: Recipe(learning_rate="1e-3"),
        TypeError,
        "learning_rate must be a number, got '1e-3'",
    ),
    row(
        "recipe noise",
        lambda: Recipe(noise_level=inf),
        ValueError,
        "noise_level must be finite and not be negative, got inf",
    ),
    row(
        "recipe opt",
        lambda: Recipe(optimiser="sgd"),
        ValueError,
        "optimiser must be one of ('soap', 'adam'), got 'sgd'",
    ),
    row(
        "recipe preset",
        lambda: preset("fast"),
        ValueError,
        "recipe must be one of tiny, brief, short, long, plain, got 'fast'",
    ),
    row(
        "recipe warm",
        lambda: Recipe(warm_up=2),
        ValueError,
        "warm_up is a part of the steps, from 0 to 1, got 2",
    ),
    row(
        "recipe warm text",
        lambda: Recipe(warm_up="a"),
        TypeError,
        "warm_up must be a number, got 'a'",
    ),
    row(
        "train empty",
        lambda: train(SimpleCNN(1, 1, 4), K, [], preset("tiny"), progress=False),
        ValueError,
        "the training set must hold at least one slice, got none",
    ),
    row(
        "train bad shape",
        lambda: train(SimpleCNN(1, 1, 4), K, [torch.rand(1, 8, 8)], preset("tiny"), progress=False),
        ValueError,
        "x must have the shape (16, 16), (C, 16, 16) or (N, C, 16, 16), got (1, 1, 8, 8);",
    ),
    row(
        "train 3ch",
        lambda: train(SimpleCNN(1, 1, 4), K, [torch.rand(3, 16, 16)], BRIEF, progress=False),
        ValueError,
        "y must have the shape (N, 1, H, W), got (1, 3, 8, 8); turn colours into grey first,",
    ),
    row(
        "train nan",
        lambda: train(SimpleCNN(1, 1, 4), K, [torch.full((1, 16, 16), nan)], BRIEF, progress=False),
        FloatingPointError,
        "training diverged at step 1 of 2: the loss is nan from the start, with learning rate",
    ),
    row(
        "train recipe none",
        lambda: train(SimpleCNN(1, 1, 4), K, [x[0]], None, progress=False),
        TypeError,
        "recipe must be a Recipe or one of tiny, brief, short, long, plain, got NoneType",
    ),
    row(
        "train uint8",
        lambda: train(
            SimpleCNN(1, 1, 4), K, [torch.ones(1, 16, 16, dtype=torch.uint8)], BRIEF, progress=False
        ),
        TypeError,
        "x must be float32 or float64, got torch.uint8; use x.float()",
    ),
    row(
        "train linear",
        lambda: train(torch.nn.Linear(16, 16), K, [x[0]], BRIEF, progress=False),
        ValueError,
        "model must be made of convolutions and poolings, got Linear",
    ),
    row(
        "train no params",
        lambda: train(torch.nn.ReLU(), K, [x[0]], BRIEF, progress=False),
        TypeError,
        "model must be a torch.nn.Module with weights to train, got ReLU",
    ),
    row(
        "load_model name",
        lambda: load_model("UNet"),
        FileNotFoundError,
        "name must be one of the shipped weights (CNN, circular-0, circular-1, circular-2,",
    ),
    row(
        "blurring typo",
        lambda: blurring(angle=3),
        TypeError,
        "Blurring.__init__() got an unexpected keyword argument 'angle'",
    ),
    row(
        "export linear",
        lambda: to_safetensors(torch.nn.Linear(3, 3)),
        TypeError,
        "model must be a SimpleCNN, got Linear",
    ),
    row(
        "a slider beyond its end",
        lambda: Laboratory(angle=400),
        TraitError,
        "angle must be a number from 0 to 180, got 400",
    ),
    row(
        "a slider with text",
        lambda: Laboratory(angle="x"),
        TraitError,
        "angle must be a number from 0 to 180, got 'x'",
    ),
    row(
        "a length without a middle",
        lambda: Laboratory(length=4),
        TraitError,
        "length must be odd, got 4",
    ),
    row(
        "an unknown control",
        lambda: Laboratory(tilt=1),
        TypeError,
        "Laboratory has no parameter 'tilt'; its parameters are",
    ),
    row(
        "a model by name",
        lambda: Laboratory("CNN"),
        TypeError,
        "model must be a SimpleCNN, got str",
    ),
    row(
        "taps that are no numbers",
        lambda: Convolution(taps=[nan] * 81),
        TraitError,
        "taps must be a list of at most",
    ),
    row(
        "an unknown padding of an explorer",
        lambda: Convolution(padding="same"),
        TraitError,
        "padding must be one of 'zeros', 'circular', 'reflect', 'replicate', got 'same'",
    ),
    row(
        "stride 0",
        lambda: Window(stride=0),
        TraitError,
        "stride must be an integer from 1 to 4, got 0",
    ),
    row(
        "weights that are not there",
        lambda: Network(weights="U-Net"),
        TraitError,
        "weights must be one of 'CNN'",
    ),
    row(
        "a slice that is not there",
        lambda: Laboratory(slice=999),
        TraitError,
        "slice must be an integer from 0 to",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refused_with_a_sentence(call, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error) as refusal:
            call()
    assert message in str(refusal.value)


def same(a: torch.Tensor, b: Any) -> bool:
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype), equal_nan=True)


ONE = torch.ones(1, 1, 16, 16)
RIGHT = {
    "a kernel larger than the picture, with zeros": lambda: same(
        Blurring((4, 4), kernel=torch.ones(9, 9) / 81)(torch.ones(4, 4)),
        torch.full((4, 4), 16 / 81),
    ),
    "a picture of one pixel": lambda: same(
        Blurring((1, 1), kernel_type="motion", kernel_size=3)(torch.ones(1, 1)), [[1 / 3]]
    ),
    "NaN in a picture stays visible": lambda: bool(K(x * nan).isnan().all()),
    "a black picture has no noise": lambda: same(gaussian_noise(0 * x, 0.1), 0 * x),
    "noise on one pixel": lambda: same(gaussian_noise(ONE[..., :1, :1], 0.1).abs(), [[[[0.1]]]]),
    "noise as strong as the picture": lambda: same(gaussian_noise(x, 1).norm(), x.norm()),
    "a generator of numpy's integers": lambda: same(
        measure(x, K, 0.01, np.int64(3)), measure(x, K, 0.01, 3)
    ),
    "the same picture has infinite PSNR": lambda: same(psnr(x, x), [inf]),
    "NaN has no PSNR": lambda: same(psnr(x * nan, x), [nan]),
    "a constant picture has SSIM 1": lambda: same(ssim(ONE / 2, ONE / 2), [1.0]),
    "no relative error against black": lambda: same(relative_error(x, 0 * x), [inf]),
    "a black measurement gives a black slice": lambda: same(tikhonov(0 * x, K, 0.1), 0 * x),
    "the inverse filter leaves out what is gone": lambda: bool(wiener(x, K, 0).isfinite().all()),
    "a transposed view is a picture like any other": lambda: same(
        K(x.transpose(-2, -1)), K(x.transpose(-2, -1).contiguous())
    ),
    "every second pixel of a larger picture": lambda: same(
        K(torch.cat([x, x], -1)[..., ::2]), K(torch.cat([x, x], -1)[..., ::2].clone())
    ),
    "channels last": lambda: same(K(x.to(memory_format=torch.channels_last)), K(x)),
    "an expanded batch": lambda: same(K(x.expand(3, 1, 16, 16))[2], K(x)[0]),
    "float64 beside float32": lambda: same(K(x.double()).float(), K(x)),
    "a crop larger than the slice": lambda: (
        len(train(SimpleCNN(1, 1, 4), K, [x[0]], Recipe(steps=2, crop=64), progress=False)) == 1
    ),
    "gradients go through the blur": lambda: K(x.clone().requires_grad_()).requires_grad,
    "an even kernel size of a network": lambda: (
        SimpleCNN(1, 1, 4, kernel_size=4)(x).shape == x.shape
    ),
}


@pytest.mark.parametrize("holds", RIGHT.values(), ids=RIGHT.keys())
def test_unusual_and_right(holds):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert holds()


def test_a_refused_training_leaves_the_model_as_it_came():
    model = SimpleCNN(1, 1, 4)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for slices in ([], [torch.rand(1, 8, 8)]):
        with pytest.raises(ValueError):
            train(model, K, slices, BRIEF, progress=False)
    if not all(torch.equal(before[n], w) for n, w in model.state_dict().items()):
        pytest.fail("the weights were drawn anew before the slices were looked at")


def test_a_failed_evaluation_leaves_the_network_in_training():
    model = SimpleCNN(1, 2, 4).train()
    with pytest.raises(ValueError, match="same shape"):
        evaluate(model, K, [x[0]], 0.01)
    assert model.training


def test_the_table_is_long_enough():
    assert len(REFUSED) + len(RIGHT) >= 140
