"""The node as a process of its own, and a ROS client that talks to it as any robot would."""

from __future__ import annotations

import array
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from deaot_ros.demo.environment import child_environment, profile_variable, shm_profile
from deaot_ros.msg import TrackedObjectArray, TrackerStatus

PATIENCE = 30.0
"""Seconds until something that should come is missing; generous, for busy machines."""

DOMAIN = int(os.environ.get("ROS_DOMAIN_ID") or 1 + os.getpid() % 100)

os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault(profile_variable(), str(shm_profile()))

RELIABLE = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class NodeProcess:
    """``python -m deaot_ros.node.main`` with parameters; a context manager that always ends it."""

    def __init__(self, log: Path, namespace: str, **parameters: object) -> None:
        arguments = ["--ros-args", "-r", f"__ns:={namespace}"]
        for name, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ["-p", f"{name}:={text}"]
        self.log = log
        environment = {**child_environment(), "ROS_DOMAIN_ID": str(DOMAIN), "OMP_NUM_THREADS": "1"}
        with log.open("w") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deaot_ros.node.main", *arguments],
                stdout=stream,
                stderr=stream,
                env=environment,
                cwd=log.parent,
            )

    @property
    def said(self) -> str:
        """All that it wrote so far."""
        return self.log.read_text()

    def wait(self) -> int:
        """Exit status, once it has ended by itself."""
        return self._process.wait(timeout=PATIENCE)

    def end(self, by: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the exit status."""
        self._process.send_signal(by)
        return self.wait()

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def stamp_of(number: int) -> Time:
    """Of camera frame ``number`` at 10 Hz, from a time as real ones."""
    return Time(sec=1_700_000_000 + number // 10, nanosec=number % 10 * 100_000_000 + 123)


def image_message(pixels: np.ndarray, encoding: str, stamp: Time) -> Image:
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.step = pixels.strides[0]
    message.header.stamp = stamp
    message.header.frame_id = "camera_optical_frame"
    message.data = array.array("B", pixels.tobytes())
    return message


def pixels_of(image: Image) -> np.ndarray:
    """Mono8 [H, W] or rgb8 [H, W, 3]."""
    data = np.frombuffer(image.data, np.uint8)
    shape = (image.height, image.width) + (() if image.encoding == "mono8" else (3,))
    return data.reshape(shape)


class Client:
    """Publishes images and masks, collects outputs, calls services; a context manager."""

    def __init__(self, namespace: str, camera: QoSProfile = RELIABLE) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=DOMAIN)
        self.node = rclpy.create_node("client", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.masks: list[Image] = []
        self.objects: list[TrackedObjectArray] = []
        self.statuses: list[TrackerStatus] = []
        self.diagnostics: list[DiagnosticArray] = []
        self._clients: dict[str, Any] = {}
        subscribe = self.node.create_subscription
        subscribe(Image, "mask", self.masks.append, RELIABLE)
        subscribe(TrackedObjectArray, "objects", self.objects.append, RELIABLE)
        subscribe(TrackerStatus, "status", self.statuses.append, LATCHED)
        subscribe(DiagnosticArray, "/diagnostics", self.diagnostics.append, RELIABLE)
        self.camera = self.node.create_publisher(Image, "image", camera)
        self.compressed = self.node.create_publisher(CompressedImage, "image/compressed", camera)
        self.target = self.node.create_publisher(Image, "target_mask", RELIABLE)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def spin(self, seconds: float) -> None:
        """Take what comes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def wait(self, what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Spin until ``condition`` gives something true, and return that."""
        deadline = time.monotonic() + patience
        while not (found := condition()):
            assert time.monotonic() < deadline, f"no {what} within {patience} s"
            self._executor.spin_once(timeout_sec=0.05)
        return found

    def wait_until_active(self) -> None:
        """Wait until the node listens to the camera, and we to it."""
        self.wait("subscriber of image", lambda: self.camera.get_subscription_count())
        self.wait("subscriber of target_mask", lambda: self.target.get_subscription_count())
        self.wait("publisher of mask", lambda: self.node.count_publishers("mask"))
        self.wait("publisher of objects", lambda: self.node.count_publishers("objects"))
        self.wait("status", lambda: self.statuses)
        self.spin(0.3)

    def call(self, kind: Any, name: str, request: Any = None) -> Any:
        """Answer of a service of the tracker."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f"tracker/{name}")
        client = self._clients[name]
        self.wait(f"service {name}", client.service_is_ready)
        future = client.call_async(request or kind.Request())
        self.wait(f"answer of {name}", future.done)
        return future.result()

    def output(self, stamp: Time) -> tuple[Image, TrackedObjectArray]:
        """Mask and objects of the image with this stamp, the newest of them."""
        mask = self.wait(f"mask of {stamp}", lambda: _of(self.masks, stamp))
        return mask, self.wait(f"objects of {stamp}", lambda: _of(self.objects, stamp))

    def show(self, pixels: np.ndarray, stamp: Time) -> tuple[Image, TrackedObjectArray]:
        """Publish a camera image and wait for its output."""
        self.camera.publish(image_message(pixels, "rgb8", stamp))
        return self.output(stamp)

    def draw(self, labels: np.ndarray, stamp: Time, encoding: str = "mono8") -> TrackerStatus:
        """Publish a target mask and wait for its verdict."""
        self.target.publish(image_message(labels, encoding, stamp))
        return self.verdict(stamp)

    def verdict(self, stamp: Time) -> TrackerStatus:
        """Status that judges the target mask with this stamp."""
        return self.wait(
            f"verdict on {stamp}",
            lambda: next((s for s in self.statuses if s.last_mask_stamp == stamp), None),
        )

    def status(self, condition: Callable[[TrackerStatus], bool]) -> TrackerStatus:
        """A status from now on for which ``condition`` holds."""
        self.statuses.clear()
        return self.wait("status", lambda: next(filter(condition, self.statuses), None))


def _of(messages: list[Any], stamp: Time) -> Any:
    return next((m for m in reversed(messages) if m.header.stamp == stamp), None)
