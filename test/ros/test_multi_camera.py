"""Two cameras in one process, over real DDS: each is tracked as if it were alone."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import vectors

pytest.importorskip("rclpy", reason="no ROS in this environment")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from robot import LATCHED, PATIENCE, RELIABLE, image_message, labels_of
from sensor_msgs.msg import Image

from deaot_ros.demo.environment import child_environment
from deaot_ros.msg import TrackerStatus
from deaot_ros.node.multi_main import arguments_of
from deaot_ros.node.networks import Networks
from deaot_ros.node.parameters import Parameters
from deaot_ros.tracking import Tracker

INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"], INPUTS["mask_97x129_k3"]
CAMERAS = ("front", "rear")
OF_CAMERA = {"front": FRAMES[:4], "rear": FRAMES[:4, ::-1]}
MASK_OF = {"front": MASK, "rear": MASK[::-1]}
TICK = 500_000_000


class Cameras:
    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = node = rclpy.create_node("cameras", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self.images, self.targets, self.masks, self.statuses = {}, {}, {}, {}
        for name in CAMERAS:
            self.images[name] = node.create_publisher(Image, f"/{name}/image_raw", RELIABLE)
            topic = f"/deaot/{name}"
            self.targets[name] = node.create_publisher(Image, f"{topic}/target_mask", RELIABLE)
            self.masks[name], self.statuses[name] = [], []
            node.create_subscription(Image, f"{topic}/mask", self.masks[name].append, RELIABLE)
            node.create_subscription(
                TrackerStatus, f"{topic}/status", self.statuses[name].append, LATCHED
            )

    def close(self) -> None:
        self._executor.shutdown()
        self._context.try_shutdown()

    def spin_until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + 2 * PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"no {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def answered(self, stamp: int) -> bool:
        return all(
            any(m.header == image_message(MASK, stamp, "mono8").header for m in masks)
            for masks in self.masks.values()
        )


def test_each_camera_is_tracked_as_if_alone(golden_weights: Path, tmp_path: Path) -> None:
    log = tmp_path / "multi.log"
    command = [
        sys.executable, "-m", "deaot_ros.node.multi_main", "--cameras", *CAMERAS, "--batch", "on",
        "--ros-args", "-p", f"weights:={golden_weights}", "-p", "device:=cpu",
    ]  # fmt: skip
    environment = {**child_environment(), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    cameras = Cameras()
    try:
        for name in CAMERAS:
            for publisher in (cameras.images[name], cameras.targets[name]):
                cameras.spin_until(publisher.get_subscription_count, f"tracker of {name}")
            cameras.spin_until(lambda n=name: cameras.statuses[n], f"status of {name}")
        cameras.spin_until(lambda: cameras.node.count_publishers("/deaot/rear/mask"), "masks")
        stamps = [10**18 + number * TICK for number in range(4)]
        for number, stamp in enumerate(stamps):
            for name in CAMERAS:  # both at once: they compete for the network
                image = image_message(OF_CAMERA[name][number], stamp, "rgb8")
                cameras.images[name].publish(image)
            cameras.spin_until(lambda s=stamp: cameras.answered(s), f"masks {number}")
            if number == 0:
                for name in CAMERAS:
                    mask = np.ascontiguousarray(MASK_OF[name]).astype(np.uint8)
                    cameras.targets[name].publish(image_message(mask, stamp, "mono8"))
                cameras.spin_until(
                    lambda: all(s[-1].object_ids for s in cameras.statuses.values()), "objects"
                )
        for name in CAMERAS:
            alone = Tracker.load("deaot-t", golden_weights, "cpu")
            alone.start(OF_CAMERA[name][0], MASK_OF[name], stamps[0] * 1e-9)
            for number, stamp in enumerate(stamps[1:], 1):
                image = np.ascontiguousarray(OF_CAMERA[name][number])
                expected = alone.step(image, stamp * 1e-9).labels
                found = [
                    labels_of(m) for m in cameras.masks[name]
                    if m.header == image_message(MASK, stamp, "mono8").header
                ]  # fmt: skip
                assert (found[0] != expected).mean() < 2e-3, (name, number)
        assert process.poll() is None
    finally:
        cameras.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()


def test_equal_networks_are_one_and_are_freed_with_their_last_user(golden_weights: Path) -> None:
    networks = Networks()
    parameters = Parameters(weights=str(golden_weights), device="cpu")
    one, other = networks.tracker(parameters), networks.tracker(parameters)
    apart = networks.tracker(Parameters(weights=str(golden_weights), device="auto"))
    assert one is not other
    assert one._backend is other._backend is not apart._backend
    network = weakref.ref(one._backend)
    del one
    third = networks.tracker(parameters)
    assert third._backend is network()
    del other, third
    gc.collect()
    assert network() is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--cameras", "front", "front"], "twice"),
        (["--cameras", "front cam"], "is no camera name"),
        (["--cameras", "a", "b", "--image-topic", "/camera/image"], "the same for all"),
        ([], "--cameras"),
    ],
)
def test_a_wrong_command_line_is_refused(
    line: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        arguments_of(line)
    assert words in capsys.readouterr().err
