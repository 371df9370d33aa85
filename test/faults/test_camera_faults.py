"""What cameras, drivers and bags do."""

from __future__ import annotations

import array
import struct
import time
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import rclpy
from bench import Bench
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from robot import BEST_EFFORT, LATCHED, RELIABLE, Robot, image_message, labels_of
from sensor_msgs.msg import CompressedImage, Image

from deaot_ros.msg import TrackedObject, TrackerStatus
from deaot_ros.soak.scene import SIZE

SECOND = 10**9


def fault(name: str, how: str, expected: str) -> pytest.MarkDecorator:
    return pytest.mark.fault("camera", name, how, expected)


def set_parameter(bench: Bench, name: str, value: object) -> None:
    parameters = [Parameter(name, value=value).to_parameter_msg()]
    answer = bench.robot.call(
        SetParametersAtomically, "tracker/set_parameters_atomically", parameters=parameters
    )
    assert answer.result.successful, answer.result.reason


@fault("camera stops", "no image for 1.5 s", "NO_IMAGE with the topic and the time; objects stay")
def test_camera_stops(bench: Bench) -> None:
    bench.robot.listen(1.2)
    status = bench.status(r"no image on /deaot/image for \d", TrackerStatus.NO_IMAGE)
    assert list(status.object_ids) == [1, 2]
    bench.diagnosed("input", "no image on /deaot/image")
    bench.recover()


@fault("camera stutters", "bursts of four images, then nothing for 0.5 s", "newest image wins")
def test_camera_stutters(bench: Bench) -> None:
    for _ in range(3):
        stamps = [bench.show() for _ in range(4)]
        bench.answer(stamps[-1])
        bench.robot.listen(0.5)
    bench.recover()


@fault("camera runs far too fast", "120 images/s for a second", "drops are counted, not queued")
def test_camera_too_fast(bench: Bench) -> None:
    before = bench.robot.status_where(bool, "status")
    bench.film(1.0, 120, bench.show)
    last = bench.show()
    bench.answer(last)
    after = bench.robot.status_where(
        lambda s: s.frames_dropped > before.frames_dropped, "dropped frames"
    )
    bench.observe(f"{after.frames_dropped - before.frames_dropped} dropped")
    bench.recover()


@fault("resolution jumps", "images of three times the side for ten images, and back",
       "outputs follow the size; no track is lost")  # fmt: skip
def test_resolution_jumps(bench: Bench) -> None:
    for factor in (3, 1):
        for _ in range(5):
            image, truth = bench.render()
            size = (factor * SIZE[1], factor * SIZE[0])
            image = cv2.resize(image, size)
            truth = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST)
            stamp = bench.send(image_message(image, bench.now(), "rgb8"), truth)
            bench.answer(stamp)
            assert bench.tracks_well(stamp), (factor, bench.describe(stamp))
    bench.recover()


@fault("encoding jumps", "rgb8, bgr8, rgba8, rgb16 by turns", "each is decoded; no track is lost")
def test_encoding_jumps(bench: Bench) -> None:
    def with_alpha(image: np.ndarray) -> np.ndarray:
        return np.dstack([image, np.full(SIZE, 255, np.uint8)])

    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "bgr8": lambda i: i[..., ::-1], "rgba8": with_alpha, "rgb16": lambda i: i * np.uint16(257),
    }  # fmt: skip
    for encoding, change in changes.items():
        stamp = bench.show(change, encoding)
        bench.answer(stamp)
        assert bench.tracks_well(stamp), encoding
    bench.recover()


@fault("stamps stand still", "20 images with one stamp",
       "time of arrival stands in; told once; objects go on moving, hiding and returning")
def test_frozen_stamps(bench: Bench) -> None:  # fmt: skip
    bench.rewind()
    stamp = bench.follow()
    memory = bench.robot.status_where(bool, "status").memory_bytes
    for number in range(20):
        hide = 8 <= number < 11
        bench.robot.masks.pop(stamp, None)
        bench.robot.objects.pop(stamp, None)
        bench.show(np.zeros_like if hide else None, stamp=stamp)
        bench.answer(stamp)
        if hide:
            assert TrackedObject.TRACKED not in bench.states(stamp).values()
        if number in (7, 19):
            assert bench.states(stamp)[2] == TrackedObject.TRACKED, bench.describe(stamp)
    bench.said("have the same stamp")
    bench.diagnosed("input", "have the same stamp")
    status = bench.status("have the same stamp")
    assert status.memory_bytes < 3 * memory  # not twenty entries of short-term memory
    stamp = bench.follow()
    assert bench.newest().session == bench.session


