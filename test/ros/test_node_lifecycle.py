"""Starting, resting and stopping, failing visibly, and the camera's transports."""

from __future__ import annotations

import array
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from golden import vectors

pytest.importorskip("rclpy", reason="no ROS in this environment")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from robot import BEST_EFFORT, RELIABLE, Robot, TrackerProcess, image_message, labels_of
from sensor_msgs.msg import CompressedImage
from std_srvs.srv import Trigger

from deaot_ros.msg import TrackerStatus

INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"], INPUTS["mask_97x129_k3"]
IDS = [1, 2, 3]
TICK = 100_000_000
BEGIN = 10**18
OUTPUTS = ("mask", "objects", "overlay", "overlay/compressed", "confidence", "status")


@contextmanager
def tracker(
    folder: Path, camera: QoSProfile = RELIABLE, **parameters: object
) -> Iterator[tuple[TrackerProcess, Robot]]:
    """A node and a robot that has not met it yet."""
    with TrackerProcess(folder / "tracker.log", **parameters) as process:
        robot = Robot(camera)
        try:
            yield process, robot
        finally:
            robot.close()


def begin(robot: Robot) -> None:
    """Meet the tracker, show the first frame and mark objects in it."""
    robot.meet()
    robot.track(FRAMES[0], BEGIN)
    status = robot.mark(image_message(MASK, BEGIN, "mono8"))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message


def change(robot: Robot, transition: int) -> bool:
    wanted = Transition(id=transition)
    return bool(robot.call(ChangeState, "tracker/change_state", transition=wanted).success)


def state(robot: Robot) -> str:
    return str(robot.call(GetState, "tracker/get_state").current_state.label)


def outputs_of(robot: Robot) -> list[str]:
    return [topic for topic in OUTPUTS if robot.node.count_publishers(topic)]


def test_a_life(golden_weights: Path, tmp_path: Path) -> None:
    """Fail to configure, configure, track, rest, track on, clean up, and all that again."""
    with tracker(tmp_path, autostart=False, weights="/no/file.pth") as (process, robot):
        assert state(robot) == "unconfigured"
        assert not change(robot, Transition.TRANSITION_CONFIGURE)
        assert state(robot) == "unconfigured"
        assert "configure failed" in process.output and "/no/file.pth" in process.output
        weights = Parameter("weights", value=str(golden_weights)).to_parameter_msg()
        answer = robot.call(SetParameters, "tracker/set_parameters", parameters=[weights])
        assert answer.results[0].successful
        for _ in range(2):
            assert change(robot, Transition.TRANSITION_CONFIGURE)
            robot.spin_until(lambda: len(outputs_of(robot)) == len(OUTPUTS), "outputs")
            assert change(robot, Transition.TRANSITION_ACTIVATE)
            begin(robot)
            robot.track(FRAMES[1], BEGIN + TICK)
            session = robot.objects[BEGIN + TICK].session
            assert change(robot, Transition.TRANSITION_DEACTIVATE)
            robot.show(FRAMES[2], BEGIN + 2 * TICK)
            robot.listen(0.3)
            assert BEGIN + 2 * TICK not in robot.masks
            assert change(robot, Transition.TRANSITION_ACTIVATE)
            robot.meet()
            robot.track(FRAMES[3], BEGIN + 3 * TICK)
            objects = robot.objects[BEGIN + 3 * TICK]
            assert [o.id for o in objects.objects] == IDS and objects.session == session
            assert change(robot, Transition.TRANSITION_DEACTIVATE)
            assert change(robot, Transition.TRANSITION_CLEANUP)
            assert state(robot) == "unconfigured"
            robot.spin_until(lambda: outputs_of(robot) == [], "end of outputs")
            robot.masks.clear()
            robot.objects.clear()
            robot.statuses.clear()
        assert process.stop(signal.SIGTERM) == 0
        assert "Traceback" not in process.output, process.output


def test_requests_that_wait_are_answered_when_the_node_rests(
    golden_weights: Path, tmp_path: Path
) -> None:
    with tracker(tmp_path, weights=golden_weights) as (_, robot):
        begin(robot)
        reset = robot.node.create_client(Trigger, "tracker/reset")
        robot.spin_until(reset.service_is_ready, "reset")
        answers = [reset.call_async(Trigger.Request()) for _ in range(5)]
        assert change(robot, Transition.TRANSITION_DEACTIVATE)
        robot.spin_until(lambda: all(a.done() for a in answers), "answers")
        assert robot.call(Trigger, "tracker/reset").success  # at rest, too


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"weights": "/no/such/file.pth"}, ("configure failed", "/no/such/file.pth")),
        ({"image_timeout": "soon"}, ("image_timeout is 'soon'; expected a number",)),
        ({"overlay_alpha": 7.5}, ("overlay_alpha", "7.5", "1.0")),
    ],
)
def test_a_node_that_cannot_start_says_why_and_ends(
    parameters: dict[str, object], words: tuple[str, ...], tmp_path: Path
) -> None:
    with TrackerProcess(tmp_path / "tracker.log", **parameters) as process:
        assert process.wait() == 1
        assert all(word in process.output for word in words), process.output
        assert "Traceback" not in process.output, process.output


