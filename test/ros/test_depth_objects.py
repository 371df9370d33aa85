"""Objects in space over real DDS: what a depth camera and the tracker say, what comes out."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS in this environment")

import rclpy
from geometry_msgs.msg import PointStamped
from rclpy.executors import SingleThreadedExecutor
from robot import BEST_EFFORT, PATIENCE, RELIABLE, image_message
from sensor_msgs.msg import CameraInfo, PointCloud2

from deaot_ros.demo.environment import child_environment
from deaot_ros.depth.node import PARAMETERS
from deaot_ros.msg import ObjectPositionArray, TrackedObject, TrackedObjectArray

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT, F = 64, 48, 50.0
CUP = np.s_[10:20, 40:60]  # 20 x 10 px at 0.8 m: 0.32 m x 0.16 m
LABELS = np.zeros((HEIGHT, WIDTH), np.uint8)
LABELS[CUP] = 7
LABELS[30:40, 5:15] = 9
DEPTH = np.full((HEIGHT, WIDTH), 3000, np.uint16)
DEPTH[CUP] = 800
DEPTH[30:40, 5:15] = 0  # glass: no depth at all
START = 1_700_000_000 * 10**9 + 5


class Scene:
    """A tracker and a depth camera as publishers, and a listener to everything that follows."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        node = self.node = rclpy.create_node("scene", namespace="deaot", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        create = node.create_publisher
        image = type(image_message(LABELS, 0, "mono8"))
        self.publishers = {
            "mask": create(image, "mask", RELIABLE),
            "objects": create(TrackedObjectArray, "objects", RELIABLE),
            "depth": create(image, "depth", BEST_EFFORT),
            "camera_info": create(CameraInfo, "camera_info", BEST_EFFORT),
        }
        self.positions: list[ObjectPositionArray] = []
        self.clouds: list[PointCloud2] = []
        self.polar: list[PointStamped] = []
        listen = node.create_subscription
        listen(ObjectPositionArray, "objects_3d", self.positions.append, RELIABLE)
        listen(PointCloud2, "object_cloud", self.clouds.append, RELIABLE)
        listen(PointStamped, "bearing_range", self.polar.append, RELIABLE)

    def close(self) -> None:
        self._executor.shutdown()
        self._context.try_shutdown()

    def spin_until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"no {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def meet(self) -> None:
        """Show until all of it is answered: to be listed is not yet to be connected."""
        deadline = time.monotonic() + PATIENCE
        for stamp in count(START - 10**9):
            self.show(stamp)
            self.listen(0.3)
            if self.positions and self.clouds and self.polar:
                self.listen(0.5)  # answers to earlier ones may be under way
                return
            assert time.monotonic() < deadline, "no answers"

    def listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)

    def show(self, stamp: int, state: int = TrackedObject.TRACKED, **late: int) -> None:
        """Publish what belongs to one stamp; ``late`` gives a topic another stamp."""
        self.positions.clear(), self.clouds.clear(), self.polar.clear()
        objects = TrackedObjectArray(width=WIDTH, height=HEIGHT, session=3)
        for object_id, name in ((7, "cup"), (9, "")):
            rows, columns = np.nonzero(object_id == LABELS)
            o = TrackedObject(id=object_id, label=name, state=state, score=0.75, area=len(rows))
            o.roi.x_offset, o.roi.y_offset = int(columns.min()), int(rows.min())
            o.roi.width = int(np.ptp(columns)) + 1
            o.roi.height = int(np.ptp(rows)) + 1
            objects.objects.append(o)
        info = CameraInfo(width=WIDTH, height=HEIGHT)
        info.p = [F, 0.0, WIDTH / 2, 0.0, 0.0, F, HEIGHT / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
        # Depth first: the camera is faster than the network.
        for topic, message in (
            ("depth", image_message(DEPTH, stamp, "16UC1")),
            ("camera_info", info),
            ("mask", image_message(LABELS, stamp, "mono8")),
            ("objects", objects),
        ):
            message.header = image_message(LABELS, late.get(topic, stamp), "mono8").header
            self.publishers[topic].publish(message)


def started(log: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", module, "--ros-args", "-r", "__ns:=/deaot", *arguments]
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=child_environment())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    logs = tmp_path_factory.mktemp("depth")
    processes = [
        started(logs / "depth.log", "deaot_ros.depth.node", "-p", "edge_margin:=0"),
        started(logs / "follow.log", "deaot_ros.examples.follow", "-p", "object_id:=7"),
    ]
    scene = Scene()
    try:
        for topic, publisher in scene.publishers.items():
            scene.spin_until(publisher.get_subscription_count, f"subscriber of {topic}")
        published = scene.node.count_publishers
        for topic in ("objects_3d", "object_cloud", "bearing_range"):
            scene.spin_until(lambda t=topic: published(t), topic)
        scene.meet()
        yield scene
        assert [process.poll() for process in processes] == [None, None], "a node died"
    finally:
        scene.close()
        for process in processes:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def test_objects_are_where_geometry_says(scene: Scene) -> None:
    scene.show(START)
    scene.spin_until(lambda: scene.positions and scene.clouds and scene.polar, "answers")
    (message,) = scene.positions
    header = image_message(LABELS, START, "mono8").header
    assert message.header == header
    assert message.session == 3
    cup, glass = message.objects
    assert (cup.id, cup.label, cup.state, cup.score) == (7, "cup", TrackedObject.TRACKED, 0.75)
    x, y = (49.5 - 32) / F * 0.8, (14.5 - 24) / F * 0.8
    assert (cup.position.x, cup.position.y) == pytest.approx((x, y), abs=1e-4)
    assert cup.position.z == pytest.approx(0.8, abs=1e-4)
    assert (cup.size.x, cup.size.y) == pytest.approx((19 / F * 0.8, 9 / F * 0.8), abs=0.02)
    assert (cup.points, cup.coverage) == (200, 1.0)
    assert (glass.id, glass.points, glass.coverage) == (9, 0, 0.0)

    (cloud,) = scene.clouds
    assert cloud.header == header
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "id"]
    assert (cloud.height, cloud.width, cloud.point_step) == (1, 200, 16)
    points = np.frombuffer(cloud.data, "<f4").reshape(-1, 4)
    assert set(np.frombuffer(cloud.data, "<u4").reshape(-1, 4)[:, 3]) == {7}
    np.testing.assert_allclose(points[:, 2], 0.8, rtol=1e-6)
    assert points[:, 0].min() == pytest.approx((40 - 32) / F * 0.8, abs=1e-5)

    (polar,) = scene.polar
    assert polar.header == header
    assert polar.point.x == pytest.approx(math.atan2(-x, 0.8), abs=1e-3)  # right: negative
    assert polar.point.y == pytest.approx(math.atan2(-y, math.hypot(x, 0.8)), abs=1e-3)
    assert polar.point.z == pytest.approx(math.sqrt(x * x + y * y + 0.64), abs=1e-3)


