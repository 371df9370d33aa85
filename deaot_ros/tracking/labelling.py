"""From stride-4 logits to a label map, probabilities and scores (SPEC sections 8 and 9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from deaot_ros.network.variants import MAX_OBJECTS_PER_GROUP
from deaot_ros.tracking.resizing import upsample_logits

PROBABILITY_FLOOR = 1e-5
"""Bounds of probabilities that come from more than one group (SPEC section 8)."""


class Labelling(NamedTuple):
    """Places and foreground of a frame.

    Attributes:
        places: [H, W], 0 background; integer type as asked for.
        foreground: float32 [H, W], probability of being any object; None unless asked for.
    """

    places: Tensor
    foreground: Tensor | None


def label(
    logits: Tensor,
    live: Sequence[Sequence[int]],
    size: tuple[int, int],
    align_corners: bool,
    dtype: torch.dtype,
    with_foreground: bool = False,
) -> Labelling:
    """Most likely place of every pixel; the first one wins a tie.

    Channels of places that nobody has are never computed, which equals the published -1e10.

    Args:
        logits: raw, float32 [G, 11, h4, w4].
        live: per group its live places, ascending; group g has places 10 g + 1 .. 10 g + 10.
        size: (height, width) of the result.
        align_corners: of the variant.
        dtype: of the places.
        with_foreground: compute the probability of being any object.
    """
    if len(live) == 1:
        return _label_one_group(logits, live[0], size, align_corners, dtype, with_foreground)
    best = logits.new_zeros(size)
    places = torch.zeros(size, dtype=dtype, device=logits.device)
    background = logits.new_ones(size)
    for group_places, probabilities in _group_probabilities(logits, live, size, align_corners):
        background *= probabilities[0]
        for place, p in zip(group_places, _clamp(probabilities[1:]), strict=True):
            _keep_better(best, places, p, place)
    places.masked_fill_(_clamp(background) >= best, 0)
    return Labelling(places, 1 - background if with_foreground else None)


def probabilities(
    logits: Tensor,
    live: Sequence[Sequence[int]],
    size: tuple[int, int],
    align_corners: bool,
) -> Tensor:
    """Probability of every place, as the published evaluation averages them.

    With one group the softmax of its logits. With more the groups are aggregated: the background
    is the product of the backgrounds, every probability p is clamped to [1e-5, 1 - 1e-5], and the
    softmax of logit(p) makes them proportional to the odds.

    Args:
        logits, live, size, align_corners: see :func:`label`.

    Returns:
        float32 [1 + 10 G, H, W].
    """
    groups = len(live)
    result = logits.new_zeros((1 + 10 * groups, *size))
    result[0] = 1
    for group_places, p in _group_probabilities(logits, live, size, align_corners):
        result[0] *= p[0]
        for place, foreground in zip(group_places, p[1:], strict=True):
            result[place] = foreground
    return result if groups == 1 else torch.softmax(torch.logit(_clamp(result)), dim=0)


def scores(logits: Tensor, live: Sequence[Sequence[int]]) -> Tensor:
    """Mean probability of each place over the stride-4 cells that it wins; 0 where it wins none.

    Args:
        logits, live: see :func:`label`.

    Returns:
        float32 [1 + 10 G].
    """
    size = (logits.shape[2], logits.shape[3])
    places = 1 + 10 * len(live)
    stacked = logits.new_zeros((places, size[0] * size[1]))
    background = logits.new_ones(size[0] * size[1])
    for group_places, p in _group_probabilities(logits, live, size, False):
        flat = p.flatten(1)
        background = background * flat[0]
        for i, place in enumerate(group_places, 1):
            stacked[place] = flat[i]
    stacked[0] = background
    best, winner = stacked.max(dim=0)
    total = logits.new_zeros(places).index_add_(0, winner, best)
    count = logits.new_zeros(places).index_add_(0, winner, torch.ones_like(best))
    return total / count.clamp_(min=1)


def extents(places: Tensor, count: int) -> Tensor:
    """Pixels of each of the places 1 .. ``count`` in every row and every column.

    Args:
        places: [H, W].
        count: of places.

    Returns:
        int64 [count, H + W]: rows first.
    """
    ids = torch.arange(1, 1 + count, device=places.device, dtype=places.dtype)
    mine = places == ids[:, None, None]
    return torch.cat((mine.sum(2), mine.sum(1)), dim=1)


def share_of(
    mass: Tensor, logits: Tensor, live: Sequence[Sequence[int]], grid: tuple[int, int]
) -> Tensor:
    """Attention that each memory frame draws from the foreground, as RMem counts it.

    Args:
        mass: [G, T, slots], see ``Propagated.mass``.
        logits, live: see :func:`label`.
        grid: (height, width) of the T cells.

    Returns:
        float32 [slots]; they sum to 1.
    """
    share = torch.einsum("gts,gt->s", mass.float(), grid_foreground(logits, live, grid))
    return share / share.sum().clamp_(min=1e-12)


def grid_probabilities(
    logits: Tensor, live: Sequence[Sequence[int]], grid: tuple[int, int]
) -> Tensor:
    """Probability of every place at each cell of the stride-16 grid.

    Args:
        logits, live: see :func:`label`.
        grid: (height, width) in cells.

    Returns:
        float32 [G, 10, cells], 0 for places that nobody has.
    """
    coarse = upsample_logits(logits, grid, True)
    result = logits.new_zeros(len(live), MAX_OBJECTS_PER_GROUP, grid[0] * grid[1])
    for g, (places, p) in enumerate(_group_probabilities(coarse, live, grid, True)):
        for place, own in zip(places, p[1:], strict=True):
            result[g, place - 1 - MAX_OBJECTS_PER_GROUP * g] = own.flatten()
    return result


def grid_foreground(
    logits: Tensor, live: Sequence[Sequence[int]], grid: tuple[int, int]
) -> Tensor:
    """Probability of being any object of its group at each cell of the stride-16 grid.

    Logits are resampled before the softmax and corners are aligned for every variant, as RMem
    does.

    Args:
        logits, live: see :func:`label`.
        grid: (height, width) in cells.

    Returns:
        float32 [G, cells].
    """
    coarse = upsample_logits(logits, grid, True)
    return torch.stack(
        [1 - p[0].flatten() for _, p in _group_probabilities(coarse, live, grid, True)]
    )


def _label_one_group(
    logits: Tensor,
    live: Sequence[int],
    size: tuple[int, int],
    align_corners: bool,
    dtype: torch.dtype,
    with_foreground: bool,
) -> Labelling:
    maps = upsample_logits(_channels(logits, 0, live), size, align_corners)[0]
    foreground = 1 - maps.softmax(0)[0] if with_foreground else None
    best = maps[0].clone()
    places = torch.zeros(size, dtype=dtype, device=logits.device)
    for place, values in zip(live, maps[1:], strict=True):
        _keep_better(best, places, values, place)
    return Labelling(places, foreground)


def _keep_better(best: Tensor, places: Tensor, values: Tensor, place: int) -> None:
    """A running argmax over planes: several times as fast on a CPU as one over channels."""
    places.masked_fill_(values > best, place)
    torch.maximum(best, values, out=best)


def _group_probabilities(
    logits: Tensor, live: Sequence[Sequence[int]], size: tuple[int, int], align_corners: bool
) -> Iterator[tuple[Sequence[int], Tensor]]:
    """Per group its live places and the softmax over background and them, [1 + live, *size]."""
    for g, group_places in enumerate(live):
        maps = _channels(logits, g, group_places)
        if tuple(maps.shape[2:]) != size:
            maps = upsample_logits(maps, size, align_corners)
        yield group_places, maps[0].softmax(0)


def _channels(logits: Tensor, group: int, places: Sequence[int]) -> Tensor:
    """Background and ``places`` of a group, [1, 1 + places, h4, w4]."""
    own = logits[group : group + 1]
    if len(places) == MAX_OBJECTS_PER_GROUP:
        return own  # no list of channels that would have to travel to the device
    return own[:, [0, *(place - MAX_OBJECTS_PER_GROUP * group for place in places)]]


def _clamp(p: Tensor) -> Tensor:
    return p.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
