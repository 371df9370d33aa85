"""Results of tracking as a ROS 2 bag that replays beside the one they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from deaot_ros.shared_files import shared_file
from deaot_ros.video.frame import Frame, Recorded, VideoError

if TYPE_CHECKING:
    from deaot_ros.tracking import TrackedObject, TrackResult

STORAGES = tuple(plugin.name.lower() for plugin in StoragePlugin)
"""What bags may be stored as."""

BAG_VERSION = 8
"""Of the metadata: the newest that every ROS 2 from Humble on reads."""

NAMESPACE = "/deaot"
"""Of the topics, as the launch file has it."""

_OWN = ("deaot_ros/msg/TrackedObject", "deaot_ros/msg/TrackedObjectArray")


class BagResults:
    """Writes ``/deaot/mask`` and ``/deaot/objects`` for every frame of a bag.

    Every message carries the header of its image and is stored at the image's time of recording.
    """

    def __init__(self, folder: Path, storage: str) -> None:
        """Make the bag.

        Args:
            folder: of the bag; must not exist.
            storage: one of ``STORAGES``.

        Raises:
            VideoError: the folder is there already, or cannot be made.
        """
        if folder.exists():
            raise VideoError(
                f"{folder} is there already and bags are not overwritten; remove it, or choose "
                "another --output"
            )
        store = get_typestore(Stores.ROS2_HUMBLE)
        for name in _OWN:
            store.register(get_types_from_msg(_definition(name), name))
        self._store, self._types = store, store.types
        self._writer = Writer(
            folder, version=BAG_VERSION, storage_plugin=StoragePlugin[storage.upper()]
        )
        try:
            self._writer.open()
        except OSError as error:
            raise VideoError(f"cannot write {folder}: {error.strerror}") from None
        connect = self._writer.add_connection
        self._mask = connect(f"{NAMESPACE}/mask", "sensor_msgs/msg/Image", typestore=store)
        self._objects = connect(f"{NAMESPACE}/objects", _OWN[1], typestore=store)

    def write(self, frame: Frame, result: TrackResult) -> None:
        """Write the results of a frame that was read from a bag."""
        recorded = frame.recorded
        assert recorded is not None, "only frames of bags have a place in a bag"
        header = self._header(recorded)
        deep = result.labels.dtype != np.uint8
        mask = self._image(result.labels, "16UC1" if deep else "mono8", header)
        height, width = result.labels.shape
        objects = self._types[_OWN[1]](
            header=header,
            width=width,
            height=height,
            session=result.session,
            frame=result.frame,
            objects=[self._object(o, result.labels, header, recorded) for o in result.objects],
        )
        for connection, message in ((self._mask, mask), (self._objects, objects)):
            data = self._store.serialize_cdr(message, connection.msgtype)
            self._writer.write(connection, recorded.time, data)

    def close(self) -> None:
        """Finish the bag."""
        self._writer.close()

    def _object(
        self, o: TrackedObject, labels: np.ndarray, header: Any, recorded: Recorded
    ) -> Any:
        x, y, width, height = (int(value) for value in o.box)
        crop = np.where(labels[y : y + height, x : x + width] == o.id, 255, 0).astype(np.uint8)
        seen = min(max(round(o.last_seen * 1e9), 0), 2**31 * 10**9 - 1)
        return self._types[_OWN[0]](
            id=o.id,
            label="",
            state=int(o.state),
            score=float(min(max(o.score, 0.0), 1.0)),
            roi=self._types["sensor_msgs/msg/RegionOfInterest"](
                x_offset=x, y_offset=y, height=height, width=width, do_rectify=False
            ),
            area=int(o.area),
            centroid_x=float(o.centroid[0]),
            centroid_y=float(o.centroid[1]),
            mask=self._image(crop, "mono8", header) if o.area else self._no_image(),
            last_seen=self._time(*divmod(seen, 10**9)),
        )

    def _image(self, pixels: np.ndarray, encoding: str, header: Any) -> Any:
        pixels = np.ascontiguousarray(pixels)
        little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
        return self._types["sensor_msgs/msg/Image"](
            header=header,
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=pixels.strides[0],
            data=little.view(np.uint8).ravel(),
        )

    def _no_image(self) -> Any:
        empty = self._types["std_msgs/msg/Header"](stamp=self._time(0, 0), frame_id="")
        return self._types["sensor_msgs/msg/Image"](
            header=empty, height=0, width=0, encoding="", is_bigendian=0, step=0,
            data=np.zeros(0, np.uint8),
        )  # fmt: skip

    def _header(self, recorded: Recorded) -> Any:
        stamp = self._time(recorded.seconds, recorded.nanoseconds)
        return self._types["std_msgs/msg/Header"](stamp=stamp, frame_id=recorded.frame_id)

    def _time(self, seconds: int, nanoseconds: int) -> Any:
        return self._types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)


def _definition(name: str) -> str:
    file = shared_file(Path("msg") / f"{name.rpartition('/')[2]}.msg")
    if file is None:
        raise VideoError(
            f"the definition of {name} did not come with this installation; install again"
        )
    return file.read_text()
