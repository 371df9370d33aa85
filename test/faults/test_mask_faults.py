"""What operators send."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import numpy as np
import pytest
from bench import IDS, Bench
from robot import Robot, image_message, labels_of
from std_srvs.srv import Trigger

from deaot_ros.msg import TrackedObject, TrackerStatus
from deaot_ros.soak.scene import SIZE

SECOND = 10**9


def fault(name: str, how: str, expected: str) -> pytest.MarkDecorator:
    return pytest.mark.fault("masks", name, how, expected)


def square(object_id: int, dtype: type = np.uint8) -> np.ndarray:
    mask = np.zeros(SIZE, dtype)
    mask[5:25, 50:70] = object_id
    return mask


def many(count: int) -> np.ndarray:
    """Objects 1 to ``count``, without 255, of 36 px each."""
    mask = np.zeros(SIZE, np.uint16)
    ids = [i for i in range(1, count + 2) if i != 255][:count]
    for place, object_id in enumerate(ids):
        row, column = divmod(place, SIZE[1] // 6)
        mask[6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = object_id
    return mask


REFUSED: dict[str, tuple[str, Callable[[Bench, int], object], str]] = {
    "BAD_SIZE": (
        "another size", lambda b, s: b.mask(s, square(3)[:50]), r"is 129x50 but.*full size",
    ),
    "BAD_ENCODING colour": (
        "a colour picture", lambda b, s: image_message(b.render()[0], s, "rgb8"), "no object ids",
    ),
    "BAD_ENCODING floats": (
        "32FC1 of NaN", lambda b, s: image_message(np.full(SIZE, np.nan, np.float32), s, "32FC1"),
        "no object ids",
    ),
    "BAD_ENCODING cut": (
        "half of the data", lambda b, s: b.mask(s, square(3), height=2000), "is cut short",
    ),
    "BAD_ENCODING empty": (
        "0x0 pixels", lambda b, s: b.mask(s, np.zeros((0, 0), np.uint8)), "is empty",
    ),
    "EMPTY": ("all zero", lambda b, s: b.mask(s, square(0)), "marks no object"),
    "TOO_MANY_OBJECTS": ("300 ids", lambda b, s: b.mask(s, many(300)), "at most 260"),
    "FRAME_NOT_FOUND old": (
        "stamp older than the history", lambda b, s: b.mask(s - 3600 * SECOND, square(3)),
        r"from \d+.* to \d+",
    ),
    "FRAME_NOT_FOUND future": (
        "stamp of tomorrow", lambda b, s: b.mask(s + 86400 * SECOND, square(3)), "is kept",
    ),
    "BAD_ID reserved": ("id 255", lambda b, s: b.mask(s, square(255)), "255"),
    "BAD_ID negative": (
        "id -3", lambda b, s: image_message(square(-3, np.int16), s, "16SC1"), "-3",
    ),
    "BAD_ID huge": (
        "id 70000", lambda b, s: image_message(square(70000, np.int32), s, "32SC1"), "70000",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=fault(
            f"mask refused: {case}", how, "verdict and reason on `status`; no track is lost",
        ), id=case.replace(" ", "-"))
        for case, (how, _, _) in REFUSED.items()
    ],
)  # fmt: skip
def test_refused_mask(bench: Bench, case: str) -> None:
    _, make, words = REFUSED[case]
    stamp = bench.follow()
    status = bench.robot.mark(make(bench, stamp))
    assert status.last_mask_result == getattr(TrackerStatus, case.split()[0]), status.message
    assert re.search(words, status.message), status.message
    bench.observe("verdict on `status`")
    bench.said("target mask refused")
    assert list(bench.robot.status.object_ids) == IDS
    bench.recover()


@fault("mask for an image that was left out", "drawn on an image that a newer one replaced",
       "applied to that image all the same, caught up")  # fmt: skip
def test_mask_for_a_dropped_image(bench: Bench) -> None:
    stamps = [bench.show() for _ in range(6)]
    bench.answer(stamps[-1])
    dropped = next(s for s in stamps if s not in bench.robot.masks)
    status = bench.robot.mark(bench.mask(dropped))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    bench.recover()


@fault("late mask", "drawn on an image a second ago", "caught up; nothing of the past is published")
def test_late_mask(bench: Bench) -> None:
    stamp = bench.follow()
    bench.film(1.0, 10, bench.show)
    status = bench.robot.mark(bench.mask(stamp))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    bench.recover()


@fault("flood of masks", "300 masks in a second while images come",
       "those that wait are bounded, the rest is left out, told; outputs go on")
def test_flood_of_masks(bench: Bench) -> None:  # fmt: skip
    stamp = bench.follow()
    mask = bench.mask(stamp)
    before = bench.watch.outputs

    def flood() -> None:
        bench.show()
        for _ in range(30):
            bench.robot.operator.publish(mask)

    bench.film(1.5, 10, flood)
    bench.answer(bench.show())
    bench.observe(f"{bench.watch.outputs - before} outputs meanwhile")
    bench.said("requests wait already: a target mask is left out")
    bench.follow(4)  # what waits is done first
    bench.recover()


@fault("two operators at the same time", "two masks with other ids from two processes' nodes",
       "both are applied")  # fmt: skip
def test_two_operators(bench: Bench) -> None:
    other = Robot(domain=int(os.environ["ROS_DOMAIN_ID"]))
    try:
        other.spin_until(other.operator.get_subscription_count, "tracker")
        stamp = bench.follow()
        left, right = square(5), np.roll(square(6), 40, axis=0)
        bench.robot.operator.publish(bench.mask(stamp, left))
        other.operator.publish(bench.mask(stamp, right))
        bench.robot.status_where(lambda s: {5, 6} <= set(s.object_ids), "both objects")
        bench.observe("both are tracked")
    finally:
        other.close()
    assert bench.robot.call(Trigger, "tracker/reset").success
    bench.mark()


@fault("one-pixel objects", "a mask of single pixels", "accepted; honest state; no other is lost")
def test_one_pixel_objects(bench: Bench) -> None:
    stamp = bench.follow()
    dots = np.zeros(SIZE, np.uint8)
    dots[2, 60], dots[90, 64] = 7, 8
    status = bench.robot.mark(bench.mask(stamp, dots))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    states = bench.states(bench.follow(2))
    assert states[1] == states[2] == TrackedObject.TRACKED
    for object_id in (7, 8):
        if bench.newest().objects[IDS[-1] + (object_id - 7)].area < 25:
            assert states[object_id] != TrackedObject.TRACKED
    assert bench.robot.call(Trigger, "tracker/reset").success
    bench.mark()
    bench.observe("OCCLUDED at once; the others stay TRACKED")


@fault("whole-image object", "every pixel is object 9", "accepted; outputs are right")
def test_whole_image_object(bench: Bench) -> None:
    stamp = bench.follow()
    status = bench.robot.mark(bench.mask(stamp, np.full(SIZE, 9, np.uint8)))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    stamp = bench.follow(2)
    assert 9 in bench.states(stamp)
    bench.observe("accepted")
    assert bench.robot.call(Trigger, "tracker/reset").success
    bench.mark()


@fault("254 objects", "36 px each in one mask", "tracked, slower")
def test_254_objects(bench: Bench) -> None:
    stamp = bench.follow()
    status = bench.robot.mark(bench.mask(stamp, many(254)))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    stamp = bench.follow()
    assert len(bench.states(stamp)) == 254
    assert labels_of(bench.robot.masks[stamp]).dtype == np.uint8
    bench.observe("254 objects in every output")
    assert bench.robot.call(Trigger, "tracker/reset").success
    bench.mark()


@fault("mask before the first image", "sent to a node that has no camera yet",
       "FRAME_NOT_FOUND, with the remedy")  # fmt: skip
def test_mask_before_the_first_image(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.robot.meet()
    status = bench.robot.mark(image_message(square(1), 10**18, "mono8"))
    assert status.last_mask_result == TrackerStatus.FRAME_NOT_FOUND
    assert "start the camera" in status.message
    bench.said("no camera image has arrived yet; start the camera")
    bench.mark()
    bench.check()
