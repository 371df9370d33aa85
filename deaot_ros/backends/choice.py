"""Which backend runs the network here, and why."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from deaot_ros.backends.artifacts import default_folder
from deaot_ros.backends.graph_backend import GraphBackend
from deaot_ros.backends.graph_files import GraphFiles
from deaot_ros.backends.onnxruntime_graphs import OnnxRuntimeGraphs
from deaot_ros.backends.protocol import Backend
from deaot_ros.backends.torch_backend import TorchBackend
from deaot_ros.errors import DeviceError
from deaot_ros.network.model import DeAOT

BACKENDS = ("auto", "torch", "onnxruntime")
PRECISIONS = ("auto", "fp32", "fp16")

logger = logging.getLogger(__name__)


def load_backend(
    network: DeAOT,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    cache: Path | None = None,
) -> Backend:
    """Choose where and how ``network`` runs.

    Args:
        network: in eval mode, on the CPU. It is taken over.
        device: ``auto`` (CUDA where it works, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.
        backend: one of ``BACKENDS``. ``auto`` is torch, which ``Backend.reason`` explains.
        precision: one of ``PRECISIONS``; ``auto`` is fp32.
        cache: folder for exported graphs; None: in the user's cache folder.

    Raises:
        DeviceError: what was asked for cannot be had here. Nothing else is taken in its place.
    """
    if backend not in BACKENDS:
        raise DeviceError(f"unknown backend '{backend}'; expected one of {', '.join(BACKENDS)}")
    if precision not in PRECISIONS:
        raise DeviceError(
            f"unknown precision '{precision}'; expected one of {', '.join(PRECISIONS)}"
        )
    resolved = _resolve_device(device)
    if precision == "auto":
        precision = "fp32"
    if precision == "fp16" and resolved.type != "cuda":
        raise DeviceError(
            f"precision fp16 needs a CUDA device, not {resolved}; use precision fp32 or auto"
        )
    if backend == "onnxruntime":
        files = GraphFiles(network, precision, cache or default_folder())
        chosen: Backend = GraphBackend(OnnxRuntimeGraphs(files, resolved), "asked for")
    else:
        reason = "asked for" if backend == "torch" else "auto: it needs no preparation"
        chosen = TorchBackend(network, resolved, precision, reason)
    logger.debug("backend %s on %s (%s)", chosen.name, chosen.device, chosen.reason)
    return chosen


def _resolve_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        resolved = None
    if resolved is None or resolved.type not in ("cpu", "cuda"):
        raise DeviceError(f"unknown device '{device}'; expected auto, cpu, cuda or cuda:N")
    if resolved.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (resolved.index or 0) >= count:
            raise DeviceError(
                f"device {device} is not there: torch {torch.__version__} sees {count} CUDA "
                "device(s); use device cpu or auto, or install a CUDA build of torch"
            )
    return resolved
