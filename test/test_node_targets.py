"""Target masks applied to their frame, and catching up, with a real tracker and no DDS."""

from __future__ import annotations

import array
import threading
import time
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

import torch
from builtin_interfaces.msg import Time
from golden import golden_state
from sensor_msgs.msg import Image

from deaot_ros.backends import load_backend
from deaot_ros.errors import MaskError, MaskErrorCode
from deaot_ros.network import build_network
from deaot_ros.node.frame_history import CameraFrame, FrameHistory
from deaot_ros.node.parameters import Parameters
from deaot_ros.node.targets import Targets
from deaot_ros.node.timeline import Timeline, seconds
from deaot_ros.tracking import Tracker, TrackerSettings, TrackResult

SIZE = (60, 80)
NOISE = np.random.default_rng(5).integers(0, 256, (60, 160, 3), np.uint8)


def picture(n: int) -> np.ndarray:
    """A window that moves over a texture."""
    return np.ascontiguousarray(NOISE[:, 2 * n : 2 * n + SIZE[1]])


def message(pixels: np.ndarray, encoding: str, sec: int) -> Image:
    image = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    image.step = pixels.strides[0]
    image.header.stamp = Time(sec=sec)
    image.data = array.array("B", pixels.tobytes())
    return image


def camera_frame(n: int) -> CameraFrame:
    """Of a camera with one frame per second."""
    image = message(picture(n % 40), "rgb8", n)
    return CameraFrame(image, image.header, seconds(image.header.stamp), received=float(n))


def mask(sec: int, **boxes: tuple[slice, slice]) -> Image:
    """A mask of boxes, ``o3=`` for object 3."""
    labels = np.zeros(SIZE, np.uint8)
    for name, box in boxes.items():
        labels[box] = int(name[1:])
    return message(labels, "mono8", sec)


LEFT, RIGHT = (slice(10, 40), slice(5, 30)), (slice(20, 50), slice(50, 75))


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.set_num_threads(1)
    network = build_network("deaot-t")
    network.load_state_dict(golden_state(network))
    return network


class Bench:
    """What the worker owns, worked by hand."""

    def __init__(self, network: torch.nn.Module) -> None:
        settings = TrackerSettings(network_size=(49, 65), max_objects=12)
        self.tracker = Tracker(load_backend(network, "cpu", "torch", "fp32"), settings)
        self.history = FrameHistory(50)
        self.timeline = Timeline()
        self.targets = Targets(self.tracker, self.history, self.timeline)

    def see(self, *numbers: int) -> None:
        for n in numbers:
            self.history.put(camera_frame(n))

    def see_now(self, n: int) -> None:
        frame = camera_frame(n)
        frame.received = time.perf_counter()
        self.history.put(frame)

    def step(self, frame: CameraFrame, image: np.ndarray) -> TrackResult:
        self.timeline.advance(frame.stamp)
        result = self.tracker.step(image, self.timeline.at(frame.stamp), output_size=frame.size)
        frame.labels = result.labels
        return result

    def apply(self, target: Image, mode: str = "merge") -> CameraFrame:
        frame, labels = self.targets.find(target, Parameters())
        self.targets.apply(frame, labels, mode)
        return frame

    def track(self, numbers: range) -> None:
        for n in numbers:
            self.see(n)
            newest = self.history.newest()
            assert newest is not None
            self.step(newest, newest.pixels())


@pytest.fixture
def bench(network: torch.nn.Module) -> Bench:
    return Bench(network)


def refused(bench: Bench, target: Image, mode: str = "merge") -> tuple[MaskErrorCode, str]:
    before = bench.tracker.object_ids, bench.tracker.session
    with pytest.raises(MaskError) as error:
        bench.apply(target, mode)
    assert (bench.tracker.object_ids, bench.tracker.session) == before
    return error.value.code, str(error.value)


def test_late_mask_gives_what_a_timely_one_would_have_given(
    bench: Bench, network: torch.nn.Module
) -> None:
    """Catching up frame by frame ends exactly where tracking from that frame on ends."""
    bench.see(*range(6))
    frame = bench.apply(mask(2, o3=LEFT))
    assert frame.stamp == 2
    assert (frame.labels == 3).sum() == 30 * 25
    reached = bench.targets.catch_up(frame, bench.step)
    assert reached is not None and reached.frame.stamp == 5
    timely = Bench(network).tracker
    labels = np.zeros(SIZE, np.uint8)
    labels[LEFT] = 3
    timely.start(picture(2), labels, 2.0)
    for n, later in enumerate(bench.history.since(frame.number), 3):
        np.testing.assert_array_equal(later.labels, timely.step(picture(n), float(n)).labels)
    assert reached.steps == 3


def test_catching_up_leaves_out_frames_whose_stamps_went_back(bench: Bench) -> None:
    """Whether they begin a new session is for the worker to say, when it comes to them."""
    bench.see(10, 11, 12, 3, 4)
    frame = bench.apply(mask(10, o1=LEFT))
    reached = bench.targets.catch_up(frame, bench.step)
    assert reached is not None
    assert (reached.frame.stamp, reached.steps) == (12, 2)
    assert bench.timeline.jumped(4)


def test_catching_up_to_a_later_mask_goes_no_further(bench: Bench) -> None:
    bench.see(*range(6))
    frame = bench.apply(mask(1, o1=LEFT))
    until = bench.history.until(99)[2]
    reached = bench.targets.catch_up(frame, bench.step, until=until.number)
    assert reached is not None and reached.frame is until
    bench.apply(mask(3, o2=RIGHT))
    assert until.labels is not None and set(np.unique(until.labels)) == {0, 1, 2}