def test_an_object_that_is_covered_is_not_followed(scene: Scene) -> None:
    scene.show(START + 1, TrackedObject.OCCLUDED)
    scene.spin_until(lambda: scene.positions, "positions")
    scene.listen(0.5)
    assert scene.polar == []


def test_a_nanosecond_apart_is_another_image(scene: Scene) -> None:
    scene.show(START + 10, depth=START + 11)
    scene.listen(1.0)
    assert scene.positions == []
    scene.show(START + 11, depth=START + 12, camera_info=START + 12)  # completes neither, but...
    scene.listen(0.5)
    assert scene.positions == []
    scene.show(START + 12)
    scene.spin_until(lambda: scene.positions, "positions")


def test_detections_3d_say_the_same(scene: Scene) -> None:
    vision_msgs = pytest.importorskip(
        "vision_msgs.msg", reason="vision_msgs is not installed (it is not on PyPI)"
    )
    found: list[Any] = []
    kind = vision_msgs.Detection3DArray
    subscription = scene.node.create_subscription(kind, "detections_3d", found.append, RELIABLE)
    scene.spin_until(lambda: scene.node.count_publishers("detections_3d"), "detections_3d")
    scene.listen(1.0)
    scene.show(START + 20)
    scene.spin_until(lambda: scene.positions and found, "detections")
    scene.node.destroy_subscription(subscription)
    (detections,), (positions,) = found, scene.positions
    assert detections.header == positions.header
    (detection,), cup = detections.detections, positions.objects[0]  # glass has no points
    assert (detection.id, detection.results[0].hypothesis.class_id) == ("7", "cup")
    assert detection.bbox.center.position == cup.position
    assert detection.bbox.size == cup.size


def test_shipped_yaml_holds_every_default() -> None:
    tree = yaml.safe_load((ROOT / "config" / "depth_objects.yaml").read_text())
    assert tree["/**"]["ros__parameters"] == {
        name: default for name, (default, *_) in PARAMETERS.items()
    }
