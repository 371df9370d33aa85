"""Recent camera frames by stamp, so that a mask can be applied to the frame it was drawn on."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from itertools import count

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from deaot_ros.errors import ImageError, MaskError, MaskErrorCode
from deaot_ros.node.image_codec import decode_compressed, decode_image
from deaot_ros.node.timeline import seconds

CameraMessage = Image | CompressedImage


@dataclass(slots=True, eq=False)
class CameraFrame:
    """One image of the camera.

    Attributes:
        message: as it came; None once only the shrunk pixels are kept.
        header: of the message.
        stamp: of the header in seconds; the time of arrival where the header has none.
        received: when it came, ``time.perf_counter`` seconds.
        number: grows with every frame received.
        size: (height, width) at the camera, once decoded.
        labels: ids [H, W] found in it, once processed.
    """

    message: CameraMessage | None
    header: Header
    stamp: float
    received: float
    number: int = -1
    size: tuple[int, int] | None = None
    labels: np.ndarray | None = None
    _shrunk: np.ndarray | None = field(default=None, repr=False)

    def pixels(self) -> np.ndarray:
        """RGB [h, w, 3] at camera size, or at network size where it was shrunk.

        Raises:
            ImageError: the message cannot be decoded.
        """
        if self._shrunk is not None:
            return self._shrunk
        if self.message is None:
            raise ImageError("this image could not be decoded when it came")
        if isinstance(self.message, CompressedImage):
            image = decode_compressed(self.message)
        else:
            image = decode_image(self.message)
        self.size = (image.shape[0], image.shape[1])
        return image

    def exceeds(self, size: tuple[int, int]) -> bool:
        """Whether a raw image larger than (height, width) ``size`` is kept."""
        message = self.message
        return isinstance(message, Image) and message.height * message.width > size[0] * size[1]

    def shrink(self, size: tuple[int, int]) -> None:
        """Keep only what the network sees, (height, width) ``size``.

        Raises:
            ImageError: the message cannot be decoded.
        """
        self._shrunk = cv2.resize(self.pixels(), size[::-1], interpolation=cv2.INTER_CUBIC)
        self.message = None


class FrameHistory:
    """Ring of the newest frames. Frames are put by callbacks and looked up by the worker."""

    def __init__(self, capacity: int) -> None:
        """Keep ``capacity`` frames."""
        self._frames: deque[CameraFrame] = deque(maxlen=capacity)
        self._lock = threading.Lock()
        self._numbers = count()

    def put(self, frame: CameraFrame) -> None:
        """Number a frame and keep it."""
        with self._lock:
            frame.number = next(self._numbers)
            self._frames.append(frame)

    def clear(self) -> None:
        """Forget all frames but the newest, which may be the one under way."""
        with self._lock:
            newest = list(self._frames)[-1:]
            self._frames.clear()
            self._frames.extend(newest)

    def forget_labels(self) -> None:
        """Forget what was found in the frames; a new session knows nothing of it."""
        with self._lock:
            for frame in self._frames:
                frame.labels = None

    def newest(self) -> CameraFrame | None:
        """The frame received last."""
        with self._lock:
            return self._frames[-1] if self._frames else None

    def since(self, number: int) -> list[CameraFrame]:
        """Frames received after frame ``number``, oldest first."""
        with self._lock:
            return [f for f in self._frames if f.number > number]

    def until(self, number: int) -> list[CameraFrame]:
        """Frames up to frame ``number``, newest first."""
        with self._lock:
            return [f for f in reversed(self._frames) if f.number <= number]

    def find(self, stamp: Time, match: str, tolerance: float) -> CameraFrame:
        """The frame that a mask was drawn on.

        Args:
            stamp: of the mask; zero means the newest frame.
            match: ``exact``, ``nearest`` (within ``tolerance`` seconds) or ``newest``.
            tolerance: s.

        Raises:
            MaskError: FRAME_NOT_FOUND, with the span that would have been accepted.
        """
        with self._lock:
            frames = list(self._frames)
        if not frames:
            raise MaskError(
                MaskErrorCode.FRAME_NOT_FOUND,
                "no camera image has arrived yet; start the camera, then send the mask again",
            )
        if match == "newest" or (stamp.sec == 0 and stamp.nanosec == 0):
            return frames[-1]
        for frame in reversed(frames):
            if frame.header.stamp == stamp:
                return frame
        wanted = seconds(stamp)
        if match == "nearest":
            nearest = min(frames, key=lambda f: abs(f.stamp - wanted))
            if abs(nearest.stamp - wanted) <= tolerance:
                return nearest
        stamps = [f.stamp for f in frames]
        rule = "exactly one of" if match == "exact" else f"within {tolerance:g} s of one of"
        raise MaskError(
            MaskErrorCode.FRAME_NOT_FOUND,
            f"no image with stamp {wanted:.3f} is kept; expected {rule} the {len(frames)} images "
            f"from {min(stamps):.3f} to {max(stamps):.3f}. Copy the stamp of the image the mask "
            "was drawn on, raise frame_history if drawing takes longer, or use stamp 0 for now",
        )
