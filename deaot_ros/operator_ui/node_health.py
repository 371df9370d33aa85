"""Whether the tracker node is there, by what it says every second."""

from __future__ import annotations

import time

from deaot_ros.msg import TrackerStatus

_ALIVE, _GONE = 3.5, 10.0
"""Seconds without a status: after the first a page says so, after the second nobody waits."""


class NodeHealth:
    """Written by the ROS thread; reading it is safe anywhere.

    Attributes:
        status: the newest one.
        starts: how often the node was seen to begin anew.
    """

    def __init__(self) -> None:
        self.status: TrackerStatus | None = None
        self.starts = 0
        self._heard = float("-inf")

    def hear(self, status: TrackerStatus) -> None:
        """Take a status of the node."""
        if self.status is not None and status.frames_received < self.status.frames_received:
            self.starts += 1
        self.status = status
        self._heard = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately."""
        return time.monotonic() - self._heard < _ALIVE

    @property
    def gone(self) -> bool:
        """Whether no answer can be expected any more, even of a busy one."""
        return time.monotonic() - self._heard > _GONE
