"""The standard twin of ``objects_3d``: vision_msgs, where it is installed."""

from __future__ import annotations

from typing import Any

from deaot_ros.msg import ObjectPositionArray

try:
    from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True


def detections_message(positions: ObjectPositionArray) -> Any:
    """Detection3DArray of every object that has points; ``id`` is the object's id."""
    message = Detection3DArray()
    message.header = positions.header
    for o in positions.objects:
        if not o.points:
            continue
        detection = Detection3D()
        detection.header = positions.header
        detection.id = str(o.id)
        detection.bbox.center.position = o.position
        detection.bbox.center.orientation.w = 1.0
        detection.bbox.size = o.size
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = o.label or "object"
        hypothesis.hypothesis.score = float(o.score)
        hypothesis.pose.pose.position = o.position
        hypothesis.pose.pose.orientation.w = 1.0
        detection.results.append(hypothesis)
        message.detections.append(detection)
    return message
