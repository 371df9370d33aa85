"""Write the network as ONNX graphs of static shape, with weights inside.

Four files: encode, propagate (which decodes, too), memorise and reference. A resolution, a number
of memory slots and a number of object groups have their own graphs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from deaot_ros.commands.options import find_weights, positive


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
    parser.add_argument("--height", type=positive, default=480, help="of the image (480)")
    parser.add_argument("--width", type=positive, default=854, help="of the image (854)")
    parser.add_argument("--slots", type=positive, default=9, help="memory frames (9)")
    parser.add_argument("--groups", type=positive, default=1, help="groups of ten objects (1)")
    parser.add_argument(
        "--max-long-side", type=positive, metavar="N", default=1040,
        help="limit of the network input's long side in pixels (1040)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Export and say what was written."""
    from deaot_ros.export import Shapes, export_network
    from deaot_ros.network import build_network, load_checkpoint
    from deaot_ros.tracking.resizing import network_size

    network = build_network(arguments.variant)
    weights = find_weights(arguments)
    load_checkpoint(network, weights)
    height, width = network_size(
        arguments.height,
        arguments.width,
        align_corners=network.variant.align_corners,
        max_long_side=arguments.max_long_side,
    )
    shapes = Shapes(height, width, arguments.slots, arguments.groups)
    files = export_network(network, weights, shapes, Path(arguments.output))
    print(
        f"{arguments.variant}, weights {weights}: network input {height}x{width}, "
        f"{shapes.slots} memory frames, {shapes.groups} groups, fp32"
    )
    for name, path in files.items():
        print(f"  {name:10} {path.stat().st_size / 1e6:8.1f} MB  {path}")
    return 0
