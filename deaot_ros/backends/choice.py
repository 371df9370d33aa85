"""Which backend runs the network here, and why."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch

from deaot_ros.backends.artifacts import default_folder
from deaot_ros.backends.engine_files import EngineFiles, target_of
from deaot_ros.backends.graph_backend import GraphBackend, GraphRuntime
from deaot_ros.backends.graph_files import GraphFiles
from deaot_ros.backends.onnxruntime_graphs import OnnxRuntimeGraphs
from deaot_ros.backends.protocol import Backend
from deaot_ros.backends.switching import SwitchingBackend
from deaot_ros.backends.tensorrt_graphs import TensorRTGraphs
from deaot_ros.backends.tensorrt_library import find_library
from deaot_ros.backends.torch_backend import TorchBackend
from deaot_ros.backends.torch_graphs import TorchGraphs
from deaot_ros.errors import DeviceError
from deaot_ros.export import exportable
from deaot_ros.network.model import DeAOT
from deaot_ros.network.variants import Variant

BACKENDS = ("auto", "torch", "torch-graph", "torch-compile", "onnxruntime", "tensorrt")
PRECISIONS = ("auto", "fp32", "fp16", "bf16")


def load_backend(
    network: DeAOT,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    cache: Path | None = None,
    in_background: bool = False,
) -> Backend:
    """Choose where and how ``network`` runs.

    Args:
        network: in eval mode, on the CPU. It is taken over.
        device: ``auto`` (CUDA where it works, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.
        backend: one of ``BACKENDS``. ``auto`` is torch, and where CUDA and TensorRT work it is
            TensorRT from the moment on that ``SwitchingBackend.adopt`` loaded engines.
            ``Backend.reason`` says why.
        precision: one of ``PRECISIONS``; ``auto`` is fp32.
        cache: folder for exported graphs and engines; None: in the user's cache folder.
        in_background: graphs are not made when they are first needed: torch runs until the caller
            has them adopted, see :class:`SwitchingBackend`.

    Raises:
        DeviceError: what was asked for cannot be had here. Nothing else is taken in its place.
    """
    if backend not in BACKENDS:
        raise DeviceError(f"unknown backend '{backend}'; expected one of {', '.join(BACKENDS)}")
    if precision not in PRECISIONS:
        raise DeviceError(
            f"unknown precision '{precision}'; expected one of {', '.join(PRECISIONS)}"
        )
    resolved = resolve_device(device)
    if precision == "auto":
        precision = "fp32"
    reason = "asked for"
    if backend == "auto":
        backend, reason = _best(resolved, network.variant)
        in_background = in_background or backend != "torch"
    _check_precision("torch" if in_background else backend, precision, resolved)
    if backend == "torch-graph" and resolved.type != "cuda":
        raise DeviceError(
            f"backend torch-graph records CUDA graphs and cannot run on {resolved}; use backend "
            "torch or torch-compile"
        )
    if backend in ("torch", "torch-graph"):
        return TorchBackend(network, resolved, precision, reason, backend == "torch-graph")
    if in_background and precision == "bf16" and backend == "onnxruntime":
        _check_precision(backend, precision, resolved)
    # A graph is made when its shapes are met, so the network is kept, and torch has its own.
    eager = TorchBackend(deepcopy(network), resolved, precision) if in_background else None
    runtime = _runtime(network, resolved, backend, precision, cache or default_folder())
    graphs = GraphBackend(runtime, reason)
    return SwitchingBackend(eager, graphs, reason) if eager else graphs


def _best(device: torch.device, variant: Variant) -> tuple[str, str]:
    """Backend that ``auto`` means on ``device``, and why."""
    if not exportable(variant):
        return "torch", f"auto: {variant.name} has no graphs"
    if device.type == "cpu":
        return "torch", "auto: there is no CUDA device, and torch needs no preparation"
    try:
        library = find_library()
    except DeviceError as error:
        return "torch", f"auto: {error}"
    return "tensorrt", f"auto: {library.name} is there; torch runs what has no engine yet"


def _check_precision(backend: str, precision: str, device: torch.device) -> None:
    if backend == "onnxruntime" and precision == "bf16":
        raise DeviceError("onnxruntime has no bf16 convolutions; use precision fp32 or fp16")
    if precision == "fp16" and device.type != "cuda" and backend.startswith("torch"):
        raise DeviceError(
            f"precision fp16 needs a CUDA device, not {device}; use precision fp32 or auto"
        )


def _runtime(
    network: DeAOT, device: torch.device, backend: str, precision: str, folder: Path
) -> GraphRuntime:
    if backend == "torch-compile":
        return TorchGraphs(network, device, precision)
    if backend == "onnxruntime":
        files = GraphFiles(network, precision, folder, device.type)
        return OnnxRuntimeGraphs(files, device)
    if device.type != "cuda":
        raise DeviceError(
            f"backend tensorrt needs a CUDA device, not {device}; deaot build-engine builds for a "
            "GPU that is elsewhere"
        )
    library = find_library()
    graphs = GraphFiles(network, precision, folder)
    return TensorRTGraphs(EngineFiles(graphs, library, target_of(library, device), folder), device)


def resolve_device(device: str) -> torch.device:
    """The device that ``device`` (see :func:`load_backend`) means here.

    Raises:
        DeviceError: it is not there.
    """
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
