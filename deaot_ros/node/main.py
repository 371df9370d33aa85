"""Starts the node: ``ros2 run deaot_ros tracker_node`` or ``deaot-tracker-node``."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence

from deaot_ros.host_memory import share_one_heap

# Before torch is imported: its threads would wait by spinning and fight with other programs for
# the cores, which on a busy machine makes frames many times as slow.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
share_one_heap()  # before any module starts a thread

import cv2
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from deaot_ros.node import parameters
from deaot_ros.node.failures import explain
from deaot_ros.node.tracker_node import TrackerNode
from deaot_ros.shared_segments import remove_left_over

STARTED, FAILED = 0, 1

_CALLBACK_REST = 0.01
"""Seconds after a callback that failed: it may fail again at once while memory is short."""

_SIGNAL_LATENCY = 0.2
"""Seconds after which a signal is noticed while no message comes."""


def main(args: list[str] | None = None) -> int:
    """Run one node until told to stop; see :func:`run`."""
    return run(lambda: (TrackerNode() for _ in range(1)), args)


def run(make: Callable[[], Iterable[TrackerNode]], args: list[str] | None = None) -> int:
    """Run nodes in one executor until told to stop.

    Args:
        make: makes the nodes, once rclpy works.
        args: of the command line; None: this process's.

    Returns:
        0 when stopped by a signal, or when all engines are built that are asked for by
        ``build_only``; 1 when a node could not start by itself, or an engine not be built.
    """
    freed = remove_left_over()  # before DDS needs the room
    if freed:
        print(
            f"tracker: removed {freed // 2**20} MiB of shared memory that killed processes left",
            file=sys.stderr,
        )
    # rclpy's own handlers would end the context while the worker still publishes.
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError has no public name
        print(
            f"tracker: ROS cannot start: {' '.join(str(error).split())}. Check the arguments after "
            "--ros-args, and that ROS_LOG_DIR (else ~/.ros/log) can be written",
            file=sys.stderr,
        )
        return FAILED
    # What cannot be decoded is told by this node, once; OpenCV would tell it with every image.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    nodes: list[TrackerNode] = []
    try:
        executor = SingleThreadedExecutor()
        for node in make():
            nodes.append(node)
            executor.add_node(node)
            if parameters.read(node).autostart and not _start(node):
                return FAILED
        while not stopped.is_set():
            _spin(executor, nodes)
            for node in nodes:
                if node.lost:
                    print(f"{node.get_name()}: {node.lost}", file=sys.stderr)
                    return FAILED
            built = [node.build_succeeded for node in nodes]
            if None not in built:
                return STARTED if all(built) else FAILED
    except (ParameterException, parameters.ParameterError) as error:
        print(f"tracker: {error}", file=sys.stderr)
        return FAILED
    finally:
        for node in nodes:
            node.close()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    return STARTED


def _spin(executor: SingleThreadedExecutor, nodes: Sequence[TrackerNode]) -> None:
    """One turn of the executor; a callback that fails costs its message, not the node."""
    try:
        executor.spin_once(timeout_sec=_SIGNAL_LATENCY)
    except Exception as error:
        logger = nodes[0].get_logger()
        logger.error(f"a callback failed: {explain(error).message}", throttle_duration_sec=2.0)
        logger.error(traceback.format_exc(), throttle_duration_sec=10.0)
        time.sleep(_CALLBACK_REST)


def _start(node: TrackerNode) -> bool:
    success = TransitionCallbackReturn.SUCCESS
    return node.trigger_configure() == success and node.trigger_activate() == success


if __name__ == "__main__":
    sys.exit(main())
