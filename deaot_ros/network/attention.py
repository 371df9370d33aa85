"""The attentions of gated propagation (paper section 4.2, equations 4 to 8), and what LSTT shares.

All sequences are [B, tokens, channels]; B is a batch of object groups or of training clips. Tokens
are the cells of the stride-16 grid, row-major. K is the width of queries and keys, V that of
values. DeAOT has one head; with N heads every head has its share of K and of each branch of V.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network.eager_cpu import eager_cpu
from deaot_ros.network.heads import expand_heads, mean_of_heads, merge_heads, split_heads
from deaot_ros.network.regularisation import drop_channels
from deaot_ros.network.window import WINDOW_CELLS, Grid, window_index
from deaot_ros.network.window_tiles import attend_by_tiles

MASKED = -1e4
"""Added to logits that must not count: exp(-1e4) is 0 in fp32 and fp16, and -1e4 fits in fp16."""


def to_map(tokens: Tensor, grid: Grid) -> Tensor:
    """[B, T, C] to a [B, C, h, w] view."""
    return tokens.unflatten(1, grid).permute(0, 3, 1, 2)


def to_tokens(maps: Tensor) -> Tensor:
    """[B, C, h, w] to [B, T, C]."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


def memory_weights(query: Tensor, keys: Tensor, bias: Tensor | None, heads: int) -> Tensor:
    """Attention of every query token to every memory token.

    Args:
        query: [B, T, K].
        keys: [B, S, K].
        bias: [B, 1, S], 0 for tokens that count and ``MASKED`` for the rest; None: all count.
        heads: N.

    Returns:
        [B * N, T, S]; rows sum to 1.
    """
    query, keys = split_heads(query, heads), split_heads(keys, heads)
    scale = 1.0 / math.sqrt(query.shape[-1])
    if bias is None:
        return torch.bmm(query * scale, keys.transpose(1, 2)).softmax(-1)
    bias = expand_heads(bias, heads)
    return torch.baddbmm(bias, query, keys.transpose(1, 2), alpha=scale).softmax(-1)


def frame_mass(weights: Tensor, grid: Grid, heads: int) -> Tensor:
    """Attention that each memory frame draws: [B * N, T, S] to [B, T, S / T], mean of the heads."""
    return mean_of_heads(weights.unflatten(-1, (-1, grid.cells)).sum(-1), heads)


def window_weights(
    query: Tensor, keys: Tensor, relative: nn.Conv2d, grid: Grid, heads: int
) -> Tensor:
    """Attention over a 15x15 window of one frame with a learned relative term (SPEC 5.3).

    Computed densely: the relative term is gathered into place and cells outside of the window get
    ``MASKED``. That equals the window form exactly, because a window at the border simply has
    fewer cells, and needs only plain operations.

    Args:
        query, keys: [B, T, K].
        relative: 1x1 convolution from K to 225 per head, with one group per head.
        grid: of the T tokens.
        heads: N.

    Returns:
        [B * N, T, T]; rows sum to 1.
    """
    query, keys = split_heads(query, heads), split_heads(keys, heads)
    index = window_index(grid, query.device).expand(query.shape[0], -1, -1)
    logits = torch.baddbmm(
        relative_logits(query, relative, heads).gather(2, index),
        query, keys.transpose(1, 2), alpha=1.0 / math.sqrt(query.shape[-1]),
    )  # fmt: skip
    return logits.softmax(-1)


def relative_logits(query: Tensor, relative: nn.Conv2d, heads: int) -> Tensor:
    """Relative term of every query and cell of its window, then ``MASKED``: [B * N, T, 226].

    It is a function of the unscaled query [B * N, T, K / N] (SPEC pitfall 7).
    """
    assert relative.bias is not None
    if heads == 1:
        cells = F.linear(query, relative.weight.flatten(1), relative.bias)
    else:
        weight = relative.weight.view(heads, WINDOW_CELLS, -1)
        per_head = query.unflatten(0, (-1, heads))
        cells = torch.matmul(per_head, weight.transpose(1, 2))
        cells = (cells + relative.bias.view(heads, 1, WINDOW_CELLS)).flatten(0, 1)
    return F.pad(cells, (0, 1), value=MASKED)


