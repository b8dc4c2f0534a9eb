"""The network of the book, and its weights on disk."""

import io
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

FINAL_ACTIVATIONS = {
    None: nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
PADDING_MODES = ("zeros", "circular", "reflect", "replicate")

LOCAL = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d
# Some look at the whole picture, if only for its mean, some make it larger.
GLOBAL = nn.Linear | nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d | nn.GroupNorm | nn.InstanceNorm2d
GLOBAL |= nn.LayerNorm | nn.ConvTranspose2d | nn.Upsample | nn.PixelShuffle

Model = TypeVar("Model", bound=nn.Module)


class SimpleCNN(nn.Module):
    """x_hat = a(c3(relu(c2(relu(c1(y)))))), three convolutions that keep the size of the picture.

    With `residual=True` the network learns a correction: x_hat = y + a(...).

    Args:
        in_ch: channels of the input.
        out_ch: channels of the output; equal to `in_ch` for a residual network.
        n_filters: kernels in the first and in the second layer.
        kernel_size: side of every kernel, in pixels.
        final_activation: a, one of None, "relu", "sigmoid", "tanh".
        padding_mode: "zeros", "circular", "reflect" or "replicate".
        residual: whether the input is added to the output.

    Raises:
        ValueError: an argument is none of the above.

    >>> model = SimpleCNN(1, 1, 32)
    >>> model(torch.zeros(4, 1, 256, 256)).shape
    torch.Size([4, 1, 256, 256])
    """

    def __init__(
        self,
        in_ch: int,
        out_ch: int,
        n_filters: int,
        kernel_size: int = 3,
        final_activation: str | None = None,
        padding_mode: str = "zeros",
        residual: bool = False,
    ) -> None:
        super().__init__()
        _check_architecture(
            in_ch, out_ch, n_filters, kernel_size, final_activation, padding_mode, residual
        )
        same: dict[str, Any] = {"padding": "same", "padding_mode": padding_mode}
        self.conv1 = nn.Conv2d(in_ch, n_filters, kernel_size, **same)
        self.conv2 = nn.Conv2d(n_filters, n_filters, kernel_size, **same)
        self.conv3 = nn.Conv2d(n_filters, out_ch, kernel_size, **same)
        self.final_activation = FINAL_ACTIVATIONS[final_activation]()
        self.residual = residual

    def forward(self, y: Tensor) -> Tensor:  # (N, in_ch, H, W)
        _check_input(y, self.conv1)
        h = torch.relu(self.conv1(y))  # (N, n_filters, H, W)
        h = torch.relu(self.conv2(h))  # (N, n_filters, H, W)
        out = self.final_activation(self.conv3(h))  # (N, out_ch, H, W)
        return y + out if self.residual else out

    def extra_repr(self) -> str:
        return "residual=True" if self.residual else ""


def count_parameters(model: nn.Module) -> int:
    """Number of trained numbers in a model: the sizes of all its weights and biases, added up.

    >>> count_parameters(SimpleCNN(1, 1, 32))
    9857
    """
    _check_model(model)
    return sum(parameter.numel() for parameter in model.parameters())


def receptive_field(model: nn.Module) -> int:
    """1 + Σ (k_l − 1) d_l s_1…s_{l−1}: how many input pixels across one output pixel depends on.

    k, d and s are the kernel size, dilation and stride of the model's convolutions and poolings,
    which are taken to act one after the other. For kernels that are not square, the longer side.
    Batch normalisation does not count: a trained network no longer looks at the batch.

    Raises:
        ValueError: the model has no such layer, or also one that the formula does not cover.

    Source: Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks",
    Distill, 2019.

    >>> receptive_field(SimpleCNN(1, 1, 32))
    7
    """
    _check_model(model)
    # A layer that acts twice counts twice.
    modules = (module for _, module in model.named_modules(remove_duplicate=False))
    layers: list[Any] = [module for module in modules if isinstance(module, LOCAL | GLOBAL)]
    if not layers or any(isinstance(layer, GLOBAL) for layer in layers):
        names = ", ".join(type(layer).__name__ for layer in layers) or "neither"
        raise ValueError(f"model must be made of convolutions and poolings, got {names}")
    field, jump = [1, 1], [1, 1]  # along the height, along the width
    for layer in layers:
        for axis in (0, 1):
            kernel, stride = _along(layer.kernel_size, axis), _along(layer.stride, axis)
            dilation = _along(getattr(layer, "dilation", 1), axis)
            field[axis] += (kernel - 1) * dilation * jump[axis]
            jump[axis] *= stride
    return max(field)


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the weights of `model` to `path`, as CPU tensors, whole or not at all.

    The same weights give the same bytes. Folders on the way are made.
    """
    _check_model(model)
    path = Path(path)
    weights = {name: _on_cpu(tensor) for name, tensor in model.state_dict().items()}
    # Through a buffer, because torch.save writes the name of a file into it.
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(model: Model, path: str | Path) -> Model:
    """Put the weights stored in `path` into `model` and return it, ready for use (eval mode).

    Only tensors are read: code hidden in the file is refused, not run. The weights come to the
    model's own device and number type. If anything is wrong the model is left as it was.

    Args:
        model: a model of the architecture that the weights were trained in.
        path: a file that `save_weights`, or `torch.save(model.state_dict(), path)`, wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, holds something else than weights, or belongs to another
            architecture.
    """
    _check_model(model)
    path = Path(path)
    weights = _read_weights(path)
    expected = model.state_dict()
    problems = [f"{name} is missing" for name in expected if name not in weights]
    problems += [f"{name} is not part of the model" for name in weights if name not in expected]
    problems += [
        f"{name} has shape {tuple(weights[name].shape)} in the file, "
        f"{tuple(expected[name].shape)} in the model"
        for name in expected
        if name in weights and weights[name].shape != expected[name].shape
    ]
    if problems:
        raise ValueError(
            f"{path} belongs to another architecture than this {type(model).__name__}: "
            f"{'; '.join(problems)}. Build the model with the arguments it was trained with"
        )
    model.load_state_dict(weights)
    return model.eval()


def is_intact(file: Path | io.BytesIO) -> bool:
    """Whether the checksums in a file of torch.save are right.

    torch.load does not compare them, and so lets flipped bits pass.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, EOFError):
        return False


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a weight file, by name."""
    if not path.is_file():
        here = ", ".join(sorted(file.name for file in path.parent.glob("*.pth"))) or "none"
        raise FileNotFoundError(f"no weight file {path}; .pth files in that folder: {here}")
    stored = io.BytesIO(path.read_bytes())  # what fails from here on is not the disk's fault
    if not is_intact(stored):
        raise ValueError(
            f"{path} is damaged, cut short or not written by torch.save; fetch or make it again"
        )
    try:
        stored.seek(0)
        weights = torch.load(stored, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} was refused: it holds Python objects, which could run code, beside tensors; "
            "ask its author for torch.save(model.state_dict(), path)"
        ) from error
    except Exception as error:  # what is damaged fails in all kinds of ways
        raise ValueError(f"{path} is damaged; fetch or make it again") from error
    if not isinstance(weights, dict) or not all(map(torch.is_tensor, weights.values())):
        content = ", ".join(map(str, weights)) if isinstance(weights, dict) else "no dictionary"
        raise ValueError(f"{path} must hold tensors by name (a state_dict), got {content}")
    for name, tensor in weights.items():
        if not _is_stored(tensor):
            raise ValueError(
                f"{path}: {name} must hold one number for each element; save it with save_weights"
            )
        if not tensor.is_floating_point():
            raise ValueError(f"{path}: {name} must be floating point, got {tensor.dtype}")
        if not tensor.isfinite().all():
            raise ValueError(f"{path}: {name} holds NaN or infinite values; train again")
    return weights


def _is_stored(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are there: a small file can claim more than fit in memory."""
    if tensor.layout != torch.strided or tensor.is_meta:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _on_cpu(tensor: Tensor) -> Tensor:
    """A copy that does not drag along the memory, or the order of axes, that it had in training."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _along(size: int | tuple[int, ...], axis: int) -> int:
    return size if isinstance(size, int) else size[axis]


def _check_input(y: Tensor, layer: nn.Conv2d) -> None:
    """What torch would say of a picture that does not fit, in the words of this book."""
    weight = layer.weight
    if not isinstance(y, Tensor):
        raise TypeError(f"y must be a torch.Tensor, got {type(y).__name__}; use torch.as_tensor")
    device = y.device.type
    mixed = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    if y.dtype != weight.dtype and not mixed:
        raise TypeError(
            f"y must be {weight.dtype}, as the weights are, got {y.dtype}; use y.to({weight.dtype})"
        )
    if y.device != weight.device:
        raise ValueError(
            f"y must be on the device of the weights, {weight.device}, got {y.device}; "
            f"use y.to({str(weight.device)!r})"
        )
    channels = weight.shape[1]
    if y.ndim != 4 or y.shape[1] != channels or 0 in y.shape[2:]:
        if 0 in y.shape:
            advice = "there is no pixel in it"
        elif y.ndim in (2, 3):
            advice = "add the missing axes, as in y[None, None] for one grey picture (H, W)"
        elif y.ndim == 4 and y.shape[3] == channels:
            advice = "channels come before rows and columns: y.permute(0, 3, 1, 2)"
        else:
            advice = "turn colours into grey first, y.mean(dim=1, keepdim=True), or set in_ch"
        raise ValueError(
            f"y must have the shape (N, {channels}, H, W), got {tuple(y.shape)}; {advice}"
        )
    beyond = weight.shape[2] // 2  # pixels that the padding takes from the picture
    smallest = {"circular": beyond, "reflect": beyond + 1}.get(layer.padding_mode, 1)
    if min(y.shape[2:]) < smallest:
        raise ValueError(
            f"y must have at least {smallest}×{smallest} pixels for padding_mode="
            f"{layer.padding_mode!r}, got {y.shape[2]}×{y.shape[3]}; use padding_mode='zeros'"
        )


def _check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")


def _check_architecture(
    in_ch: int,
    out_ch: int,
    n_filters: int,
    kernel_size: int,
    final_activation: str | None,
    padding_mode: str,
    residual: bool,
) -> None:
    sizes = {"in_ch": in_ch, "out_ch": out_ch, "n_filters": n_filters, "kernel_size": kernel_size}
    for name, size in sizes.items():
        if isinstance(size, bool) or not hasattr(size, "__index__") or size < 1:
            raise ValueError(f"{name} must be a positive integer, got {size!r}")
    if final_activation not in tuple(FINAL_ACTIVATIONS):
        allowed = ", ".join(map(repr, FINAL_ACTIVATIONS))
        raise ValueError(f"final_activation must be one of {allowed}, got {final_activation!r}")
    if padding_mode not in PADDING_MODES:
        allowed = ", ".join(map(repr, PADDING_MODES))
        raise ValueError(f"padding_mode must be one of {allowed}, got {padding_mode!r}")
    if not isinstance(residual, bool):
        raise ValueError(f"residual must be True or False, got {residual!r}")
    if residual and in_ch != out_ch:
        raise ValueError(
            f"a residual network adds its input to its output: out_ch must equal in_ch = {in_ch}, "
            f"got {out_ch}"
        )
