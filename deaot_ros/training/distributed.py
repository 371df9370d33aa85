"""Several processes that train one network: on several GPUs, and on several machines."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed

from deaot_ros.errors import DeviceError


@dataclass(frozen=True)
class Processes:
    """This process among all.

    Attributes:
        rank: number of this process; 0 writes files and shows progress.
        count: of all.
    """

    rank: int = 0
    count: int = 1


ALONE = Processes()


def join_processes(device: torch.device) -> Processes:
    """Meet the processes that torchrun started; alone where it did not."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Processes(distributed.get_rank(), count)


def leave_processes() -> None:
    """Say goodbye to the other processes, if there are any."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def anywhere(flag: bool, processes: Processes, device: torch.device) -> bool:
    """Whether the flag is set in any process; all have to ask."""
    if processes.count == 1:
        return flag
    flags = torch.tensor(float(flag), device=device)
    distributed.all_reduce(flags, distributed.ReduceOp.MAX)
    return bool(flags.item())


def choose_device(name: str) -> torch.device:
    """The device of this process: "auto", "cpu", "cuda" or "cuda:N".

    With torchrun every process of a machine gets a GPU of its own.

    Raises:
        DeviceError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"unknown device '{name}'; expected auto, cpu, cuda or cuda:N") from None
    if device.type != "cuda":
        return device
    index = device.index if device.index is not None else int(os.environ.get("LOCAL_RANK", "0"))
    if index >= torch.cuda.device_count():
        raise DeviceError(
            f"no GPU {index}: this machine shows {torch.cuda.device_count()}; give --device cpu, "
            "or start as many processes as there are GPUs"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)
