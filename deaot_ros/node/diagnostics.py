"""/diagnostics: input, tracker, engine and latency, in the words of diagnostic_updater."""

from __future__ import annotations

import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode

from deaot_ros.msg import TrackerStatus
from deaot_ros.node import qos
from deaot_ros.node.camera import Camera
from deaot_ros.node.engine_build import EngineBuild
from deaot_ros.node.status import STATE_NAMES
from deaot_ros.node.worker import Worker

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE,
)


RECENT = 5.0
"""Seconds that a frame or request that failed is told of."""


class DiagnosticsPublisher:
    """Publishes four tasks."""

    def __init__(self, node: LifecycleNode, device: str) -> None:
        self._node = node
        self._hardware = torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)

    def publish(
        self, worker: Worker, camera: Camera, state: int, timeout: float, build: EngineBuild | None
    ) -> None:
        """Publish the state of everything; ``timeout`` (s) makes the input stale."""
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        array.status = [
            self._input(worker, camera, timeout),
            self._tracker(worker, state),
            self._engine(worker, build),
            self._latency(worker),
        ]
        self._publisher.publish(array)

    def _task(self, name: str, level: bytes, message: str, **values: object) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=level,
            name=f"{self._node.get_name()}: {name}",
            message=message,
            hardware_id=self._hardware,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    def _input(self, worker: Worker, camera: Camera, timeout: float) -> DiagnosticStatus:
        trouble = camera.trouble()
        if camera.last_received is None:
            level, message = ERROR, trouble
        elif camera.age > timeout:
            level, message = STALE, f"no image on {camera.topic} for {camera.age:.1f} s"
        else:
            level, message = (WARN, trouble) if trouble else (OK, "images arrive")
        return self._task(
            "input", level, message, topic=camera.topic, format=camera.description,
            received=worker.statistics.received, dropped=worker.dropped,
            undecodable=worker.statistics.undecodable,
        )

    def _tracker(self, worker: Worker, state: int) -> DiagnosticStatus:
        tracker, memory = worker.tracker, worker.tracker.memory_usage
        level, message = OK, STATE_NAMES[state]
        if state == TrackerStatus.ERROR:
            level = ERROR
        elif worker.since_fault < RECENT:
            level, message = WARN, f"{worker.faults} failed, the last: {worker.last_fault}"
        elif worker.flooded:
            ids = ", ".join(map(str, worker.flooded))
            level, message = WARN, f"the masks of objects {ids} have grown beyond belief"
        if worker.fault:
            message = worker.fault
        return self._task(
            "tracker", level, message, session=tracker.session, objects=len(tracker.object_ids),
            memory_slots=f"{memory.slots_used}/{memory.slots_capacity}", memory_bytes=memory.bytes,
            failed=worker.faults,
        )

    def _engine(self, worker: Worker, build: EngineBuild | None) -> DiagnosticStatus:
        tracker = worker.tracker
        level, message = OK, f"{tracker.backend} on {tracker.device}"
        if build is not None and build.note:
            level, message = WARN if build.failed else OK, f"{message}; {build.note}"
        return self._task(
            "engine", level, message, variant=tracker.variant, weights=tracker.weights,
            precision=tracker.precision, torch=torch.__version__, reason=tracker.backend_reason,
        )

    def _latency(self, worker: Worker) -> DiagnosticStatus:
        statistics = worker.statistics
        stages = {f"{k}_p50_ms": f"{v:.1f}" for k, v in statistics.stages_ms(50).items()}
        return self._task(
            "latency", OK, f"{statistics.fps:.1f} frames/s", **stages,
            p50_ms=f"{statistics.latency_ms(50):.1f}", p95_ms=f"{statistics.latency_ms(95):.1f}",
        )
