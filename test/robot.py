"""The rest of the robot for node tests: the node as a process, and a camera and operator for it."""

from __future__ import annotations

import array
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from deaot_ros.demo.environment import child_environment
from deaot_ros.msg import TrackedObjectArray, TrackerStatus
from deaot_ros.soak.resources import processor_time

RELIABLE = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
PATIENCE = 60.0
"""Seconds; busy machines are slow, and a test that waits this long has failed anyway."""


class TrackerProcess:
    """The node in a process of its own; a context manager that always ends it."""

    module = "deaot_ros.node.main"

    def __init__(self, log: Path, **parameters: object) -> None:
        self.log = log
        self.environment: dict[str, str] = {}
        self._parameters = parameters
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> TrackerProcess:
        arguments = ["--ros-args", "-r", "__ns:=/deaot"]
        for name, value in self._parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ["-p", f"{name.replace('__', '.')}:={text}"]
        with self.log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**child_environment(), "OMP_NUM_THREADS": "1", **self.environment},
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        assert self._process is not None
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def processor_time(self) -> float:
        """Seconds that it computed since it was started."""
        return processor_time(self.pid)

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Exit code of a process that ends by itself."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, by default that of Ctrl-C; gives the exit code."""
        assert self._process is not None
        if self.running:
            self._process.send_signal(by)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


class Robot:
    """Publishes images and target masks, collects what comes back, calls services."""

    def __init__(self, image_qos: QoSProfile = RELIABLE, domain: int | None = None) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self.node = rclpy.create_node("robot", namespace="deaot", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.masks: dict[int, Image] = {}
        self.objects: dict[int, TrackedObjectArray] = {}
        self.overlays: list[Image] = []
        self.statuses: list[TrackerStatus] = []
        self.diagnostics: list[DiagnosticArray] = []
        self.camera = self.node.create_publisher(Image, "image", image_qos)
        self.jpeg_camera = self.node.create_publisher(
            CompressedImage, "image/compressed", image_qos
        )
        self.operator = self.node.create_publisher(Image, "target_mask", RELIABLE)
        subscribe = self.node.create_subscription
        subscribe(Image, "mask", self._keep(self.masks), RELIABLE)
        subscribe(TrackedObjectArray, "objects", self._keep(self.objects), RELIABLE)
        subscribe(TrackerStatus, "status", self.statuses.append, LATCHED)
        subscribe(DiagnosticArray, "/diagnostics", self.diagnostics.append, RELIABLE)

    def close(self) -> None:
        self._executor.shutdown()
        self._context.try_shutdown()

    def meet(self) -> None:
        """Wait until the tracker listens, and is listened to."""
        self.spin_until(lambda: self.statuses, "status")
        cameras = self.camera, self.jpeg_camera
        self.spin_until(lambda: any(c.get_subscription_count() for c in cameras), "subscriber")
        self.spin_until(self.operator.get_subscription_count, "tracker at the masks")
        for topic in ("mask", "objects"):
            self.spin_until(lambda t=topic: self.node.count_publishers(t), topic)
        # It subscribes anew once it sees what the camera offers; an image in between is lost.
        self.spin_until(lambda: all(map(self._followed, cameras)), "subscriber as reliable as us")
        self.listen(0.3)

    def _followed(self, camera: Publisher) -> bool:
        listeners = self.node.get_subscriptions_info_by_topic(camera.topic_name)
        offered = camera.qos_profile.reliability
        return all(listener.qos_profile.reliability == offered for listener in listeners)

    def status_where(self, condition: Callable[[TrackerStatus], bool], what: str) -> TrackerStatus:
        """The first status from now on of which ``condition`` is true."""
        self.statuses.clear()
        return self.spin_until(lambda: next(filter(condition, self.statuses), None), what)

    @staticmethod
    def _keep(store: dict[int, Any]) -> Callable[[Any], None]:
        return lambda message: store.__setitem__(nanoseconds(message.header.stamp), message)

    @property
    def status(self) -> TrackerStatus:
        return self.statuses[-1]

    def spin_until(
        self, condition: Callable[[], Any], what: str, patience: float = PATIENCE
    ) -> Any:
        """Listen until ``condition`` is true; gives its value."""
        deadline = time.monotonic() + patience
        while not (value := condition()):
            said = self.status.message if self.statuses else "nothing yet"
            assert time.monotonic() < deadline, f"no {what}; the tracker says: {said}"
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)

    def show(self, pixels: np.ndarray, stamp: int, encoding: str = "rgb8") -> Image:
        """Publish an image; waits for nothing."""
        message = image_message(pixels, stamp, encoding)
        self.camera.publish(message)
        return message

    def track(self, pixels: np.ndarray, stamp: int) -> np.ndarray:
        """Publish an image and wait for its label map."""
        self.show(pixels, stamp)
        self.spin_until(lambda: stamp in self.masks and stamp in self.objects, f"mask {stamp}")
        return labels_of(self.masks[stamp])

    def mark(self, mask: Image) -> TrackerStatus:
        """Publish a target mask and wait for the verdict."""
        self.statuses.clear()
        self.operator.publish(mask)
        stamp = mask.header.stamp
        self.spin_until(
            lambda: self.statuses
            and self.status.last_mask_result
            and self.status.last_mask_stamp == stamp,
            "verdict",
        )
        return self.status

    def call(self, kind: type, name: str, **fields: object) -> Any:
        """Call a service of the node and wait for the answer."""
        client = self.node.create_client(kind, name)
        self.spin_until(client.service_is_ready, f"service {name}")
        request = kind.Request()
        for field, value in fields.items():
            setattr(request, field, value)
        future = client.call_async(request)
        self.spin_until(future.done, f"answer of {name}")
        self.node.destroy_client(client)
        return future.result()


def nanoseconds(stamp: Time) -> int:
    return stamp.sec * 10**9 + stamp.nanosec


def image_message(pixels: np.ndarray, stamp: int, encoding: str, **fields: object) -> Image:
    """A message of pixels; ``fields`` replace what would be right."""
    pixels = np.ascontiguousarray(pixels)
    message = Image()
    message.header.stamp = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
    message.header.frame_id = "camera_optical_frame"
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.step = pixels.strides[0] if pixels.size else 0
    message.data = array.array("B", pixels.tobytes())
    for field, value in fields.items():
        setattr(message, field, value)
    return message


def labels_of(message: Image) -> np.ndarray:
    dtype = {"mono8": np.uint8, "16UC1": np.uint16}[message.encoding]
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)


def settings_of(diagnostics: DiagnosticArray) -> Mapping[str, Mapping[str, str]]:
    return {s.name: {v.key: v.value for v in s.values} for s in diagnostics.status}
