"""ROS messages of depth and of objects in space."""

from __future__ import annotations

import array
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point, Vector3
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from deaot_ros.depth.back_projection import ObjectPoints, Pinhole
from deaot_ros.errors import ImageError
from deaot_ros.msg import ObjectPosition, TrackedObject

CLOUD_TYPE = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("id", "<u4")])

_LAYOUTS = {"16UC1": ("u2", 0.001), "mono16": ("u2", 0.001), "32FC1": ("f4", 1.0)}
"""Type of a pixel, and metres per unit (REP 118)."""


def decode_depth(message: Image) -> np.ndarray:
    """Depth image to float32 [H, W] in metres.

    Raises:
        ImageError: another encoding, or too few bytes.
    """
    if message.encoding not in _LAYOUTS:
        raise ImageError(
            f"depth encoding is '{message.encoding}'; expected 16UC1 (mm) or 32FC1 (m)"
        )
    kind, scale = _LAYOUTS[message.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    row = message.width * dtype.itemsize
    step = message.step or row
    data = np.frombuffer(message.data, np.uint8)
    if not row or step < row or data.size < step * (message.height - 1) + row:
        raise ImageError(
            f"depth image of {message.width}x{message.height} has {data.size} bytes in steps of "
            f"{step}; expected {row} bytes per row"
        )
    table = np.lib.stride_tricks.as_strided(data, (message.height, row), (step, 1))
    metres = np.ascontiguousarray(table).view(dtype).astype(np.float32)
    return metres * np.float32(scale) if scale != 1.0 else metres


def pinhole_of(info: CameraInfo) -> Pinhole:
    """The projection of the rectified image.

    Raises:
        ImageError: a camera that was not calibrated.
    """
    fx, fy, cx, cy = info.p[0], info.p[5], info.p[2], info.p[6]
    if not fx:  # some drivers fill K alone
        fx, fy, cx, cy = info.k[0], info.k[4], info.k[2], info.k[5]
    if not fx or not fy:
        raise ImageError(
            "camera_info has no focal length; calibrate the camera, or remap camera_info to the "
            "depth camera's own"
        )
    return Pinhole(fx, fy, cx, cy)


def position_message(o: TrackedObject, found: ObjectPoints) -> ObjectPosition:
    """One object in space."""
    message = ObjectPosition(id=o.id, label=o.label, state=o.state, score=o.score)
    message.position = Point(x=found.position[0], y=found.position[1], z=found.position[2])
    message.size = Vector3(x=found.size[0], y=found.size[1], z=found.size[2])
    message.points = len(found.points)
    message.coverage = found.coverage
    return message


def cloud_message(clouds: Sequence[tuple[int, np.ndarray]], header: Header) -> PointCloud2:
    """Points [N, 3] of several object ids as one unordered cloud with the field ``id``."""
    table = np.empty(sum(len(points) for _, points in clouds), CLOUD_TYPE)
    start = 0
    for object_id, points in clouds:
        part = table[start : start + len(points)]
        part["x"], part["y"], part["z"] = points.T
        part["id"] = object_id
        start += len(points)
    message = PointCloud2()
    message.header = header
    message.height, message.width = 1, len(table)
    message.fields = [
        PointField(
            name=name,
            offset=CLOUD_TYPE.fields[name][1],
            datatype=PointField.UINT32 if name == "id" else PointField.FLOAT32,
            count=1,
        )
        for name in CLOUD_TYPE.names
    ]
    message.point_step = CLOUD_TYPE.itemsize
    message.row_step = CLOUD_TYPE.itemsize * len(table)
    message.is_dense = True
    message.data = array.array("B", table.tobytes())
    return message
