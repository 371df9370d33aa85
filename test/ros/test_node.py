"""The node as others on the robot see it: one process, real DDS, compared with the tracker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from golden import vectors

pytest.importorskip("rclpy", reason="no ROS in this environment")

from builtin_interfaces.msg import Time
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from robot import (
    BEST_EFFORT,
    LATCHED,
    Robot,
    TrackerProcess,
    image_message,
    labels_of,
    settings_of,
)
from std_srvs.srv import SetBool, Trigger

from deaot_ros.msg import TrackedObject, TrackerStatus
from deaot_ros.srv import RemoveObject, SetTargets
from deaot_ros.tracking import Tracker, TrackerSettings

INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"], INPUTS["mask_97x129_k3"]
SIZE = MASK.shape
TICK = 500_000_000
"""Nanoseconds between images: slow enough that catching up leaves none out."""

stamps = count(10**18, TICK)


@pytest.fixture(scope="module")
def process(golden_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    log = tmp_path_factory.mktemp("node") / "tracker.log"
    with TrackerProcess(
        log, weights=golden_weights, image_timeout=30.0, max_objects=5, frame_history=8,
        object_labels="['1:cup']", diagnostic_updater__period=0.2,
    ) as running:
        yield running
        assert running.running, running.output


@pytest.fixture(scope="module")
def shared(process: TrackerProcess) -> Iterator[Robot]:
    robot = Robot()
    robot.spin_until(lambda: robot.statuses, "status")
    robot.spin_until(lambda: robot.camera.get_subscription_count(), "tracker at the camera")
    robot.spin_until(lambda: robot.operator.get_subscription_count(), "tracker at the masks")
    yield robot
    robot.close()


@pytest.fixture
def robot(shared: Robot) -> Robot:
    """The robot, with a tracker that has forgotten everything."""
    assert shared.call(Trigger, "tracker/reset").success
    return shared


@pytest.fixture
def tracker(golden_weights: Path) -> Tracker:
    """What the node should compute."""
    return Tracker.load("deaot-t", golden_weights, "cpu", settings=TrackerSettings())


def assert_same(ours: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for near ties: the two processes may add in another order."""
    assert ours.shape == expected.shape
    assert (ours != expected).mean() < 2e-3


def begin(robot: Robot, mask: np.ndarray = MASK) -> int:
    """Show the first frame and mark objects in it; gives its stamp."""
    stamp = next(stamps)
    robot.track(FRAMES[0], stamp)
    status = robot.mark(image_message(mask, stamp, "mono8"))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    return stamp


def square(object_id: int, top: int = 5, dtype: type = np.uint8) -> np.ndarray:
    mask = np.zeros(SIZE, dtype)
    mask[top : top + 20, 5:25] = object_id
    return mask


