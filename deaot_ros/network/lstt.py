"""Long short-term transformer: one layer of AOT, the paper's baseline (SPEC section 6).

Yang, Wei and Yang, *Associating Objects with Transformers for Video Object Segmentation*, NeurIPS
2021. Looks and identities share one branch; attentions have eight heads and no gates.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network.attention import (
    Grid,
    frame_mass,
    memory_weights,
    to_map,
    to_tokens,
    window_weights,
)
from deaot_ros.network.heads import merge_heads, split_heads
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.regularisation import drop_samples
from deaot_ros.network.variants import Propagation
from deaot_ros.network.window import WINDOW_CELLS, WINDOW_RADIUS, WINDOW_SIDE

_EXPANSION = 4  # of the feed-forward part
_WAVELENGTHS = 10000.0


class LongShortTermTransformer(nn.Module):
    """Self-attention, both memories, then feed-forward; the identity is always None."""

    drop_path: float = 0.0  # of self-attention and feed-forward, while training

    def __init__(self, propagation: Propagation) -> None:
        super().__init__()
        channels, heads = propagation.channels, propagation.heads
        self.norm1 = nn.LayerNorm(channels)
        self.self_attn = SelfAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.linear_Q = nn.Linear(channels, channels)
        self.linear_V = nn.Linear(channels, channels)
        self.long_term_attn = LongTermAttention(channels, heads)
        self.short_term_attn = ShortTermAttention(channels, heads)
        self.norm3 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, _EXPANSION * channels)
        self.activation = ConvActivation(_EXPANSION * channels)
        self.linear2 = nn.Linear(_EXPANSION * channels, channels)

    def project(
        self, visual: Tensor, identity: Tensor | None, grid: Grid
    ) -> tuple[Tensor, LayerContext]:
        """X [B, T, C] after self-attention, and key and feature of a frame."""
        visual = visual + self._dropped(self.self_attn(self.norm1(visual), grid))
        normed = self.norm2(visual)
        return visual, LayerContext(self.linear_Q(normed), normed, None, None)

    def memorise(self, context: LayerContext, embedding: Tensor) -> LayerMemory:
        """Memory entry of a frame whose mask embedding E [B, T, C] is known."""
        return LayerMemory(context.key, self.linear_V(context.value + embedding))

    def propagate(
        self,
        visual: Tensor,
        identity: Tensor | None,
        context: LayerContext,
        long_term: LayerMemory,
        short_term: LayerMemory,
        long_term_bias: Tensor | None,
        grid: Grid,
        with_mass: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Read both memories, then feed forward; see ``GatedPropagation``."""
        query = context.key
        read, mass = self.long_term_attn(query, *long_term, grid, long_term_bias, with_mass)
        visual = visual + read + self.short_term_attn(query, *short_term, grid)
        hidden = self.activation(self.linear1(self.norm3(visual)), grid)
        return visual + self._dropped(self.linear2(hidden)), None, mass

    def _dropped(self, update: Tensor) -> Tensor:
        if self.training and self.drop_path:
            return drop_samples(update, self.drop_path)
        return update


class SelfAttention(nn.Module):
    """Attention within the frame; queries and keys know their position."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_Q = nn.Linear(channels, channels)
        self.linear_K = nn.Linear(channels, channels)
        self.linear_V = nn.Linear(channels, channels)
        self.projection = nn.Linear(channels, channels)

    def forward(self, normed: Tensor, grid: Grid) -> Tensor:
        """[B, T, C] to the same shape."""
        placed = normed + sine_positions(grid, normed.shape[-1], normed.device).to(normed.dtype)
        weights = memory_weights(self.linear_Q(placed), self.linear_K(placed), None, self.heads)
        values = split_heads(self.linear_V(normed), self.heads)
        return self.projection(merge_heads(torch.bmm(weights, values), self.heads))


class LongTermAttention(nn.Module):
    """Attention over every token of the long-term memory."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projection = nn.Linear(channels, channels)

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        grid: Grid,
        bias: Tensor | None,
        with_mass: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """[B, T, C] read from memory, and the mass; as that of gated propagation without gate."""
        weights = memory_weights(query, keys, bias, self.heads)
        mass = frame_mass(weights, grid, self.heads) if with_mass else None
        attended = torch.bmm(weights, split_heads(values, self.heads))
        return self.projection(merge_heads(attended, self.heads)), mass


class ShortTermAttention(nn.Module):
    """Attention over a window of the previous frame; relative terms of keys and of values."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_emb_k = nn.Conv2d(channels, heads * WINDOW_CELLS, 1, groups=heads)
        self.relative_emb_v = nn.Parameter(torch.zeros(heads, channels // heads, WINDOW_CELLS))
        self.projection = nn.Linear(channels, channels)

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, grid: Grid) -> Tensor:
        """Read the previous frame; all [B, T, C]."""
        weights = window_weights(query, keys, self.relative_emb_k, grid, self.heads)
        attended = torch.bmm(weights, split_heads(values, self.heads))
        index, inside = window_tokens(grid, query.device)
        cells = weights.gather(2, index.expand(weights.shape[0], -1, -1)) * inside
        per_head = cells.unflatten(0, (-1, self.heads))
        attended = attended + torch.matmul(per_head, self.relative_emb_v.mT).flatten(0, 1)
        return self.projection(merge_heads(attended, self.heads))


class ConvActivation(nn.Module):
    """Between the layers of the feed-forward part: GroupNorm, exact GELU, depth-wise 5x5."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(32, channels)
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """[B, T, C] to the same shape."""
        return to_tokens(self.conv(F.gelu(self.gn(to_map(tokens, grid)))))


@lru_cache(maxsize=8)
def window_tokens(grid: Grid, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token in each cell of every query's 15x15 window.

    Returns:
        int64 [T, 225], 0 where the cell lies outside of the frame, and bool [T, 225], inside.
    """
    offset = torch.arange(WINDOW_SIDE) - WINDOW_RADIUS
    y = torch.arange(grid.height).repeat_interleave(grid.width)[:, None]
    x = torch.arange(grid.width).repeat(grid.height)[:, None]
    y = y + offset.repeat_interleave(WINDOW_SIDE)
    x = x + offset.repeat(WINDOW_SIDE)
    inside = (y >= 0) & (y < grid.height) & (x >= 0) & (x < grid.width)
    return (torch.where(inside, y * grid.width + x, 0).to(device), inside.to(device))


@lru_cache(maxsize=8)
def sine_positions(grid: Grid, channels: int, device: torch.device) -> Tensor:
    """Sine embedding of a token's place, float32 [T, channels]: rows, then columns (SPEC 6)."""
    half = channels // 2
    waves = _WAVELENGTHS ** (2 * (torch.arange(half) // 2) / half)

    def axis(count: int) -> Tensor:
        angle = torch.arange(count)[:, None] / (count - 1 + 1e-6) * (2 * math.pi) / waves
        even = torch.arange(half) % 2 == 0
        return torch.where(even, angle.sin(), angle.cos())

    rows = axis(grid.height).repeat_interleave(grid.width, 0)
    return torch.cat((rows, axis(grid.width).repeat(grid.height, 1)), dim=1).to(device)
