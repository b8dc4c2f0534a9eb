"""Where the arithmetic runs."""

import torch


def get_device() -> str:
    """The fastest device that PyTorch can use here: `"cuda"`, else `"mps"`, else `"cpu"`.

    `"cuda"` is a graphics card of NVIDIA (of AMD, in ROCm builds), `"mps"` the graphics part of an
    Apple chip. The result goes wherever PyTorch takes a device: `model.to(get_device())`.
    """
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"
