"""DMAOT's rule at the level of frames: keep the views that look most like the objects now.

After the winner of the VOTS 2023 challenge, whose memory is kept per object. Slots here hold whole
frames of ten objects, so a frame is scored by the mean over its objects.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from deaot_ros.memory.policy import Candidate, Policy, Slot
from deaot_ros.network.attention import Grid
from deaot_ros.network.identity import identity_cover
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.variants import Propagation

_VISUAL = Propagation().branch_values
"""Values of the visual branch come first; a network without branches has none of its own."""


def view_of(entry: LayerMemory, labels: Tensor, grid: Grid) -> Tensor:
    """What every identity of a frame looks like.

    Args:
        entry: of the first layer, [G, T, C].
        labels: uint8 [G, h, w], 0..10.
        grid: of the T cells.

    Returns:
        [G, 10, 128 + 512]: mean key and mean visual value over the identity's cells, each of
        length 1; zeros where the identity has no pixel.
    """
    cover = identity_cover(labels, entry.keys.dtype, grid)
    keys = F.normalize(torch.bmm(cover, entry.keys), dim=-1)
    values = F.normalize(torch.bmm(cover, entry.values[..., :_VISUAL]), dim=-1)
    return torch.cat((keys, values), dim=-1)


class SimilarityPolicy(Policy):
    """The frame least similar to the newcomer is given up.

    Similarity is the cosine between mean keys plus that between mean values, averaged over the
    objects that both frames show; a frame that shows none of them goes first.
    """

    wants_view = True

    def __init__(self) -> None:
        self._views: dict[int, Tensor] = {}

    def wrote(self, frame: int, view: Tensor | None) -> None:
        assert view is not None, "this rule needs to know what objects look like"
        self._views[frame] = view

    def give_up(self, slots: Sequence[Slot], free: Sequence[int], candidate: Candidate) -> int:
        assert candidate.view is not None, "this rule needs to know what objects look like"
        self._views = {slot.frame: self._views[slot.frame] for slot in slots}
        now = candidate.view
        likeness = torch.stack([_likeness(self._views[slots[i].frame], now) for i in free])
        values = likeness.tolist()
        best = min(range(len(free)), key=lambda k: (values[k], slots[free[k]].frame))
        return free[best]


def _likeness(view: Tensor, now: Tensor) -> Tensor:
    """Mean over common objects of the sum of both cosines, in -2..2; -3 without any."""
    groups = min(view.shape[0], now.shape[0])
    view, now = view[:groups].flatten(0, 1), now[:groups].flatten(0, 1)
    common = (view.abs().amax(-1) > 0) & (now.abs().amax(-1) > 0)
    total = ((view * now).sum(-1) * common).sum()
    count = common.sum()
    return torch.where(count > 0, total / count.clamp(min=1), total.new_tensor(-3.0))
