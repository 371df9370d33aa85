"""Sends a mask from a file for the first image that comes, and says what the tracker answers.

``ros2 run deaot_ros send_mask MASK.png --ros-args -r __ns:=/deaot -r image:=/camera/image_raw``:
an indexed or grey PNG of the image's size, pixel = object id. Of a camera that publishes compressed
images only, ``image/compressed`` is taken.
"""

from __future__ import annotations

import argparse
import sys
import time

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CompressedImage, Image

from deaot_ros.errors import DeaotError
from deaot_ros.node.image_codec import encode_labels
from deaot_ros.srv import SetTargets
from deaot_ros.video import read_mask

WARNING = 5.0
"""Seconds after which it says what it waits for."""

LEAD = 1.0
"""Seconds that the tracker gets to receive the image that the mask is for."""


def main(args: list[str] | None = None) -> int:
    """Send the mask; 0: accepted."""
    parser = argparse.ArgumentParser(prog="send_mask", description=__doc__)
    parser.add_argument("mask", help="PNG of the first image, pixel = object id")
    given = parser.parse_args(remove_ros_args(sys.argv if args is None else args)[1:])
    rclpy.init(args=args)
    try:
        labels = read_mask(given.mask)
        node = rclpy.create_node("send_mask")
        first = _first_image(node)
        client = node.create_client(SetTargets, "tracker/set_targets")
        while not client.wait_for_service(WARNING):
            node.get_logger().warning(f"no tracker answers on {client.srv_name}; waiting")
        _spin(node, LEAD)
        request = SetTargets.Request(mask=encode_labels(labels, first.header))
        request.mode = SetTargets.Request.MERGE
        answer = client.call_async(request)
        rclpy.spin_until_future_complete(node, answer)
        reply = answer.result()
    except DeaotError as error:
        print(f"send_mask: error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    finally:
        rclpy.try_shutdown()
    print(f"send_mask: {reply.message}", file=sys.stdout if reply.success else sys.stderr)
    return 0 if reply.success else 1


def _first_image(node: Node) -> Image | CompressedImage:
    images: list[Image | CompressedImage] = []
    subscriptions = [
        node.create_subscription(kind, topic, images.append, qos_profile_sensor_data)
        for kind, topic in ((Image, "image"), (CompressedImage, "image/compressed"))
    ]
    names = " or ".join(subscription.topic_name for subscription in subscriptions)
    warned = time.monotonic()
    while not images:
        rclpy.spin_once(node, timeout_sec=0.1)
        if not images and time.monotonic() > warned + WARNING:
            warned = time.monotonic()
            node.get_logger().warning(f"no image on {names}; waiting")
    for subscription in subscriptions:
        node.destroy_subscription(subscription)
    return images[0]


def _spin(node: Node, seconds: float) -> None:
    """Wait by the wall clock; a bag's may stand still."""
    rclpy.spin_until_future_complete(node, rclpy.task.Future(), timeout_sec=seconds)


if __name__ == "__main__":
    sys.exit(main())
