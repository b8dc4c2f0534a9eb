"""Networks as .safetensors files, which hold numbers only and which web pages can read.

The format: eight bytes with the length of a JSON header (little-endian), the header, then the raw
numbers. The header gives each tensor's type, shape and place; under `__metadata__` it carries the
architecture, so that a file says by itself how its network is built, and which blur and noise it
was trained for, as far as they are known.

Source: the description of the format in the repository huggingface/safetensors.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ippy.models import FINAL_ACTIVATIONS, SimpleCNN


def to_safetensors(model: SimpleCNN, trained_for: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a .safetensors file: the weights of `model` as float32, and how it is built.

    The same network gives the same bytes. Read them with `safetensors.torch.load`.

    Args:
        model: with any numbers of channels.
        trained_for: what it was trained for, {"blur": {…}, "noise_level": 0.01}. The blur has the
            keywords of `Blurring`: "kernel_type" and its parameters, or "kernel", rows of numbers;
            and "padding".

    Raises:
        TypeError: model is no SimpleCNN.
        ValueError: trained_for holds what JSON cannot say, such as NaN, or the network was given
            another final activation later.

    >>> content = to_safetensors(SimpleCNN(1, 1, 32))
    >>> len(content)
    40076
    """
    if not isinstance(model, SimpleCNN):
        raise TypeError(f"model must be a SimpleCNN, got {type(model).__name__}")
    told = {"format": "pt", "architecture": json.dumps(architecture(model))}
    if trained_for is not None:
        told["trained_for"] = _as_json(trained_for)
    header: dict[str, Any] = {"__metadata__": told}
    body = b""
    for name, tensor in model.state_dict().items():
        numbers = _little_endian(tensor)
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(numbers)],
        }
        body += numbers
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers begin at a multiple of their size
    return struct.pack("<Q", len(text)) + text + body


def architecture(model: SimpleCNN) -> dict[str, Any]:
    """The arguments of `SimpleCNN` that build a network like `model`.

    >>> architecture(SimpleCNN(1, 1, 8, final_activation="tanh"))["final_activation"]
    'tanh'
    """
    first, last = model.conv1, model.conv3
    kinds: dict[type[nn.Module], str | None] = {kind: n for n, kind in FINAL_ACTIVATIONS.items()}
    head = type(model.final_activation)
    if head not in kinds:
        names = ", ".join(map(repr, FINAL_ACTIVATIONS))
        raise ValueError(f"model must end in one of {names}, got {head.__name__}")
    return {
        "in_ch": first.in_channels,
        "out_ch": last.out_channels,
        "n_filters": first.out_channels,
        "kernel_size": first.kernel_size[0],
        "final_activation": kinds[head],
        "padding_mode": first.padding_mode,
        "residual": model.residual,
    }


def _as_json(trained_for: Mapping[str, Any]) -> str:
    try:
        return json.dumps(trained_for, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"trained_for must be text, numbers and lists of them ({error})") from None


def _little_endian(tensor: Tensor) -> bytes:
    return tensor.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes()
