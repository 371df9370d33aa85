"""Memory that was freed, given back to the system.

A tracker that works keeps what it frees, for the next frame needs as much. But when a session ends,
or images get another size, blocks of every size are freed between others that live on, and are too
scattered to serve again: a node that runs for weeks would come to hold several times what it needs.
"""

from __future__ import annotations

import ctypes
import math
import time
from functools import cache

PERIOD = 5.0
"""Seconds between looks at what has changed."""

LONGEST = 60.0
"""Seconds after which memory is given back though nothing has changed: the next frame has to take
its pages anew, which must not happen often."""


class Spare:
    """Gives freed memory back where it is likely to be of no use here."""

    def __init__(self) -> None:
        self._state: tuple[object, ...] = ()
        self._given = -math.inf

    def look(self, *state: object) -> bool:
        """Give memory back if ``state`` is another than at the last time; says whether it did."""
        now = time.monotonic()
        if state == self._state and now - self._given < LONGEST:
            return False
        self._state, self._given = state, now
        give_back()
        return True


def give_back() -> None:
    """Give whole free pages back, from the middle of the heap too; nothing without glibc."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # lets go of the GIL while it runs
