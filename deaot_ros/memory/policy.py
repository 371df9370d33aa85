"""What a rule of long-term memory is, and what holds for every rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Slot:
    """What is known of the frame in a slot.

    Attributes:
        frame: number of the frame; grows with time of arrival.
        stamp: its time in seconds.
        annotated: ids that a person marked in it; empty for predicted frames.
        shows: ids that are in sight in it.
        reference: the first annotated frame of the memory, which no rule may give up.
    """

    frame: int
    stamp: float = 0.0
    annotated: frozenset[int] = frozenset()
    shows: frozenset[int] = frozenset()
    reference: bool = False

    @property
    def pinned(self) -> bool:
        return self.reference or bool(self.annotated)

    def without(self, object_id: int) -> Slot:
        """The slot once an object is forgotten; what only it had pinned is pinned no more."""
        gone = {object_id}
        return replace(self, annotated=self.annotated - gone, shows=self.shows - gone)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A predicted frame that may be remembered.

    Attributes:
        frame, stamp: number, and time in seconds.
        shows: ids that are in sight in it.
        away: ids that are known but out of sight.
        worthy: its masks are good enough to learn from.
        share: attention that each slot drew from the foreground of this frame, sums to 1; None
            where the rule has no use for it.
        view: per identity what it looks like, [G, 11, C]; None where the rule has no use for it.
    """

    frame: int
    stamp: float
    shows: frozenset[int] = frozenset()
    away: frozenset[int] = frozenset()
    worthy: bool = True
    share: tuple[float, ...] | None = None
    view: Tensor | None = None


class Policy:
    """Rule for predicted frames. Annotated frames are always taken, see ``slot_for_pin``.

    Attributes:
        grows: there is no limit, no slot is ever given up.
        takes_predictions: predicted frames are remembered at all.
        most_predicted: predicted frames that are kept at once; None: as many as there are slots.
        gated: only worthy frames are taken; published rules take every one.
        wants_share, wants_view: what it needs of a :class:`Candidate`.
    """

    grows = False
    takes_predictions = True
    most_predicted: int | None = None
    gated = True
    wants_share = False
    wants_view = False

    def give_up(self, slots: Sequence[Slot], free: Sequence[int], candidate: Candidate) -> int:
        """Which of the ``free`` slots (indices, at least one) makes room for the candidate.

        Called only when every slot that it may use is used. Here: the oldest.
        """
        return min(free, key=lambda i: slots[i].frame)

    def wrote(self, frame: int, view: Tensor | None) -> None:
        """A frame went into a slot; ``view`` where the rule wants it."""


def slot_for_pin(slots: Sequence[Slot], capacity: int) -> int:
    """Slot to write an annotated frame to; ``len(slots)`` for a new one.

    Given up in this order: the oldest predicted frame; the oldest annotated frame whose objects
    are all annotated in others; the oldest annotated frame after the reference. The reference
    itself goes only when it is the only slot there is.
    """
    if len(slots) < capacity:
        return len(slots)
    by_age = sorted(range(len(slots)), key=lambda i: slots[i].frame)
    predicted = [i for i in by_age if not slots[i].pinned]
    if predicted:
        return predicted[0]
    later = [i for i in by_age if not slots[i].reference]
    for i in later:
        others = frozenset().union(*(s.annotated for j, s in enumerate(slots) if j != i))
        if slots[i].annotated <= others:
            return i
    return later[0] if later else by_age[0]


def free_slots(slots: Sequence[Slot], capacity: int, away: Iterable[int]) -> list[int]:
    """Slots that a predicted frame may take.

    Annotated frames stay. So do the views of an object that is away, as far as they fill half of
    the slots: it will be recognised when it returns, and the others are still learned anew.
    """
    quota = max(1, (capacity - 1) // 2)
    scarce = {i for i in away if sum(i in slot.shows for slot in slots) <= quota}
    return [
        i for i, slot in enumerate(slots) if not slot.pinned and not slot.shows & scarce
    ]
