"""Target masks: applied to the very frame they were drawn on, then caught up to now."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from sensor_msgs.msg import Image

from deaot_ros.errors import ImageError
from deaot_ros.node.frame_history import CameraFrame, FrameHistory
from deaot_ros.node.image_codec import decode_labels
from deaot_ros.node.parameters import Parameters
from deaot_ros.node.timeline import Timeline, went_back
from deaot_ros.tracking import AnnotationMode, Tracker, TrackResult

TargetMode = AnnotationMode | Literal["replace"]

HEADROOM = 2.0
"""Catching up goes at least this many times as fast as the camera, by leaving frames out."""


class CaughtUp(NamedTuple):
    """The newest frame after catching up, and the number of steps it took."""

    frame: CameraFrame
    image: np.ndarray
    result: TrackResult
    steps: int


class Targets:
    """Applies masks for one tracker. Runs in the worker thread only."""

    def __init__(self, tracker: Tracker, history: FrameHistory, timeline: Timeline) -> None:
        self._tracker = tracker
        self._history = history
        self._timeline = timeline

    def find(self, mask: Image, parameters: Parameters) -> tuple[CameraFrame, np.ndarray]:
        """The frame that ``mask`` was drawn on, and the mask's ids [h, w].

        Raises:
            MaskError: the mask cannot be read, or its frame is not kept.
        """
        labels = decode_labels(mask)
        return self._history.find(
            mask.header.stamp, parameters.mask_match, parameters.mask_match_tolerance
        ), labels

    def apply(self, frame: CameraFrame, labels: np.ndarray, mode: TargetMode) -> None:
        """Apply a mask to its frame, which has its labels then.

        The tracker stands there afterwards, not at the newest frame.

        Args:
            frame: as found.
            labels: ids of the mask [h, w].
            mode: ``merge``, ``replace``, ``add`` or ``correct``.

        Raises:
            MaskError, ImageError: nothing was changed.
        """
        pixels = frame.pixels()
        assert frame.size is not None, "decoding tells the size"
        tracker = self._tracker
        stamp = self._timeline.at(frame.stamp)
        if mode == "replace":
            result = tracker.start(pixels, labels, stamp, output_size=frame.size)
            self._history.forget_labels()
        else:
            known = self._known_labels(frame)
            result = tracker.annotate(labels, image=pixels, labels=known, stamp=stamp, mode=mode)
        frame.labels = result.labels

    def catch_up(
        self,
        frame: CameraFrame,
        step: Callable[[CameraFrame, np.ndarray], TrackResult],
        ending: Callable[[], bool] = lambda: False,
        until: float = math.inf,
    ) -> CaughtUp | None:
        """Track from ``frame`` through the frames since, until the newest one is reached.

        Where the network is slower than the camera, frames are left out so that it gets there.
        Frames whose stamps went back are left out too: whether they begin a new session is decided
        where they come in.

        Args:
            frame: where the tracker stands.
            step: tracks to one frame with its image.
            ending: whether somebody waits for the end of all work; then it stops where it is.
            until: number of the last frame that may be tracked to.

        Returns:
            The newest frame when its step began, or an earlier one where it stopped; None: nothing
            came since ``frame``.
        """
        reached: CaughtUp | None = None
        duration, last, steps = 0.0, 0.0, 0
        while (waiting := self._ahead(frame, until)) and not ending():
            span = waiting[-1].received - frame.received
            interval = max(span / len(waiting), 1e-3)
            stride = max(1, math.ceil(HEADROOM * duration / interval))
            frame = waiting[min(stride, len(waiting)) - 1]
            started = time.perf_counter()
            try:
                image = frame.pixels()
            except ImageError:
                continue  # broken frames are reported where they come in
            newest = frame is waiting[-1]
            result = step(frame, image)
            # One step may be slow by chance (a new size, a new group): trust the shorter of two.
            # Not the shortest of all: on a machine that got busy that would never catch up.
            elapsed = time.perf_counter() - started
            duration, last = min(last or elapsed, elapsed), elapsed
            steps += 1
            reached = CaughtUp(frame, image, result, steps)
            if newest:  # what came meanwhile is what a network this slow is always behind
                break
        return reached

    def _ahead(self, frame: CameraFrame, until: float) -> list[CameraFrame]:
        """Frames after ``frame`` up to number ``until`` whose stamps did not go back."""
        return [
            f for f in self._history.since(frame.number)
            if f.number <= until and not went_back(f.stamp, frame.stamp)
        ]  # fmt: skip

    def _known_labels(self, frame: CameraFrame) -> np.ndarray:
        """What was known of the other objects in ``frame``, or in the last frame before it."""
        for earlier in self._history.until(frame.number):
            if earlier.labels is not None and earlier.labels.shape == frame.size:
                return earlier.labels
        assert frame.size is not None
        return np.zeros(frame.size, np.uint8)
