"""What operators send."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from bench import IDS, Bench, many
from robot import Robot, image_message

from deaot_ros.msg import TrackerStatus
from deaot_ros.soak.scene import SIZE

SECOND = 10**9

fault = partial(pytest.mark.fault, "masks")


def square(object_id: int, dtype: type = np.uint8) -> np.ndarray:
    mask = np.zeros(SIZE, dtype)
    mask[5:25, 50:70] = object_id
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
    meanwhile = bench.watch.outputs - before
    assert meanwhile >= 2
    bench.observe(f"{meanwhile} outputs meanwhile")
    bench.said("requests wait already: a target mask is left out")
    bench.follow(4)  # masks that wait, here and on their way, are done first
    bench.recover()


@fault("two operators at the same time", "two masks with other ids from two nodes",
       "both are applied")  # fmt: skip
def test_two_operators(bench: Bench) -> None:
    other = Robot(domain=bench.domain)
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
