"""Attention heads folded into the batch, so that one head costs no copy."""

from __future__ import annotations

from torch import Tensor


def split_heads(x: Tensor, heads: int, parts: int = 1) -> Tensor:
    """Give each head its channels.

    Args:
        x: [B, T, parts * heads * D].
        heads: N.
        parts: blocks of channels, such as visual and ID values side by side, of which every head
            gets a share.

    Returns:
        [B * N, T, parts * D]; ``x`` itself for one head.
    """
    if heads == 1:
        return x
    return x.unflatten(-1, (parts, heads, -1)).permute(0, 3, 1, 2, 4).flatten(3).flatten(0, 1)


def merge_heads(x: Tensor, heads: int, parts: int = 1) -> Tensor:
    """Undo :func:`split_heads`."""
    if heads == 1:
        return x
    x = x.unflatten(0, (-1, heads)).unflatten(-1, (parts, -1))
    return x.permute(0, 2, 3, 1, 4).flatten(2)


def expand_heads(bias: Tensor, heads: int) -> Tensor:
    """[B, 1, S], the same for every head, to [B * N, 1, S]."""
    return bias if heads == 1 else bias.repeat_interleave(heads, 0)


def mean_of_heads(x: Tensor, heads: int) -> Tensor:
    """[B * N, ...] to [B, ...]."""
    return x if heads == 1 else x.unflatten(0, (-1, heads)).mean(1)
