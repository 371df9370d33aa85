"""What tracking leaves behind: masks, a table of objects, an overlay video."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

import cv2
import numpy as np

from deaot_ros.video.ahead import WriteBehind
from deaot_ros.video.colours import draw_overlay
from deaot_ros.video.frame import Frame, VideoError
from deaot_ros.video.masks import write_mask

if TYPE_CHECKING:
    from deaot_ros.tracking import TrackResult
    from deaot_ros.video.bag_results import BagResults

_log = logging.getLogger(__name__)


class ResultWriter:
    """Writes ``masks/STEM.png``, ``objects.jsonl`` on demand ``overlay.mp4`` and a bag.

    A context manager; files are written in a thread of its own.
    """

    def __init__(
        self, folder: Path, fps: float, overlay: bool, bag: BagResults | None = None
    ) -> None:
        """Make the folder.

        Args:
            folder: may exist.
            fps: of the overlay.
            overlay: also write the overlay.
            bag: also write this one, and close it.

        Raises:
            VideoError: it cannot be written to.
        """
        self._masks = folder / "masks"
        try:
            self._masks.mkdir(parents=True, exist_ok=True)
            self._table: IO[str] = (folder / "objects.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise VideoError(
                f"cannot write to {folder}: {error.strerror}; choose a folder you may write to"
            ) from None
        left_over = len(list(self._masks.glob("*.png")))
        if left_over:
            _log.warning(
                "%s held %d masks already: those of the same name are replaced, others stay",
                self._masks, left_over,
            )  # fmt: skip
        self._overlay = OverlayVideo(folder / "overlay.mp4", fps) if overlay else None
        self._bag = bag
        self._deep = False
        self._behind = WriteBehind(self._write)

    def put(self, frame: Frame, result: TrackResult) -> None:
        """Write one frame's results, soon."""
        self._behind.put((frame, result))
        if self._bag is not None:
            self._bag.write(frame, result)  # here: SQLite stays in the thread that opened it

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._behind.close()
        finally:
            self._table.close()
            if self._overlay is not None:
                self._overlay.close()
            if self._bag is not None:
                self._bag.close()

    def _write(self, item: tuple[Frame, TrackResult]) -> None:
        frame, result = item
        if result.labels.dtype != np.uint8 and not self._deep:
            self._deep = True
            _log.warning("ids above 254: masks are 16-bit grey PNGs, not indexed ones")
        write_mask(self._masks / f"{frame.stem}.png", result.labels)
        self._table.write(json.dumps(_as_record(frame, result)) + "\n")
        if self._overlay is not None:
            self._overlay.write(draw_overlay(frame.image, result.labels))


class OverlayVideo:
    """An MP4 file; the first image sets its size."""

    def __init__(self, file: Path, fps: float) -> None:
        self._file = file
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, image: np.ndarray) -> None:
        """Append an image, uint8 [H, W, 3] RGB.

        Raises:
            VideoError: the file cannot be written.
        """
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._file), code, self._fps, self._size)
            if not self._writer.isOpened():
                raise VideoError(f"cannot write {self._file}: OpenCV cannot make an MP4 there")
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


def _as_record(frame: Frame, result: TrackResult) -> dict[str, object]:
    return {
        "frame": result.frame,
        "stem": frame.stem,
        "stamp": frame.stamp,
        "objects": [
            {
                "id": item.id,
                "state": item.state.name,
                "box": [int(v) for v in item.box],
                "area": int(item.area),
                "centroid": [round(float(v), 3) for v in item.centroid],
                "score": round(float(item.score), 4),
            }
            for item in result.objects
        ],
    }
