"""How reconstructions are judged: one fixed measurement a slice, scored against the slice."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ippy.metrics import psnr, ssim
from ippy.noise import gaussian_noise
from ippy.operators import Operator


class Slices(Protocol):
    """Slices of shape (C, H, W), by number: a `MayoDataset`, or a list of tensors."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


def measure(x: Tensor, K: Operator, noise_level: float, seed: int) -> Tensor:
    """y_delta = Kx + e, with ‖e_i‖ = noise_level · ‖Kx_i‖ and e drawn from `seed` on any device.

    Args:
        x: (H, W), (C, H, W) or (N, C, H, W).

    Returns:
        y_delta, of the shape of Kx.

    Raises:
        TypeError, ValueError: as K and `gaussian_noise`, or the seed is no whole number.
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"seed must be a whole number, got {seed!r}; use 0")
    if not -(2**63) <= int(seed) < 2**64:
        raise ValueError(f"seed must be a number of 64 bits, got {seed}; use 0")
    if not callable(K):
        raise TypeError(f"K must be an Operator, got {type(K).__name__}; Blurring(...) is one")
    y = K(x)
    return y + gaussian_noise(y, noise_level, torch.Generator().manual_seed(int(seed)))


@dataclass(frozen=True)
class Scores:
    """How good reconstructions are, one value a slice.

    Attributes:
        psnr: (N,), in dB, data range 1.
        ssim: (N,), Gaussian window, data range 1.
        names: the slices.
    """

    psnr: Tensor
    ssim: Tensor
    names: list[str]

    @property
    def mean_psnr(self) -> float:
        return float(self.psnr.mean())

    @property
    def mean_ssim(self) -> float:
        return float(self.ssim.mean())

    def __str__(self) -> str:
        count = f"{len(self.psnr)} slice" + ("s" if len(self.psnr) != 1 else "")
        spread = [float(values.std(correction=0)) for values in (self.psnr, self.ssim)]
        return (
            f"PSNR {self.mean_psnr:.2f} ± {spread[0]:.2f} dB, "
            f"SSIM {self.mean_ssim:.3f} ± {spread[1]:.3f} ({count})"
        )


@torch.no_grad()
def evaluate(
    reconstruct: Callable[[Tensor], Tensor],
    K: Operator,
    dataset: Slices,
    noise_level: float,
    progress: bool = False,
) -> Scores:
    """PSNR and SSIM of reconstruct(Kx + e) against x, for each slice x of a data set.

    The noise of a slice is drawn from its number, so that it is the same for every method: the
    file's name where that is a number (slice 12 is 12.png), else its place in the data set.

    Args:
        reconstruct: maps (1, C, H, W) to (1, C, H, W): a network, which is put in eval mode
            meanwhile, or any function. `lambda y: y` scores the measurement itself.
        K: the operator that measures.
        dataset: slices of shape (C, H, W).
        noise_level: ‖e‖ / ‖y‖.

    Raises:
        TypeError: `reconstruct` is no function, or returns no tensor.
        ValueError: there are no slices, or a reconstruction is not of its slice's shape.
    """
    if not callable(reconstruct):
        raise TypeError(f"reconstruct must be a function of y, got {type(reconstruct).__name__}")
    check_slices(dataset, "dataset")
    number, modes = None, dict[nn.Module, bool]()
    if isinstance(reconstruct, nn.Module):
        number = next(reconstruct.parameters(), None)  # it has the network's dtype and device
        modes = {part: part.training for part in reconstruct.modules()}
        reconstruct.eval()
    names = _names(dataset)
    rows = []
    try:
        for index in tqdm(range(len(dataset)), disable=not progress, unit="slice"):
            x = dataset[index][None]  # (1, C, H, W)
            seed = int(names[index]) % 2**63 if names[index].isdecimal() else index
            y_delta = measure(x, K, noise_level, seed)
            x_hat = reconstruct(y_delta if number is None else y_delta.to(number))
            if not isinstance(x_hat, Tensor):
                raise TypeError(f"reconstruct must return a tensor, got {type(x_hat).__name__}")
            if not x_hat.is_floating_point():
                raise TypeError(f"reconstruct must return grey values in [0, 1], got {x_hat.dtype}")
            x_hat = x_hat.to(x)
            rows.append(torch.stack([psnr(x_hat, x), ssim(x_hat, x)]))
    finally:  # what was in training goes on in training, what was frozen stays so
        for part, training in modes.items():
            part.training = training
    table = torch.cat(rows, dim=1)  # (2, N)
    return Scores(table[0], table[1], names)


def check_slices(dataset: Any, name: str) -> None:
    """Say what is wrong with a data set before any work is done.

    Raises:
        TypeError: it is no sequence, or what is in it are no tensors.
        ValueError: it is empty.
    """
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise TypeError(
            f"{name} must hold slices of shape (C, H, W), got {type(dataset).__name__}; "
            "use a MayoDataset or a list of tensors"
        )
    if len(dataset) == 0:
        raise ValueError(f"{name} must hold at least one slice, got none")
    if not isinstance(dataset[0], Tensor):
        raise TypeError(
            f"{name} must hold tensors of shape (C, H, W), got {type(dataset[0]).__name__}; "
            "use torch.as_tensor"
        )


def _names(dataset: Slices) -> list[str]:
    paths = getattr(dataset, "paths", None)
    return [str(i) if paths is None else Path(paths[i]).stem for i in range(len(dataset))]
