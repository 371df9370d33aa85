"""Places tracked objects in space by an aligned depth image; for grasping and following.

Run it beside the tracker, in the tracker's namespace: ``ros2 run deaot_ros depth_objects``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from deaot_ros.depth import detections_3d
from deaot_ros.depth.back_projection import DepthSettings, ObjectPoints, locate
from deaot_ros.depth.matching import ExactMatcher
from deaot_ros.depth.messages import cloud_message, decode_depth, pinhole_of, position_message
from deaot_ros.errors import DeaotError, ImageError
from deaot_ros.msg import ObjectPositionArray, TrackedObjectArray
from deaot_ros.node import qos
from deaot_ros.video.ros_image import decode_labels

FOLLOW_PERIOD = 0.5
"""Seconds between looks at what the depth camera's publishers offer."""

SILENCE = 5.0
"""Seconds without a complete set of messages after which a person is told."""

PARAMETERS: dict[str, tuple[float | int, float, float, str]] = {
    "nearest": (0.1, 0.0, 1000.0, "m; nearer depth is not believed"),
    "farthest": (10.0, 0.01, 10000.0, "m; farther depth is not believed"),
    "edge_margin": (2, 0, 50, "px inside the outline whose depth is not used"),
    "outlier_sigmas": (4.0, 0.0, 100.0, "robust deviations that a point may be off; 0: any"),
    "outlier_floor": (0.03, 0.0, 100.0, "m that a point may be off the median in any case"),
    "queue_size": (30, 1, 1000, "images that wait for their masks; fixed at the start"),
    "cloud_id": (0, 0, 65534, "the only object in object_cloud; 0: all"),
}
"""Default, lowest and highest value, meaning."""

TOPICS = {
    "mask": (Image, qos.NEWEST),
    "objects": (TrackedObjectArray, qos.OBJECTS),
    "depth": (Image, None),
    "camera_info": (CameraInfo, None),
}
"""What must come with one stamp. None: follows the publisher."""


class DepthObjects(Node):
    """Waits for mask, objects, depth and camera_info of one stamp and says where objects are."""

    def __init__(self, **options: object) -> None:
        """Subscribe.

        Args:
            options: of rclpy's node.
        """
        super().__init__("depth_objects", **options)
        for name, (default, low, high, meaning) in PARAMETERS.items():
            self.declare_parameter(name, default, _descriptor(default, low, high, meaning))
        self._matcher = ExactMatcher(tuple(TOPICS), self._number("queue_size"))
        self._positions = self.create_publisher(ObjectPositionArray, "objects_3d", qos.OBJECTS)
        self._cloud = self.create_publisher(PointCloud2, "object_cloud", qos.NEWEST)
        self._detections = None
        if detections_3d.AVAILABLE:
            self._detections = self.create_publisher(
                detections_3d.Detection3DArray, "detections_3d", qos.OBJECTS
            )
        self._followed: dict[str, tuple[ReliabilityPolicy, Subscription]] = {}
        for topic, (kind, profile) in TOPICS.items():
            if profile is not None:
                self.create_subscription(kind, topic, self._taker(topic), profile)
        self._follow()
        self.create_timer(FOLLOW_PERIOD, self._follow)
        self._complete = True
        self.create_timer(SILENCE, self._complain)

    def _number(self, name: str) -> int:
        return int(self.get_parameter(name).value)

    def _taker(self, topic: str) -> Callable[[Any], None]:
        def take(message: Any) -> None:
            stamp = message.header.stamp
            found = self._matcher.put(topic, (stamp.sec, stamp.nanosec), message)
            if found is None:
                return
            self._complete = True
            try:
                self._locate(**found)
            except DeaotError as error:
                self.get_logger().error(str(error), throttle_duration_sec=2.0)

        return take

    def _follow(self) -> None:
        """Subscribe to the depth camera with the reliability that it offers."""
        for topic in ("depth", "camera_info"):
            offered = qos.offered_reliability(self, self.resolve_topic_name(topic))
            before = self._followed.get(topic)
            wanted = offered or (before[0] if before else qos.BEST_EFFORT)
            if before is not None:
                if before[0] == wanted:
                    continue
                self.destroy_subscription(before[1])
            # Masks come later than depth by the network's time: depth must not get lost meanwhile.
            self._followed[topic] = wanted, self.create_subscription(
                TOPICS[topic][0], topic, self._taker(topic), qos.depth_camera(wanted)
            )

    def _complain(self) -> None:
        if not self._complete:
            missing = self._matcher.missing()
            self.get_logger().warning(
                f"nothing on {', '.join(map(self.resolve_topic_name, missing))}; is it remapped?"
                if missing
                else "mask, objects, depth and camera_info come, but never with the same stamp; "
                "depth must be aligned with the tracked camera, and stamped alike"
            )
        self._complete = False

    def _locate(
        self, mask: Image, objects: TrackedObjectArray, depth: Image, camera_info: CameraInfo
    ) -> None:
        labels, metres = decode_labels(mask), decode_depth(depth)
        if labels.shape != metres.shape:
            raise ImageError(
                f"depth is {depth.width}x{depth.height} but the mask {mask.width}x{mask.height}; "
                "use the depth that is aligned with the tracked camera "
                "(aligned_depth_to_color, depth_image_proc/register)"
            )
        camera = pinhole_of(camera_info)
        settings = DepthSettings(
            nearest=float(self.get_parameter("nearest").value),
            farthest=float(self.get_parameter("farthest").value),
            edge_margin=self._number("edge_margin"),
            outlier_sigmas=float(self.get_parameter("outlier_sigmas").value),
            outlier_floor=float(self.get_parameter("outlier_floor").value),
        )
        found: list[ObjectPoints] = []
        for o in objects.objects:
            roi = o.roi
            x, y = roi.x_offset, roi.y_offset
            crop = np.s_[y : y + roi.height, x : x + roi.width]
            found.append(locate(labels[crop] == o.id, metres[crop], (x, y), camera, settings))
        self._publish(mask.header, objects, found)

    def _publish(
        self, header: Header, objects: TrackedObjectArray, found: list[ObjectPoints]
    ) -> None:
        message = ObjectPositionArray(header=header, session=objects.session)
        message.objects = [
            position_message(o, points) for o, points in zip(objects.objects, found)
        ]
        self._positions.publish(message)
        if self._detections is not None:
            self._detections.publish(detections_3d.detections_message(message))
        if self._cloud.get_subscription_count():
            only = self._number("cloud_id")
            clouds = [
                (o.id, points.points)
                for o, points in zip(objects.objects, found)
                if only in (0, o.id)
            ]
            self._cloud.publish(cloud_message(clouds, header))


def _descriptor(
    default: float | int, low: float, high: float, meaning: str
) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=meaning)
    if isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    else:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high))
        ]
    return descriptor


def main(args: list[str] | None = None) -> int:
    """Run until told to stop."""
    rclpy.init(args=args)
    try:
        rclpy.spin(DepthObjects())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
