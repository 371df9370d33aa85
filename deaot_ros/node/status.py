"""The latched status topic: what runs, and the verdict on every target mask."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode

from deaot_ros.errors import MaskError, MaskErrorCode
from deaot_ros.msg import TrackerStatus
from deaot_ros.node import qos
from deaot_ros.node.worker import Worker

STATE_NAMES = {
    TrackerStatus.NO_IMAGE: "NO_IMAGE",
    TrackerStatus.IDLE: "IDLE",
    TrackerStatus.TRACKING: "TRACKING",
    TrackerStatus.PAUSED: "PAUSED",
    TrackerStatus.BUILDING_ENGINE: "BUILDING_ENGINE",
    TrackerStatus.ERROR: "ERROR",
}

VERDICTS = {code: getattr(TrackerStatus, code.value) for code in MaskErrorCode}


class StatusPublisher:
    """Publishes ``status``; remembers the last verdict."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publisher = node.create_publisher(TrackerStatus, "status", qos.LATCHED)
        self._mask_stamp = Time()
        self._mask_result = TrackerStatus.NONE
        self._mask_message = ""

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)

    def judge(self, stamp: Time, error: Exception | None, message: str) -> None:
        """Remember the verdict on the target mask with ``stamp``."""
        self._mask_stamp = stamp
        self._mask_message = message
        if error is None:
            self._mask_result = TrackerStatus.ACCEPTED
        elif isinstance(error, MaskError):
            self._mask_result = VERDICTS[error.code]
        else:  # its frame cannot be decoded
            self._mask_result = TrackerStatus.FRAME_NOT_FOUND

    def publish(self, worker: Worker | None, state: int, message: str) -> None:
        """Publish.

        Args:
            worker: what is asked about everything; None: nothing is configured.
            state: of ``TrackerStatus``.
            message: for people; the one of the last verdict is added.
        """
        status = TrackerStatus()
        status.header.stamp = self._node.get_clock().now().to_msg()
        status.state = state
        status.message = "; ".join(filter(None, (message, self._mask_message)))
        status.last_mask_stamp = self._mask_stamp
        status.last_mask_result = self._mask_result
        if worker is not None:
            tracker, statistics = worker.tracker, worker.statistics
            status.variant, status.weights = tracker.variant, tracker.weights
            status.backend, status.device = tracker.backend, tracker.device
            status.session = tracker.session
            status.object_ids = list(tracker.object_ids)
            memory = tracker.memory_usage
            status.memory_slots_used = memory.slots_used
            status.memory_slots_capacity = memory.slots_capacity
            status.memory_bytes = memory.bytes
            status.fps = statistics.fps
            status.latency_p50_ms = statistics.latency_ms(50)
            status.latency_p95_ms = statistics.latency_ms(95)
            status.frames_received = statistics.received
            status.frames_processed = statistics.processed
            status.frames_dropped = worker.dropped
        self._publisher.publish(status)
