"""Fixed slots for memory frames: one tensor per layer, written in place."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from deaot_ros.network.attention import MASKED
from deaot_ros.network.layer import LayerMemory


class MemoryBank:
    """Keys and values of up to ``capacity`` frames for a batch of object groups.

    Memory frames carry no time, so the bank is a set: a write replaces any slot in place and the
    order of slots has no influence. Slots fill from the front. A group that came later does not
    see the frames before it: they are masked for it. Nothing here waits for the device.
    """

    def __init__(self, capacity: int, like: Sequence[LayerMemory]) -> None:
        """Allocate ``capacity`` slots for entries shaped like ``like`` (one frame, per layer)."""
        self.capacity = capacity
        self.used = 0
        self._tokens = like[0].keys.shape[1]
        # Zeros, not garbage: a masked NaN would still spread through the product with the values.
        self._layers = [
            LayerMemory(*(part.new_zeros(self._shape(part)) for part in entry)) for entry in like
        ]
        keys = like[0].keys
        self._bias = keys.new_full((keys.shape[0], 1, capacity * self._tokens), MASKED)
        self._seen_by: list[int] = []  # groups that see each used slot: the first so many

    @property
    def groups(self) -> int:
        """Object groups, the batch dimension."""
        return self._bias.shape[0]

    @property
    def bytes(self) -> int:
        """Size of all tensors of the bank."""
        tensors = [self._bias, *(part for layer in self._layers for part in layer)]
        return sum(t.numel() * t.element_size() for t in tensors)

    def write(self, slot: int, entry: Sequence[LayerMemory]) -> None:
        """Replace ``slot`` (at most ``used``, which then grows) by one frame's entry."""
        if not 0 <= slot <= self.used or slot >= self.capacity:
            raise IndexError(f"slot {slot} of {self.used} used and {self.capacity} there are")
        cells = slice(slot * self._tokens, (slot + 1) * self._tokens)
        for layer, new in zip(self._layers, entry, strict=True):
            layer.keys[:, cells] = new.keys
            layer.values[:, cells] = new.values
        self._bias[:, :, cells] = 0
        self._seen_by[slot : slot + 1] = [self.groups]
        self.used = len(self._seen_by)

    def read(self, slots: int | None = None) -> tuple[list[LayerMemory], Tensor | None]:
        """The used slots, or a fixed number of them.

        Args:
            slots: give so many, at least those that are used, whether each is used or not. With
                all slots these are always the same addresses, until there are more groups. None:
                the used ones.

        Returns:
            Per layer views [G, S, C], and the bias [G, 1, S] that masks what a group must not
            see; None where ``slots`` is and every group sees every frame.
        """
        if slots is not None and not self.used <= slots <= self.capacity:
            raise IndexError(f"{slots} slots asked for; {self.used} used, {self.capacity} there")
        end = (self.used if slots is None else slots) * self._tokens
        layers = [LayerMemory(m.keys[:, :end], m.values[:, :end]) for m in self._layers]
        all_visible = all(groups == self.groups for groups in self._seen_by)
        return layers, None if slots is None and all_visible else self._bias[:, :, :end]

    def resize(self, capacity: int, groups: int) -> None:
        """Reallocate for more slots or more groups; what new groups hold is masked."""
        old_layers, old_bias, old_groups = self._layers, self._bias, self.groups
        cells = old_bias.shape[2]
        self.capacity = capacity
        self._layers = [
            LayerMemory(*(part.new_zeros(self._shape(part, groups)) for part in layer))
            for layer in old_layers
        ]
        self._bias = old_bias.new_full((groups, 1, capacity * self._tokens), MASKED)
        self._bias[:old_groups, :, :cells] = old_bias
        for new, old in zip(self._layers, old_layers, strict=True):
            for new_part, old_part in zip(new, old, strict=True):
                new_part[:old_groups, :cells] = old_part

    def _shape(self, part: Tensor, groups: int | None = None) -> tuple[int, int, int]:
        return (groups or part.shape[0], self.capacity * self._tokens, part.shape[2])
