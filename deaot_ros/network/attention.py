"""The attentions of gated propagation (paper section 4.2, equations 4 to 8).

All sequences are [B, tokens, channels]; B is a batch of object groups or of training clips. Tokens
are the cells of the stride-16 grid, row-major. Every attention has one head of width 128.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network.regularisation import drop_channels

KEY_CHANNELS = 128
SCALE = 1.0 / math.sqrt(KEY_CHANNELS)
WINDOW_RADIUS = 7
WINDOW_CELLS = (2 * WINDOW_RADIUS + 1) ** 2

MASKED = -1e4
"""Added to logits that must not count: exp(-1e4) is 0 in fp32 and fp16, and -1e4 fits in fp16."""


class Grid(NamedTuple):
    """Height and width of the stride-16 grid in cells."""

    height: int
    width: int

    @property
    def cells(self) -> int:
        return self.height * self.width


class GatedOutput(nn.Module):
    """What follows every attention: gate, depth-wise 5x5 convolution, projection (equation 5)."""

    channel_dropout: float = 0.0  # while training, behind the convolution

    def __init__(self, value_channels: int, out_channels: int) -> None:
        super().__init__()
        self.dw_conv = DepthwiseConv(value_channels)
        self.projection = nn.Linear(value_channels, out_channels)

    def emit(self, attended: Tensor, gate: Tensor, grid: Grid) -> Tensor:
        """[B, T, V] attended values and their gate to [B, T, out]."""
        mixed = self.dw_conv(attended * gate, grid)
        if self.training and self.channel_dropout:
            mixed = drop_channels(mixed, self.channel_dropout)
        return self.projection(mixed)


class DepthwiseConv(nn.Module):
    """5x5 depth-wise convolution of a token sequence on its grid, without bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """[B, T, C] to [B, T, C]. A sequence is a channels-last map, so nothing is copied."""
        return to_tokens(self.conv(to_map(tokens, grid)))


def to_map(tokens: Tensor, grid: Grid) -> Tensor:
    """[B, T, C] to a [B, C, h, w] view."""
    return tokens.unflatten(1, grid).permute(0, 3, 1, 2)


def to_tokens(maps: Tensor) -> Tensor:
    """[B, C, h, w] to [B, T, C]."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


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
            query: [B, T, 128].
            keys: [B, S, 128] of all memory tokens.
            values: [B, S, V].
            gate: [B, T, V].
            grid: of the T query tokens.
            bias: [B, 1, S], 0 for tokens that count and ``MASKED`` for the rest; None: all count.
            with_mass: also give the attention that each memory frame draws.

        Returns:
            [B, T, out], and the mass [B, T, S / T], whose rows sum to 1; None unless asked for.
        """
        if bias is None:
            logits = torch.bmm(query * SCALE, keys.transpose(1, 2))
        else:
            logits = torch.baddbmm(bias, query, keys.transpose(1, 2), alpha=SCALE)
        weights = logits.softmax(-1)
        mass = weights.unflatten(-1, (-1, grid.cells)).sum(-1) if with_mass else None
        return self.emit(torch.bmm(weights, values), gate, grid), mass


@lru_cache(maxsize=8)
def window_index(grid: Grid, device: torch.device) -> Tensor:
    """Column of the relative term for every (query, key) pair.

    Returns:
        int64 [T, T]: ``(dy + 7) * 15 + (dx + 7)`` inside the 15x15 window, 225 outside of it.
    """
    y = torch.arange(grid.height).repeat_interleave(grid.width)
    x = torch.arange(grid.width).repeat(grid.height)
    dy = y[None, :] - y[:, None]
    dx = x[None, :] - x[:, None]
    inside = (dy.abs() <= WINDOW_RADIUS) & (dx.abs() <= WINDOW_RADIUS)
    side = 2 * WINDOW_RADIUS + 1
    index = (dy + WINDOW_RADIUS) * side + dx + WINDOW_RADIUS
    return torch.where(inside, index, WINDOW_CELLS).to(device)


class ShortTermAttention(GatedOutput):
    """Attention over a 15x15 window of the previous frame with a learned relative term (SPEC 5.3).

    Computed densely: the relative term is gathered into place and cells outside of the window get
    ``MASKED``. That equals the window form exactly, because a window at the border simply has
    fewer cells, and needs only plain operations.
    """

    def __init__(self, value_channels: int, out_channels: int) -> None:
        super().__init__(value_channels, out_channels)
        self.relative_emb_k = nn.Conv2d(KEY_CHANNELS, WINDOW_CELLS, 1)

    def relative_logits(self, query: Tensor, grid: Grid) -> Tensor:
        """Relative term of every (query, key) pair, ``MASKED`` outside of the window: [B, T, T].

        It is a function of the unscaled query (SPEC pitfall 7).
        """
        weight = self.relative_emb_k.weight.flatten(1)
        cells = F.pad(F.linear(query, weight, self.relative_emb_k.bias), (0, 1), value=MASKED)
        index = window_index(grid, query.device).expand(query.shape[0], -1, -1)
        return cells.gather(2, index)

    def forward(
        self, query: Tensor, keys: Tensor, values: Tensor, gate: Tensor, grid: Grid
    ) -> Tensor:
        """Read the previous frame; shapes as in :class:`LongTermAttention` with S = T."""
        logits = torch.baddbmm(
            self.relative_logits(query, grid), query, keys.transpose(1, 2), alpha=SCALE
        )
        return self.emit(torch.bmm(logits.softmax(-1), values), gate, grid)


class SelfAttention(GatedOutput):
    """Gated self-propagation of the visual and the ID branch together (SPEC 5.5)."""

    def __init__(self, channels: int, value_channels: int) -> None:
        super().__init__(value_channels, 2 * channels)
        half = value_channels // 2
        self.linear_QK = nn.Linear(2 * channels, KEY_CHANNELS)
        self.linear_V1 = nn.Linear(channels, half)
        self.linear_V2 = nn.Linear(channels, half)
        self.linear_U1 = nn.Linear(channels, half)
        self.linear_U2 = nn.Linear(channels, half)

    def forward(self, visual: Tensor, identity: Tensor, grid: Grid) -> Tensor:
        """Normalised branches [B, T, C] each to [B, T, 2 C]."""
        qk = self.linear_QK(torch.cat((visual, identity), dim=-1))
        values = F.silu(torch.cat((self.linear_V1(visual), self.linear_V2(identity)), dim=-1))
        gate = F.silu(torch.cat((self.linear_U1(visual), self.linear_U2(identity)), dim=-1))
        logits = torch.bmm(qk * SCALE, qk.transpose(1, 2))
        return self.emit(torch.bmm(logits.softmax(-1), values), gate, grid)
