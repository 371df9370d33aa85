"""The demo's camera, a process of its own: publishes a source's frames as images at a fixed rate.

While the operator still draws, a recorded source stands still on its first frame; the line ``go``
on stdin lets it run. On stdout it writes a JSON line per published image, ``{"frame": i, "stamp":
nanoseconds}``, and a last one, ``{"done": true}``; then it waits until stdin ends, so that nothing
under way is lost. An error is a line ``{"error": text}``.
"""

from __future__ import annotations

import argparse
import array
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from deaot_ros.errors import DeaotError
from deaot_ros.video import Frame, open_source, read_ahead

_DEPTH = 5
_WATCHERS = 2  # the tracker and the operator
_WATCHER_PATIENCE = 10.0  # seconds


class Camera:
    """Publishes images and says so on stdout."""

    def __init__(self, node: Node) -> None:
        qos = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._publisher = node.create_publisher(Image, "image", qos)
        self._clock = node.get_clock()

    def wait_for_watchers(self, count: int) -> None:
        """Wait until that many subscribe, or for some seconds: what nobody sees is not lost."""
        deadline = time.monotonic() + _WATCHER_PATIENCE
        while self._publisher.get_subscription_count() < count and time.monotonic() < deadline:
            time.sleep(0.05)

    def publish(self, number: int, frame: Frame) -> None:
        """Publish frame ``number`` of the source, stamped with now."""
        height, width = frame.image.shape[:2]
        stamp = self._clock.now()
        message = Image()
        message.header.stamp = stamp.to_msg()
        message.header.frame_id = "demo_camera"
        message.height, message.width = height, width
        message.encoding, message.step = "rgb8", 3 * width
        # Anything else than an array.array is checked byte by byte.
        message.data = array.array("B", frame.image.tobytes())
        self._publisher.publish(message)
        say({"frame": number, "stamp": stamp.nanoseconds})


def say(record: dict[str, object]) -> None:
    """Tell the demo."""
    print(json.dumps(record), flush=True)


def play(camera: Camera, frames: Iterator[Frame], live: bool, rate: float, limit: int) -> None:
    """Publish up to ``limit`` frames of the source at ``rate`` after ``go``."""
    heard: list[str] = []
    go, ended = threading.Event(), threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            heard.append(line)
            go.set()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    camera.wait_for_watchers(_WATCHERS)
    due = time.monotonic()
    left = limit
    frame = next(frames, None)
    number = 0
    while frame is not None and left > 0 and not ended.is_set():
        wait = due - time.monotonic()
        if wait > 0 and not live:
            time.sleep(wait)
        if wait <= 0 or not live:
            camera.publish(number, frame)
            due = max(due + 1 / rate, time.monotonic())
            left -= go.is_set() and (live or number > 0)
        if live or go.is_set():
            frame = next(frames, None)
            number += 1
    say({"done": True})
    ended.wait()


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--topic")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--limit", type=int, required=True)
    arguments = parser.parse_args()
    try:
        source = open_source(arguments.source, arguments.topic)
        rclpy.init(args=[])
        node = rclpy.create_node("camera", namespace="deaot")
        with closing(read_ahead(source, depth=1 if source.live else 4)) as frames:
            play(Camera(node), frames, source.live, arguments.rate, arguments.limit)
    except DeaotError as error:
        say({"error": " ".join(str(error).split())})
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
