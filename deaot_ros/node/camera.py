"""The camera's subscription: transport, reliability that follows the publisher, watchdog."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Protocol

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from deaot_ros.node import qos
from deaot_ros.node.frame_history import CameraFrame, CameraMessage
from deaot_ros.node.timeline import ArrivalStamps, seconds

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

SHM_SEGMENT = 512 * 1024
"""Bytes of Fast DDS's default shared-memory segment; larger best-effort images get lost."""

FROZEN = 5
"""Images with one and the same stamp from which on people are told."""

PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")

RELIABILITIES = {"reliable": qos.RELIABLE, "best_effort": qos.BEST_EFFORT}


class CameraParameters(Protocol):
    """What a camera's subscriber must be told; the node's parameters hold it."""

    @property
    def image_transport(self) -> str:
        """``raw`` or ``compressed``."""
        ...

    @property
    def image_reliability(self) -> str:
        """``reliable``, ``best_effort`` or ``auto``."""
        ...


class Camera:
    """Subscribes, and hands every message on as a :class:`CameraFrame`."""

    def __init__(
        self,
        node: Node,
        parameters: CameraParameters,
        deliver: Callable[[CameraFrame], None],
    ) -> None:
        """Subscribe.

        Args:
            node: subscribes.
            parameters: transport and reliability.
            deliver: takes every frame; must return at once.
        """
        self._node = node
        self._deliver = deliver
        compressed = parameters.image_transport == "compressed"
        self._type = CompressedImage if compressed else Image
        self._name = "image/compressed" if compressed else "image"
        self.topic = node.resolve_topic_name(self._name)
        self._fixed = RELIABILITIES.get(parameters.image_reliability)
        self._reliability = self._fixed or qos.BEST_EFFORT
        self._mismatch = ""
        self._stamps = ArrivalStamps()
        self._stampless = False
        self._bytes = 0
        self.last_received: float | None = None
        self.description = ""
        self._subscription: Subscription | None = None
        self.follow()
        if self._subscription is None:
            self._subscribe()

    def destroy(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    @property
    def age(self) -> float:
        """Seconds since the last image; infinite before the first."""
        last = self.last_received
        return float("inf") if last is None else time.monotonic() - last

    def follow(self) -> None:
        """Offer what the publisher offers, where the reliability is not fixed."""
        offered = qos.offered_reliability(self._node, self.topic)
        if self._fixed is not None or offered in (None, self._reliability):
            return
        self._reliability = offered
        self._mismatch = ""
        self.destroy()
        self._subscribe()

    def trouble(self) -> str:
        """What keeps images away or makes them get lost, and the remedy; empty: nothing seen."""
        if self._mismatch:
            return self._mismatch
        publishers = len(self._node.get_publishers_info_by_topic(self.topic))
        if self.last_received is None:
            if not publishers:
                return (
                    f"no publisher on {self.topic}; start the camera, or remap image "
                    "(launch argument input_image_topic)"
                )
            return (
                f"{publishers} publisher(s) on {self.topic} but no image yet; if this lasts, see "
                f"'no image' in the troubleshooting guide{self._transport_advice()}"
            )
        return self.warning() or self._transport_advice().removeprefix("; ")

    def warning(self) -> str:
        """What is wrong with images that arrive, and the remedy; empty: nothing seen."""
        publishers = len(self._node.get_publishers_info_by_topic(self.topic))
        if publishers > 1:
            return (
                f"{publishers} publishers on {self.topic}: images of several cameras mix, and "
                "objects get lost; leave one, or start a tracker per camera"
            )
        return self._frozen_advice() if self._stamps.frozen >= FROZEN else ""

    def _frozen_advice(self) -> str:
        return (
            f"the last {self._stamps.frozen + 1} images on {self.topic} have the same stamp; "
            "taking the time of arrival. Let the camera stamp every image: outputs carry these "
            "stamps, and masks find their image by them"
        )

    def _transport_advice(self) -> str:
        profile = any(os.environ.get(name) for name in PROFILE_VARIABLES)
        small = 0 < self._bytes <= SHM_SEGMENT
        fast_dds = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") == "rmw_fastrtps_cpp"
        if profile or small or not fast_dds or self._reliability is not qos.BEST_EFFORT:
            return ""
        return (
            "; best-effort images above 512 KiB get lost in Fast DDS's default shared memory: set "
            f"{PROFILE_VARIABLES[0]} to config/fastdds_shm.xml for the camera and for this node"
        )

    def _subscribe(self) -> None:
        self._subscription = self._node.create_subscription(
            self._type,
            self._name,
            self._on_message,
            qos.camera(self._reliability),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_mismatch),
        )

    def _on_message(self, message: CameraMessage) -> None:
        self.last_received = time.monotonic()
        raw = seconds(message.header.stamp)
        now = self._node.get_clock().now().nanoseconds * 1e-9
        stamp = self._stamps.take(raw, self.last_received, now)
        if raw == 0.0 and not self._stampless:
            self._stampless = True
            self._node.get_logger().warning(
                f"images on {self.topic} have no stamp; taking the time of arrival"
            )
        if self._stamps.frozen == FROZEN:
            self._node.get_logger().warning(self._frozen_advice(), throttle_duration_sec=10.0)
        self._bytes = len(message.data)
        self._describe(message)
        self._deliver(CameraFrame(message, message.header, stamp, time.perf_counter()))

    def _describe(self, message: CameraMessage) -> None:
        if isinstance(message, Image):
            self.description = f"{message.width}x{message.height} {message.encoding}"
        else:
            self.description = message.format

    def _on_mismatch(self, _: object) -> None:
        offered = qos.offered_reliability(self._node, self.topic)
        wanted = "reliable" if self._reliability is ReliabilityPolicy.RELIABLE else "best effort"
        self._mismatch = (
            f"the publisher of {self.topic} offers {_words(offered)}, this node asks for {wanted}; "
            "set image_reliability to auto, or make the camera publish reliably"
        )
        if self._fixed is not None:
            self._node.get_logger().error(self._mismatch)


def _words(reliability: ReliabilityPolicy | None) -> str:
    return "another quality of service" if reliability is None else reliability.name.lower()
