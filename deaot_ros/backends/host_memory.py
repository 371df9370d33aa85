"""Memory of the host that a frame can use again, instead of asking the system for it anew."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 1 << 30
_MOST_OF_OLD_VERSIONS = 32 << 20


def keep_freed_memory() -> None:
    """Have the C library keep up to a gigabyte of what is freed, for the whole process.

    It gives large blocks back at once otherwise, and every frame takes them again page by page:
    tens of thousands of page faults, a sixth of the time of a frame. What a process needs at most
    does not grow by that. Libraries other than glibc are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    if not mallopt(_M_MMAP_THRESHOLD, _KEPT):
        mallopt(_M_MMAP_THRESHOLD, _MOST_OF_OLD_VERSIONS)
    mallopt(_M_TRIM_THRESHOLD, _KEPT)
