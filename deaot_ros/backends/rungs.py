"""Numbers of memory frames that graphs are made for: few, so that few are made."""

from __future__ import annotations

_RATIO = 3


def rungs(capacity: int) -> list[int]:
    """Powers of three, and ``capacity``."""
    found = []
    rung = 1
    while rung < capacity:
        found.append(rung)
        rung *= _RATIO
    return [*found, capacity]


def rung_of(used: int, capacity: int) -> int:
    """The least one that holds ``used`` frames."""
    return next(rung for rung in rungs(capacity) if rung >= used)
