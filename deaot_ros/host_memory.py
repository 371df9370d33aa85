"""What the C library keeps of memory that was freed, and when it is given back to the system.

A frame needs what the frame before it has freed, so freed memory is kept. But when a session ends,
or images get another size, blocks of every size are freed between others that live on, and are too
scattered to serve again: a node that runs for weeks would come to hold several times what it needs.
All of this concerns glibc; other C libraries are left alone.
"""

from __future__ import annotations

import ctypes
import math
import platform
import time
from functools import cache

PERIOD = 5.0
"""Seconds between looks at what has changed."""

LONGEST = 60.0
"""Seconds after which memory is given back though nothing has changed: the next frame has to take
its pages anew, which must not happen often."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of malloc.h
_KEPT = 1 << 30
_MOST_OF_OLD_VERSIONS = 32 << 20


def keep_freed_memory() -> None:
    """Have the C library keep up to a gigabyte of what is freed, for the whole process.

    It gives large blocks back at once otherwise, and every frame takes them again page by page:
    tens of thousands of page faults, a sixth of the time of a frame. What a process needs at most
    does not grow by that.
    """
    libc = _glibc()
    if libc is None:
        return
    if not libc.mallopt(_M_MMAP_THRESHOLD, _KEPT):
        libc.mallopt(_M_MMAP_THRESHOLD, _MOST_OF_OLD_VERSIONS)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def share_one_heap() -> None:
    """Have all threads take memory from one heap; call it before there are any.

    Each would get a heap of its own, which reaches the most that its thread ever needed, and whose
    end :func:`give_back` cannot give back.
    """
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give whole free pages back, from the middle of the heap too."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)  # lets go of the GIL while it runs


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


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
