"""Starts a tracker per camera in one process, with one network for all.

``ros2 run deaot_ros multi_tracker_node --cameras front rear --ros-args --params-file FILE``. The
nodes are ``/NAMESPACE/CAMERA/tracker``; a parameter file may address all of them by ``/**`` and
each by its name.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence

from rclpy.utilities import remove_ros_args

from deaot_ros.node.batches import BATCHING
from deaot_ros.node.main import run
from deaot_ros.node.networks import Networks
from deaot_ros.node.tracker_node import TrackerNode


def arguments_of(args: Sequence[str]) -> argparse.Namespace:
    """The command line without the name of the program and without ROS arguments."""
    parser = argparse.ArgumentParser(
        prog="multi_tracker_node", description=__doc__.split("\n\n")[0] if __doc__ else None
    )
    parser.add_argument("--cameras", nargs="+", required=True, metavar="NAME", type=_name)
    parser.add_argument("--namespace", default="deaot", help="of all nodes")
    parser.add_argument(
        "--image-topic",
        default="/{camera}/image_raw",
        metavar="TOPIC",
        help="of each camera, with its name in place of {camera}; without /compressed",
    )
    parser.add_argument(
        "--batch",
        choices=BATCHING,
        default="auto",
        help="images of several cameras in one batch of the network; auto: on a GPU",
    )
    given = parser.parse_args(args)
    if len(set(given.cameras)) < len(given.cameras):
        parser.error(f"--cameras names one twice: {' '.join(given.cameras)}")
    if len(given.cameras) > 1 and "{camera}" not in given.image_topic:
        parser.error(f"--image-topic {given.image_topic} is the same for all; put {{camera}} in it")
    return given


def nodes(given: argparse.Namespace) -> Iterator[TrackerNode]:
    """A node per camera."""
    networks = Networks(given.batch)
    for camera in given.cameras:
        topic = given.image_topic.replace("{camera}", camera)
        remappings = (f"image:={topic}", f"image/compressed:={topic}/compressed")
        yield TrackerNode(
            networks,
            namespace="/".join(filter(None, (given.namespace.strip("/"), camera))),
            cli_args=["--ros-args", *(word for r in remappings for word in ("-r", r))],
        )


def main(args: list[str] | None = None) -> int:
    """Run until told to stop; see ``main.run``."""
    given = arguments_of(remove_ros_args(sys.argv if args is None else args)[1:])
    return run(lambda: nodes(given), args)


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no camera name; expected letters, digits and _"
        )
    return text


if __name__ == "__main__":
    sys.exit(main())
