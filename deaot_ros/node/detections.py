"""The standard twin of ``objects``: vision_msgs, where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from std_msgs.msg import Header

from deaot_ros.tracking import TrackResult

try:
    from vision_msgs.msg import (
        Detection2D,
        Detection2DArray,
        LabelInfo,
        ObjectHypothesisWithPose,
        VisionClass,
    )
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True


def detections_message(result: TrackResult, header: Header, names: Mapping[int, str]) -> Any:
    """Detection2DArray of every object that has pixels; ``id`` is the object's id."""
    message = Detection2DArray()
    message.header = header
    for o in result.objects:
        if not o.area:
            continue
        detection = Detection2D()
        detection.header = header
        detection.id = str(o.id)
        x, y, width, height = o.box
        detection.bbox.center.position.x = x + width / 2
        detection.bbox.center.position.y = y + height / 2
        detection.bbox.size_x, detection.bbox.size_y = float(width), float(height)
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = names.get(o.id, "object")
        hypothesis.hypothesis.score = o.score
        detection.results.append(hypothesis)
        message.detections.append(detection)
    return message


def label_info_message(ids: tuple[int, ...], header: Header, names: Mapping[int, str]) -> Any:
    """LabelInfo: what the pixel values of ``mask`` mean."""
    message = LabelInfo()
    message.header = header
    message.threshold = 0.5
    message.class_map = [
        VisionClass(class_id=object_id, class_name=names.get(object_id, f"object {object_id}"))
        for object_id in ids
    ]
    return message
