"""How much one page's link can carry: pictures get smaller and rarer on slow ones, never late."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple


class Level(NamedTuple):
    """A picture's long side in pixels and its JPEG quality."""

    long_side: int
    quality: int


LEVELS = (Level(320, 40), Level(480, 55), Level(640, 65), Level(960, 75), Level(1280, 80))
_FIRST = 3

IN_FLIGHT = 2
"""Pictures under way: one on the line while the page draws the other."""

_SLOW, _FAST = 0.30, 0.12
"""Seconds from sending a picture to the page's word that it is drawn."""

_PATIENCE = 30
"""Fast pictures in a row before a larger one is tried."""


@dataclass(frozen=True, slots=True)
class _Sent:
    number: int
    time: float


class Link:
    """Decides, for one page, whether a picture may be sent now and how large. Knows no clock."""

    def __init__(self, max_rate: float) -> None:
        """``max_rate`` limits pictures per second."""
        self._interval = 1 / max_rate
        self._index = _FIRST
        self._sent: deque[_Sent] = deque()
        self._numbers = 0
        self._last_time = float("-inf")
        self._fast = 0
        self.delay = 0.0
        """Seconds that the last picture took."""

    @property
    def level(self) -> Level:
        """Size and quality of the next picture."""
        return LEVELS[self._index]

    def wait(self, now: float) -> float:
        """Seconds until a picture may be sent; infinite: not before the page has drawn one."""
        if len(self._sent) >= IN_FLIGHT:
            return float("inf")
        return max(0.0, self._last_time + self._interval - now)

    def sent(self, now: float) -> int:
        """Count a picture that goes out; gives its number."""
        self._numbers += 1
        self._last_time = now
        self._sent.append(_Sent(self._numbers, now))
        return self._numbers

    def drawn(self, number: int, now: float) -> None:
        """The page has drawn picture ``number``, and so all before it."""
        while self._sent and self._sent[0].number <= number:
            self.delay = now - self._sent.popleft().time
            self._judge()

    def _judge(self) -> None:
        if self.delay > _SLOW:
            self._index = max(0, self._index - 1)
            self._fast = 0
        elif self.delay < _FAST:
            self._fast += 1
            if self._fast >= _PATIENCE:
                self._index = min(len(LEVELS) - 1, self._index + 1)
                self._fast = 0
        else:
            self._fast = 0
