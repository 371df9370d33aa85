"""Frames that a live tracker misses: the real-time rule of VOT."""

from __future__ import annotations

GRACE = 3
"""Frames per run that may be late for nothing, while a tracker warms up."""


class CameraClock:
    """Says which frames come while a tracker is at work, by the rule of the VOT toolkit.

    Args:
        fps: frames per second of the camera.
    """

    def __init__(self, fps: float) -> None:
        self._interval = 1 / fps
        self._grace = GRACE
        self._late = 0.0

    def misses(self) -> bool:
        """Whether the next frame comes while the tracker is still at work on an earlier one."""
        if self._late > self._interval:
            self._late -= self._interval
            return True
        self._late = 0.0
        return False

    def worked(self, seconds: float) -> None:
        """The tracker took so long for the frame it was given."""
        if seconds <= self._interval:
            return
        if self._grace:
            self._grace -= 1
        else:
            self._late = seconds - self._interval
