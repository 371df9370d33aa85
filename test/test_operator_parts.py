"""Parts of the operator's page that need neither ROS nor a browser."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="no aiohttp in this environment")

from deaot_ros.operator_ui import link
from deaot_ros.operator_ui.access import Access, is_local
from deaot_ros.operator_ui.flood import flood
from deaot_ros.operator_ui.grabcut import cut_out
from deaot_ros.operator_ui.link import IN_FLIGHT, LEVELS, Link
from deaot_ros.operator_ui.object_ids import ObjectIds
from deaot_ros.operator_ui.rle import decode_runs, encode_runs
from deaot_ros.operator_ui.wire import RequestError, pack, parse, unpack

HEIGHT, WIDTH = 120, 160


def ball() -> tuple[np.ndarray, np.ndarray]:
    """A noisy orange ball on noisy blue, and where it is."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = (rows - 60) ** 2 + (columns - 80) ** 2 < 30**2
    image = np.where(inside[..., None], (220, 120, 30), (30, 60, 140))
    noise = np.random.default_rng(0).integers(-12, 13, image.shape)
    return (image + noise).astype(np.uint8), inside


@pytest.mark.parametrize("top", [2, 65535])
def test_runs_give_the_same_ids_again(top: int) -> None:
    labels = np.random.default_rng(1).integers(0, top + 1, (37, 53)).astype(np.uint16)
    labels[5:20] = top
    assert np.array_equal(decode_runs(encode_runs(labels), 37, 53), labels)


def test_runs_are_small_for_objects() -> None:
    assert len(encode_runs(ball()[1].astype(np.uint8))) < 1000


@pytest.mark.parametrize(
    "data",
    [b"", b"1234567", struct.pack("<IH", 11, 1), struct.pack("<IIHH", 2**32 - 1, 13, 1, 0)],
    ids=["none", "broken", "short", "overflow"],
)
def test_runs_that_do_not_fill_are_refused(data: bytes) -> None:
    with pytest.raises(RequestError, match="of 12 pixels"):
        decode_runs(data, 3, 4)


def test_frame_gives_header_and_parts_again() -> None:
    header, parts = unpack(pack({"type": "send", "name": "Häuschen"}, b"abc", b"", b"\0\xff"))
    assert header == {"type": "send", "name": "Häuschen"}
    assert parts == [b"abc", b"", b"\0\xff"]


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"\1", struct.pack("<I", 2**32 - 1) + b"{}", struct.pack("<I", 2) + b"[]",
        struct.pack("<I", 3) + b"\xff\xfe{", pack({"a": 1}, b"x") + b"more",
        struct.pack("<I", 14) + b'{"parts":[-1]}', struct.pack("<I", 14) + b'{"parts":[""]}',
        struct.pack("<I", 11) + b'{"parts":1}',
    ],
)  # fmt: skip
def test_broken_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(RequestError):
        unpack(frame)


@pytest.mark.parametrize("text", ["", "1", "null", '"x"', "[" * 100_000, "{"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        parse(text)


def test_grabcut_finds_the_ball_in_a_loose_box() -> None:
    image, inside = ball()
    found = cut_out(image, (40, 20, 80, 80))
    assert (found & inside).sum() / (found | inside).sum() > 0.95
    box = np.zeros_like(found)
    box[20:100, 40:120] = True
    assert not (found & ~box).any()


def test_grabcut_at_the_edge_and_of_large_pictures() -> None:
    image, inside = ball()
    large = cv2.resize(image, (1280, 960), interpolation=cv2.INTER_CUBIC)
    found = cut_out(large, (-50, 100, 1010, 1500))[::8, ::8]
    assert (found & inside).sum() / (found | inside).sum() > 0.9


@pytest.mark.parametrize("box", [(10, 10, 2, 2), (0, 0, WIDTH, HEIGHT)], ids=["tiny", "all"])
def test_box_without_anything_to_learn_from_is_taken_whole(box: tuple[int, ...]) -> None:
    found = cut_out(ball()[0], box)  # type: ignore[arg-type]
    assert found.sum() == box[2] * box[3]


def test_box_in_one_colour_is_taken_whole() -> None:
    assert cut_out(np.full((50, 50, 3), 7, np.uint8), (10, 10, 20, 20)).sum() == 400


def test_box_outside_finds_nothing() -> None:
    assert not cut_out(ball()[0], (500, 0, 10, 10)).any()


def test_flood_fills_the_ball_and_no_more() -> None:
    image, inside = ball()
    found = flood(image, 80, 60, 30)
    assert (found & inside).sum() / (found | inside).sum() > 0.97
    assert flood(image, 80, 60, 255).all()
    assert not flood(image, WIDTH, 0, 30).any()


def test_link_never_has_more_under_way_and_gets_smaller_when_slow() -> None:
    slow = Link(max_rate=15)
    now, largest = 0.0, 0
    pending: list[tuple[float, int]] = []
    for _ in range(200):
        now += 0.05
        while pending and pending[0][0] <= now:
            slow.drawn(pending.pop(0)[1], now)
        if slow.wait(now) == 0:
            pending.append((now + 0.8, slow.sent(now)))
        largest = max(largest, len(pending))
    assert largest == IN_FLIGHT
    assert slow.level == LEVELS[0]
    assert slow.delay == pytest.approx(0.8, abs=0.06)


def test_fast_link_keeps_the_rate_and_grows() -> None:
    fast = Link(max_rate=10)
    now, sent = 0.0, 0
    while now < 20:
        now += 0.01
        if fast.wait(now) == 0:
            fast.drawn(fast.sent(now), now + 0.02)
            sent += 1
    assert 180 <= sent <= 201
    assert fast.level == LEVELS[-1]


def test_link_recovers_slowly() -> None:
    changing = Link(max_rate=30)
    changing.drawn(changing.sent(0.0), 1.0)
    small = changing.level
    for number in range(link._PATIENCE):
        assert changing.level == small
        changing.drawn(changing.sent(2.0 + number), 2.0 + number)
    assert changing.level == LEVELS[LEVELS.index(small) + 1]


def test_ids_grow_and_leave_the_reserved_one_out() -> None:
    ids = ObjectIds()
    ids.seen([3, 253])
    assert [ids.take() for _ in range(3)] == [254, 256, 257]
    ids.seen([4])
    assert ids.take() == 258
    ids.seen([65533])
    assert ids.take() == 65534
    with pytest.raises(OverflowError, match="reset"):
        ids.take()
    ids.restart()
    assert ids.take() == 1


def test_beyond_this_machine_there_is_a_token() -> None:
    assert Access.for_host("127.0.0.1", "").token == ""
    assert Access.for_host("127.0.0.1", "own").token == "own"
    made = {Access.for_host("0.0.0.0", "").token for _ in range(2)}
    assert len(made) == 2 and min(map(len, made)) >= 20
    names = ("localhost", "::1", "127.8.9.1", "0.0.0.0", "192.168.1.4", "example.org", "")
    assert [is_local(name) for name in names] == [True] * 3 + [False] * 4
