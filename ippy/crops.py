"""What a training step sees: crops of slices and measurements, with a mask for the loss."""

import hashlib
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ippy.evaluation import Slices, check_slices
from ippy.operators import Operator


class Batch(NamedTuple):
    """N crops: x is asked for, y_delta is given, and mask is 1 on the pixels that count."""

    x: Tensor  # (N, C, h, w)
    y_delta: Tensor  # (N, C, h, w)
    mask: Tensor  # (N, 1, h, w)


class TrainingCrops:
    """Crops of (x, y_delta) that together count each pixel of each slice exactly once.

    K acts on whole slices, once, so that a crop of y = Kx is right up to its edge. The network then
    sees only the crop: within `reach` pixels of a cut through the picture its answer is spoilt by
    padding that the whole picture does not have there. Such pixels carry no loss; a neighbouring
    crop owns them. At a true border of the picture the padding is the right one, and the loss goes
    up to the border. So borders count as much as they do in the whole picture, not more nor less.

    The noise has the standard deviation noise_level · ‖y_i‖ / √(number of pixels), with the norm of
    the whole measurement y_i, as for `gaussian_noise` on the whole slice.

    Args:
        dataset: slices of shape (C, H, W), all of one size.
        K: the operator that measures them.
        size: side of the crops in pixels; None for whole slices.
        reach: how far from a pixel its reconstruction looks, (receptive field − 1) / 2.
        noise_level: relative noise level.
        wraps: whether the network pads circularly; the slices are then continued periodically.
        seed: of the order of the crops and of the noise.

    Raises:
        ValueError: there are no slices or not of one shape, or a crop is too small to hold a pixel
            that counts.
    """

    def __init__(
        self,
        dataset: Slices,
        K: Operator,
        size: int | None,
        reach: int,
        noise_level: float,
        wraps: bool = False,
        seed: int = 0,
    ) -> None:
        check_slices(dataset, "the training set")
        slices = [dataset[i] for i in range(len(dataset))]
        shapes = {tuple(x.shape) for x in slices}
        if len(shapes) > 1 or slices[0].ndim != 3:
            raise ValueError(
                "the training set must hold slices of one shape (C, H, W), got "
                f"{', '.join(map(str, sorted(shapes)[:3]))}; add an axis with x[None], or cut them"
            )
        x = torch.stack(slices).detach()  # (M, C, H, W)
        with torch.no_grad():
            y = torch.cat([K(part) for part in x.split(16)])  # (M, C, H, W)
        self.sigma = noise_level * y.flatten(1).norm(dim=1) / math.sqrt(y[0].numel())
        self.sigma = self.sigma.view(-1, 1, 1, 1)
        self.fingerprint = hashlib.sha256(x.numpy().tobytes()).hexdigest()
        height, width = x.shape[2:]
        size = max(height, width) if size is None else size
        # A whole slice wraps around by itself; a part of it needs its neighbours from the far side.
        above, left = (reach if wraps and size < length else 0 for length in (height, width))
        self.x, self.y = (F.pad(z, [left, left, above, above], mode="circular") for z in (x, y))
        self.tops, row_masks = cut(height, size, reach, wraps)
        self.lefts, column_masks = cut(width, size, reach, wraps)
        self.masks = row_masks[:, None, :, None] * column_masks[None, :, None, :]
        self.shape = self.masks.shape[2:]
        self.seed = seed

    def __len__(self) -> int:
        return len(self.x) * len(self.tops) * len(self.lefts)

    @property
    def pixels(self) -> float:
        """Mean number of pixels, over all crops, on which the loss is taken."""
        return float(self.masks.mean()) * math.prod(self.shape)

    def batch(self, step: int, batch_size: int, share: Iterable[int] | None = None) -> Batch:
        """The crops of a training step, or those of them whose places in the batch are in `share`.

        Crop and noise at place i are functions of (seed, step, i) and of nothing else. All crops
        pass by in random order before one comes again. The noise is new at every step.
        """
        places = range(batch_size) if share is None else share
        numbers = [self._number(step * batch_size + i) for i in places]
        tiles = len(self.tops) * len(self.lefts)
        height, width = self.shape
        x, y, masks = [], [], []
        for number in numbers:
            image, tile = divmod(number, tiles)
            row, column = divmod(tile, len(self.lefts))
            top, left = self.tops[row], self.lefts[column]
            window = (image, slice(None), slice(top, top + height), slice(left, left + width))
            x.append(self.x[window])
            y.append(self.y[window])
            masks.append(self.masks[row, column][None])
        y_delta = torch.stack(y)
        generators = (generator_for(self.seed, 1, step, i) for i in places)
        n = torch.stack([torch.randn(y[0].shape, generator=g) for g in generators])
        y_delta += self.sigma[[number // tiles for number in numbers]] * n
        return Batch(torch.stack(x), y_delta, torch.stack(masks))

    def _number(self, position: int) -> int:
        """Which crop comes at a position in the endless sequence of shuffled passes."""
        past, place = divmod(position, len(self))
        return int(_order(len(self), self.seed, past)[place])


def cut(length: int, size: int, reach: int, wraps: bool = False) -> tuple[list[int], Tensor]:
    """Divide `length` pixels among windows of `size`, whose outer `reach` pixels do not count.

    With `wraps`, the ends of the line are cuts too, and `reach` more pixels lie beyond either end.

    Returns:
        starts: the first pixel of each window, counted from the first of all pixels.
        masks: (len(starts), size), 1 where a window owns the pixel. Each pixel has one owner.

    >>> starts, masks = cut(length=10, size=6, reach=1)
    >>> starts, masks.int().tolist()
    ([0, 4], [[1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1]])
    """
    if size >= length:
        return [0], torch.ones(1, length)
    if size <= 2 * reach:
        raise ValueError(f"crops must be larger than {2 * reach} pixels, got {size}")
    halo = reach if wraps else 0
    whole = length + 2 * halo
    count = math.ceil((whole - 2 * reach) / (size - 2 * reach))
    starts = [round(k * (whole - size) / (count - 1)) for k in range(count)]
    # A window owns what lies between its own first sound pixel and that of the next window.
    first = [halo] + [start + reach for start in starts[1:]]
    end = [*first[1:], halo + length]
    pixel = torch.arange(size)
    masks = [
        (pixel >= a - start) & (pixel < b - start)
        for start, a, b in zip(starts, first, end, strict=True)
    ]
    return starts, torch.stack(masks).float()


def generator_for(*key: int) -> torch.Generator:
    """A random generator of its own for each key, such as (seed, step)."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))


@lru_cache(maxsize=2)
def _order(length: int, seed: int, past: int) -> Tensor:
    return torch.randperm(length, generator=generator_for(seed, 0, past))
