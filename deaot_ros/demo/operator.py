"""The demo's operator, who is also its robot: sees the camera, sends the first mask, collects.

Everything goes over DDS, by the names and types that any other program would use.
"""

from __future__ import annotations

import array
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from deaot_ros.errors import DeaotError
from deaot_ros.msg import TrackerStatus

_DEPTH = 10
_STAGE = "_p50_ms"  # ending of the keys in /diagnostics
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]


class SilenceError(DeaotError):
    """Something that should have come over DDS did not."""


@dataclass(frozen=True, slots=True)
class Received:
    """A label map that came back, packed to keep memory small.

    Attributes:
        latency: seconds from the camera's stamp to its arrival here.
        arrival: seconds, monotonic.
    """

    latency: float
    arrival: float
    size: tuple[int, int]
    packed: bytes
    deep: bool

    @property
    def labels(self) -> np.ndarray:
        """uint8 or uint16 [H, W]."""
        dtype = np.uint16 if self.deep else np.uint8
        return np.frombuffer(zlib.decompress(self.packed), dtype).reshape(self.size)


class Operator:
    """Subscribes to the camera and to the tracker; a context manager.

    Attributes:
        images: stamp in ns to the camera's image as JPEG.
        masks: stamp in ns to the label map.
        status: the newest one.
        stages: stage of the node's work to its median in ms, from /diagnostics.
    """

    def __init__(self, keep_pixels: bool = True) -> None:
        """``keep_pixels`` False: images and label maps are empty, which saves their packing."""
        self._keep_pixels = keep_pixels
        self.stages: dict[str, float] = {}
        self.images: dict[int, np.ndarray] = {}
        self.masks: dict[int, Received] = {}
        self.status: TrackerStatus | None = None
        self._headers: dict[int, Header] = {}

    def __enter__(self) -> Operator:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        node = rclpy.create_node("operator", namespace="deaot", context=self._context)
        reliable = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        latched = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        node.create_subscription(Image, "image", self._on_image, reliable)
        node.create_subscription(Image, "mask", self._on_mask, reliable)
        node.create_subscription(TrackerStatus, "status", self._on_status, latched)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._target = node.create_publisher(Image, "target_mask", reliable)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown()
        self._context.try_shutdown()

    def wait(
        self, what: str, condition: Callable[[], bool], patience: float, check: Callable[[], None]
    ) -> None:
        """Listen until ``condition`` holds.

        Args:
            what: is waited for, for people.
            condition: looked at after every message.
            patience: seconds.
            check: called all the time; raises where waiting is in vain.

        Raises:
            SilenceError: patience is exhausted.
        """
        deadline = time.monotonic() + patience
        while not condition():
            check()
            if time.monotonic() > deadline:
                said = f"; the tracker says: {self.status.message}" if self.status else ""
                raise SilenceError(
                    f"no {what} within {patience:.0f} s{said}; deaot doctor may know why"
                )
            self._executor.spin_once(timeout_sec=0.1)

    def send_mask(self, labels: np.ndarray, stamp: int) -> None:
        """Send a target mask drawn on the image with this stamp.

        Args:
            labels: uint8 or uint16 [H, W].
            stamp: ns, of an image that was received.
        """
        height, width = labels.shape
        message = Image()
        message.header = self._headers[stamp]
        message.height, message.width = height, width
        message.encoding = "mono8" if labels.dtype == np.uint8 else "16UC1"
        message.step = width * labels.itemsize
        message.data = array.array("B", labels.tobytes())
        self._target.publish(message)

    def verdict(self, stamp: int) -> int | None:
        """``TrackerStatus`` verdict on the target mask with this stamp; None: not yet."""
        status = self.status
        if status is None or _nanoseconds(status.last_mask_stamp) != stamp:
            return None
        return int(status.last_mask_result) or None

    def _on_image(self, message: Image) -> None:
        stamp = _nanoseconds(message.header.stamp)
        self._headers[stamp] = message.header
        self.images[stamp] = np.empty(0, np.uint8)
        if self._keep_pixels:
            pixels = np.frombuffer(message.data, np.uint8)
            image = pixels.reshape(message.height, message.width, 3)
            self.images[stamp] = cv2.imencode(".jpg", image[..., ::-1], _JPEG)[1]

    def _on_mask(self, message: Image) -> None:
        now, arrival = time.time_ns(), time.monotonic()
        stamp = _nanoseconds(message.header.stamp)
        self.masks[stamp] = Received(
            (now - stamp) / 1e9,
            arrival,
            (message.height, message.width),
            zlib.compress(message.data, 1) if self._keep_pixels else b"",
            message.encoding != "mono8",
        )

    def _on_status(self, message: TrackerStatus) -> None:
        self.status = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for task in message.status:
            for item in task.values:
                if item.key.endswith(_STAGE):
                    self.stages[item.key.removesuffix(_STAGE)] = float(item.value)


def _nanoseconds(stamp: object) -> int:
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)  # type: ignore[attr-defined]
