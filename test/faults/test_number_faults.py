"""Extremes: of sizes, of counts, of time without anything to see."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
from bench import IDS, Bench, many
from robot import labels_of

from deaot_ros.msg import TrackedObject, TrackerStatus
from deaot_ros.soak.resources import usage
from deaot_ros.soak.scene import SIZE
from deaot_ros.srv import RemoveObject

SECOND = 10**9

fault = partial(pytest.mark.fault, "numbers")


@fault("an hour with all objects gone", "a black image a minute of stamps, then the scene",
       "OCCLUDED, then LOST; memory bounded; ids and session kept")  # fmt: skip
def test_an_hour_without_objects(bench: Bench) -> None:
    bench.answer(bench.show(np.zeros_like))
    before = usage(bench.process.pid).host
    slots = bench.robot.status_where(bool, "status").memory_slots_used
    for _ in range(60):
        bench.offset += 60 * SECOND
        stamp = bench.show(np.zeros_like)
        bench.answer(stamp)
    assert bench.states(stamp) == dict.fromkeys(IDS, TrackedObject.LOST)
    assert usage(bench.process.pid).host - before < 10
    assert bench.robot.status_where(bool, "status").memory_slots_used <= slots + 1
    stamp = bench.follow(4)
    assert list(bench.states(stamp)) == IDS
    assert bench.newest().session == bench.session
    bench.observe("LOST for an hour")
    bench.find_again()


@fault("no object is left", "both are removed while images go on: attention has nothing to read",
       "REMOVED once, then outputs without objects; IDLE; the next mask is accepted")
def test_no_object_left(bench: Bench) -> None:  # fmt: skip
    for object_id in IDS:
        assert bench.robot.call(RemoveObject, "tracker/remove_object", id=object_id).success
    assert set(bench.states(bench.follow()).values()) == {TrackedObject.REMOVED}
    stamp = bench.follow(3)
    assert bench.states(stamp) == {} and not labels_of(bench.robot.masks[stamp]).any()
    bench.status("", TrackerStatus.IDLE)
    bench.mark()
    bench.observe("accepted")


@fault("one-pixel objects", "a mask of single pixels", "accepted; honest state; no other is lost")
def test_one_pixel_objects(bench: Bench) -> None:
    stamp = bench.follow()
    dots = np.zeros(SIZE, np.uint8)
    dots[2, 60], dots[90, 64] = 7, 8
    status = bench.robot.mark(bench.mask(stamp, dots))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    stamp = bench.follow(2)
    states, objects = bench.states(stamp), bench.robot.objects[stamp].objects
    assert list(states) == [*IDS, 7, 8]
    assert states[1] == states[2] == TrackedObject.TRACKED
    for o in objects[2:]:
        assert o.area >= 25 or o.state == TrackedObject.OCCLUDED
    bench.observe("OCCLUDED at once; the others stay TRACKED")


@fault("whole-image object", "every pixel is object 9", "accepted; no id is lost")
def test_whole_image_object(bench: Bench) -> None:
    stamp = bench.follow()
    status = bench.robot.mark(bench.mask(stamp, np.full(SIZE, 9, np.uint8)))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    stamp = bench.follow(2)
    assert list(bench.states(stamp)) == [*IDS, 9]
    covered = (labels_of(bench.robot.masks[stamp]) == 9).mean()
    bench.observe(f"accepted; {covered:.0%} of the image two images later")


@fault("254 objects", "36 px each in one mask, then the usual two", "tracked, slower")
def test_254_objects(bench: Bench) -> None:
    stamp = bench.follow()
    status = bench.robot.mark(bench.mask(stamp, many(254)))
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    stamp = bench.follow(2)
    assert len(bench.states(stamp)) == 254
    assert labels_of(bench.robot.masks[stamp]).dtype == np.uint8
    bench.observe("254 objects in every output")
    bench.start_anew()


SIZES = {"16x16": (16, 16), "1x1": (1, 1), "1920x1080": (1080, 1920), "7680x4320": (4320, 7680)}


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(size, marks=fault(
            f"{size} images", "one of them, then the usual size",
            "outputs of that size; nothing is forgotten",
        ))
        for size in SIZES
    ],
)  # fmt: skip
def test_extreme_size(bench: Bench, size: str) -> None:
    height, width = SIZES[size]
    stamp = bench.show(lambda i: cv2.resize(i, (width, height))[..., 0], "mono8")
    array_of = bench.answer(stamp)
    assert (array_of.height, array_of.width) == (height, width)
    assert labels_of(bench.robot.masks[stamp]).shape == (height, width)
    assert list(bench.states(stamp)) == IDS
    bench.observe("outputs of that size")
    bench.find_again()
