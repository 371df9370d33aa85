"""Shared memory of Fast DDS whose owner was killed: nobody else ever removes it.

A node that is killed and respawned leaves tens of megabytes behind each time, until /dev/shm is
full and nothing can start.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FOLDER = Path("/dev/shm")

_YOUNGEST = 60.0
"""Seconds; somebody may have made a younger segment and not locked it yet."""


def left_over() -> list[Path]:
    """Segments of owners that have ended, as far as this user may know."""
    return [segment for segment, _ in _left_over()]


def remove_left_over() -> int:
    """Remove them; gives the bytes that this frees. Whoever still reads one keeps it so long."""
    freed = 0
    for segment, lock in _left_over():
        with suppress(OSError):  # another user's
            size = size_of(segment)
            segment.unlink(missing_ok=True)
            lock.unlink()
            freed += size
    return freed


def size_of(segment: Path) -> int:
    """Bytes in memory, which are fewer than it may come to hold."""
    return segment.stat().st_blocks * 512 if segment.exists() else 0


def _left_over() -> Iterator[tuple[Path, Path]]:
    """(segment, its lock), which is held as long as the caller looks at it."""
    oldest = time.time() - _YOUNGEST
    for lock in sorted(FOLDER.glob("fastdds_*_el")):
        segment = lock.with_name(lock.name.removesuffix("_el"))
        if segment.name.startswith("fastdds_port"):  # small, and used again
            continue
        with suppress(OSError), lock.open("rb") as file:  # gone meanwhile, or locked by its owner
            if lock.stat().st_mtime > oldest:
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield segment, lock
