"""Make graphs and engines of a resolution ready, so that tracking starts with them.

Builds what --backend runs, for every number of memory frames up to --slots that it uses, into the
cache where the tracker and the node look. With --capability TensorRT for RTX builds for GPUs that
are not here; then the whole cache folder is to be copied to such a machine.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deaot_ros.commands.options import add_shape_options, find_weights, shapes_of
from deaot_ros.errors import ConfigError

if TYPE_CHECKING:
    from deaot_ros.backends.engine_files import EngineFiles
    from deaot_ros.backends.graph_files import GraphFiles
    from deaot_ros.network.model import DeAOT

_CAPABILITY = re.compile(r"(?:sm_?)?(\d+)\.?(\d)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "--variant",
        default="deaot-t",
        metavar="NAME",
        help="deaot-t (default), deaot-s, deaot-b, deaot-l, r50-deaot-l or swinb-deaot-l",
    )
    parser.add_argument("--weights", metavar="FILE", help=".safetensors or .pth; default: shipped")
    parser.add_argument(
        "--backend", default="tensorrt", choices=("tensorrt", "onnxruntime"),
        help="what the files are for: tensorrt (default) or onnxruntime, which needs graphs only",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument(
        "--capability", action="append", type=_capability, default=[], metavar="SM",
        help="GPU that is not here, as sm_86 or 8.6; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--precision", default="fp32", choices=("fp32", "fp16", "bf16"),
        help="fp32 (default), fp16 or bf16",
    )  # fmt: skip
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="default: deaot_ros in the user's cache folder"
    )
    add_shape_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build what is missing and say where it is."""
    from deaot_ros.backends.artifacts import default_folder
    from deaot_ros.backends.rungs import rungs
    from deaot_ros.export import FUNCTIONS
    from deaot_ros.network import build_network, load_checkpoint

    start = time.monotonic()
    network = build_network(arguments.variant)
    weights = find_weights(arguments)
    load_checkpoint(network, weights)
    shapes = shapes_of(arguments, network.variant.align_corners)
    folder = arguments.cache or default_folder()
    kinds = _files(arguments, network, folder)
    print(
        f"{arguments.variant}, weights {weights}: network input {shapes.height}x{shapes.width}, "
        f"up to {shapes.slots} memory frames, {shapes.groups} groups, {arguments.precision}",
        flush=True,
    )
    try:
        made = dict.fromkeys(
            files.get(function, replace(shapes, slots=slots))
            for files in kinds
            for slots in rungs(shapes.slots)
            for function in FUNCTIONS
        )
    except OSError as error:
        raise ConfigError(
            f"the cache {folder} cannot be written ({error.strerror or error}); free space there, "
            "or name another folder by --cache, or the node's parameter engine_cache_dir"
        ) from None
    for path in made:
        print(f"  {path.stat().st_size / 1e6:8.1f} MB  {path}")
    print(f"ready after {time.monotonic() - start:.1f} s")
    return 0


def _files(
    arguments: argparse.Namespace, network: DeAOT, folder: Path
) -> Sequence[GraphFiles | EngineFiles]:
    from deaot_ros.backends.choice import resolve_device
    from deaot_ros.backends.engine_files import EngineFiles, Target, target_of
    from deaot_ros.backends.graph_files import GraphFiles
    from deaot_ros.backends.tensorrt_library import find_library
    from deaot_ros.errors import DeviceError

    if arguments.backend == "onnxruntime":
        device = resolve_device(arguments.device)
        return [GraphFiles(network, arguments.precision, folder, device.type)]
    graphs = GraphFiles(network, arguments.precision, folder)
    library = find_library()
    targets = [Target(capability) for capability in arguments.capability]
    if not targets:
        device = resolve_device(arguments.device)
        if device.type != "cuda":
            raise DeviceError(
                "there is no CUDA device to build for; give --capability sm_86 or another, which "
                "TensorRT for RTX can build for without one"
            )
        targets = [target_of(library, device)]
    return [EngineFiles(graphs, library, target, folder) for target in targets]


def _capability(text: str) -> tuple[int, int]:
    found = _CAPABILITY.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no compute capability such as sm_86 or 8.6")
    return int(found[1]), int(found[2])
