"""The node's rooms one by one: mailbox, history, timeline, statistics, messages, overlay."""

from __future__ import annotations

import array
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

import torch
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from deaot_ros.errors import ImageError, MaskError, MaskErrorCode
from deaot_ros.node.failures import Throttle, explain
from deaot_ros.node.frame_history import CameraFrame, FrameHistory
from deaot_ros.node.mailbox import IN_A_ROW, Mailbox
from deaot_ros.node.overlay import annotated_overlay
from deaot_ros.node.statistics import Statistics
from deaot_ros.node.timeline import Timeline, seconds
from deaot_ros.tracking import ObjectState, TrackedObject, TrackResult


def frame(sec: int, nanosec: int = 0, size: tuple[int, int] = (6, 8)) -> CameraFrame:
    image = Image(height=size[0], width=size[1], step=size[1] * 3, encoding="rgb8")
    image.header.stamp = Time(sec=sec, nanosec=nanosec)
    image.data = array.array("B", bytes(size[0] * size[1] * 3))
    return CameraFrame(image, image.header, seconds(image.header.stamp), time.perf_counter())


# Mailbox


def test_newest_frame_wins_and_requests_go_first() -> None:
    mailbox: Mailbox[str] = Mailbox()
    for name in ("first", "second", "third"):
        mailbox.put_frame(name)
    mailbox.put_request(print)
    mailbox.put_request(repr)
    assert mailbox.waiting == 2
    assert [mailbox.take() for _ in range(3)] == [print, repr, "third"]
    assert mailbox.replaced == 2


def test_closing_drops_frames_but_answers_requests() -> None:
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put_frame("frame")
    mailbox.put_request(print)
    mailbox.close()
    assert [mailbox.take() for _ in range(3)] == [print, None, None]


def test_waiting_taker_is_woken() -> None:
    mailbox: Mailbox[str] = Mailbox()
    taken: list[object] = []
    taker = threading.Thread(target=lambda: taken.extend([mailbox.take(), mailbox.take()]))
    taker.start()
    mailbox.put_frame("frame")
    time.sleep(0.05)
    mailbox.close()
    taker.join(timeout=5)
    assert taken == ["frame", None]


# History


def history(*frames: CameraFrame, capacity: int = 10) -> FrameHistory:
    kept = FrameHistory(capacity)
    for one in frames:
        kept.put(one)
    return kept


def refusal(kept: FrameHistory, stamp: Time, match: str = "nearest") -> str:
    with pytest.raises(MaskError) as refused:
        kept.find(stamp, match, 0.05)
    assert refused.value.code is MaskErrorCode.FRAME_NOT_FOUND
    return str(refused.value)


def test_stamp_is_matched_to_the_nanosecond() -> None:
    # Floating point seconds of these two are equal.
    twins = frame(1_700_000_000, 100_000_000), frame(1_700_000_000, 100_000_001)
    assert twins[0].stamp == twins[1].stamp
    kept = history(*twins)
    for one in twins:
        for match in ("exact", "nearest"):
            assert kept.find(one.header.stamp, match, 0.0) is one


def test_nearest_frame_within_tolerance() -> None:
    early, late = frame(5, 0), frame(5, 100_000_000)
    kept = history(early, late)
    assert kept.find(Time(sec=5, nanosec=40_000_000), "nearest", 0.05) is early
    assert kept.find(Time(sec=5, nanosec=60_000_000), "nearest", 0.05) is late
    assert "5.040" in refusal(kept, Time(sec=5, nanosec=40_000_000), "exact")


def test_zero_stamp_and_newest_mean_now() -> None:
    kept = history(frame(5), frame(6))
    assert kept.find(Time(), "exact", 0.0).stamp == 6
    assert kept.find(Time(sec=99), "newest", 0.0).stamp == 6