@contextmanager
def film(robot: Robot, period: float) -> Iterator[None]:
    """Images all the time."""
    ended = threading.Event()

    def run() -> None:
        stamp = BEGIN
        while not ended.wait(period):
            stamp += TICK
            robot.show(FRAMES[0], stamp)

    camera = threading.Thread(target=run)
    camera.start()
    try:
        yield
    finally:
        ended.set()
        camera.join()


def test_ends_cleanly_while_images_come(golden_weights: Path, tmp_path: Path) -> None:
    with tracker(tmp_path, weights=golden_weights) as (process, robot):
        begin(robot)
        with film(robot, 0.02):
            robot.listen(0.5)
            assert process.stop() == 0
        assert "Traceback" not in process.output, process.output
        assert "rror" not in process.output, process.output


def test_services_do_not_hold_up_images(golden_weights: Path, tmp_path: Path) -> None:
    """While a request waits for a slow network, images are received all the same."""
    slow = {"weights": golden_weights, "network_height": 481, "network_width": 641}
    with tracker(tmp_path, **slow) as (_, robot):
        begin(robot)
        reset = robot.node.create_client(Trigger, "tracker/reset")
        robot.spin_until(reset.service_is_ready, "reset")
        before = robot.status.frames_received
        robot.show(FRAMES[0], BEGIN + TICK)
        robot.listen(0.1)  # the network is at work now
        answer = reset.call_async(Trigger.Request())
        sent = 1
        while not answer.done() or sent < 3:
            sent += 1
            robot.show(FRAMES[0], BEGIN + sent * TICK)
            robot.listen(0.1)
        # At depth 1, an executor that waits would have got only the first and the last.
        robot.status_where(lambda s: s.frames_received >= before + sent - 1, "images")


def test_a_fixed_reliability_that_does_not_match_is_told(
    golden_weights: Path, tmp_path: Path
) -> None:
    fixed = {"weights": golden_weights, "image_reliability": "reliable"}
    with tracker(tmp_path, BEST_EFFORT, **fixed) as (_, robot):
        status = robot.status_where(lambda s: "image_reliability" in s.message, "advice")
        assert status.state == TrackerStatus.NO_IMAGE
        assert "offers best_effort, this node asks for reliable" in status.message


def test_no_image_is_told_and_objects_stay(golden_weights: Path, tmp_path: Path) -> None:
    with tracker(tmp_path, weights=golden_weights, image_timeout=0.5) as (_, robot):
        robot.meet()
        assert robot.status.state == TrackerStatus.NO_IMAGE
        begin(robot)
        status = robot.status_where(lambda s: s.state == TrackerStatus.NO_IMAGE, "timeout")
        assert "no image on /deaot/image for" in status.message
        assert list(status.object_ids) == IDS


def test_compressed_camera(golden_weights: Path, tmp_path: Path) -> None:
    with tracker(tmp_path, weights=golden_weights, image_transport="compressed") as (_, robot):
        robot.meet()

        def show(number: int, length: int | None = None) -> None:
            data = cv2.imencode(".png", FRAMES[number][..., ::-1])[1].tobytes()[:length]
            message = CompressedImage(format="rgb8; png compressed bgr8")
            message.header = image_message(MASK, BEGIN + number * TICK, "mono8").header
            message.data = array.array("B", data)
            robot.jpeg_camera.publish(message)

        show(0)
        robot.spin_until(lambda: BEGIN in robot.masks, "mask")
        robot.mark(image_message(MASK, BEGIN, "mono8"))
        assert robot.status.last_mask_result == TrackerStatus.ACCEPTED
        show(1, length=50)
        robot.status_where(lambda s: "cannot be decoded" in s.message, "report")
        show(2)
        last = BEGIN + 2 * TICK
        robot.spin_until(lambda: last in robot.masks and last in robot.objects, "mask")
        assert labels_of(robot.masks[last]).shape == MASK.shape
        assert [o.id for o in robot.objects[last].objects] == IDS
        assert np.isin(labels_of(robot.masks[last]), [0, *IDS]).all()
