"""The rolling memory of a session: the long-term bank, its schedule, and short-term memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from deaot_ros.memory.bank import MemoryBank
from deaot_ros.memory.policies import make_policy
from deaot_ros.memory.policy import Candidate, Policy, Slot, free_slots, slot_for_pin
from deaot_ros.memory.settings import DEFAULT_GAP, MemorySettings, MemoryUsage
from deaot_ros.memory.short_term import ShortTermMemory
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.variants import Variant

# Stamps of a 30 Hz camera jitter by milliseconds; without a tolerance a gap of six frames would
# often become seven.
_STAMP_TOLERANCE = 0.25


class RollingMemory:
    """Remembers annotated frames at once and predicted frames on schedule (SPEC section 8).

    A frame goes through it in two steps: ``follow`` makes it short-term memory, ``offer`` later
    puts it into the long-term bank if it is due, worthy, and the policy has a slot for it.
    """

    def __init__(self, settings: MemorySettings, variant: Variant) -> None:
        self._settings = settings
        self._variant = variant
        self._capacity = settings.slots
        published = settings.policy == "unbounded" and settings.gap is None
        self._gap_frames = settings.gap_frames or (variant.memory_gap if published else None)
        self._gap = settings.gap or DEFAULT_GAP
        self._short_term = ShortTermMemory(settings.lag, settings.lag_frames)
        self.clear()

    def clear(self) -> None:
        """Forget everything and free the tensors."""
        self._policy: Policy = make_policy(self._settings.policy, self._variant)
        self._bank: MemoryBank | None = None
        self._slots: list[Slot] = []
        self._short_term.clear()
        self._last_frame = 0
        self._last_stamp = 0.0

    @property
    def usage(self) -> MemoryUsage:
        """Slots and bytes."""
        bank, used = self._bank, len(self._slots)
        size = sum(t.numel() * t.element_size() for t in self._short_term.tensors)
        if bank is None:
            return MemoryUsage(used, self._capacity, size)
        return MemoryUsage(used, bank.capacity, size + bank.bytes)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What is remembered, by slot."""
        return tuple(self._slots)

    @property
    def wants_view(self) -> bool:
        """Whether ``pin`` and ``Candidate`` must say what objects look like."""
        return self._policy.wants_view

    def short_term(self, stamp: float) -> Sequence[LayerMemory]:
        """Short-term entry per layer, [G, T, C], for a frame at ``stamp`` seconds."""
        return self._short_term.read(stamp)

    def long_term(
        self, slots: Callable[[int, int], int | None] | None = None
    ) -> tuple[list[LayerMemory], Tensor | None]:
        """Entries per layer of all remembered frames and their bias, see ``MemoryBank.read``.

        ``slots`` says how many to give when so many of so many are used; None, or what it says is
        None: the used ones, or all where the settings ask for ``padded``.
        """
        bank = self._bank
        assert bank is not None, "read before the first reference"
        wanted = slots(bank.used, bank.capacity) if slots else None
        if wanted is None and self._settings.padded:
            wanted = bank.capacity
        return bank.read(wanted)

    def due(self, frame: int, stamp: float) -> bool:
        """Whether it is time to remember a predicted frame with this number and stamp."""
        if not self._policy.takes_predictions:
            return False
        if self._gap_frames is not None:
            return frame - self._last_frame >= self._gap_frames
        frames = max(1, frame - self._last_frame)
        elapsed = stamp - self._last_stamp
        return elapsed + _STAMP_TOLERANCE * elapsed / frames >= self._gap

    def wants_share(self, frame: int, stamp: float) -> bool:
        """Whether ``offer`` will need the attention that each slot draws from this frame."""
        return self._policy.wants_share and self.due(frame, stamp)

    def pin(
        self,
        entry: Sequence[LayerMemory],
        frame: int,
        stamp: float,
        ids: Iterable[int],
        shows: Iterable[int] = (),
        view: Tensor | None = None,
    ) -> None:
        """Remember an annotated frame for good.

        Args:
            entry: per layer, [G, T, C]; G may exceed that of earlier frames.
            frame: its number. What is remembered of this very frame already is replaced.
            stamp: its time in seconds.
            ids: the objects that were annotated in it.
            shows: all objects that are in sight in it.
            view: see :class:`Candidate`.
        """
        groups = entry[0].keys.shape[0]
        if self._bank is None:
            self._bank = MemoryBank(self._capacity, entry)
        elif groups > self._bank.groups:
            self._bank.resize(self._bank.capacity, groups)
        annotated, reference = frozenset(ids), not self._slots
        same = [i for i, s in enumerate(self._slots) if s.frame == frame]
        if same:
            slot = same[0]
            annotated |= self._slots[slot].annotated
            reference = self._slots[slot].reference
        elif self._policy.grows:
            slot = len(self._slots)
        else:
            slot = slot_for_pin(self._slots, self._capacity)
            # Only where there is but one slot is it the reference that makes room.
            reference = reference or (slot < len(self._slots) and self._slots[slot].reference)
        seen = annotated.union(shows)
        self._write(slot, entry, Slot(frame, stamp, annotated, seen, reference), view)
        self._short_term.restart(entry, stamp)
        self._last_frame, self._last_stamp = frame, stamp

    def follow(self, entry: Sequence[LayerMemory], stamp: float) -> None:
        """Take a predicted frame as short-term memory."""
        self._short_term.push(entry, stamp)

    def offer(self, entry: Sequence[LayerMemory], candidate: Candidate) -> bool:
        """Remember a predicted frame if it is due, worthy and there is a slot for it.

        Returns:
            Whether it was remembered. A frame that is refused restarts the gap all the same.
        """
        if not self.due(candidate.frame, candidate.stamp):
            return False
        self._last_frame, self._last_stamp = candidate.frame, candidate.stamp
        slot = self._slot_for(candidate)
        if slot is None:
            return False
        info = Slot(candidate.frame, candidate.stamp, shows=candidate.shows)
        self._write(slot, entry, info, candidate.view)
        return True

    def forget(self, object_id: int) -> None:
        """An object is removed: frames that were kept for it alone may be given up."""
        self._slots = [slot.without(object_id) for slot in self._slots]

    def _slot_for(self, candidate: Candidate) -> int | None:
        gated = self._policy.gated and self._settings.admission
        if gated and not candidate.worthy:
            return None
        room = self._capacity
        if self._policy.most_predicted is not None:
            pinned = sum(slot.pinned for slot in self._slots)
            room = min(room, pinned + self._policy.most_predicted)
        if self._policy.grows or len(self._slots) < room:
            return len(self._slots)
        free = free_slots(self._slots, room, candidate.away if gated else ())
        return self._policy.give_up(self._slots, free, candidate) if free else None

    def _write(
        self, slot: int, entry: Sequence[LayerMemory], info: Slot, view: Tensor | None
    ) -> None:
        assert self._bank is not None
        if slot >= self._bank.capacity:
            self._bank.resize(2 * self._bank.capacity, self._bank.groups)
        self._bank.write(slot, entry)
        self._slots[slot : slot + 1] = [info]
        self._policy.wrote(info.frame, view)
