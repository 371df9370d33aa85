"""Messages of several topics that carry the very same stamp."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

Stamp = tuple[int, int]
"""Seconds and nanoseconds, as in the header."""


class ExactMatcher:
    """Collects messages by stamp until every topic has given one.

    Unlike a time synchroniser it has no threads and no locks: one executor thread calls it.
    """

    def __init__(self, topics: Sequence[str], depth: int) -> None:
        """Wait for one message of each of ``topics``; keep at most ``depth`` stamps waiting."""
        self._topics = frozenset(topics)
        self._depth = depth
        self._waiting: OrderedDict[Stamp, dict[str, Any]] = OrderedDict()
        self.given_up = 0

    def put(self, topic: str, stamp: Stamp, message: Any) -> dict[str, Any] | None:
        """Take a message; gives all messages of its stamp, by topic, once they are complete.

        Stamps that came before a complete one stay: topics may be delayed by each other. The
        oldest are given up where more than ``depth`` wait.
        """
        found = self._waiting.setdefault(stamp, {})
        found[topic] = message
        if found.keys() == self._topics:
            return self._waiting.pop(stamp)
        while len(self._waiting) > self._depth:
            self._waiting.popitem(last=False)
            self.given_up += 1
        return None

    def missing(self) -> list[str]:
        """Topics that none of the waiting stamps has a message of, for people."""
        seen: set[str] = set().union(*self._waiting.values()) if self._waiting else set()
        return sorted(self._topics - seen)
