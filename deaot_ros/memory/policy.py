"""Which frames long-term memory takes, and which slot it gives up for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Slot:
    """What is known of the frame in a slot.

    Attributes:
        frame: number of the frame; grows with time of arrival.
        annotated: ids that a person marked in it; empty for predicted frames.
    """

    frame: int
    annotated: frozenset[int]

    @property
    def pinned(self) -> bool:
        return bool(self.annotated)


class Policy(Protocol):
    """Rule for predicted frames. Annotated frames are always taken, see ``slot_for_pin``."""

    grows: bool

    def slot_for_prediction(self, slots: Sequence[Slot], capacity: int) -> int | None:
        """Slot to write a predicted frame to, ``len(slots)`` for a new one, None to skip it."""


class ReferencePolicy:
    """Annotated frames only, as published for T, S and B."""

    grows = False

    def slot_for_prediction(self, slots: Sequence[Slot], capacity: int) -> int | None:
        return None


class FifoPolicy:
    """Annotated frames stay; of the others the newest."""

    grows = False

    def slot_for_prediction(self, slots: Sequence[Slot], capacity: int) -> int | None:
        if len(slots) < capacity:
            return len(slots)
        free = [i for i, slot in enumerate(slots) if not slot.pinned]
        return min(free, key=lambda i: slots[i].frame) if free else None


class UnboundedPolicy:
    """Every frame stays, as published for the L variants. For parity only: memory grows."""

    grows = True

    def slot_for_prediction(self, slots: Sequence[Slot], capacity: int) -> int | None:
        return len(slots)


POLICY_CLASSES: dict[str, type[Policy]] = {
    "reference": ReferencePolicy,
    "fifo": FifoPolicy,
    "unbounded": UnboundedPolicy,
}


def slot_for_pin(slots: Sequence[Slot], capacity: int) -> int:
    """Slot to write an annotated frame to; ``len(slots)`` for a new one.

    Given up in this order: the oldest predicted frame; the oldest annotated frame whose objects
    are all annotated in others; the oldest annotated frame after the first one. The very first
    reference goes only when it is the only slot there is.
    """
    if len(slots) < capacity:
        return len(slots)
    by_age = sorted(range(len(slots)), key=lambda i: slots[i].frame)
    predicted = [i for i in by_age if not slots[i].pinned]
    if predicted:
        return predicted[0]
    later = by_age[1:]
    for i in later:
        others = frozenset().union(*(s.annotated for j, s in enumerate(slots) if j != i))
        if slots[i].annotated <= others:
            return i
    return later[0] if later else by_age[0]
