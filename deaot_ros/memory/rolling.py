"""The rolling memory of a session: the long-term bank, its schedule, and the previous frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from deaot_ros.memory.bank import MemoryBank
from deaot_ros.memory.policy import POLICY_CLASSES, Slot, slot_for_pin
from deaot_ros.memory.settings import MemorySettings, MemoryUsage
from deaot_ros.network.gpm import LayerMemory
from deaot_ros.network.variants import Variant

# Stamps of a 30 Hz camera jitter by milliseconds; without a tolerance a gap of six frames would
# often become seven.
_STAMP_TOLERANCE = 0.25


class RollingMemory:
    """Remembers annotated frames at once and predicted frames on schedule (SPEC section 8).

    The short-term memory is always the frame written last.
    """

    def __init__(self, settings: MemorySettings, variant: Variant) -> None:
        name = settings.policy
        if name == "auto":
            name = "reference" if variant.remembers_references_only else "fifo"
        self._policy = POLICY_CLASSES[name]()
        self._capacity = settings.slots
        self._gap = settings.gap
        self._gap_frames = settings.gap_frames or variant.memory_gap
        self.clear()

    def clear(self) -> None:
        """Forget everything and free the tensors."""
        self._bank: MemoryBank | None = None
        self._slots: list[Slot] = []
        self._short_term: Sequence[LayerMemory] = ()
        self._last_frame = 0
        self._last_stamp = 0.0

    @property
    def usage(self) -> MemoryUsage:
        """Slots and bytes."""
        bank, used = self._bank, len(self._slots)
        size = sum(t.numel() * t.element_size() for entry in self._short_term for t in entry)
        if bank is None:
            return MemoryUsage(used, self._capacity, size)
        return MemoryUsage(used, bank.capacity, size + bank.bytes)

    @property
    def short_term(self) -> Sequence[LayerMemory]:
        """Entry per layer of the previous frame, [G, T, C]."""
        return self._short_term

    def long_term(self) -> tuple[list[LayerMemory], Tensor | None]:
        """Entries per layer of all remembered frames and their bias, see ``MemoryBank.read``."""
        assert self._bank is not None, "read before the first reference"
        return self._bank.read()

    def pin(
        self, entry: Sequence[LayerMemory], frame: int, stamp: float, ids: Iterable[int]
    ) -> None:
        """Remember an annotated frame for good.

        Args:
            entry: per layer, [G, T, C]; G may exceed that of earlier frames.
            frame: its number. What is remembered of this very frame already is replaced.
            stamp: its time in seconds.
            ids: the objects that were annotated in it.
        """
        groups = entry[0].keys.shape[0]
        if self._bank is None:
            self._bank = MemoryBank(self._capacity, entry)
        elif groups > self._bank.groups:
            self._bank.resize(self._bank.capacity, groups)
        annotated = frozenset(ids)
        same = [i for i, s in enumerate(self._slots) if s.frame == frame]
        if same:
            slot = same[0]
            annotated |= self._slots[slot].annotated
        elif self._policy.grows:
            slot = len(self._slots)
        else:
            slot = slot_for_pin(self._slots, self._capacity)
        self._write(slot, entry, Slot(frame, annotated))
        self._short_term = entry
        self._last_frame, self._last_stamp = frame, stamp

    def remember(self, entry: Sequence[LayerMemory], frame: int, stamp: float) -> None:
        """Take a predicted frame: always as short-term memory, long-term when it is due."""
        self._short_term = entry
        if not self._due(frame, stamp):
            return
        self._last_frame, self._last_stamp = frame, stamp
        slot = self._policy.slot_for_prediction(self._slots, self._capacity)
        if slot is not None:
            self._write(slot, entry, Slot(frame, frozenset()))

    def _due(self, frame: int, stamp: float) -> bool:
        if self._gap is None:
            return frame - self._last_frame >= self._gap_frames
        frames = max(1, frame - self._last_frame)
        elapsed = stamp - self._last_stamp
        return elapsed + _STAMP_TOLERANCE * elapsed / frames >= self._gap

    def _write(self, slot: int, entry: Sequence[LayerMemory], info: Slot) -> None:
        assert self._bank is not None
        if slot >= self._bank.capacity:
            self._bank.resize(2 * self._bank.capacity, self._bank.groups)
        self._bank.write(slot, entry)
        self._slots[slot : slot + 1] = [info]
