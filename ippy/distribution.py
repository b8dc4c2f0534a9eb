"""One training on several processors or computers: Lightning Fabric, or this process alone.

Every process holds the whole network and the whole data. At each step it takes its share of the
batch, which is the same batch whatever the number of processes; the gradients are averaged, and all
of them make the same step. What passes between processes is Fabric's business; the loop in
`ippy.training` reads the same for one process and for many.
"""

import os
import socket
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from ippy.device import get_device

Value = TypeVar("Value")


class Engine(Protocol):
    """What the training loop asks of `lightning_fabric.Fabric`, in Fabric's own names."""

    @property
    def global_rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def setup_module(self, module: Any) -> Any: ...

    def backward(self, tensor: Tensor) -> None: ...

    def all_reduce(self, data: Any, *, reduce_op: Any = "mean") -> Any: ...

    def barrier(self) -> None: ...


class Alone:
    """The only process: what Fabric does for many, where there is nobody to talk to."""

    global_rank = 0
    world_size = 1

    @property
    def device(self) -> torch.device:
        return torch.device(get_device())

    def setup_module(self, module: nn.Module) -> nn.Module:
        return module.to(self.device)

    def backward(self, tensor: Tensor) -> None:
        tensor.backward()

    def all_reduce(self, data: Value, *, reduce_op: str = "mean") -> Value:
        return data

    def barrier(self) -> None:
        pass


def engine(devices: int = 1, nodes: int = 1) -> Engine:
    """The processes of a run; with more than one, each continues from here.

    Args:
        devices: processes on each computer: one for each graphics card, or, where there is none,
            as many on the processor.
        nodes: computers. Fabric's environment variables (MASTER_ADDR, NODE_RANK) say how they find
            each other; `torchrun` sets them, and the two numbers then follow from its own.

    Raises:
        ValueError: a number is not positive, or there are fewer graphics cards.
        ConnectionError: processes on this computer cannot talk to each other.
        ModuleNotFoundError: there is more than one process, and Fabric is not installed.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    for name, value in (("devices", devices), ("nodes", nodes)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    if devices * nodes == 1:
        return Alone()
    accelerator = "cuda" if get_device() == "cuda" else "cpu"
    if accelerator == "cuda" and devices > torch.cuda.device_count():
        raise ValueError(
            f"devices must be at most the number of graphics cards, {torch.cuda.device_count()}, "
            f"got {devices}"
        )
    if nodes == 1:
        check_loopback()
    try:
        from lightning_fabric import Fabric
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "training in more than one process needs Lightning Fabric: "
            "pip install lightning-fabric, or use one device"
        ) from error
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy="ddp")
    fabric.launch()
    return fabric


def check_loopback(patience: float = 5) -> None:
    """See to it that processes find each other here; without a network they try for half an hour.

    Raises:
        ConnectionError: they do not, within `patience` seconds.
    """
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=patience).close()
    except OSError as error:
        raise ConnectionError(
            "devices: several processes talk to each other through this computer's own network, "
            f"127.0.0.1, which does not work ({error}); bring it up (on Linux: ip link set lo up), "
            "or use one device"
        ) from error


def is_of_others(error: RuntimeError) -> bool:
    """Whether an error says no more than that another process is gone, whose own words matter."""
    words = ("gloo", "nccl", "connection closed by peer", "connection reset", "broken pipe")
    return any(word in f"{error}".lower() for word in words)


def is_first_process() -> bool:
    """Whether this process speaks and writes for the run, which is known before it has begun."""
    ranks = [os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "NODE_RANK")]
    return all(rank == "0" for rank in ranks)
