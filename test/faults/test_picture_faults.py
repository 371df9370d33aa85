"""What cameras and drivers put into images."""

from __future__ import annotations

import array
import struct
import zlib
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import pytest
from bench import Bench
from robot import Robot, image_message
from sensor_msgs.msg import CompressedImage

from deaot_ros.msg import TrackedObject, TrackerStatus
from deaot_ros.soak.scene import SIZE

SECOND = 10**9

fault = partial(pytest.mark.fault, "camera")


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
    bench.find_again()


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