class DepthwiseConv(nn.Module):
    """Depth-wise convolution of a token sequence on its grid, without bias."""

    def __init__(self, channels: int, kernel: int = 5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """[B, T, C] to [B, T, C]. A sequence is a channels-last map, so nothing is copied."""
        return to_tokens(self.conv(to_map(tokens, grid)))


class GatedOutput(nn.Module):
    """What follows every attention: gate, depth-wise convolution, projection (equation 5).

    Args:
        value_channels: V.
        out_channels: of the projection.
        heads: N.
        parts: branches that lie side by side in the values.
        kernel: side of the depth-wise convolution; 0: none.
    """

    channel_dropout: float = 0.0  # while training, behind the convolution

    def __init__(
        self, value_channels: int, out_channels: int, heads: int = 1, parts: int = 2,
        kernel: int = 5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.heads = heads
        self.parts = parts
        self.dw_conv = DepthwiseConv(value_channels, kernel) if kernel else None
        self.projection = nn.Linear(value_channels, out_channels)

    def gather(self, weights: Tensor, values: Tensor) -> Tensor:
        """[B * N, T, S] weights and [B, S, V] values to [B, T, V]."""
        values = split_heads(values, self.heads, self.parts)
        return merge_heads(torch.bmm(weights, values), self.heads, self.parts)

    def emit(self, attended: Tensor, gate: Tensor, grid: Grid) -> Tensor:
        """[B, T, V] attended values and their gate to [B, T, out]."""
        mixed = attended * gate
        if self.dw_conv is not None:
            mixed = self.dw_conv(mixed, grid)
        if self.training and self.channel_dropout:
            mixed = drop_channels(mixed, self.channel_dropout)
        return self.projection(mixed)


class LongTermAttention(GatedOutput):
    """Attention over every token of the long-term memory (SPEC 5.2)."""

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        gate: Tensor,
        grid: Grid,
        bias: Tensor | None,
        with_mass: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Read the memory.

        Args:
            query: [B, T, K].
            keys: [B, S, K] of all memory tokens.
            values: [B, S, V].
            gate: [B, T, V].
            grid: of the T query tokens.
            bias: [B, 1, S], see :func:`memory_weights`.
            with_mass: also give the attention that each memory frame draws.

        Returns:
            [B, T, out], and the mass [B, T, S / T], whose rows sum to 1; None unless asked for.
        """
        weights = memory_weights(query, keys, bias, self.heads)
        mass = frame_mass(weights, grid, self.heads) if with_mass else None
        return self.emit(self.gather(weights, values), gate, grid), mass


class ShortTermAttention(GatedOutput):
    """Attention over a window of the previous frame, see :func:`window_weights`.

    A CPU computes the same by tiles of the grid, and with ``by_tiles`` every machine does.
    """

    by_tiles: bool = False

    def __init__(
        self, key_channels: int, value_channels: int, out_channels: int, heads: int = 1,
        parts: int = 2, kernel: int = 5,
    ) -> None:  # fmt: skip
        super().__init__(value_channels, out_channels, heads, parts, kernel)
        self.relative_emb_k = nn.Conv2d(key_channels, heads * WINDOW_CELLS, 1, groups=heads)

    def forward(
        self, query: Tensor, keys: Tensor, values: Tensor, gate: Tensor, grid: Grid
    ) -> Tensor:
        """Read the previous frame; shapes as in :class:`LongTermAttention` with S = T."""
        if self.by_tiles or eager_cpu(query):
            return self.emit(self._gather_by_tiles(query, keys, values, grid), gate, grid)
        weights = window_weights(query, keys, self.relative_emb_k, grid, self.heads)
        return self.emit(self.gather(weights, values), gate, grid)

    def _gather_by_tiles(self, query: Tensor, keys: Tensor, values: Tensor, grid: Grid) -> Tensor:
        query, keys = split_heads(query, self.heads), split_heads(keys, self.heads)
        values = split_heads(values, self.heads, self.parts)
        relative = relative_logits(query, self.relative_emb_k, self.heads)
        scale = 1.0 / math.sqrt(query.shape[-1])
        found = attend_by_tiles(query * scale, keys, values, relative, grid)
        return merge_heads(found, self.heads, self.parts)
