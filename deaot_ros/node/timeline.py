"""Header stamps as the seconds the tracker counts in."""

from __future__ import annotations

from builtin_interfaces.msg import Time

TOLERANCE = 0.1
"""Seconds that a stamp may go back without being a jump: frames overtake each other."""


def seconds(stamp: Time) -> float:
    """Stamp in seconds."""
    return float(stamp.sec + 1e-9 * stamp.nanosec)


def went_back(stamp: float, last: float) -> bool:
    """Whether ``stamp`` (s) lies before that of the frame before by more than frames overtake."""
    return stamp < last - TOLERANCE


class ArrivalStamps:
    """Makes seconds that go on of the stamps of one camera, in the order of arrival.

    A stamp that is missing (zero), or the same as that of the image before, says nothing: the time
    since the image before stands in. Without that an object could neither move nor return while
    stamps stand still, and a single image without a stamp would look like a jump to today and
    back. Stamps that go on, or back, are taken as they are.
    """

    def __init__(self) -> None:
        self.frozen = 0
        self._last_raw: float | None = None
        self._last = 0.0
        self._arrived: float | None = None

    def take(self, raw: float, arrived: float, now: float) -> float:
        """Seconds of the next image.

        Args:
            raw: its stamp, s; 0: it has none.
            arrived: when it came, monotonic s.
            now: the clock that stamps a first image without one, s.

        Returns:
            ``raw``, or the time that stands in. ``frozen`` counts images since the last new stamp.
        """
        elapsed = 0.0 if self._arrived is None else arrived - self._arrived
        known = self._last_raw
        if raw == 0.0:
            stamp = now if self._arrived is None else self._last + elapsed
        elif raw == known:
            self.frozen += 1
            stamp = self._last + elapsed
        else:
            self.frozen = 0
            stamp = raw
            if known is not None and known < raw < self._last:
                # Time stood in for more than it was: let the camera's catch up, do not go back.
                stamp = self._last + (raw - known) / 2
        if raw != 0.0:
            self._last_raw = raw
        self._last, self._arrived = stamp, arrived
        return stamp


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
        """Whether ``stamp`` (s) :func:`went_back` from the last frame's."""
        return self._last is not None and went_back(stamp, self._last)

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
