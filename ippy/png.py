"""How a PNG picture becomes a tensor of grey values in [0, 1]."""

import io
import operator
import os
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def load_image(path: str | Path, data_shape: int, max_value: float | None = None) -> Tensor:
    """Read a PNG file as (1, data_shape, data_shape) float32 values in [0, 1].

    In this order: colours become grey, L = 0.299 R + 0.587 G + 0.114 B, transparency is ignored (as
    Pillow's `convert("L")`); a picture that is not square is cut to its central square; grey values
    are divided by `max_value`; the square is resized with bilinear interpolation and anti-aliasing
    (as `torchvision.transforms.Resize` does on tensors).

    Args:
        path: the file; 1 to 16 bits, grey, colour or palette, with or without transparency.
        data_shape: side of the result, in pixels.
        max_value: the grey value that becomes 1; by default the largest one of the file format, 255
            or 65535.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, is no PNG picture, or has grey values above `max_value`.
    """
    data_shape, max_value = _check_shape(data_shape), _check_max_value(max_value)
    grey = _read_grey(_check_path(path, "path"))  # (H, W), uint8 or uint16
    if max_value is not None and grey.max() > max_value:
        raise ValueError(
            f"max_value must be at least the largest grey value, got {max_value:g}, "
            f"but {path} reaches {grey.max()}"
        )
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = grey[top : top + side, left : left + side].astype(np.float32)
    x = torch.from_numpy(square) / (max_value or np.iinfo(grey.dtype).max)
    x = F.interpolate(
        x[None, None], size=(data_shape, data_shape), mode="bilinear", antialias=True
    )[0]
    return x.clamp(0, 1)


def _read_grey(path: Path) -> np.ndarray:
    """The grey values of a PNG file as stored, (H, W), uint8 or uint16."""
    from PIL import Image, UnidentifiedImageError

    data = path.read_bytes()
    try:
        # Decoding alone lets flipped bits pass; this compares the checksums in the file.
        _open_png(data).verify()
        image = _open_png(data)
        layout = str(image.tile[0][3])
        if image.mode.startswith("I"):
            return np.asarray(image).astype(np.uint16)
        if layout.endswith(";16B"):
            return _read_channels_of_16_bits(data, layout)
        image.info.pop("transparency", None)
        return np.asarray(image.convert("L"))
    except UnidentifiedImageError as error:
        raise ValueError(f"{path} is not a PNG picture; save it as PNG or take it out") from error
    # IndexError: Pillow's word for a file without any pixels.
    except (OSError, SyntaxError, ValueError, IndexError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); copy it again from its source or take it out"
        ) from error


def _read_channels_of_16_bits(data: bytes, layout: str) -> np.ndarray:
    """The grey values of a PNG file that has 16 bits for each of several channels.

    From such numbers, stored high byte first ("16B"), Pillow keeps the high byte only. Told that
    they are stored low byte first ("16L"), it keeps the other one.
    """
    if layout == "LA;16B":
        grey_and_alpha = _as_bytes(data, "RGBA")  # two bytes of grey, two of transparency
        return (256 * grey_and_alpha[..., 0] + grey_and_alpha[..., 1]).astype(np.uint16)
    colours = 256 * _as_bytes(data, layout) + _as_bytes(data, layout.replace("16B", "16L"))
    # Pillow's own weights for 8 bits: 0.299, 0.587 and 0.114 in units of 1 / 65536.
    return ((colours[..., :3] @ [19595, 38470, 7471] + 32768) >> 16).astype(np.uint16)


def _as_bytes(data: bytes, layout: str) -> np.ndarray:
    """The decoded content of a PNG file, taken as pixels of another layout, (H, W, C), int64."""
    image = _open_png(data)
    codec, box, offset, _ = image.tile[0]
    image.tile = [(codec, box, offset, layout)]
    return np.asarray(image).astype(np.int64)


def _open_png(data: bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(data), formats=["PNG"])


def _check_path(path: str | Path, name: str) -> Path:
    """Not Path("") for "", as a variable may hold that was never set: it is the current folder."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be text or a pathlib.Path, got {type(path).__name__}")
    if path == "":
        raise ValueError(f"{name} must name a file or a folder, got ''; use '.' for this folder")
    return Path(path)


def _check_shape(data_shape: int) -> int:
    if (
        isinstance(data_shape, bool)
        or not hasattr(data_shape, "__index__")
        or not 0 < data_shape < 2**16
    ):
        raise ValueError(f"data_shape must be a positive integer, got {data_shape!r}; use 256")
    return operator.index(data_shape)


def _check_max_value(max_value: float | None) -> float | None:
    if max_value is None:
        return None
    if not isinstance(max_value, Real) or not 0 < max_value < float("inf"):
        raise ValueError(f"max_value must be a positive number, got {max_value!r}; use 4095, say")
    return float(max_value)
