"""Video files and cameras as sources of frames, read by OpenCV."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from deaot_ros.video.frame import DEFAULT_FPS, Frame, VideoError

# The messages of OpenCV and FFmpeg name neither the file nor the remedy; ours do.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_log = logging.getLogger(__name__)


class FileSource:
    """A video file; stems count from 00000."""

    live = False

    def __init__(self, file: Path) -> None:
        """Look into the file.

        Raises:
            VideoError: missing, or not a video that OpenCV can read.
        """
        self._file = file
        capture = self._open()
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        fps = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        self.count: int | None = count if count > 0 else None
        self.fps = fps if 0 < fps < 1000 else DEFAULT_FPS

    def __iter__(self) -> Iterator[Frame]:
        capture = self._open()
        number = 0
        try:
            while True:
                there, image = capture.read()
                if not there:
                    break
                image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                yield Frame(image, f"{number:05d}", number / self.fps)
                number += 1
        finally:
            capture.release()
        if number == 0:
            raise VideoError(f"no frame of {self._file} can be read; re-encode it, e.g. as H.264")
        if self.count is not None and number < 0.99 * self.count - 1:
            _log.warning(
                "%s announces %d frames but only %d can be read: the file may be cut off",
                self._file, self.count, number,
            )  # fmt: skip

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._file), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise VideoError(
                f"{self._file} is not a video that OpenCV can read; give a folder of images, "
                "a video file, camera:0 or a bag"
            )
        return capture


class CameraSource:
    """A camera of this machine (``/dev/videoN``), until interrupted."""

    live = True
    count: int | None = None

    def __init__(self, index: int) -> None:
        """Open the camera once to see whether it is there.

        Raises:
            VideoError: no such camera, or it is in use.
        """
        self._index = index
        capture = self._open()
        fps = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        self.fps = fps if 0 < fps < 1000 else DEFAULT_FPS

    def __iter__(self) -> Iterator[Frame]:
        capture = self._open()
        number = 0
        try:
            while True:
                there, image = capture.read()
                if not there:
                    raise VideoError(
                        f"camera:{self._index} stopped after {number} frames; check its cable"
                    )
                stamp = time.time()
                yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), f"{number:05d}", stamp)
                number += 1
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self._index, cv2.CAP_V4L2)
        if not capture.isOpened():
            devices = camera_devices()
            raise VideoError(
                f"camera:{self._index} cannot be opened; this machine has "
                + (f"{', '.join(devices)} (perhaps in use, or without permission: group video)"
                   if devices else "no /dev/video* device: plug a camera in")
            )  # fmt: skip
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture


def camera_devices() -> list[str]:
    """Video devices of this machine, e.g. ``/dev/video0``."""
    return sorted(str(path) for path in Path("/dev").glob("video*"))
