"""A ROS bag as a source of frames, read without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from deaot_ros.video.frame import DEFAULT_FPS, Frame, Recorded, VideoError
from deaot_ros.video.ros_image import decode_compressed, decode_image

try:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection
    from rosbags.typesys import Stores, get_typestore
except ImportError as error:
    raise VideoError(f"bags need the package rosbags ({error}): pip install rosbags") from error

_RATE_SAMPLES = 30
_DECODERS = {
    "sensor_msgs/msg/Image": decode_image,
    "sensor_msgs/msg/CompressedImage": decode_compressed,
}


class BagSource:
    """An image topic of a ROS 2 bag (sqlite3 or mcap; a folder or a file); stems count from 00000.

    Stamps are those of the headers; where a header has none, the time of recording.
    """

    live = False

    def __init__(self, path: Path, topic: str | None) -> None:
        """Look into the bag.

        Raises:
            VideoError: not a bag, or no such image topic; the message lists those that are.
        """
        self._path = path
        with self._open() as reader:
            images = [c for c in reader.connections if c.msgtype in _DECODERS]
            topics = sorted({c.topic for c in images})
            listed = ", ".join(topics) or "none at all"
            if topic is None:
                raise VideoError(f"bag {path} needs --topic; its image topics: {listed}")
            self._topic = topic if topic in topics else f"/{topic}"
            if self._topic not in topics:
                raise VideoError(f"bag {path} has no images on {topic}; its image topics: {listed}")
            self.count: int | None = sum(c.msgcount for c in images if c.topic == self._topic)
            self.fps = self._rate(reader)

    def __iter__(self) -> Iterator[Frame]:
        with self._open() as reader:
            last, number = float("-inf"), 0
            try:
                for connection, time, data in reader.messages(self._connections(reader)):
                    message: Any = reader.deserialize(data, connection.msgtype)
                    image = _DECODERS[connection.msgtype](message)
                    stamp = message.header.stamp
                    last = max(last, stamp.sec + stamp.nanosec / 1e9 or time / 1e9)
                    frame_id = message.header.frame_id
                    recorded = Recorded(stamp.sec, stamp.nanosec, frame_id, time)
                    yield Frame(image, f"{number:05d}", last, recorded)
                    number += 1
            except Exception as error:  # rosbags raises whatever its storage layers do
                raise VideoError(
                    f"image {number} on {self._topic} in {self._path} cannot be read: {error}"
                ) from None

    @property
    def storage(self) -> str:
        """What the bag is stored as, ``sqlite3`` or ``mcap``."""
        files = [self._path] if self._path.is_file() else list(self._path.iterdir())
        return "mcap" if any(".mcap" in file.suffixes for file in files) else "sqlite3"

    def _connections(self, reader: AnyReader) -> list[Connection]:
        return [c for c in reader.connections if c.topic == self._topic and c.msgtype in _DECODERS]

    def _rate(self, reader: AnyReader) -> float:
        """Hz, by the first images of the topic."""
        first = islice(reader.messages(self._connections(reader)), _RATE_SAMPLES)
        times = [time for _, time, _ in first]
        seconds = (times[-1] - times[0]) / 1e9 if times else 0.0
        return (len(times) - 1) / seconds if seconds > 0 else DEFAULT_FPS

    @contextmanager
    def _open(self) -> Iterator[AnyReader]:
        try:
            # Bags of Humble carry no definitions; those of sensor_msgs are the same ever since.
            store = get_typestore(Stores.ROS2_HUMBLE)
            with AnyReader([self._path], default_typestore=store) as reader:
                yield reader
        except VideoError:
            raise
        except Exception as error:  # likewise
            raise VideoError(f"cannot read bag {self._path}: {error}") from None
