"""The real node, whose network fails when the file that DEAOT_FAULT names says so.

There is no other way to lose a device, or its memory, on a machine that has none. Only the call of
the network is wrapped; everything that has to cope with the failure is the real thing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from deaot_ros.backends import TorchBackend
from deaot_ros.node.main import main

_FILE = Path(os.environ["DEAOT_FAULT"])
_DECODE, _MEMORISE, _REFERENCE = (
    TorchBackend.decode, TorchBackend.memorise, TorchBackend.reference,
)  # fmt: skip


def _wanted() -> str:
    return _FILE.read_text() if _FILE.is_file() else ""


def _fail(fault: str) -> None:
    if fault == "oom":
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 ...")
    if fault == "lost":
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")
    if fault == "bug":
        raise IndexError("list index out of range")


def decode(self: TorchBackend, *args: Any) -> torch.Tensor:
    """As the real one, unless it is to fail."""
    fault = _wanted()
    _fail(fault)
    logits = _DECODE(self, *args)
    if fault in ("nan", "inf"):
        logits = logits.clone()
        logits[..., 3:9, 3:9] = float(fault)
    return logits


def memorise(self: TorchBackend, *args: Any) -> Any:
    """As the real one, unless it is to fail."""
    entry = _MEMORISE(self, *args)
    if _wanted() == "nan-memory":
        entry[0].values[..., 3:5] = float("nan")
    return entry


def reference(self: TorchBackend, *args: Any) -> Any:
    """As the real one, unless it is to fail."""
    fault = _wanted()
    _fail(fault)
    entry = _REFERENCE(self, *args)
    if fault == "nan-mask":
        entry[0].values[..., 3:5] = float("nan")
    return entry


TorchBackend.decode = decode  # type: ignore[method-assign]
TorchBackend.memorise = memorise  # type: ignore[method-assign]
TorchBackend.reference = reference  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(main())
