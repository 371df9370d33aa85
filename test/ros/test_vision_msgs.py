"""The standard twins of the node's own messages, over real DDS, where vision_msgs is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from golden import vectors

pytest.importorskip("rclpy", reason="no ROS in this environment")
pytest.importorskip("vision_msgs", reason="vision_msgs is not installed (it is not on PyPI)")

from robot import LATCHED, RELIABLE, Robot, TrackerProcess, image_message, nanoseconds
from vision_msgs.msg import Detection2DArray, LabelInfo

from deaot_ros.msg import TrackerStatus

INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"], INPUTS["mask_97x129_k3"]
START, TICK = 10**18, 500_000_000


def test_detections_and_labels_say_what_objects_says(golden_weights: Path, tmp_path: Path) -> None:
    parameters = {"weights": golden_weights, "object_labels": "['1:cup']", "image_timeout": 30.0}
    with TrackerProcess(tmp_path / "tracker.log", **parameters) as process:
        robot = Robot()
        try:
            robot.spin_until(lambda: robot.statuses or not process.running, "status")
            assert process.running, process.output
            robot.meet()
            found: list[Detection2DArray] = []
            subscribe = robot.node.create_subscription
            subscribe(Detection2DArray, "detections", found.append, RELIABLE)
            robot.spin_until(lambda: robot.node.count_publishers("detections"), "detections")
            robot.track(FRAMES[0], START)
            status = robot.mark(image_message(MASK, START, "mono8"))
            assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
            stamp = START + TICK
            labels = robot.track(FRAMES[1], stamp)
            message = robot.spin_until(
                lambda: next((m for m in found if nanoseconds(m.header.stamp) == stamp), None),
                "detections",
            )
            objects = robot.objects[stamp]
            assert message.header == objects.header
            seen = [o for o in objects.objects if o.area]
            assert [int(d.id) for d in message.detections] == [o.id for o in seen]
            assert len(seen) > 1
            for detection, o in zip(message.detections, seen):
                ys, xs = np.nonzero(labels == o.id)
                centre = detection.bbox.center.position
                assert (detection.bbox.size_x, detection.bbox.size_y) == (
                    np.ptp(xs) + 1, np.ptp(ys) + 1,
                )  # fmt: skip
                assert (2 * centre.x, 2 * centre.y) == (
                    xs.min() + xs.max() + 1, ys.min() + ys.max() + 1,
                )  # fmt: skip
                (guess,) = detection.results
                assert guess.hypothesis.class_id == ("cup" if o.id == 1 else "object")
                assert guess.hypothesis.score == pytest.approx(o.score)
            # Latched: who comes late learns what pixels mean.
            late: list[LabelInfo] = []
            subscribe(LabelInfo, "label_info", late.append, LATCHED)
            robot.spin_until(lambda: late, "label_info")
            names = {entry.class_id: entry.class_name for entry in late[-1].class_map}
            assert names == {o.id: "cup" if o.id == 1 else f"object {o.id}" for o in seen}
        finally:
            robot.close()
