"""Bags, written by rosbags and read as frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from deaot_ros.video import VideoError, open_source

STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES = STORE.types
RATE = 20  # Hz


def header(number: int, stamped: bool = True) -> object:
    nanoseconds = (100 * 10**9 + number * 10**9 // RATE) * stamped
    stamp = TYPES["builtin_interfaces/msg/Time"](
        sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9
    )
    return TYPES["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")


def raw(number: int, image: np.ndarray, encoding: str, padding: int = 0) -> object:
    """An Image message whose rows end in ``padding`` bytes of rubbish."""
    height, width = image.shape[:2]
    rows = np.ascontiguousarray(image).reshape(height, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return TYPES["sensor_msgs/msg/Image"](
        header=header(number),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=rows.shape[1],
        data=rows.ravel(),
    )


def compressed(number: int, image: np.ndarray, stamped: bool) -> object:
    png = cv2.imencode(".png", image[..., ::-1])[1].ravel()
    return TYPES["sensor_msgs/msg/CompressedImage"](
        header=header(number, stamped), format="rgb8; png compressed bgr8", data=png
    )


def write_bag(path: Path, plugin: StoragePlugin, topics: dict[str, list[object]]) -> None:
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        for topic, messages in topics.items():
            kind = messages[0].__msgtype__  # type: ignore[attr-defined]
            connection = writer.add_connection(topic, kind, typestore=STORE)
            for number, message in enumerate(messages):
                time = 200 * 10**9 + number * 10**9 // RATE
                writer.write(connection, time, STORE.serialize_cdr(message, kind))


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (4, 30, 41, 3), np.uint8))


@pytest.fixture(scope="module", params=list(StoragePlugin))
def bag(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
    images: list[np.ndarray],
) -> Path:  # fmt: skip
    path = tmp_path_factory.mktemp("bags") / "bag"
    info = TYPES["std_msgs/msg/String"](data="text")
    cut = raw(0, images[0], "rgb8")
    cut.data = cut.data[:-50]  # type: ignore[attr-defined]
    write_bag(
        path,
        request.param,
        {
            "/rgb": [raw(i, image, "rgb8") for i, image in enumerate(images)],
            "/padded": [raw(i, image[..., ::-1], "bgr8", 7) for i, image in enumerate(images)],
            "/grey": [raw(i, image[..., 0], "mono8") for i, image in enumerate(images)],
            "/packed": [compressed(i, image, False) for i, image in enumerate(images)],
            "/cut": [cut],
            "/chatter": [info],
        },
    )
    return path


@pytest.mark.parametrize("topic", ["/rgb", "/padded", "rgb"])
def test_images_and_stamps(bag: Path, images: list[np.ndarray], topic: str) -> None:
    source = open_source(str(bag), topic)
    frames = list(source)
    assert source.count == len(images)
    assert [f.stem for f in frames] == ["00000", "00001", "00002", "00003"]
    for number, (frame, image) in enumerate(zip(frames, images, strict=True)):
        np.testing.assert_array_equal(frame.image, image)
        assert frame.stamp == pytest.approx(100 + number / RATE)


def test_grey(bag: Path, images: list[np.ndarray]) -> None:
    for frame, image in zip(open_source(str(bag), "/grey"), images, strict=True):
        np.testing.assert_array_equal(frame.image, np.repeat(image[..., :1], 3, 2))


def test_compressed_without_stamps(bag: Path, images: list[np.ndarray]) -> None:
    frames = list(open_source(str(bag), "/packed"))
    for number, (frame, image) in enumerate(zip(frames, images, strict=True)):
        np.testing.assert_array_equal(frame.image, image)
        assert frame.stamp == pytest.approx(200 + number / RATE)  # of recording


def test_rate(bag: Path) -> None:
    assert open_source(str(bag), "/rgb").fps == pytest.approx(RATE, rel=0.01)


def test_single_file(bag: Path) -> None:
    (file,) = (f for f in bag.iterdir() if f.suffix in (".mcap", ".db3"))
    assert len(list(open_source(str(file), "/rgb"))) == 4


def test_can_be_read_twice(bag: Path) -> None:
    source = open_source(str(bag), "/rgb")
    assert len(list(source)) == len(list(source)) == 4


def test_topics_are_listed(bag: Path) -> None:
    for topic in (None, "/chatter", "/nowhere"):
        with pytest.raises(VideoError) as error:
            open_source(str(bag), topic)
        assert "/cut, /grey, /packed, /padded, /rgb" in str(error.value)
        assert "/chatter," not in str(error.value)


def test_truncated_image(bag: Path) -> None:
    with pytest.raises(VideoError, match="image 0 on /cut"):
        list(open_source(str(bag), "/cut"))


def test_damaged_bags(tmp_path: Path) -> None:
    (tmp_path / "a.mcap").write_bytes(b"no bag")
    (tmp_path / "b.db3").write_bytes(b"no bag" * 1000)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "metadata.yaml").write_text("rosbag2_bagfile_information: nonsense")
    for name in ("a.mcap", "b.db3", "c"):
        with pytest.raises(VideoError, match="cannot read bag"):
            open_source(str(tmp_path / name), "/rgb")


def test_message_without_rosbags(bag: Path, tmp_path: Path) -> None:
    (tmp_path / "rosbags.py").write_text("raise ImportError('no rosbags here')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from deaot_ros.video import VideoError, open_source\n"
        f"try: open_source({str(bag)!r}, '/rgb')\n"
        "except VideoError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install rosbags" in done.stdout
