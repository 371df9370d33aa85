"""Object ids of the user and the places they take in the network.

An id is what the target mask says and never changes within a session. A place is what the network
knows: places 1..10 are the identities of the first group, 11..20 those of the second, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from deaot_ros.network.identity import ID_CHANNELS
from deaot_ros.network.variants import MAX_OBJECTS_PER_GROUP

MAX_ID = 65534
UNLABELLED = 255
"""Reserved by vision_msgs/LabelInfo in 8-bit label images."""


class Identities:
    """Which id has which place.

    Attributes:
        place_ids: [1 + 10 groups], the id of each place, 0 where it has none; uint8, or uint16
            when an id exceeds 254.
        retired: places whose object was removed. They stay taken, for the memory still shows them.
    """

    place_ids: np.ndarray

    def __init__(self) -> None:
        self._place: dict[int, int] = {}
        self.retired = 0
        self._rebuild()

    @property
    def ids(self) -> tuple[int, ...]:
        """Live ids, ascending."""
        return tuple(sorted(self._place))

    @property
    def groups(self) -> int:
        """Groups of ten that the places taken so far need, at least 1."""
        return max(1, groups_of(len(self._place) + self.retired))

    def __contains__(self, object_id: int) -> bool:
        return object_id in self._place

    def __len__(self) -> int:
        return len(self._place)

    def add(self, ids: Sequence[int]) -> None:
        """Give new ids the next places, by ascending id (SPEC section 2: order of appearance)."""
        for place, object_id in enumerate(sorted(ids), 1 + len(self._place) + self.retired):
            self._place[object_id] = place
        self._rebuild()

    def remove(self, object_id: int) -> None:
        """Retire the place of an id."""
        del self._place[object_id]
        self.retired += 1
        self._rebuild()

    def compact(self) -> None:
        """Free retired places. Places change: the memory must be new."""
        in_order = sorted(self._place, key=self.place)
        self._place = {object_id: place for place, object_id in enumerate(in_order, 1)}
        self.retired = 0
        self._rebuild()

    def place(self, object_id: int) -> int:
        return self._place[object_id]

    def live_places(self) -> tuple[tuple[int, ...], ...]:
        """Per group its places that have an object, ascending."""
        live: list[list[int]] = [[] for _ in range(self.groups)]
        for place in sorted(self._place.values()):
            live[(place - 1) // MAX_OBJECTS_PER_GROUP].append(place)
        return tuple(tuple(group) for group in live)

    def to_places(self, labels: np.ndarray) -> Tensor:
        """Label map of ids [H, W] to places, uint8 or int32; unknown ids become background."""
        table = np.zeros(MAX_ID + 2, np.uint8 if self.place_dtype == torch.uint8 else np.int32)
        for object_id, place in self._place.items():
            table[object_id] = place
        return torch.from_numpy(table[labels])

    def to_ids(self, places: np.ndarray) -> np.ndarray:
        """Places [H, W] to ids, uint8, or uint16 when an id exceeds 254."""
        if places.dtype == np.uint8 and self.place_ids.dtype == np.uint8:  # five times as fast
            table = self.place_ids.tobytes().ljust(256, b"\0")
            labels = np.frombuffer(bytearray(places).translate(table), np.uint8)
            return labels.reshape(places.shape)
        return self.place_ids[places]

    @property
    def place_dtype(self) -> torch.dtype:
        """Type of place maps: uint8, or int32 beyond 25 groups."""
        return torch.uint8 if self.groups <= 25 else torch.int32

    def _rebuild(self) -> None:
        wide = any(i > UNLABELLED - 1 for i in self._place)
        places = 1 + MAX_OBJECTS_PER_GROUP * self.groups
        self.place_ids = np.zeros(places, np.uint16 if wide else np.uint8)
        for object_id, place in self._place.items():
            self.place_ids[place] = object_id


def groups_of(places: int) -> int:
    """Groups of ten that hold this many places."""
    return -(-places // MAX_OBJECTS_PER_GROUP)


def split_groups(places: Tensor, groups: int) -> Tensor:
    """Places [h, w] to the labels of each group, uint8 [G, h, w] in 0..10 (SPEC section 8)."""
    if groups == 1:
        return places.to(torch.uint8)[None]
    first = torch.arange(groups, device=places.device).mul_(MAX_OBJECTS_PER_GROUP)[:, None, None]
    local = places[None] - first
    return torch.where((local > 0) & (local < ID_CHANNELS), local, 0).to(torch.uint8)