def test_refusal_names_the_span_that_is_kept() -> None:
    kept = history(*(frame(n) for n in range(1, 8)), capacity=3)
    said = refusal(kept, Time(sec=2))
    assert "stamp 2.000" in said and "3 images from 5.000 to 7.000" in said
    assert "frame_history" in said


def test_no_frame_yet() -> None:
    assert "no camera image has arrived" in refusal(history(), Time())


def test_shrunk_frame_keeps_its_size_and_frees_the_message() -> None:
    one = frame(1, size=(60, 80))
    assert one.exceeds((30, 40)) and not one.exceeds((60, 80))
    one.shrink((30, 40))
    assert one.pixels().shape == (30, 40, 3)
    assert one.size == (60, 80) and one.message is None and not one.exceeds((30, 40))


def test_broken_frame_is_an_image_error() -> None:
    one = frame(1)
    assert isinstance(one.message, Image)
    one.message.step = 1
    with pytest.raises(ImageError, match="step 1"):
        one.pixels()


def test_since_and_until() -> None:
    kept = history(*(frame(n) for n in range(5)))
    assert [f.number for f in kept.since(2)] == [3, 4]
    assert [f.number for f in kept.until(2)] == [2, 1, 0]
    kept.clear()
    assert [f.number for f in kept.since(-1)] == [4]


# Timeline


def test_small_steps_back_are_no_jump() -> None:
    timeline = Timeline()
    assert not timeline.jumped(100.0)
    timeline.advance(100.0)
    assert not timeline.jumped(99.95)
    assert not timeline.jumped(5000.0)
    assert timeline.jumped(99.0)


def test_bridged_time_goes_on() -> None:
    timeline = Timeline()
    timeline.advance(100.0)
    before = timeline.at(100.0)
    timeline.bridge(10.0, interval=0.5)
    timeline.advance(10.0)
    assert timeline.at(10.0) == before + 0.5
    assert timeline.at(11.0) == before + 1.5
    timeline.advance(20.0)
    timeline.bridge(10.0, interval=0.5)
    assert timeline.at(10.0) == before + 0.5 + 10.0 + 0.5


# Statistics


def test_percentiles_and_rate() -> None:
    statistics = Statistics()
    assert statistics.latency_ms(50) == 0 and statistics.fps == 0
    for milliseconds in range(1, 101):
        statistics.finish(milliseconds / 1e3, (0.001, 0.002, 0.003, 0.004))
    assert statistics.latency_ms(50) == pytest.approx(50.5)
    assert statistics.latency_ms(95) == pytest.approx(95.05)
    expected = {"wait": 1.0, "decode": 2.0, "track": 3.0, "publish": 4.0}
    assert statistics.stages_ms(50) == pytest.approx(expected)
    assert statistics.fps == 50  # a hundred within the span of two seconds
    assert statistics.processed == 100


# Messages and overlay


def result(labels: np.ndarray, *objects: TrackedObject) -> TrackResult:
    return TrackResult(labels, objects, 3.5, 7, 2, None)


LABELS = np.zeros((20, 30), np.uint8)
LABELS[5:10, 8:20] = 4
LABELS[7, 8:12] = 9
FOUR = TrackedObject(4, ObjectState.TRACKED, (8, 5, 12, 5), 56, (13.5, 7.0), 0.75, 3.5)
NINE = TrackedObject(9, ObjectState.OCCLUDED, (8, 7, 4, 1), 4, (9.5, 7.0), 1.5, 2.25)
GONE = TrackedObject(11, ObjectState.REMOVED, (0, 0, 0, 0), 0, (0.0, 0.0), 0.0, 1.0)


