"""Starts the node: ``ros2 run deaot_ros tracker_node`` or ``deaot-tracker-node``."""

from __future__ import annotations

import signal
import sys

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn

from deaot_ros.node import parameters
from deaot_ros.node.tracker_node import TrackerNode

STARTED, FAILED = 0, 1


def main(args: list[str] | None = None) -> int:
    """Run until told to stop.

    Args:
        args: of the command line; None: this process's.

    Returns:
        0 when stopped by a signal, 1 when the node could not start by itself.
    """
    rclpy.init(args=args)
    node: TrackerNode | None = None
    try:
        node = TrackerNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if parameters.read(node).autostart and not _start(node):
            return FAILED
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except ParameterException as error:
        print(f"tracker: {error}", file=sys.stderr)
        return FAILED
    finally:
        # ros2 launch passes on the Ctrl-C that the terminal has sent already.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # shutdown has put the first handler back
    return STARTED


def _start(node: TrackerNode) -> bool:
    success = TransitionCallbackReturn.SUCCESS
    return node.trigger_configure() == success and node.trigger_activate() == success


if __name__ == "__main__":
    sys.exit(main())
