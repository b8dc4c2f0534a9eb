"""The arithmetic of a page as Python methods: `Calculator(page, "simd").psnr(x_hat, x)`."""

import base64
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Page
from torch import Tensor

from ippy.export import architecture
from ippy.models import SimpleCNN

# Tensors travel as base64 text of their float32 numbers, so that not a digit is lost.
CALL = """async ([kind, name, args]) => {
  const known = (window.calculators ??= {});
  const kinds = { relaxed: ["relaxed"], simd: ["simd"], js: [] }[kind];
  const engine = (known[kind] ??= ippy.createEngine(kinds));
  const floats = (text) =>
    new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  const read = (value) => {
    if (value === null || typeof value !== "object") return value;
    if ("$floats" in value) return floats(value.$floats);
    if (Array.isArray(value)) return value.map(read);
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, read(part)]));
  };
  const write = (value) => {
    if (value instanceof Float32Array || value instanceof Float64Array) {
      const raw = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      let text = "";
      for (let n = 0; n < raw.length; n += 8192)
        text += String.fromCharCode(...raw.subarray(n, n + 8192));
      return { $floats: btoa(text), bytes: value.BYTES_PER_ELEMENT };
    }
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return value.map(write);
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, write(part)]));
  };
  const answer = await engine[name](...read(args));
  if ((await engine.kind) !== kind) throw new Error(`${kind} is not to be had here`);
  return write(answer);
}"""


class Calculator:
    """Images are tensors (H, W), stacks of maps (C, H, W), kernels (kh, kw), networks SimpleCNN."""

    def __init__(self, page: Page, kind: str) -> None:
        self._page, self._kind = page, kind

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            return _read(self._page.evaluate(CALL, [self._kind, name, [*map(_write, args)]]))

        return call


def floats(tensor: Tensor) -> dict[str, str]:
    raw = np.ascontiguousarray(tensor.detach().numpy(), dtype="<f4").tobytes()
    return {"$floats": base64.b64encode(raw).decode()}


def _write(value: Any) -> Any:
    if isinstance(value, Tensor) and value.ndim == 2:
        return {"height": value.shape[0], "width": value.shape[1], "data": floats(value)}
    if isinstance(value, Tensor) and value.ndim == 3:
        channels, height, width = value.shape
        return {"channels": channels, "height": height, "width": width, "data": floats(value)}
    if isinstance(value, SimpleCNN):
        layers = [value.conv1, value.conv2, value.conv3]
        weights = [
            {
                "weight": floats(layer.weight),
                "bias": floats(layer.bias),
                "out": layer.out_channels,
                "in": layer.in_channels,
                "size": layer.kernel_size[0],
            }
            for layer in layers
        ]
        return {"architecture": architecture(value), "weights": weights}
    if isinstance(value, dict):
        return {key: _write(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_write(part) for part in value]
    return value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "$floats" in value:
        kind = "<f4" if value["bytes"] == 4 else "<f8"
        numbers = np.frombuffer(base64.b64decode(value["$floats"]), dtype=kind)
        return torch.from_numpy(numbers.copy())
    read = {key: _read(part) for key, part in value.items()}
    if {"height", "width", "data"} <= set(read):
        shape = [read[key] for key in ("channels", "height", "width") if key in read]
        return read["data"].reshape(shape)
    return read
