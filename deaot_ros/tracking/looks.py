"""What annotated objects look like, and how much a mask of now looks like that.

Attention always finds something: where an object is gone, its mask moves to what resembles it most,
and is sure of itself. Beside what was annotated, such a mask shows another thing. Both are compared
by the keys that attention matches by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from deaot_ros.network.attention import Grid
from deaot_ros.network.identity import identity_cover
from deaot_ros.tracking import labelling
from deaot_ros.tracking.identities import Identities

MOST = 4
"""Annotations of an object that are compared with, the newest ones."""


def keys_of_labels(keys: Tensor, labels: Tensor, grid: Grid) -> Tensor:
    """What every place of a labelled frame looks like.

    Args:
        keys: [1 or G, cells, C] of the first layer.
        labels: uint8 [G, h, w], 0..10.
        grid: of the cells.

    Returns:
        float32 [10 G, C], of length 1; zeros where the place has no pixel.
    """
    return _mean_keys(keys, identity_cover(labels, torch.float32, grid))


def keys_of_logits(
    keys: Tensor, logits: Tensor, live: Sequence[Sequence[int]], grid: Grid
) -> Tensor:
    """The same of a frame that is not labelled yet.

    Args:
        keys, grid: see :func:`keys_of_labels`.
        logits, live: see ``labelling.label``.
    """
    return _mean_keys(keys, labelling.grid_probabilities(logits, live, grid))


class Looks:
    """Of all objects of a session. On the device; nothing waits for it."""

    def __init__(self) -> None:
        self._known: dict[int, deque[Tensor]] = {}
        self._table: Tensor | None = None

    def note(self, object_id: int, key: Tensor) -> None:
        """An annotation shows the object as ``key`` [C]."""
        self._known.setdefault(object_id, deque(maxlen=MOST)).append(key)
        self._table = None

    def forget(self, object_id: int) -> None:
        """Without an annotation there is nothing to forget."""
        self._known.pop(object_id, None)
        self._table = None

    def move(self) -> None:
        """Objects have other places from now on."""
        self._table = None

    def likeness(self, keys: Tensor, identities: Identities) -> Tensor:
        """Cosine with the most similar annotation.

        Args:
            keys: [10 G, C], see :func:`keys_of_logits`.
            identities: say whose they are.

        Returns:
            float32 [1 + 10 G], 0 where a place has no object.
        """
        if self._table is None or len(self._table) != len(keys):
            table = keys.new_zeros(len(keys), MOST, keys.shape[1])
            for object_id, known in self._known.items():
                for i in range(MOST):  # the last one fills up: zeros would be nearer than opposites
                    table[identities.place(object_id) - 1, i] = known[min(i, len(known) - 1)]
            self._table = table
        cosines = torch.einsum("pmc,pc->pm", self._table, keys).amax(1)
        return F.pad(cosines, (1, 0))


def _mean_keys(keys: Tensor, cover: Tensor) -> Tensor:
    """Mean key over the cells that each place [G, 10, cells] covers best, [10 G, C]."""
    core = F.relu(cover - 0.5 * cover.amax(-1, keepdim=True))
    mean = F.normalize(torch.matmul(core, keys[:1].float()), dim=-1)
    return mean.view(-1, mean.shape[-1])
