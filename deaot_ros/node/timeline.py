"""Header stamps as the seconds the tracker counts in."""

from __future__ import annotations

from builtin_interfaces.msg import Time

TOLERANCE = 0.1
"""Seconds that a stamp may go back without being a jump: frames overtake each other."""


def seconds(stamp: Time) -> float:
    """Stamp in seconds."""
    return float(stamp.sec + 1e-9 * stamp.nanosec)


class Timeline:
    """Detects that time went back (a bag began anew), and keeps it monotonic where wanted.

    A gap forward is no jump: a camera that was away for a minute shows the same objects.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget the last frame."""
        self._last: float | None = None
        self._offset = 0.0

    def jumped(self, stamp: float) -> bool:
        """Whether ``stamp`` (s) lies before the last frame's by more than frames overtake."""
        return self._last is not None and stamp < self._last - TOLERANCE

    def at(self, stamp: float) -> float:
        """The tracker's time in seconds of a frame with ``stamp``."""
        return stamp + self._offset

    def advance(self, stamp: float) -> None:
        """Take the next frame."""
        self._last = stamp

    def bridge(self, stamp: float, interval: float = 1 / 30) -> None:
        """Let the frame with ``stamp``, the next one, follow the last one by ``interval``."""
        if self._last is not None:
            self._offset += self._last + interval - stamp
