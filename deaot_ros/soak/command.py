"""Soak the ROS node: a camera, an operator and random faults, with every output checked.

The node runs in a process of its own, in a ROS graph that nobody else sees. Faults come one after
another in an order that the seed fixes. Writes OUTPUT/soak.json and the node's log; leaves with 1
where a rule was violated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from deaot_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults and their order (1)")
    parser.add_argument("--rate", type=float, default=10.0, help="camera images per second (10)")
    parser.add_argument("--output", type=Path, default=Path("soak_output"), help="folder")
    parser.add_argument("--variant", default="deaot-t", help="network (deaot-t)")
    parser.add_argument("--weights", default="", help="weights file; empty: as shipped")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")


def run(arguments: argparse.Namespace) -> int:
    """Soak, print the report, write it."""
    if arguments.minutes <= 0 or not 0 < arguments.rate <= 1000:
        raise ConfigError(
            f"--minutes is {arguments.minutes} and --rate {arguments.rate}; expected more than 0"
        )
    from deaot_ros.demo.environment import enter_private_ros

    enter_private_ros()  # before rclpy is imported
    from deaot_ros.soak.scene import SIZE
    from deaot_ros.soak.session import Session

    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    parameters: dict[str, object] = {
        "network_height": SIZE[0],
        "network_width": SIZE[1],
        "variant": arguments.variant,
        "device": arguments.device,
        "max_objects": 9,
        "occluded_score": 0.2,  # a scene this small has low calibrated scores
    }
    if arguments.weights:
        parameters["weights"] = arguments.weights
    session = Session(parameters, arguments.rate, arguments.seed, folder.absolute())
    record = session.run(60 * arguments.minutes, lambda line: print(line, flush=True))
    record.write(folder / "soak.json")
    print("\n".join(record.lines()))
    return 1 if record.violations else 0
