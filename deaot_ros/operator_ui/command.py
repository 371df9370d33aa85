"""Serve the operator's page: watch the camera, draw what matters, see it followed.

Open the address that is printed in any browser. The page talks to the tracker node by its public
topics and services; the node may be started before or after, and again at any time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys

from deaot_ros.errors import DeaotError
from deaot_ros.operator_ui.access import Access

_NICENESS = 5
"""The node comes first where both want the processor."""

_ALL = ("0.0.0.0", "::")
"""Addresses that mean every one of this machine's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to serve on; 0.0.0.0: all (127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8642, help="0: any that is free (8642)")
    parser.add_argument(
        "--token",
        default=os.environ.get("DEAOT_OPERATOR_TOKEN", ""),
        help="what pages must know; beyond this machine one is made up where none is given "
        "(environment: DEAOT_OPERATOR_TOKEN)",
    )
    parser.add_argument("--max-rate", type=_rate, default=15.0, help="pictures per second (15)")
    parser.add_argument(
        "--image-transport",
        default="auto",
        choices=("auto", "raw", "compressed"),
        help="camera images to subscribe to; auto: what is published",
    )
    parser.add_argument("--namespace", default="deaot", help="of the tracker node (deaot)")
    parser.add_argument(
        "--input-image-topic", default="image", help="the camera, without /compressed (image)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    image = arguments.input_image_topic
    remapped = [f"__ns:=/{arguments.namespace.strip('/')}", f"image:={image}"]
    remapped.append(f"image/compressed:={image}/compressed")
    return _serve(arguments, ["--ros-args", *(a for rule in remapped for a in ("-r", rule))])


def main() -> int:
    """Entry point of ``ros2 run`` and ``ros2 launch``, which give namespace and remappings."""
    from rclpy.utilities import remove_ros_args

    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    own = remove_ros_args(sys.argv)[1:]
    try:
        return _serve(parser.parse_args(own), sys.argv[1:])
    except (DeaotError, OSError) as error:
        print(f"operator page: {error}", file=sys.stderr)
        return 2


def _serve(arguments: argparse.Namespace, ros_args: list[str]) -> int:
    os.nice(_NICENESS)
    return asyncio.run(_run(arguments, ros_args))


async def _run(arguments: argparse.Namespace, ros_args: list[str]) -> int:
    from deaot_ros.operator_ui.frame_store import FrameStore
    from deaot_ros.operator_ui.hub import Hub
    from deaot_ros.operator_ui.ros_bridge import RosBridge
    from deaot_ros.operator_ui.server import Server

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    access = Access.for_host(arguments.host, arguments.token)
    store = FrameStore()
    hub = Hub(store, RosBridge(store, arguments.image_transport, ros_args))
    server = Server(hub, access, arguments.max_rate)
    hub.start()
    try:
        port = await server.start(arguments.host, arguments.port)
        print(f"operator page: {_address(arguments.host, port, access.token)}", flush=True)
        await ended.wait()
    finally:
        await hub.stop()
        await server.close()
    return 0


def _address(host: str, port: int, token: str) -> str:
    """What to type into a browser."""
    name = socket.gethostname() if host in _ALL else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 60 pictures per second")
    return value


if __name__ == "__main__":
    sys.exit(main())
