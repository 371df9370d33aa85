"""Measure on this machine.

speed   milliseconds per frame and stage, beside the machine's floor and other programs
node    what the ROS node adds to that
scores  how often a mask with a given score is right; writes the calibration
long    memories side by side over thousands of frames: drift, recovery, swaps, cost
"""

from __future__ import annotations

import argparse

from deaot_ros.commands.benchmark_long import add_long_arguments, run_long_benchmark
from deaot_ros.commands.benchmark_scores import add_scores_arguments, run_scores_benchmark
from deaot_ros.commands.benchmark_speed import add_speed_arguments, run_speed_benchmark
from deaot_ros.commands.options import add_tracker_options, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    speed = kinds.add_parser("speed", help="milliseconds per frame and stage")
    add_speed_arguments(speed)
    speed.set_defaults(measure=run_speed_benchmark)
    node = kinds.add_parser("node", help="what the ROS node adds to the network")
    node.add_argument("--objects", type=int, default=0, help="tracked objects; 0: images only (0)")
    node.add_argument("--rate", type=float, default=30.0, help="of the camera in Hz (30)")
    node.add_argument("--seconds", type=float, default=8.0, help="to play (8)")
    node.add_argument("--height", type=positive, default=480, help="of the image (480)")
    node.add_argument("--width", type=positive, default=640, help="of the image (640)")
    add_tracker_options(node)
    node.set_defaults(measure=_node)
    scores = kinds.add_parser("scores", help="how often a mask with a given score is right")
    add_scores_arguments(scores)
    scores.set_defaults(measure=run_scores_benchmark)
    long = kinds.add_parser("long", help="memories side by side over thousands of frames")
    add_long_arguments(long)
    long.set_defaults(measure=run_long_benchmark)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print a table."""
    return int(arguments.measure(arguments))


def _node(arguments: argparse.Namespace) -> int:
    import tempfile
    from pathlib import Path

    from deaot_ros.demo.environment import enter_private_ros

    enter_private_ros()
    from deaot_ros.demo.node_speed import measure_node
    from deaot_ros.demo.session import node_parameters

    with tempfile.TemporaryDirectory() as folder:
        speed = measure_node(
            Path(folder), node_parameters(arguments), arguments.objects, arguments.rate,
            arguments.seconds, (arguments.height, arguments.width),
        )  # fmt: skip
    print(
        f"{speed.sent} images of {arguments.width}x{arguments.height} at {arguments.rate:g} Hz, "
        f"{arguments.objects} objects: {speed.received} answered"
    )
    for name, milliseconds in speed.stages.items():
        print(f"  {name:10} {milliseconds:9.1f} ms")
    print(f"  {'overhead':10} {speed.overhead:9.1f} ms   (all but track)")
    p50, p95 = speed.end_to_end
    print(f"camera's stamp to label map, over DDS: p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    return 0