@fault("images without a stamp", "ten images with stamp 0", "time of arrival; told once")
def test_no_stamps(bench: Bench) -> None:
    for _ in range(10):
        bench.robot.masks.pop(0, None)
        bench.robot.objects.pop(0, None)
        bench.show(stamp=0)
        bench.answer(0)
    bench.said("have no stamp; taking the time of arrival")
    bench.recover()


@fault("one image of a recording has no stamp", "stamps of 1970, one of them 0",
       "no jump to today and back; no track is lost")  # fmt: skip
def test_one_image_without_a_stamp(bench: Bench) -> None:
    bench.go_to(1000 * SECOND)
    bench.forgotten()
    bench.robot.masks.pop(0, None)
    bench.robot.objects.pop(0, None)
    bench.show(stamp=0)
    bench.answer(0)
    bench.recover()
    bench.offset = 0
    bench.recover()


@fault("images overtake each other", "every other image is stamped 70 ms back",
       "within a session's tolerance; no track is lost")  # fmt: skip
def test_overtaking(bench: Bench) -> None:
    for number in range(8):
        bench.answer(bench.show(stamp=bench.now() - 70_000_000 * (number % 2)))
    bench.recover()


@fault("stamps run backwards", "ten images, each half a second before the last",
       "each is a new session; told, throttled")  # fmt: skip
def test_backward_stamps(bench: Bench) -> None:
    bench.let_speak()
    start = bench.now()
    for number in range(1, 11):
        bench.answer(bench.show(stamp=start - number * SECOND // 2))
    bench.said("stamps went back to")
    bench.forgotten()


@fault("a bag loops", "stamps go back by 30 s", "a new session, told with the remedy")
def test_bag_loop(bench: Bench) -> None:
    bench.let_speak()
    bench.go_to(bench.now() - 30 * SECOND)
    bench.forgotten()
    bench.said("stamps went back to .*forgot 2 objects.*continue would keep them")
    bench.offset = 0


@fault("a bag loops, objects are to be kept", "the same with `time_jump_policy: continue`",
       "told; no track is lost")  # fmt: skip
def test_bag_loop_continue(bench: Bench) -> None:
    set_parameter(bench, "time_jump_policy", "continue")
    try:
        bench.go_to(bench.now() - 30 * SECOND)
        stamp = bench.follow()
        assert bench.tracks_well(stamp), bench.describe(stamp)
        assert bench.robot.objects[stamp].session == bench.session
        bench.said("stamps went back to .*: tracking goes on")
        bench.offset = 0
        bench.follow()
        bench.watch.violations.clear()  # outputs go back in time with the bag, as asked for
        bench.recover()
    finally:
        set_parameter(bench, "time_jump_policy", "reset")


@fault("an image from tomorrow", "one stamp a day ahead, then back", "a new session, told")
def test_stamp_from_tomorrow(bench: Bench) -> None:
    bench.answer(bench.show(stamp=bench.now() + 86400 * SECOND))
    bench.forgotten()
    bench.observe("log")


@fault("the last stamp there is", "2147483647.999999999 s, then back", "no overflow; a new session")
def test_last_stamp(bench: Bench) -> None:
    end = (2**31 - 1) * SECOND + SECOND - 1
    bench.answer(bench.show(stamp=end - 1000))
    bench.answer(bench.show(stamp=end))
    bench.forgotten()


@fault("two publishers on one topic", "another node shows black images at the same rate",
       "told with the remedy; states are honest; found or marked again afterwards")  # fmt: skip
def test_two_publishers(bench: Bench) -> None:
    other = bench.robot.node.create_publisher(Image, "image", RELIABLE)
    try:
        bench.robot.listen(0.5)
        for _ in range(4):
            bench.follow()
            black = image_message(np.zeros((*SIZE, 3), np.uint8), bench.now(), "rgb8")
            stamp = black.header.stamp.sec * SECOND + black.header.stamp.nanosec
            bench.watch.sent(black.header, SIZE)
            other.publish(black)
            bench.answer(stamp)
            assert not any(o.area for o in bench.robot.objects[stamp].objects)
        bench.status("2 publishers on /deaot/image: images of several cameras mix")
        bench.diagnosed("input", "2 publishers")
    finally:
        bench.robot.node.destroy_publisher(other)
    bench.make_ready()
    bench.observe("tracked after at most one mask")


@fault("two publishers with different clocks", "stamps of today and of 1970 by turns",
       "told, throttled; the process lives")  # fmt: skip
def test_two_clocks(bench: Bench) -> None:
    for number in range(12):
        early = 10**12 + number * SECOND // 10
        bench.answer(bench.show(stamp=early if number % 2 else None))
    bench.said("stamps went back to")
    bench.forgotten()


@fault("frame_id changes", "three images of another frame", "outputs carry it; no track is lost")
def test_other_frame_id(bench: Bench) -> None:
    for _ in range(3):
        image, truth = bench.render()
        message = image_message(image, bench.now(), "rgb8")
        message.header.frame_id = "elsewhere"
        stamp = bench.send(message, truth)
        assert bench.answer(stamp).header == message.header
        assert bench.robot.masks[stamp].header == message.header
    bench.recover()


@fault("padded rows", "step 30 bytes too long", "padding is left out; no track is lost")
def test_padded(bench: Bench) -> None:
    def pad(image: np.ndarray) -> np.ndarray:
        return np.pad(image, ((0, 0), (0, 10), (0, 0)), constant_values=255)

    stamp = bench.show(pad, width=SIZE[1])
    bench.answer(stamp)
    assert bench.tracks_well(stamp)
    bench.recover()


@fault("big-endian data", "rgb16 in big-endian order", "byte order is honoured")
def test_big_endian(bench: Bench) -> None:
    stamp = bench.show(lambda i: (i * np.uint16(257)).astype(">u2"), "rgb16", is_bigendian=1)
    bench.answer(stamp)
    assert bench.tracks_well(stamp)
    bench.recover()


BROKEN: dict[str, tuple[str, dict[str, object], str]] = {
    "truncated": ("half of the data is missing", {"height": 2 * SIZE[0]}, "is cut short"),
    "no-data": ("no data at all", {"data": array.array("B")}, "is cut short: 0 bytes"),
    "small-step": ("step of 12 bytes", {"step": 12}, "has step 12; expected at least"),
    "empty": ("0x0 pixels", {"height": 0, "width": 0, "step": 0}, "is empty"),
    "unknown-encoding": ("encoding 64FC9", {"encoding": "64FC9"}, "'64FC9' is not supported"),
    "depth-image": ("32FC1, as of a depth camera", {"encoding": "32FC1"}, "'32FC1' is not"),
    "absurd-size": ("2^32 - 1 pixels wide", {"width": 2**32 - 1}, "expected at least"),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=fault(
            f"broken image: {case}", f"three images by turns with good ones: {how}",
            "left out; told what was expected; no track is lost",
        ))
        for case, (how, _, _) in BROKEN.items()
    ],
)  # fmt: skip
def test_broken_image(bench: Bench, case: str) -> None:
    _, fields, words = BROKEN[case]
    for _ in range(3):
        stamp = bench.show(**fields)
        bench.status(words, TrackerStatus.ERROR)
        assert stamp not in bench.robot.masks
        bench.follow()
    bench.diagnosed("tracker", words)
    bench.said(words)
    bench.recover()