def test_one_mask_in_then_masks_and_objects_out(robot: Robot, tracker: Tracker) -> None:
    stamp = next(stamps)
    assert not robot.track(FRAMES[0], stamp).any()
    assert robot.objects[stamp].objects == []
    robot.mark(image_message(MASK, stamp, "mono8"))
    tracker.start(FRAMES[0], MASK, stamp * 1e-9)
    for frame in FRAMES[1:]:
        stamp = next(stamps)
        sent = robot.show(frame, stamp)
        robot.spin_until(lambda s=stamp: s in robot.masks and s in robot.objects, "mask")
        mask, objects = robot.masks[stamp], robot.objects[stamp]
        expected = tracker.step(frame, stamp * 1e-9)
        assert_same(labels_of(mask), expected.labels)
        assert mask.header == objects.header == sent.header
        assert (mask.encoding, objects.height, objects.width) == ("mono8", *SIZE)
        assert [o.id for o in objects.objects] == [1, 2, 3]
        for ours, theirs in zip(objects.objects, expected.objects, strict=True):
            assert ours.state == theirs.state
            assert ours.score == pytest.approx(theirs.score, abs=1e-3)
            y, x = np.nonzero(labels_of(mask) == ours.id)
            assert ours.area == len(x)
            if ours.area:
                roi = (ours.roi.x_offset, ours.roi.y_offset, ours.roi.width, ours.roi.height)
                assert roi == (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
                assert (ours.centroid_x, ours.centroid_y) == pytest.approx((x.mean(), y.mean()))
                crop = labels_of(mask)[y.min() : y.max() + 1, x.min() : x.max() + 1] == ours.id
                np.testing.assert_array_equal(labels_of(ours.mask), crop * np.uint8(255))
        assert [o.label for o in objects.objects] == ["cup", "", ""]


def test_last_seen_is_a_stamp_of_the_camera(robot: Robot) -> None:
    stamp = begin(robot)
    later = next(stamps)
    robot.track(np.zeros_like(FRAMES[0]), later)
    for o in robot.objects[later].objects:
        assert abs(o.last_seen.sec * 10**9 + o.last_seen.nanosec - stamp) <= TICK + 1000


BAD_MASKS = {
    "other size": (
        lambda s: image_message(MASK[:50, :60], s, "mono8"), "BAD_SIZE", "60x50.*129x97",
    ),
    "colour": (
        lambda s: image_message(FRAMES[0], s, "rgb8"), "BAD_ENCODING", "'rgb8'.*mono8",
    ),
    "floats with NaN": (
        lambda s: image_message(np.full(SIZE, np.nan, np.float32), s, "32FC1"),
        "BAD_ENCODING", "32FC1",
    ),
    "empty": (lambda s: image_message(0 * MASK, s, "mono8"), "EMPTY", "marks no object"),
    "too many": (
        lambda s: image_message((np.arange(MASK.size) % 7).astype(np.uint8).reshape(SIZE), s,
                                "8UC1"),
        "TOO_MANY_OBJECTS", "at most 5",
    ),
    "unknown stamp": (
        lambda s: image_message(MASK, s - 10**12, "mono8"), "FRAME_NOT_FOUND", "from .* to",
    ),
    "reserved id": (lambda s: image_message(square(255), s, "mono8"), "BAD_ID", "255"),
    "negative id": (
        lambda s: image_message(square(-3, dtype=np.int16), s, "16SC1"), "BAD_ID", "-3",
    ),
    "cut short": (
        lambda s: image_message(MASK, s, "mono8", height=2000), "BAD_ENCODING", "cut short",
    ),
    "zero size": (
        lambda s: image_message(np.zeros((0, 0), np.uint8), s, "mono8"), "BAD_ENCODING",
        "is empty",
    ),
    "step too small": (
        lambda s: image_message(MASK, s, "mono8", step=10), "BAD_ENCODING", "step 10",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_MASKS)
def test_a_refused_mask_is_answered_and_costs_no_track(
    robot: Robot, tracker: Tracker, case: str
) -> None:
    make, verdict, words = BAD_MASKS[case]
    begin(robot)
    tracker.start(FRAMES[0], MASK)
    stamp = next(stamps)
    robot.track(FRAMES[2], stamp)
    tracker.step(FRAMES[2])
    status = robot.mark(make(stamp))
    assert status.last_mask_result == getattr(TrackerStatus, verdict), status.message
    assert re.search(words, status.message), status.message
    labels = robot.track(FRAMES[1], next(stamps))
    assert_same(labels, tracker.step(FRAMES[1]).labels)
    assert list(robot.status.object_ids) == [1, 2, 3]


@pytest.mark.parametrize(
    ("dtype", "encoding", "big"),
    [
        (np.uint8, "8UC1", 0),
        (np.uint16, "16UC1", 0),
        (">u2", "16UC1", 1),
        (np.int16, "16SC1", 0),
        (">i4", "32SC1", 1),
    ],
)
def test_label_encodings_and_padded_rows(
    robot: Robot, dtype: str, encoding: str, big: int
) -> None:
    stamp = next(stamps)
    robot.track(FRAMES[0], stamp)
    padded = np.zeros((SIZE[0], SIZE[1] + 7), dtype)
    padded[:, : SIZE[1]] = square(4)
    padded[:, SIZE[1] :] = 9  # padding is no part of the mask
    message = image_message(padded, stamp, encoding, width=SIZE[1], is_bigendian=big)
    assert robot.mark(message).last_mask_result == TrackerStatus.ACCEPTED
    assert list(robot.status.object_ids) == [4]


BAD_IMAGES = {
    "unknown encoding": {"encoding": "64FC9"},
    "cut short": {"height": 4000},
    "empty": {"height": 0, "width": 0, "step": 0, "data": b""},
    "step too small": {"step": 12},
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_a_broken_image_is_reported_and_costs_no_track(
    robot: Robot, process: TrackerProcess, tracker: Tracker, case: str
) -> None:
    begin(robot)
    tracker.start(FRAMES[0], MASK)
    message = image_message(FRAMES[1], next(stamps), "rgb8")
    for field, value in BAD_IMAGES[case].items():
        setattr(message, field, value)
    robot.camera.publish(message)
    robot.spin_until(lambda: robot.status.state == TrackerStatus.ERROR, "report")
    assert "expected" in robot.status.message
    labels = robot.track(FRAMES[1], next(stamps))
    assert_same(labels, tracker.step(FRAMES[1]).labels)


def test_padded_bgr_and_big_endian_images(robot: Robot, tracker: Tracker) -> None:
    begin(robot)
    tracker.start(FRAMES[0], MASK)
    padded = np.full((SIZE[0], SIZE[1] + 5, 3), 77, np.uint8)
    padded[:, : SIZE[1]] = FRAMES[1][..., ::-1]
    stamp = next(stamps)
    robot.camera.publish(image_message(padded, stamp, "bgr8", width=SIZE[1]))
    robot.spin_until(lambda: stamp in robot.masks, "mask")
    assert_same(labels_of(robot.masks[stamp]), tracker.step(FRAMES[1]).labels)
    deep = ((FRAMES[2].astype(np.uint16) << 8) + 3).astype(">u2")
    stamp = next(stamps)
    robot.camera.publish(image_message(deep, stamp, "rgb16", is_bigendian=1))
    robot.spin_until(lambda: stamp in robot.masks, "mask")
    assert_same(labels_of(robot.masks[stamp]), tracker.step(FRAMES[2]).labels)


def test_a_late_mask_is_applied_to_its_frame_and_catches_up(
    robot: Robot, tracker: Tracker
) -> None:
    begin(robot, square(1))
    seen = [next(stamps) for _ in FRAMES[1:]]
    before = []
    for frame, stamp in zip(FRAMES[1:], seen, strict=True):
        before.append(robot.track(frame, stamp))
        robot.listen(0.5)  # so slow a camera that catching up needs to leave nothing out
    robot.masks.clear()
    status = robot.mark(image_message(square(2, top=60), seen[0], "mono8"))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    assert "caught up in 4 steps" in status.message
    robot.spin_until(lambda: robot.masks, "caught-up mask")
    assert list(robot.masks) == [seen[-1]]  # nothing of the past is published

    tracker.start(FRAMES[0], square(1))
    for frame in FRAMES[1:]:
        tracker.step(frame)
    tracker.annotate(square(2, top=60), image=FRAMES[1], labels=before[0])
    for frame in FRAMES[2:]:
        expected = tracker.step(frame).labels
    assert_same(labels_of(robot.masks[seen[-1]]), expected)


def test_stamp_zero_means_the_newest_frame(robot: Robot) -> None:
    robot.track(FRAMES[0], next(stamps))
    robot.track(FRAMES[1], next(stamps))
    message = image_message(square(3), 0, "mono8")
    assert robot.mark(message).last_mask_result == TrackerStatus.ACCEPTED
    assert "from the image 0.00 s ago" in robot.status.message


def test_masks_on_the_topic_merge(robot: Robot) -> None:
    stamp = begin(robot, square(1))
    both = np.where(square(7, top=40) > 0, 7, square(1, top=60)).astype(np.uint8)
    robot.mark(image_message(both, stamp, "mono8"))
    assert list(robot.status.object_ids) == [1, 7]
    assert robot.status.session == robot.objects[stamp].session


def test_a_flood_of_masks_is_survived(robot: Robot, process: TrackerProcess) -> None:
    stamp = begin(robot)
    for _ in range(100):
        robot.operator.publish(image_message(MASK, stamp, "mono8"))
        robot.listen(0.002)
    later = next(stamps)
    robot.track(FRAMES[1], later)
    assert [o.id for o in robot.objects[later].objects] == [1, 2, 3]
    assert "requests wait already" in process.output


def test_services(robot: Robot) -> None:
    stamp = begin(robot, square(1))
    session = robot.status.session

    def targets(mask: np.ndarray, mode: int) -> SetTargets.Response:
        return robot.call(
            SetTargets, "tracker/set_targets", mask=image_message(mask, stamp, "mono8"), mode=mode
        )

    request = SetTargets.Request
    added = targets(square(2, top=40), request.ADD)
    assert (added.success, list(added.ids)) == (True, [1, 2])
    again = targets(square(2, top=40), request.ADD)
    assert (again.success, list(again.ids)) == (False, [1, 2])
    assert "[2] are tracked already" in again.message
    assert targets(square(2, top=60), request.CORRECT).success
    unknown = targets(square(3), request.CORRECT)
    assert not unknown.success
    assert "[3] are not tracked" in unknown.message
    assert "mode is 9" in targets(square(3), 9).message

    removed = robot.call(RemoveObject, "tracker/remove_object", id=2)
    assert removed.success
    after = next(stamps)
    robot.track(FRAMES[1], after)
    states = {o.id: o.state for o in robot.objects[after].objects}
    assert states[2] == TrackedObject.REMOVED
    assert robot.objects[after].session == session
    gone = robot.call(RemoveObject, "tracker/remove_object", id=2)
    assert (gone.success, "id 2 is not tracked" in gone.message) == (False, True)

    stamp = after
    replaced = targets(square(5), request.REPLACE)
    assert (replaced.success, list(replaced.ids)) == (True, [5])
    assert robot.call(Trigger, "tracker/reset").success
    last = next(stamps)
    assert not robot.track(FRAMES[2], last).any()
    assert robot.objects[last].session == session + 2

    engine = robot.call(Trigger, "tracker/build_engine")
    assert not engine.success
    assert "torch" in engine.message


def test_pause_and_resume_keep_the_memory(robot: Robot, tracker: Tracker) -> None:
    begin(robot)
    tracker.start(FRAMES[0], MASK)
    assert robot.call(SetBool, "tracker/enable", data=False).success
    robot.spin_until(lambda: robot.status.state == TrackerStatus.PAUSED, "pause")
    unseen = next(stamps)
    robot.show(FRAMES[5], unseen)
    robot.listen(0.5)
    assert unseen not in robot.masks
    assert robot.call(SetBool, "tracker/enable", data=True).success
    labels = robot.track(FRAMES[1], next(stamps))
    assert_same(labels, tracker.step(FRAMES[1]).labels)


def test_time_that_goes_back_is_a_new_session(robot: Robot) -> None:
    stamp = begin(robot)
    session = robot.status.session
    early = stamp - 10**15
    assert not robot.track(FRAMES[1], early).any()
    assert robot.objects[early].session == session + 1
    robot.track(FRAMES[1], next(stamps))


def test_objects_carry_on_when_told_to_continue(robot: Robot, tracker: Tracker) -> None:
    set_parameter(robot, "time_jump_policy", "continue")
    try:
        stamp = begin(robot)
        tracker.start(FRAMES[0], MASK)
        labels = robot.track(FRAMES[1], stamp - 10**15)
        assert_same(labels, tracker.step(FRAMES[1]).labels)
        session = robot.status.session
        robot.track(FRAMES[2], next(stamps))
        assert robot.status.session == session
    finally:
        set_parameter(robot, "time_jump_policy", "reset")


def set_parameter(robot: Robot, name: str, value: object) -> object:
    parameters = [Parameter(name, value=value).to_parameter_msg()]
    return robot.call(
        SetParametersAtomically, "tracker/set_parameters_atomically", parameters=parameters
    ).result


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("occluded_score", 1.5, r"occluded_score.*0.*1.*1\.5"),
        ("mask_mode", "blend", r"mask_mode is 'blend'; expected one of merge, replace"),
        ("object_labels", ["cup"], r"object_labels holds 'cup'; expected ID:NAME"),
        ("max_mask_growth", 0.5, r"must be above 1"),
        ("variant", "deaot-l", r"variant is fixed while the node is configured"),
        ("min_area", 2.5, r"min_area is 2\.5; expected a whole number"),
    ],
)
def test_wrong_parameters_are_refused(
    robot: Robot, name: str, value: object, words: str
) -> None:
    result = set_parameter(robot, name, value)
    assert not result.successful
    assert re.search(words, result.reason), result.reason


def test_thresholds_change_at_run_time(robot: Robot) -> None:
    begin(robot)
    assert set_parameter(robot, "min_area", 10_000).successful
    try:
        robot.track(FRAMES[0], next(stamps))
        stamp = next(stamps)
        robot.track(FRAMES[0], stamp)
        states = {o.state for o in robot.objects[stamp].objects}
        assert states == {TrackedObject.OCCLUDED}
    finally:
        assert set_parameter(robot, "min_area", 25).successful


def test_a_late_joiner_learns_the_status(robot: Robot) -> None:
    begin(robot)
    newcomer = Robot()
    try:
        newcomer.spin_until(lambda: newcomer.statuses, "latched status", patience=10)
        status = newcomer.statuses[0]
        assert (status.variant, status.backend, status.device) == ("deaot-t", "torch", "cpu")
        assert list(status.object_ids) == [1, 2, 3]
        assert status.last_mask_result == TrackerStatus.ACCEPTED
        assert status.memory_slots_used == 1
        assert status.memory_bytes > 0
    finally:
        newcomer.close()


def test_diagnostics(robot: Robot) -> None:
    begin(robot)
    robot.diagnostics.clear()
    robot.spin_until(lambda: robot.diagnostics, "diagnostics")
    tasks = settings_of(robot.diagnostics[-1])
    assert set(tasks) == {f"tracker: {t}" for t in ("input", "tracker", "engine", "latency")}
    assert tasks["tracker: input"]["format"] == "129x97 rgb8"
    assert tasks["tracker: tracker"]["objects"] == "3"
    assert float(tasks["tracker: latency"]["p50_ms"]) > 0


def test_overlay_is_drawn_for_who_looks(robot: Robot) -> None:
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import CompressedImage, Image

    begin(robot)
    pictures: list[Image | CompressedImage] = []
    subscribe = robot.node.create_subscription
    looks = [
        subscribe(Image, "overlay", pictures.append, QoSProfile(depth=1)),
        subscribe(CompressedImage, "overlay/compressed", pictures.append, QoSProfile(depth=1)),
    ]
    robot.listen(1.0)
    stamp = next(stamps)
    robot.track(FRAMES[1], stamp)
    robot.spin_until(lambda: len(pictures) == 2, "overlays")
    raw = next(p for p in pictures if isinstance(p, Image))
    assert (raw.encoding, raw.height, raw.width) == ("rgb8", *SIZE)
    assert raw.header == robot.masks[stamp].header
    drawn = np.frombuffer(raw.data, np.uint8).reshape(*SIZE, 3)
    labels = labels_of(robot.masks[stamp])
    far = np.zeros(SIZE, bool)
    far[90:, :10] = labels[90:, :10] == 0
    assert (drawn != FRAMES[1]).any()
    for look in looks:
        robot.node.destroy_subscription(look)


def test_a_best_effort_camera_is_heard_too(robot: Robot) -> None:
    """`image_reliability: auto` follows the publisher when it changes."""
    robot.node.destroy_publisher(robot.camera)
    from sensor_msgs.msg import Image

    for qos in (BEST_EFFORT, LATCHED):
        robot.camera = robot.node.create_publisher(Image, "image", qos)
        robot.spin_until(robot.camera.get_subscription_count, "subscription")
        for _ in range(40):  # best effort may lose the first ones
            stamp = next(stamps)
            robot.show(FRAMES[0], stamp)
            robot.listen(0.25)
            if stamp in robot.masks:
                break
        assert stamp in robot.masks
        robot.node.destroy_publisher(robot.camera)
    from robot import RELIABLE

    robot.camera = robot.node.create_publisher(Image, "image", RELIABLE)
    robot.spin_until(robot.camera.get_subscription_count, "subscription")


def test_images_without_stamps_are_tracked(robot: Robot) -> None:
    before = robot.status.frames_processed
    message = image_message(FRAMES[0], 0, "rgb8")
    assert message.header.stamp == Time()
    robot.camera.publish(message)
    robot.spin_until(lambda: 0 in robot.masks, "mask without stamp")
    robot.spin_until(lambda: robot.status.frames_processed > before, "count")
    robot.call(Trigger, "tracker/reset")
