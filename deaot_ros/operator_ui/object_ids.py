"""Ids for new objects: two operators who draw at once must not draw the same one."""

from __future__ import annotations

from collections.abc import Iterable

LARGEST = 65534
RESERVED = 255
"""Unlabelled, by convention of the data sets."""


class ObjectIds:
    """Hands out ids that grow, so that none is used twice within a session."""

    def __init__(self) -> None:
        self._last = 0

    def seen(self, ids: Iterable[int]) -> None:
        """Ids that the node knows, whoever chose them."""
        self._last = max(self._last, *ids, 0)

    def restart(self) -> None:
        """A session began: ids mean nothing any more."""
        self._last = 0

    def take(self) -> int:
        """An id that nobody has."""
        self._last += 2 if self._last + 1 == RESERVED else 1
        if self._last > LARGEST:
            raise OverflowError(f"all ids up to {LARGEST} were used; reset the tracker")
        return self._last
