"""The robot around the node: a camera with a known scene, an operator, ears for every output."""

from __future__ import annotations

import array
import time
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from deaot_ros.msg import TrackedObject, TrackedObjectArray, TrackerStatus
from deaot_ros.soak.scene import overlap
from deaot_ros.soak.watch import Watch

FRAME_ID = "soak_camera"
GOOD_OVERLAP = 0.5
_KEPT = 300
_RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class Shown(NamedTuple):
    """An image that was sent: when (monotonic seconds), and the ids [H, W] in it."""

    sent: float
    truth: np.ndarray


class Latency(NamedTuple):
    """How long the first output of an image took, s, and when the image was sent (monotonic s)."""

    sent: float
    taken: float


class Rig:
    """A node of its own context, to be closed."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = rclpy.create_node("soak", namespace="deaot", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.watch = Watch()
        self.shown: OrderedDict[int, Shown] = OrderedDict()
        self.status: TrackerStatus | None = None
        self.objects: TrackedObjectArray | None = None
        self.diagnostics = 0
        self.latencies: list[Latency] = []
        self._labels: OrderedDict[int, np.ndarray] = OrderedDict()
        self._answered: OrderedDict[int, None] = OrderedDict()
        self.connect_camera()
        self.operator = self.node.create_publisher(Image, "target_mask", _RELIABLE)
        subscribe = self.node.create_subscription
        subscribe(Image, "mask", self._on_mask, _RELIABLE)
        subscribe(TrackedObjectArray, "objects", self._on_objects, _RELIABLE)
        subscribe(TrackerStatus, "status", self._on_status, _LATCHED)
        subscribe(DiagnosticArray, "/diagnostics", self._on_diagnostics, _RELIABLE)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._context.try_shutdown()

    def connect_camera(self) -> None:
        """Advertise the camera."""
        self.camera = self.node.create_publisher(Image, "image", _RELIABLE)

    def disconnect_camera(self) -> None:
        """Take the camera away."""
        self.node.destroy_publisher(self.camera)

    def listen(self, seconds: float) -> None:
        """Take what comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def show(
        self, image: np.ndarray, truth: np.ndarray, stamp: int, encoding: str = "rgb8",
        cut: int = 0,
    ) -> None:  # fmt: skip
        """Publish an image, without its last ``cut`` bytes."""
        message = label_image(image, stamp, encoding)
        if cut:
            message.data = message.data[:-cut]
        self.watch.sent(message.header, (image.shape[0], image.shape[1]))
        _keep(self.shown, stamp, Shown(time.monotonic(), truth))
        self.camera.publish(message)

    def call(self, kind: type, name: str, **fields: object) -> Future:
        """Ask a service; the answer may take its time."""
        client = self.node.create_client(kind, name)
        request = kind.Request()  # type: ignore[attr-defined]
        for field, value in fields.items():
            setattr(request, field, value)
        future: Future = client.call_async(request)
        future.add_done_callback(lambda _: self.node.destroy_client(client))
        return future

    def tracks_well(self) -> bool:
        """Whether in the newest output both objects are TRACKED where they are."""
        array, key = self.objects, 0
        if array is None:
            return False
        key = nanoseconds(array.header.stamp)
        shown, labels = self.shown.get(key), self._labels.get(key)
        if shown is None or labels is None or labels.shape != shown.truth.shape:
            return False
        tracked = {o.id for o in array.objects if o.state == TrackedObject.TRACKED}
        return tracked == {1, 2} and all(
            overlap(labels == i, shown.truth == i) >= GOOD_OVERLAP for i in tracked
        )

    def describe(self) -> str:
        """State, score and overlap with the truth of every object."""
        if self.objects is None:
            return "no output"
        key = nanoseconds(self.objects.header.stamp)
        shown, labels = self.shown.get(key), self._labels.get(key)
        words = []
        for o in self.objects.objects:
            found = -1.0
            if shown is not None and labels is not None and labels.shape == shown.truth.shape:
                found = overlap(labels == o.id, shown.truth == o.id)
            words.append(f"{o.id} in state {o.state}, score {o.score:.2f}, overlap {found:.2f}")
        return "; ".join(words)

    def _on_mask(self, mask: Image) -> None:
        self.watch.on_mask(mask)
        dtype = np.uint8 if mask.encoding == "mono8" else np.uint16
        labels = np.frombuffer(mask.data, dtype).reshape(mask.height, mask.width)
        _keep(self._labels, nanoseconds(mask.header.stamp), labels)

    def _on_objects(self, array: TrackedObjectArray) -> None:
        self.watch.on_objects(array)
        self.objects = array
        key = nanoseconds(array.header.stamp)
        shown = self.shown.get(key)
        if shown is not None and key not in self._answered:  # a mask may correct an output later
            self.latencies.append(Latency(shown.sent, time.monotonic() - shown.sent))
        _keep(self._answered, key, None)

    def _on_status(self, status: TrackerStatus) -> None:
        self.status = status

    def _on_diagnostics(self, _: DiagnosticArray) -> None:
        self.diagnostics += 1


def label_image(pixels: np.ndarray, stamp: int, encoding: str = "mono8") -> Image:
    """A message of pixels, with ``stamp`` in nanoseconds."""
    pixels = np.ascontiguousarray(pixels)
    header = Header(frame_id=FRAME_ID)
    header.stamp = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
    message = Image(header=header, encoding=encoding, step=pixels.strides[0])
    message.height, message.width = pixels.shape[:2]
    message.data = array.array("B", pixels.tobytes())
    return message


def nanoseconds(stamp: Time) -> int:
    """A stamp as a whole number."""
    return int(stamp.sec * 10**9 + stamp.nanosec)


def _keep(store: OrderedDict[int, Any], key: int, value: Any) -> None:
    store[key] = value
    while len(store) > _KEPT:
        store.popitem(last=False)