def test_late_mask_keeps_what_was_known_of_others(bench: Bench) -> None:
    bench.see(0)
    bench.apply(mask(0, o1=LEFT))
    bench.track(range(1, 5))
    known = bench.history.until(2)[0].labels
    assert known is not None and (known == 1).any()
    frame = bench.apply(mask(2, o9=RIGHT))
    assert bench.tracker.object_ids == (1, 9)
    assert frame.labels is not None
    outside = np.ones(SIZE, bool)
    outside[RIGHT] = False
    np.testing.assert_array_equal(frame.labels[outside] == 1, known[outside] == 1)


def test_shrunk_frame_takes_a_mask_of_full_size(bench: Bench) -> None:
    bench.see(1, 2)
    old = bench.history.until(0)[0]
    old.shrink((30, 40))
    frame = bench.apply(mask(1, o1=LEFT), "replace")
    assert frame is old and frame.labels is not None and frame.labels.shape == SIZE
    assert (frame.labels == 1).sum() == 30 * 25


def test_replacing_begins_a_session_and_forgets_old_labels(bench: Bench) -> None:
    bench.see(0)
    bench.apply(mask(0, o1=LEFT))
    bench.track(range(1, 4))
    session = bench.tracker.session
    bench.apply(mask(3, o1=RIGHT, o2=LEFT), "replace")
    assert bench.tracker.session == session + 1 and bench.tracker.object_ids == (1, 2)
    # Object 1 is another one now: an earlier frame knows nothing of it.
    frame = bench.apply(mask(1, o5=(slice(0, 5), slice(0, 5))))
    assert frame.labels is not None and set(np.unique(frame.labels)) == {0, 5}


def test_add_and_correct_check_ids(bench: Bench) -> None:
    bench.see(0)
    bench.apply(mask(0, o1=LEFT), "add")
    code, words = refused(bench, mask(0, o1=RIGHT), "add")
    assert code is MaskErrorCode.BAD_ID and "[1] are tracked already" in words
    code, words = refused(bench, mask(0, o2=RIGHT), "correct")
    assert code is MaskErrorCode.BAD_ID and "[2] are not tracked" in words
    frame = bench.apply(mask(0, o1=RIGHT), "correct")
    assert frame.labels is not None and (frame.labels[RIGHT] == 1).all()
    assert (frame.labels == 1).sum() == 30 * 25


def bad_masks() -> Iterator[tuple[Image, MaskErrorCode, str]]:
    code = MaskErrorCode
    wide = np.ones((SIZE[0], SIZE[1] + 1), np.uint8)
    many = np.zeros(SIZE, np.uint8)
    many.flat[:13] = range(1, 14)
    negative = np.zeros(SIZE, np.int16)
    negative[LEFT] = -4
    reserved = np.full(SIZE, 255, np.uint8)
    beyond = np.full(SIZE, 70000, np.int32)
    yield message(wide, "mono8", 0), code.BAD_SIZE, "81x60 but its image is 80x60"
    yield message(picture(0), "rgb8", 0), code.BAD_ENCODING, "'rgb8' holds no object ids"
    yield message(np.zeros(SIZE, np.uint8), "mono8", 0), code.EMPTY, "marks no object"
    yield message(many, "mono8", 0), code.TOO_MANY_OBJECTS, "at most 12"
    yield message(negative, "16SC1", 0), code.BAD_ID, "-4"
    yield message(reserved, "mono8", 0), code.BAD_ID, "255"
    yield message(beyond, "32SC1", 0), code.BAD_ID, "70000"
    yield mask(77, o1=LEFT), code.FRAME_NOT_FOUND, "from 0.000 to 0.000"


@pytest.mark.parametrize("case", range(8))
def test_bad_mask_is_refused_and_changes_nothing(bench: Bench, case: int) -> None:
    bench.see(0)
    bench.apply(mask(0, o1=LEFT))
    target, expected, words = list(bad_masks())[case]
    code, said = refused(bench, target)
    assert code is expected and words in said


@pytest.mark.parametrize(("rate", "duration"), [(100, 0.03), (30, 0.2), (200, 0.001)])
def test_catching_up_reaches_a_camera_that_is_faster(
    bench: Bench, rate: float, duration: float
) -> None:
    """The camera goes on while we catch up, up to six frames to each step of the network."""
    bench.see(*range(30))
    start = bench.history.until(0)[0]
    # As if they had come at the camera's rate.
    now = time.perf_counter()
    for f in bench.history.until(29):
        f.received = now - (29 - f.number) / rate
    ended = threading.Event()

    def film() -> None:
        for n in count(30):
            if ended.wait(1 / rate):
                return
            bench.see_now(n)

    def slow(frame: CameraFrame, image: np.ndarray) -> TrackResult:
        time.sleep(duration)
        return bench.tracker.step(image, frame.stamp)

    camera = threading.Thread(target=film, daemon=True)
    camera.start()
    began = time.perf_counter()
    try:
        reached = bench.targets.catch_up(start, slow)
        newest = bench.history.newest()
    finally:
        ended.set()
        camera.join()
    assert reached is not None and newest is not None
    # The newest when the last step began.
    assert newest.number - reached.frame.number <= 2 * duration * rate + 3
    # Twice as fast as the camera: the lag halves with every lag's time; the last step is whole.
    lag = 30 / rate
    assert time.perf_counter() - began < 2 * lag + 10 * duration + 0.5
    if duration > 1 / rate:
        assert reached.steps < reached.frame.number  # frames were left out
