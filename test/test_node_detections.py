"""Detections for those who know vision_msgs only."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="vision_msgs is not installed (it is not on PyPI)")

from std_msgs.msg import Header

from deaot_ros.node.detections import AVAILABLE, detections_message, label_info_message
from deaot_ros.tracking import ObjectState, TrackedObject, TrackResult

HEADER = Header(frame_id="camera")
CUP = TrackedObject(4, ObjectState.TRACKED, (8, 5, 12, 5), 56, (13.5, 7.0), 0.75, 3.5)
LOST = TrackedObject(9, ObjectState.LOST, (0, 0, 0, 0), 0, (0.0, 0.0), 0.0, 1.0)


def test_objects_with_pixels_are_detections() -> None:
    assert AVAILABLE
    result = TrackResult(np.zeros((20, 30), np.uint8), (CUP, LOST), 3.5, 7, 2, None)
    message = detections_message(result, HEADER, {4: "cup"})
    assert message.header == HEADER
    (detection,) = message.detections
    assert (detection.header, detection.id) == (HEADER, "4")
    box = detection.bbox
    assert (box.center.position.x, box.center.position.y) == (14.0, 7.5)
    assert (box.size_x, box.size_y) == (12.0, 5.0)
    (guess,) = detection.results
    assert (guess.hypothesis.class_id, guess.hypothesis.score) == ("cup", 0.75)


def test_labels_say_what_pixels_mean() -> None:
    message = label_info_message((4, 300), HEADER, {4: "cup"})
    assert message.header == HEADER
    names = {entry.class_id: entry.class_name for entry in message.class_map}
    assert names == {4: "cup", 300: "object 300"}
