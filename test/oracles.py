"""Slow, independent ways to compute what the package computes fast."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def windowed_attention(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    relative: Tensor,
    height: int,
    width: int,
    radius: int = 7,
    value_term: Tensor | None = None,
) -> Tensor:
    """15x15 attention by unfolding keys and values (SPEC 5.3), one sequence.

    Args:
        query, keys: [T, K]; values: [T, V]; relative: [T, 225]; value_term: [V, 225], AOT's
            relative term of the values (SPEC 6).

    Returns:
        [T, V].
    """
    side = 2 * radius + 1

    def patches(x: Tensor) -> Tensor:
        maps = x.T.reshape(1, -1, height, width)
        return F.unfold(maps, side, padding=radius).view(x.shape[1], side * side, -1)

    inside = patches(torch.ones(height * width, 1, dtype=query.dtype))[0]
    logits = torch.einsum("tc,cwt->wt", query / query.shape[1] ** 0.5, patches(keys)) + relative.T
    weights = logits.masked_fill(inside == 0, float("-inf")).softmax(0)
    unfolded = patches(values)
    if value_term is not None:
        unfolded = unfolded + value_term[:, :, None]
    return torch.einsum("wt,cwt->tc", weights, unfolded)
