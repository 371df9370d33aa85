"""Write the network as ONNX graphs of static shape, with weights inside.

Four files: encode, propagate (which decodes, too), memorise and reference. A resolution, a number
of memory slots and a number of object groups have their own graphs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from deaot_ros.commands.options import add_shape_options, find_weights, shapes_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("output", metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--variant",
        default="deaot-t",
        metavar="NAME",
        help="deaot-t (default), deaot-s, deaot-b, deaot-l, r50-deaot-l or swinb-deaot-l",
    )
    parser.add_argument("--weights", metavar="FILE", help=".safetensors or .pth; default: shipped")
    add_shape_options(parser)
    parser.add_argument(
        "--precision", default="fp32", choices=("fp32", "fp16", "bf16"),
        help="fp32 (default), fp16 or bf16, which needs opset 22",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Export and say what was written."""
    from deaot_ros.export import export_network
    from deaot_ros.network import build_network, load_checkpoint

    network = build_network(arguments.variant)
    weights = find_weights(arguments)
    load_checkpoint(network, weights)
    shapes = shapes_of(arguments, network.variant.align_corners)
    files = export_network(
        network, weights, shapes, Path(arguments.output), arguments.precision
    )
    print(
        f"{arguments.variant}, weights {weights}: network input "
        f"{shapes.height}x{shapes.width}, {shapes.slots} memory frames, {shapes.groups} groups, "
        f"{arguments.precision}"
    )
    for name, path in files.items():
        print(f"  {name:10} {path.stat().st_size / 1e6:8.1f} MB  {path}")
    return 0
