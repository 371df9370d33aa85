"""Says in which direction and how far one object is, for a robot that is to follow it.

``ros2 run deaot_ros follow --ros-args -r __ns:=/deaot -p object_id:=1``, beside the tracker and
``depth_objects``. While the object is TRACKED and has depth it publishes

* ``bearing_range``, geometry_msgs/PointStamped: x the bearing in rad, positive to the left; y the
  elevation in rad, positive upwards; z the range in m;
* ``target``, geometry_msgs/PointStamped: the same place as a point in the camera's optical frame,
  for RViz, tf2 and planners.

When the object is covered or lost it publishes nothing: a robot must stop by itself then.
"""

from __future__ import annotations

import math
import sys

import rclpy
from geometry_msgs.msg import Point, PointStamped
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from deaot_ros.msg import ObjectPositionArray, TrackedObject

NEWEST = 1
"""Queue length: an old direction is worse than none."""


def bearing_range(position: Point) -> tuple[float, float, float]:
    """Bearing and elevation in rad, range in m, of a place in an optical frame."""
    distance = math.sqrt(position.x**2 + position.y**2 + position.z**2)
    bearing = math.atan2(-position.x, position.z)
    return bearing, math.atan2(-position.y, math.hypot(position.x, position.z)), distance


class Follow(Node):
    """Follows the object ``object_id`` in ``objects_3d``; ids start anew with every session."""

    def __init__(self, **options: object) -> None:
        super().__init__("follow", **options)
        self.declare_parameter("object_id", 1)
        self._polar = self.create_publisher(PointStamped, "bearing_range", NEWEST)
        self._target = self.create_publisher(PointStamped, "target", NEWEST)
        self._session: int | None = None
        self.create_subscription(ObjectPositionArray, "objects_3d", self._on_objects, NEWEST)

    def _on_objects(self, message: ObjectPositionArray) -> None:
        if self._session not in (None, message.session):
            self.get_logger().warning(
                f"session {message.session} began: object {self._id} may be another thing now"
            )
        self._session = message.session
        for o in message.objects:
            if o.id == self._id and o.state == TrackedObject.TRACKED and o.points:
                x, y, z = bearing_range(o.position)
                self._polar.publish(PointStamped(header=message.header, point=Point(x=x, y=y, z=z)))
                self._target.publish(PointStamped(header=message.header, point=o.position))

    @property
    def _id(self) -> int:
        return int(self.get_parameter("object_id").value)


def main(args: list[str] | None = None) -> int:
    """Run until told to stop."""
    rclpy.init(args=args)
    try:
        rclpy.spin(Follow())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
