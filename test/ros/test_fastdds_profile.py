"""The shipped Fast DDS profile carries camera images between two processes without loss."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

PROFILE = Path(__file__).resolve().parents[2] / "config" / "fastdds_shm.xml"
SENT = 100

CAMERA = f"""
import array, time
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "image", qos_profile_sensor_data)
image = Image(height=480, width=854, encoding="bgr8", step=854 * 3)
image.data = array.array("B", bytes(480 * 854 * 3))
deadline = time.monotonic() + 30
while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
    time.sleep(0.05)
time.sleep(0.5)
for number in range({SENT}):
    image.header.frame_id = str(number)
    publisher.publish(image)
    time.sleep(1 / 30)
image.header.frame_id = "end"
for _ in range(20):
    publisher.publish(image)
    time.sleep(0.1)
"""

VIEWER = """
import time
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("viewer")
seen = []
node.create_subscription(
    Image, "image", lambda image: seen.append(image.header.frame_id), qos_profile_sensor_data
)
deadline = time.monotonic() + 60
while "end" not in seen and time.monotonic() < deadline:
    rclpy.spin_once(node, timeout_sec=0.1)
print(len(set(seen) - {"end"}))
"""


def received(extra: dict[str, str], domain: int) -> int:
    """Images that reach another process."""
    profiles = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    environment = {k: v for k, v in os.environ.items() if k not in profiles}
    environment |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": str(domain)}
    environment |= extra
    viewer = subprocess.Popen(
        [sys.executable, "-c", VIEWER], env=environment, stdout=subprocess.PIPE, text=True
    )
    camera = subprocess.Popen([sys.executable, "-c", CAMERA], env=environment)
    try:
        output, _ = viewer.communicate(timeout=100)
        return int(output)
    finally:
        for process in (camera, viewer):
            process.kill()
            process.wait()


def test_every_best_effort_image_arrives() -> None:
    variable = "FASTRTPS" if int(version("rclpy").split(".")[0]) < 9 else "FASTDDS"
    domain = 1 + os.getpid() % 100
    assert received({f"{variable}_DEFAULT_PROFILES_FILE": str(PROFILE)}, domain) == SENT
