"""One video through the tracker: masks on disk at the end, whole or not at all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deaot_ros.datasets.evaluation import EvaluationVideo
from deaot_ros.datasets.files import load_image, load_labels
from deaot_ros.errors import DatasetError
from deaot_ros.evaluation.camera_clock import CameraClock
from deaot_ros.tracking import AugmentedTracker, Tracker
from deaot_ros.video import read_ahead, write_mask
from deaot_ros.video.ahead import WriteBehind

_VOID = 255


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one video.

    Attributes:
        frames: tracked.
        tracking: seconds inside the tracker.
        total: seconds from the first frame to the last file.
    """

    frames: int
    tracking: float
    total: float


class PlainRun:
    """A tracker as it is."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def start(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Begin; the mask may have another size than the image."""
        size = (mask.shape[0], mask.shape[1])
        return self._tracker.start(image, mask, output_size=size).labels

    def step(self, image: np.ndarray, new: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
        """The next frame, with the mask of objects that appear in it."""
        if new is None:
            return self._tracker.step(image, output_size=size).labels
        self._tracker.predict(image)
        return self._tracker.annotate(new).labels


class AugmentedRun:
    """A tracker with flip and scales; images and masks of one size."""

    def __init__(self, tracker: AugmentedTracker) -> None:
        self._tracker = tracker

    def start(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Begin."""
        self._tracker.start(image, mask)
        return mask

    def step(self, image: np.ndarray, new: np.ndarray | None, _: tuple[int, int]) -> np.ndarray:
        """The next frame, with the mask of objects that appear in it."""
        return self._tracker.step(image, new).labels


def run_video(
    video: EvaluationVideo,
    runner: PlainRun | AugmentedRun,
    folder: Path,
    each: Callable[[], None] = lambda: None,
) -> Timing:
    """Track a video and write ``folder/STEM.png`` of the frames that are wanted.

    The folder appears when all is written: one that exists is complete. Frames are decoded ahead
    of the tracker and masks written behind it. Where the video has a camera's rate, a frame that
    comes while the tracker is at work keeps the labels of the one before.

    Args:
        folder: of this video's results; must not exist.
        each: called after every frame.

    Raises:
        DeaotError: a file cannot be read or an object cannot be tracked.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    begun, tracking, missed, known = time.perf_counter(), 0.0, 0, set[int]()
    size: tuple[int, int] | None = None
    behind: WriteBehind[tuple[str, np.ndarray]] = WriteBehind(
        lambda item: write_mask(partial / f"{item[0]}.png", item[1])
    )
    blank: list[str] = []
    labels = np.zeros((0, 0), np.uint8)
    clock = CameraClock(video.camera_fps) if video.camera_fps else None
    try:
        with closing(read_ahead(_frames(video))) as frames:
            for stem, image, mask in frames:
                new = _new_objects(mask, known)
                if size is None and new is None:  # before the first object
                    blank.append(stem)
                    each()
                    continue
                if clock is not None and clock.misses():
                    missed += 1
                else:
                    before = time.perf_counter()
                    if size is not None:
                        labels = runner.step(image, new, size)
                    else:
                        assert new is not None
                        size = (new.shape[0], new.shape[1])
                        labels = runner.start(image, new)
                    spent = time.perf_counter() - before
                    tracking += spent
                    if clock is not None:
                        clock.worked(spent)
                if stem in video.wanted:
                    behind.put((stem, labels))
                each()
        if size is None:
            raise DatasetError(f"{video.name}: no mask shows an object")
        for stem in blank:
            if stem in video.wanted:
                behind.put((stem, np.zeros(size, np.uint8)))
    finally:
        behind.close()
    partial.rename(folder)
    return Timing(len(video.frames) - missed, tracking, time.perf_counter() - begun)


def _frames(video: EvaluationVideo) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    for file in video.frames:
        mask = None
        if file.stem in video.given:
            mask = load_labels(video.given[file.stem])
            mask = np.where(mask == _VOID, 0, mask)
            if video.single_object:
                mask = (mask != 0).astype(np.uint8)
        yield file.stem, load_image(file), mask


def _new_objects(mask: np.ndarray | None, known: set[int]) -> np.ndarray | None:
    """The mask of the objects that were not seen before, None without any; notes them."""
    if mask is None:
        return None
    new = sorted({int(i) for i in np.unique(mask)} - known - {0})
    if not new:
        return None
    known.update(new)
    return np.where(np.isin(mask, new), mask, 0)