@fault("data longer than the image", "1000 bytes too many", "the surplus is ignored")
def test_oversized(bench: Bench) -> None:
    image, truth = bench.render()
    message = image_message(image, bench.now(), "rgb8")
    message.data.frombytes(bytes(1000))
    stamp = bench.send(message, truth)
    bench.answer(stamp)
    assert bench.tracks_well(stamp)
    bench.recover()


def blind(bench: Bench, change: Callable[[np.ndarray], np.ndarray], plain: bool = True) -> None:
    """Nothing to see for a while: nothing is forgotten, and on a plain image nothing TRACKED."""
    for number in range(6):
        stamp = bench.show(change)
        bench.answer(stamp)
        assert list(bench.states(stamp)) == [1, 2]
        if plain and number >= 1:
            assert TrackedObject.TRACKED not in bench.states(stamp).values()
    assert bench.newest().session == bench.session
    names = {1: "TRACKED", 2: "OCCLUDED", 3: "LOST"}
    bench.observe(f"{', '.join(names[s] for s in bench.states(stamp).values())} in the last one")
    bench.make_ready()


@fault("black images", "six of them", "no object is TRACKED; ids and session stay")
def test_black(bench: Bench) -> None:
    blind(bench, np.zeros_like)


@fault("saturated images", "six of them, all 255", "no object is TRACKED; ids and session stay")
def test_saturated(bench: Bench) -> None:
    blind(bench, lambda i: np.full_like(i, 255))


@fault("noise", "six images of noise", "ids and session stay")
def test_noise(bench: Bench) -> None:
    blind(bench, lambda i: bench.noise.integers(0, 256, i.shape, np.uint8), plain=False)


@fault("one black image", "a flash or a dropped exposure", "honest for one image; tracked again")
def test_one_black_image(bench: Bench) -> None:
    stamp = bench.show(np.zeros_like)
    bench.answer(stamp)
    assert TrackedObject.TRACKED not in bench.states(stamp).values()
    bench.recover()


