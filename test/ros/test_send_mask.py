"""A mask from a file, for the first image that comes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from golden import vectors

pytest.importorskip("rclpy", reason="no ROS in this environment")

from robot import PATIENCE, Robot, TrackerProcess
from sensor_msgs.msg import CompressedImage
from std_srvs.srv import Trigger

from deaot_ros.demo.environment import child_environment

INPUTS = vectors("inputs")
FRAME, MASK = INPUTS["frames_97x129"][0], INPUTS["mask_97x129_k3"]
PERIOD = 0.5
"""Seconds between images."""


@pytest.fixture(scope="module")
def running(golden_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    log = tmp_path_factory.mktemp("node") / "tracker.log"
    with TrackerProcess(log, weights=golden_weights) as process:
        robot = Robot()
        robot.spin_until(lambda: robot.statuses or not process.running, "status")
        assert process.running, process.output
        robot.meet()
        yield robot
        robot.close()


@pytest.fixture
def robot(running: Robot) -> Robot:
    assert running.call(Trigger, "tracker/reset").success
    return running


def send(
    folder: Path, mask: np.ndarray, show: Callable[[int], object], *remappings: str, hears: str = ""
) -> tuple[int, str]:
    """Run it while images are shown, once it has said ``hears``; exit code and what it said."""
    cv2.imwrite(str(folder / "mask.png"), mask.astype(np.uint8))
    log = folder / "send_mask.log"
    command = [sys.executable, "-m", "deaot_ros.examples.send_mask", str(folder / "mask.png")]
    command += ["--ros-args", "-r", "__ns:=/deaot"]
    command += [word for remapping in remappings for word in ("-r", remapping)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=child_environment())
    try:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None:
            assert time.monotonic() < deadline, log.read_text()
            if hears in log.read_text():
                show(time.time_ns())
            time.sleep(PERIOD)
    finally:
        process.kill()
        process.wait()
    return process.returncode, log.read_text()


def test_it_is_sent_for_the_first_image(robot: Robot, tmp_path: Path) -> None:
    code, said = send(tmp_path, MASK, lambda stamp: robot.show(FRAME, stamp))
    assert code == 0, said
    assert "tracking 1, 2, 3" in said
    robot.status_where(lambda s: list(s.object_ids) == [1, 2, 3], "objects")


def test_a_compressed_camera_is_waited_for_and_taken(robot: Robot, tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", FRAME[..., ::-1])[1].tobytes()

    def show(stamp: int) -> None:
        raw = robot.show(FRAME, stamp)  # the tracker's
        robot.jpeg_camera.publish(CompressedImage(header=raw.header, format="jpeg", data=jpeg))

    code, said = send(tmp_path, MASK, show, "image:=elsewhere", hears="no image on")
    assert code == 0, said
    assert "/deaot/elsewhere or /deaot/image/compressed; waiting" in said


def test_a_refusal_is_told(robot: Robot, tmp_path: Path) -> None:
    code, said = send(tmp_path, MASK[:-1], lambda stamp: robot.show(FRAME, stamp))
    assert code == 1
    assert "full size" in said
