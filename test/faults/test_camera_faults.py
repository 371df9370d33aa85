"""What cameras do as publishers."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest
import rclpy
from bench import Bench
from robot import BEST_EFFORT, LATCHED, RELIABLE, image_message
from sensor_msgs.msg import Image

from deaot_ros.msg import TrackerStatus
from deaot_ros.soak.scene import SIZE

SECOND = 10**9

fault = partial(pytest.mark.fault, "camera")


@fault("camera stops", "no image for 1.5 s", "NO_IMAGE with the topic and the time; objects stay")
def test_camera_stops(bench: Bench) -> None:
    bench.robot.listen(1.2)
    status = bench.status(r"no image on /deaot/image for \d", TrackerStatus.NO_IMAGE)
    assert list(status.object_ids) == [1, 2]
    bench.diagnosed("input", "no image on /deaot/image")
    bench.recover()


@fault("camera stutters", "bursts of four images, then nothing for 0.5 s", "newest image wins")
def test_camera_stutters(bench: Bench) -> None:
    for _ in range(3):
        stamps = [bench.show() for _ in range(4)]
        bench.answer(stamps[-1])
        bench.robot.listen(0.5)
    bench.recover()


@fault("camera runs far too fast", "120 images/s for a second", "drops are counted, not queued")
def test_camera_too_fast(bench: Bench) -> None:
    before = bench.robot.status_where(bool, "status")
    bench.film(1.0, 120, bench.show)
    last = bench.show()
    bench.answer(last)
    after = bench.robot.status_where(
        lambda s: s.frames_dropped > before.frames_dropped, "dropped frames"
    )
    bench.observe(f"{after.frames_dropped - before.frames_dropped} dropped")
    bench.recover()


@fault("two publishers on one topic", "another node shows black images at the same rate",
       "told with the remedy; states are honest; found or marked again afterwards")  # fmt: skip
def test_two_publishers(bench: Bench) -> None:
    other = bench.robot.node.create_publisher(Image, "image", RELIABLE)
    try:
        bench.robot.listen(0.5)
        for _ in range(4):
            bench.follow()
            black = image_message(np.zeros((*SIZE, 3), np.uint8), bench.now(), "rgb8")
            stamp = black.header.stamp.sec * SECOND + black.header.stamp.nanosec
            bench.watch.sent(black.header, SIZE)
            other.publish(black)
            bench.answer(stamp)
            assert not any(o.area for o in bench.robot.objects[stamp].objects)
        bench.status("2 publishers on /deaot/image: images of several cameras mix")
        bench.diagnosed("input", "2 publishers")
    finally:
        bench.robot.node.destroy_publisher(other)
    bench.find_again()


@fault("frame_id changes", "three images of another frame", "outputs carry it; no track is lost")
def test_other_frame_id(bench: Bench) -> None:
    for _ in range(3):
        image, truth = bench.render()
        message = image_message(image, bench.now(), "rgb8")
        message.header.frame_id = "elsewhere"
        stamp = bench.send(message, truth)
        assert bench.answer(stamp).header == message.header
        assert bench.robot.masks[stamp].header == message.header
    bench.recover()


@fault("reliability changes", "publisher best effort, latched, reliable by turns",
       "the subscription follows within its period; no track is lost")  # fmt: skip
def test_quality_of_service_changes(bench: Bench) -> None:
    robot = bench.robot
    for qos in (BEST_EFFORT, LATCHED, RELIABLE):
        robot.node.destroy_publisher(robot.camera)
        robot.camera = robot.node.create_publisher(Image, "image", qos)
        robot.spin_until(robot.camera.get_subscription_count, "subscription")
        deadline = time.monotonic() + 20
        stamp = bench.show()
        while stamp not in robot.masks:  # best effort may lose the first ones
            assert time.monotonic() < deadline
            robot.listen(0.3)
            stamp = bench.show() if stamp not in robot.masks else stamp
    bench.recover()


@fault("everybody else restarts", "camera, operator and watchers leave, and come as new ones",
       "found by discovery; the latched status is there at once; no track is lost")
def test_everybody_restarts(bench: Bench) -> None:  # fmt: skip
    bench.replace_robot()
    assert list(bench.robot.statuses[0].object_ids) == [1, 2]
    bench.recover()


@fault("camera process restarts", "publisher destroyed, one of a new participant after a second",
       "found again by discovery; no track is lost")  # fmt: skip
def test_camera_restarts(bench: Bench) -> None:
    robot = bench.robot
    robot.node.destroy_publisher(robot.camera)
    robot.listen(1.0)
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=bench.domain)
    node = rclpy.create_node("camera", namespace="deaot", context=context)
    try:
        robot.camera = node.create_publisher(Image, "image", RELIABLE)
        robot.spin_until(robot.camera.get_subscription_count, "subscription")
        robot.listen(0.3)
        bench.recover()
    finally:
        node.destroy_node()
        context.try_shutdown()
        robot.camera = robot.node.create_publisher(Image, "image", RELIABLE)
        robot.spin_until(robot.camera.get_subscription_count, "subscription")
        robot.listen(0.3)