@fault("frozen picture", "ten times the same picture, new stamps", "tracked where it is")
def test_frozen_picture(bench: Bench) -> None:
    image, truth = bench.render()
    for _ in range(10):
        stamp = bench.send(image_message(image, bench.now(), "rgb8"), truth)
        bench.answer(stamp)
        assert bench.tracks_well(stamp)
    bench.recover()


@fault("reliability changes", "publisher best effort, latched, reliable by turns",
       "the subscription follows within its period; no track is lost")  # fmt: skip
def test_quality_of_service_changes(bench: Bench) -> None:
    robot = bench.robot
    for qos in (BEST_EFFORT, LATCHED, RELIABLE):
        robot.node.destroy_publisher(robot.camera)
        robot.camera = robot.node.create_publisher(Image, "image", qos)
        robot.spin_until(robot.camera.get_subscription_count, "subscription")
        deadline = time.monotonic() + 20
        stamp = bench.show()
        while stamp not in robot.masks:  # best effort may lose the first ones
            assert time.monotonic() < deadline
            robot.listen(0.3)
            stamp = bench.show() if stamp not in robot.masks else stamp
    bench.recover()


@fault("camera process restarts", "participant destroyed, a new one after a second",
       "found again by discovery; no track is lost")  # fmt: skip
def test_camera_restarts(bench: Bench) -> None:
    robot = bench.robot
    robot.node.destroy_publisher(robot.camera)
    robot.listen(1.0)
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("camera", namespace="deaot", context=context)
    try:
        robot.camera = node.create_publisher(Image, "image", RELIABLE)
        robot.spin_until(robot.camera.get_subscription_count, "subscription")
        robot.listen(0.3)
        bench.recover()
    finally:
        node.destroy_node()
        context.try_shutdown()
        robot.camera = robot.node.create_publisher(Image, "image", RELIABLE)
        robot.spin_until(robot.camera.get_subscription_count, "subscription")
        robot.listen(0.3)


@pytest.mark.parametrize(
    ("height", "width"),
    [
        pytest.param(h, w, marks=fault(
            f"{w}x{h} images", "one of them, then the usual size",
            "outputs of that size; nothing is forgotten",
        ), id=f"{w}x{h}")
        for h, w in ((16, 16), (1, 1), (1080, 1920))
    ],
)  # fmt: skip
def test_extreme_size(bench: Bench, height: int, width: int) -> None:
    stamp = bench.show(lambda i: cv2.resize(i, (width, height)))
    array_of = bench.answer(stamp)
    assert (array_of.height, array_of.width) == (height, width)
    assert labels_of(bench.robot.masks[stamp]).shape == (height, width)
    assert list(bench.states(stamp)) == [1, 2]
    bench.observe("outputs of that size")
    bench.make_ready()
    assert bench.newest().session >= bench.session


def compressed(bench: Bench, data: bytes, name: str = "jpeg") -> int:
    header = image_message(np.zeros((1, 1), np.uint8), bench.now(), "mono8").header
    message = CompressedImage(header=header, format=name)
    message.data = array.array("B", data)
    bench.robot.jpeg_camera.publish(message)
    return header.stamp.sec * SECOND + header.stamp.nanosec


@fault("compressed garbage", "noise, half a JPEG, a PNG that would be 3 GB, an 8K JPEG by turns",
       "left out, told; the 8K image is tracked")  # fmt: skip
def test_compressed_garbage(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(image_transport="compressed")
    robot: Robot = bench.robot
    robot.meet()
    image, _ = bench.render()
    good = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()

    def tracks() -> None:
        stamp = compressed(bench, good)
        bench.watch.sent(image_message(image, stamp, "rgb8").header, SIZE)
        header = image_message(image, stamp, "rgb8").header
        bench.answer(stamp)
        assert robot.masks[stamp].header == header

    tracks()
    bomb = bytearray(cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes())
    bomb[16:24] = struct.pack(">II", 30000, 30000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    for data, words in (
        (bench.noise.bytes(5000), "cannot be decoded"),
        (good[:100], "cannot be decoded"),
        (b"", "0 bytes cannot be decoded"),
        (bytes(bomb), "would have 858 million pixels; expected at most"),
    ):
        compressed(bench, data)
        bench.status(words, TrackerStatus.ERROR)
        bench.said(words)
        tracks()
    huge = cv2.resize(image, (7680, 4320))
    stamp = compressed(bench, cv2.imencode(".jpg", huge[..., ::-1])[1].tobytes())
    bench.watch.sent(image_message(image, stamp, "rgb8").header, huge.shape[:2])
    assert (bench.answer(stamp).height, bench.answer(stamp).width) == (4320, 7680)
    tracks()
    bench.check()
