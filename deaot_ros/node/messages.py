"""Results of the tracker as ROS messages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from deaot_ros.msg import TrackedObject as TrackedObjectMessage
from deaot_ros.msg import TrackedObjectArray
from deaot_ros.node.image_codec import encode_image
from deaot_ros.tracking import TrackedObject, TrackResult


def objects_message(
    result: TrackResult, header: Header, names: Mapping[int, str], shift: float, with_masks: bool
) -> TrackedObjectArray:
    """All objects of a frame.

    Args:
        result: of the tracker.
        header: of the image.
        names: by object id.
        shift: seconds to take from the tracker's time to get the camera's.
        with_masks: add cropped masks.
    """
    message = TrackedObjectArray()
    message.header = header
    message.height, message.width = result.labels.shape
    message.session = result.session
    message.frame = result.frame
    message.objects = [
        _object(o, result, header, names.get(o.id, ""), shift, with_masks)
        for o in result.objects
    ]
    return message


def _object(
    o: TrackedObject,
    result: TrackResult,
    header: Header,
    name: str,
    shift: float,
    with_mask: bool,
) -> TrackedObjectMessage:
    message = TrackedObjectMessage()
    message.id = o.id
    message.label = name
    message.state = int(o.state)
    message.score = min(max(o.score, 0.0), 1.0)
    x, y, width, height = o.box
    message.roi = RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
    message.area = o.area
    message.centroid_x, message.centroid_y = o.centroid
    if o.last_seen == result.stamp and header.stamp != Time():
        message.last_seen = header.stamp  # the tracker's own time may be one that stood in for it
    else:
        message.last_seen = to_time(o.last_seen - shift)
    if with_mask and o.area:
        crop = result.labels[y : y + height, x : x + width] == o.id
        message.mask = encode_image(crop.view(np.uint8) * np.uint8(255), "mono8", header)
    return message


def to_time(stamp: float) -> Time:
    """Seconds as a message; times that it cannot hold become the first or last that it can."""
    latest = (2**31 - 1) * 10**9 + 999_999_999
    whole, rest = divmod(min(round(max(stamp, 0.0) * 1e9), latest), 1_000_000_000)
    return Time(sec=whole, nanosec=rest)
