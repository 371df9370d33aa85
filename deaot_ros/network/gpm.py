"""Gated propagation module: one layer of DeAOT (paper section 4.2; SPEC section 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network.attention import (
    GatedOutput,
    Grid,
    LongTermAttention,
    ShortTermAttention,
    memory_weights,
)
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.regularisation import drop_samples
from deaot_ros.network.variants import Matching, Propagation


class GatedPropagation(nn.Module):
    """Long-term, short-term and self-propagation of a visual and an ID branch."""

    drop_path: float = 0.0  # of the self-propagation, while training

    def __init__(self, propagation: Propagation, first: bool) -> None:
        super().__init__()
        channels, keys = propagation.channels, propagation.key_channels
        values = propagation.branch_values
        # The ID branch begins behind layer 0.
        self.matched_by: Matching = "visual" if first else propagation.matched_by
        self.key_channels = keys
        self.norm1 = nn.LayerNorm(channels)
        self.linear_QV: nn.Linear | None = None
        self.linear_QK: nn.Linear | None = None
        self.linear_V: nn.Linear | None = None
        if self.matched_by == "visual":
            self.linear_QV = nn.Linear(channels, keys + values)
        else:
            self.linear_QK = nn.Linear(_matched_channels(channels, self.matched_by), keys)
            self.linear_V = nn.Linear(channels, values)
        self.linear_U = nn.Linear(channels, values)
        self.id_norm1: nn.LayerNorm | None = None
        self.linear_ID_U: nn.Linear | None = None
        if not first:
            self.id_norm1 = nn.LayerNorm(channels)
            self.linear_ID_U = nn.Linear(channels, values)
        self.linear_ID_V = nn.Linear(channels if first else 2 * channels, values)
        heads, kernel = propagation.heads, propagation.kernel
        widths = (2 * values, 2 * channels, heads, 2, kernel)
        self.long_term_attn = LongTermAttention(*widths)
        self.short_term_attn = ShortTermAttention(keys, *widths)
        self.norm2 = nn.LayerNorm(channels)
        self.id_norm2 = nn.LayerNorm(channels)
        self.self_attn = SelfAttention(propagation)

    def project(
        self, visual: Tensor, identity: Tensor | None, grid: Grid
    ) -> tuple[Tensor, LayerContext]:
        """X as it is, and query, values and gate of a frame (SPEC 5.1).

        Args:
            visual: X, [B, T, C].
            identity: Z, [B, T, C]; None in layer 0, whose ID gate is exactly 1.
            grid: of the tokens.
        """
        normed = self.norm1(visual)
        gate = F.silu(self.linear_U(normed))
        if self.id_norm1 is None or self.linear_ID_U is None or identity is None:
            id_feature, id_gate = None, torch.ones_like(gate)
        else:
            id_feature = self.id_norm1(identity)
            id_gate = F.silu(self.linear_ID_U(id_feature))
        key, value = self._match(normed, id_feature)
        gate = torch.cat((gate, id_gate), dim=-1)
        return visual, LayerContext(key, F.silu(value), id_feature, gate)

    def memorise(self, context: LayerContext, embedding: Tensor) -> LayerMemory:
        """Memory entry of a frame whose mask embedding E [B, T, C] is known (SPEC 5.1)."""
        source = embedding
        if context.id_feature is not None:
            source = torch.cat((context.id_feature, embedding), dim=-1)
        id_value = F.silu(self.linear_ID_V(source))
        return LayerMemory(context.key, torch.cat((context.value, id_value), dim=-1))

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
        """Read both memories, then propagate within the frame (SPEC 5.2 to 5.5).

        Returns:
            X and Z for the next layer, [B, T, C] each, and the attention mass of each
            long-term frame, see :class:`LongTermAttention`.
        """
        query, gate = context.key, context.gate
        assert gate is not None
        read, mass = self.long_term_attn(query, *long_term, gate, grid, long_term_bias, with_mass)
        read = read + self.short_term_attn(query, *short_term, gate, grid)
        visual, identity = _add(visual, identity, read)
        read = self.self_attn(self.norm2(visual), self.id_norm2(identity), grid)
        if self.training and self.drop_path:
            read = drop_samples(read, self.drop_path)
        return *_add(visual, identity, read), mass

    def _match(self, normed: Tensor, id_feature: Tensor | None) -> tuple[Tensor, Tensor]:
        """Key [B, T, K] and visual values before their activation [B, T, V]."""
        if self.linear_QV is not None:
            widths = (self.key_channels, self.linear_QV.out_features - self.key_channels)
            key, value = self.linear_QV(normed).split(widths, dim=-1)
            return key, value
        assert self.linear_QK is not None and self.linear_V is not None and id_feature is not None
        return self.linear_QK(_matched(normed, id_feature, self.matched_by)), self.linear_V(normed)


class SelfAttention(GatedOutput):
    """Gated self-propagation of the visual and the ID branch together (SPEC 5.5)."""

    def __init__(self, propagation: Propagation) -> None:
        channels, values = propagation.channels, propagation.branch_values
        super().__init__(2 * values, 2 * channels, propagation.heads, 2, propagation.kernel)
        self.matched_by: Matching = propagation.self_matched_by
        matched = _matched_channels(channels, self.matched_by)
        self.linear_QK = nn.Linear(matched, propagation.key_channels)
        self.linear_V1 = nn.Linear(channels, values)
        self.linear_V2 = nn.Linear(channels, values)
        self.linear_U1 = nn.Linear(channels, values)
        self.linear_U2 = nn.Linear(channels, values)

    def forward(self, visual: Tensor, identity: Tensor, grid: Grid) -> Tensor:
        """Normalised branches [B, T, C] each to [B, T, 2 C]."""
        qk = self.linear_QK(_matched(visual, identity, self.matched_by))
        values = F.silu(torch.cat((self.linear_V1(visual), self.linear_V2(identity)), dim=-1))
        gate = F.silu(torch.cat((self.linear_U1(visual), self.linear_U2(identity)), dim=-1))
        weights = memory_weights(qk, qk, None, self.heads)
        return self.emit(self.gather(weights, values), gate, grid)


def _matched_channels(channels: int, matched_by: Matching) -> int:
    return 2 * channels if matched_by == "both" else channels


def _matched(visual: Tensor, identity: Tensor, matched_by: Matching) -> Tensor:
    if matched_by == "both":
        return torch.cat((visual, identity), dim=-1)
    return visual if matched_by == "visual" else identity


def _add(visual: Tensor, identity: Tensor | None, update: Tensor) -> tuple[Tensor, Tensor]:
    """Residual of both branches (SPEC 5.4); the ID branch starts from nothing in layer 0."""
    visual_update, id_update = update.chunk(2, dim=-1)
    return visual + visual_update, id_update if identity is None else identity + id_update