def test_objects_message() -> None:
    pytest.importorskip("deaot_ros.msg", reason="this package's messages are not built")
    from deaot_ros.node.messages import objects_message

    header = Header(frame_id="camera", stamp=Time(sec=3, nanosec=500_000_000))
    message = objects_message(result(LABELS, FOUR, NINE, GONE), header, {4: "cup"}, 0.0, True)
    assert message.header == header
    assert (message.height, message.width) == (20, 30)
    assert (message.session, message.frame) == (2, 7)
    four, nine, gone = message.objects
    assert (four.id, four.label, four.state, four.area) == (4, "cup", four.TRACKED, 56)
    roi = four.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (8, 5, 12, 5)
    crop = np.frombuffer(four.mask.data, np.uint8).reshape(four.mask.height, four.mask.step)
    np.testing.assert_array_equal(crop, np.where(LABELS[5:10, 8:20] == 4, 255, 0))
    assert (four.mask.encoding, four.mask.header) == ("mono8", header)
    assert (four.last_seen.sec, four.last_seen.nanosec) == (3, 500_000_000)
    assert (four.centroid_x, four.centroid_y, four.score) == (13.5, 7.0, 0.75)
    assert (nine.label, nine.state, nine.score) == ("", nine.OCCLUDED, 1.0)
    assert nine.last_seen.nanosec == 250_000_000
    assert (gone.state, gone.mask.height, len(gone.mask.data)) == (gone.REMOVED, 0, 0)


def test_what_is_seen_now_has_the_stamp_of_its_image() -> None:
    """Also where another time stood in for the stamp."""
    pytest.importorskip("deaot_ros.msg", reason="this package's messages are not built")
    from deaot_ros.node.messages import objects_message

    header = Header(stamp=Time(sec=3, nanosec=400_000_000))
    four, nine = objects_message(result(LABELS, FOUR, NINE), header, {}, 0.0, False).objects
    assert four.last_seen == header.stamp
    assert (nine.last_seen.sec, nine.last_seen.nanosec) == (2, 250_000_000)
    (four,) = objects_message(result(LABELS, FOUR), Header(), {}, 0.0, False).objects
    assert (four.last_seen.sec, four.last_seen.nanosec) == (3, 500_000_000)


def test_object_masks_can_be_left_out() -> None:
    pytest.importorskip("deaot_ros.msg", reason="this package's messages are not built")
    from deaot_ros.node.messages import objects_message

    message = objects_message(result(LABELS, FOUR), Header(), {}, 0.0, False)
    assert len(message.objects[0].mask.data) == 0


def test_overlay_shows_objects_where_they_are() -> None:
    small = np.full((10, 15, 3), 100, np.uint8)  # at network size
    picture = annotated_overlay(small, result(LABELS, FOUR, GONE), 1.0)
    assert picture.shape == (20, 30, 3)
    assert (picture[15:] == 100).all()  # nothing is drawn below
    assert (picture[9, 8:20] == 255).all()  # the box
    assert len({tuple(p) for p in picture[6:9, 12:19].reshape(-1, 3).tolist()}) > 1


def test_a_waiting_frame_has_its_turn_in_a_flood_of_requests() -> None:
    box: Mailbox[str] = Mailbox()
    box.put_frame("frame")
    for _ in range(3 * IN_A_ROW):
        box.put_request(lambda: None)
    taken = [box.take() for _ in range(IN_A_ROW + 2)]
    assert taken.index("frame") == IN_A_ROW


def test_failures_are_told_apart() -> None:
    short = explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert "lower max_long_side" in short.message and not short.final
    assert explain(MemoryError()).message.startswith("out of memory")
    lost = explain(RuntimeError("CUDA error: device-side assert triggered"))
    assert lost.final and "Start it again" in lost.message
    unknown = explain(IndexError("list index out of range"))
    assert not unknown.expected and "IndexError" in unknown.message
    assert explain(ImageError("one line")) == ("one line", False, True)


def test_throttle_keeps_back_what_was_said_and_nothing_else() -> None:
    throttle = Throttle(60.0)
    assert [throttle.allows(text) for text in "aabab"] == [True, False, True, False, False]
    assert sum(throttle.allows(str(number)) for number in range(1000)) < 20
