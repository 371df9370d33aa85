"""Writes the functions of the network as ONNX files that say where they come from."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from deaot_ros.errors import ExportError
from deaot_ros.export.graphs import FUNCTIONS, Graph, Shapes, build_graph
from deaot_ros.export.precision import to_precision
from deaot_ros.network.model import DeAOT

PRECISIONS = ("fp32", "fp16", "bf16")

RECIPE = 2
"""Grows with every change of what the graphs compute or how they are called."""

OPSET = 17
"""The lowest with LayerNormalization; TensorRT reads it from 8.6 on. bf16 needs 22."""


def export_network(
    network: DeAOT, weights: Path | None, shapes: Shapes, folder: Path, precision: str = "fp32"
) -> dict[str, Path]:
    """Write the graphs of ``network`` with weights inside.

    Args:
        network: in eval mode, on the CPU. Its batch norms are folded.
        weights: the file that it was loaded from; its checksum goes into the graphs.
        shapes: of the graphs.
        folder: made where it is missing; files of the same name are replaced.
        precision: see :func:`export_graph`.

    Returns:
        The file of each function.

    Raises:
        ExportError: see ``build_graph``; the package onnx is missing, or what was made is no valid
            graph.
    """
    metadata = {
        "variant": network.variant.name,
        "weights_sha256": _sha256(weights) if weights else "",
        "recipe": str(RECIPE),
        "precision": precision,
        **{name: str(value) for name, value in asdict(shapes).items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in FUNCTIONS:
        stem = f"{network.variant.name}_{shapes.height}x{shapes.width}"
        path = folder / f"{stem}_s{shapes.slots}_g{shapes.groups}_{precision}.{name}.onnx"
        told = {**metadata, "function": name}
        _write(path, export_graph(network, name, shapes, precision, told))
        files[name] = path
    return files


def export_graph(
    network: DeAOT, function: str, shapes: Shapes, precision: str, metadata: dict[str, str]
) -> bytes:
    """One of ``FUNCTIONS`` as a checked ONNX model.

    Args:
        network: in eval mode, on the CPU. Its batch norms are folded.
        function: which one.
        shapes: of the graph.
        precision: one of ``PRECISIONS``; norms and softmax are fp32 in all of them.
        metadata: goes into the model.

    Raises:
        ExportError: the package onnx is missing, or what was made is no valid graph.
    """
    network.requires_grad_(False).fold()
    if precision not in PRECISIONS:
        raise ExportError(f"graphs cannot be {precision}; expected one of {', '.join(PRECISIONS)}")
    return _graph(*build_graph(network, function, shapes), precision, metadata)


def _graph(
    module: Graph, arguments: tuple[Tensor, ...], precision: str, metadata: dict[str, str]
) -> bytes:
    try:
        import onnx
    except ImportError:
        raise ExportError(
            "export needs the package onnx, which is not installed; pip install 'deaot-ros[export]'"
        ) from None
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        file = Path(folder) / "graph.onnx"
        # Shapes are meant to become constants, and this exporter is the one that writes opset 17
        # without further packages.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), arguments, file, dynamo=False, opset_version=OPSET,
            input_names=list(module.inputs), output_names=list(module.outputs),
        )  # fmt: skip
        model = onnx.load(file)
    model = to_precision(onnx.shape_inference.infer_shapes(model), precision)
    onnx.helper.set_model_props(model, metadata)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the graph {metadata['function']} is not valid: {error}") from error
    return model.SerializeToString()


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
