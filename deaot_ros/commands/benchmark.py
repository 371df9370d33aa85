"""Measure on this machine.

speed   milliseconds per frame and per stage of the network
"""

from __future__ import annotations

import argparse

from deaot_ros.commands.options import add_network_options, positive, tracker_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    speed = kinds.add_parser("speed", help="milliseconds per frame and stage")
    speed.add_argument("--height", type=positive, default=480, help="of the image (480)")
    speed.add_argument("--width", type=positive, default=854, help="of the image (854)")
    speed.add_argument("--objects", type=positive, default=3, help="tracked objects (3)")
    speed.add_argument("--frames", type=positive, default=10, help="timed frames (10)")
    speed.add_argument("--threads", type=positive, help="CPU threads; default: torch's choice")
    add_network_options(speed)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print a table."""
    import torch

    from deaot_ros.backends import load_backend
    from deaot_ros.evaluation.speed import measure_speed
    from deaot_ros.network import build_network

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    # Speed does not depend on weights, so none are loaded.
    network = build_network(arguments.variant)
    backend = load_backend(network, arguments.device, arguments.backend, arguments.precision)
    speed = measure_speed(
        backend, tracker_settings(arguments),
        arguments.height, arguments.width, arguments.objects, arguments.frames,
    )  # fmt: skip
    height, width = speed.size
    print(
        f"{arguments.variant} on {backend.device} ({backend.name}, {backend.precision}, "
        f"{torch.get_num_threads()} threads), network input {height}x{width}, "
        f"{arguments.objects} objects, {speed.memory_frames} memory frames; "
        f"medians of {arguments.frames} frames"
    )
    for name, milliseconds in {**speed.stages, "total": speed.total}.items():
        print(f"  {name:10} {milliseconds:9.1f} ms")
    return 0
