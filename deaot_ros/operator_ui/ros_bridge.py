"""The page's side of ROS: topics and services of the node, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from deaot_ros.msg import TrackedObject, TrackedObjectArray, TrackerStatus
from deaot_ros.node import qos
from deaot_ros.node.camera import Camera
from deaot_ros.node.frame_history import CameraFrame
from deaot_ros.node.image_codec import decode_labels
from deaot_ros.operator_ui.frame_store import FrameStore, View
from deaot_ros.operator_ui.node_calls import NodeCalls
from deaot_ros.operator_ui.node_health import NodeHealth

TICK = 0.5
"""Seconds between looks at who publishes, and at the node's health."""

_LATE = 3.0
"""Times the node's own interval after which its answer is not waited for with pictures."""

_PATIENCE = 1.0
"""Seconds, for the same, at least."""

_STATES = {
    getattr(TrackedObject, name): name.lower()
    for name in ("UNKNOWN", "TRACKED", "OCCLUDED", "LOST", "REMOVED")
}


class Listener(Protocol):
    """Who hears of it; called in ROS's thread, must return at once."""

    def on_view(self, view: View) -> None:
        """A picture to show."""

    def on_status(self, status: TrackerStatus) -> None:
        """The node said something."""

    def on_health(self, alive: bool, trouble: str) -> None:
        """Twice a second: whether the node talks, and what keeps images away."""


@dataclass(frozen=True, slots=True)
class CameraChoice:
    """How to subscribe to the camera."""

    image_transport: str
    image_reliability: str = "auto"


class RosBridge:
    """Subscribes while somebody watches, and hands on what comes."""

    def __init__(self, store: FrameStore, transport: str, ros_args: Sequence[str] = ()) -> None:
        """Prepare; ``start`` begins.

        Args:
            store: takes frames.
            transport: of images: ``raw``, ``compressed`` or ``auto``, what is published.
            ros_args: namespace and remappings, from ``--ros-args`` on.
        """
        self._store = store
        self._transport = transport
        self._ros_args = list(ros_args)
        self._camera: Camera | None = None
        self._watching: list[Any] = []
        self._stopped = threading.Event()
        self._answered = float("-inf")
        self.health = NodeHealth()

    def start(self, listener: Listener) -> None:
        """Join the ROS graph and begin to listen."""
        self._listener = listener
        self._context = rclpy.Context()
        rclpy.init(args=self._ros_args, context=self._context)
        self.node = node = rclpy.create_node("operator_page", context=self._context)
        node.create_subscription(TrackerStatus, "status", self._on_status, qos.LATCHED)
        node.create_timer(TICK, self._tick)
        self.calls = NodeCalls(node, self.health)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name="ros", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the ROS graph."""
        self._stopped.set()
        self._thread.join()
        self.node.destroy_node()
        self._context.try_shutdown()

    def watch(self, on: bool) -> None:
        """Subscribe to camera and masks, or no longer: images that nobody sees cost the robot."""
        self._executor.create_task(self._watch, on)

    def _spin(self) -> None:
        while not self._stopped.is_set():
            try:
                self._executor.spin_once(timeout_sec=0.2)
            except ExternalShutdownException:
                return
            except Exception as error:  # a message that breaks a callback must not end the page
                self.node.get_logger().error(f"a message was left out: {error!r}")

    def _watch(self, on: bool) -> None:
        if on and not self._watching:
            subscribe = self.node.create_subscription
            self._watching = [
                subscribe(Image, "mask", self._on_mask, qos.NEWEST),
                subscribe(TrackedObjectArray, "objects", self._on_objects, qos.OBJECTS),
            ]
            self._find_camera()
        elif not on:
            for subscription in self._watching:
                self.node.destroy_subscription(subscription)
            self._watching = []
            if self._camera is not None:
                self._camera.destroy()
                self._camera = None
            self._store.clear()

    def _find_camera(self) -> None:
        transport = self._transport
        if transport == "auto":
            publishers = self.node.count_publishers
            jpeg = not publishers(self._topic("image")) and publishers(
                self._topic("image/compressed")
            )
            if not jpeg and not publishers(self._topic("image")):
                return
            transport = "compressed" if jpeg else "raw"
        self._camera = Camera(self.node, CameraChoice(transport), self._on_frame)

    def _topic(self, name: str) -> str:
        return str(self.node.resolve_topic_name(name))

    def _tick(self) -> None:
        if self._watching and self._camera is None:
            self._find_camera()
        trouble = ""
        if self._camera is not None:
            self._camera.follow()
            if self._camera.age > 2 * _PATIENCE:
                trouble = self._camera.trouble() or f"no image on {self._camera.topic}"
        elif self._watching:
            topic = self._topic("image")
            trouble = f"no publisher on {topic} or {topic}/compressed; start the camera"
        self._listener.on_health(self.health.alive, trouble)

    def _on_frame(self, frame: CameraFrame) -> None:
        view = self._store.put(frame)
        # While the node answers, its frames are shown, not those that it has not seen yet.
        if time.monotonic() - self._answered > self._patience():
            self._listener.on_view(view)

    def _patience(self) -> float:
        status = self.health.status
        if not self.health.alive or status is None or status.state == TrackerStatus.PAUSED:
            return 0.0
        return max(_PATIENCE, _LATE / status.fps if status.fps > 0 else 0.0)

    def _on_mask(self, message: Image) -> None:
        def join(view: View) -> None:
            view.labels = decode_labels(message)

        self._answer(message.header, join)

    def _on_objects(self, message: TrackedObjectArray) -> None:
        def join(view: View) -> None:
            view.session = message.session
            view.objects = [_object(o) for o in message.objects]

        self._answer(message.header, join)

    def _answer(self, header: Header, join: Callable[[View], None]) -> None:
        view = self._store.answer(header.stamp, join)
        if view is not None:
            self._answered = time.monotonic()
            self._listener.on_view(view)

    def _on_status(self, status: TrackerStatus) -> None:
        self.health.hear(status)
        self._listener.on_status(status)


def _object(message: TrackedObject) -> dict[str, Any]:
    roi = message.roi
    return {
        "id": message.id,
        "name": message.label,
        "state": _STATES.get(message.state, str(message.state)),
        "score": round(message.score, 2),
        "area": message.area,
        "box": [roi.x_offset, roi.y_offset, roi.width, roi.height],
    }
