"""Gated propagation module: one layer of DeAOT (paper section 4.2; SPEC section 5)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network.attention import (
    KEY_CHANNELS,
    Grid,
    LongTermAttention,
    SelfAttention,
    ShortTermAttention,
)
from deaot_ros.network.regularisation import drop_samples

CHANNELS = 256
BRANCH_VALUES = 2 * CHANNELS
VALUE_CHANNELS = 2 * BRANCH_VALUES
"""Visual values V and identity values W side by side."""


class LayerMemory(NamedTuple):
    """What one layer remembers of one or more frames.

    Attributes:
        keys: [B, S, 128].
        values: [B, S, 1024]; visual values V in the first half, identity values W in the second.
    """

    keys: Tensor
    values: Tensor


class LayerContext(NamedTuple):
    """What a layer computes from a frame before it reads any memory.

    Attributes:
        key: [B, T, 128]; query and key are one (SPEC 5.1).
        value: [B, T, 512], the visual values V.
        id_feature: [B, T, 256], the normalised ID feature P; None in layer 0.
        gate: [B, T, 1024].
    """

    key: Tensor
    value: Tensor
    id_feature: Tensor | None
    gate: Tensor


class GatedPropagation(nn.Module):
    """Long-term, short-term and self-propagation of a visual and an ID branch."""

    drop_path: float = 0.0  # of the self-propagation, while training

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(CHANNELS)
        self.linear_QV = nn.Linear(CHANNELS, KEY_CHANNELS + BRANCH_VALUES)
        self.linear_U = nn.Linear(CHANNELS, BRANCH_VALUES)
        self.id_norm1: nn.LayerNorm | None = None
        self.linear_ID_U: nn.Linear | None = None
        if not first:
            self.id_norm1 = nn.LayerNorm(CHANNELS)
            self.linear_ID_U = nn.Linear(CHANNELS, BRANCH_VALUES)
        self.linear_ID_V = nn.Linear(CHANNELS if first else 2 * CHANNELS, BRANCH_VALUES)
        self.long_term_attn = LongTermAttention(VALUE_CHANNELS, 2 * CHANNELS)
        self.short_term_attn = ShortTermAttention(VALUE_CHANNELS, 2 * CHANNELS)
        self.norm2 = nn.LayerNorm(CHANNELS)
        self.id_norm2 = nn.LayerNorm(CHANNELS)
        self.self_attn = SelfAttention(CHANNELS, VALUE_CHANNELS)

    def project(self, visual: Tensor, identity: Tensor | None) -> LayerContext:
        """Query, values and gate of a frame (SPEC 5.1).

        Args:
            visual: X, [B, T, 256].
            identity: Z, [B, T, 256]; None in layer 0, whose ID gate is exactly 1.
        """
        normed = self.norm1(visual)
        key, value = self.linear_QV(normed).split((KEY_CHANNELS, BRANCH_VALUES), dim=-1)
        gate = F.silu(self.linear_U(normed))
        if self.id_norm1 is None or self.linear_ID_U is None or identity is None:
            id_feature, id_gate = None, torch.ones_like(gate)
        else:
            id_feature = self.id_norm1(identity)
            id_gate = F.silu(self.linear_ID_U(id_feature))
        return LayerContext(key, F.silu(value), id_feature, torch.cat((gate, id_gate), dim=-1))

    def memorise(self, context: LayerContext, embedding: Tensor) -> LayerMemory:
        """Memory entry of a frame whose mask embedding E [B, T, 256] is known (SPEC 5.1)."""
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
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Read both memories, then propagate within the frame (SPEC 5.2 to 5.5).

        Returns:
            X and Z for the next layer, [B, T, 256] each, and the attention mass of each
            long-term frame, see :class:`LongTermAttention`.
        """
        query, gate = context.key, context.gate
        read, mass = self.long_term_attn(query, *long_term, gate, grid, long_term_bias, with_mass)
        read = read + self.short_term_attn(query, *short_term, gate, grid)
        visual, identity = _add(visual, identity, read)
        read = self.self_attn(self.norm2(visual), self.id_norm2(identity), grid)
        if self.training and self.drop_path:
            read = drop_samples(read, self.drop_path)
        return *_add(visual, identity, read), mass


def _add(visual: Tensor, identity: Tensor | None, update: Tensor) -> tuple[Tensor, Tensor]:
    """Residual of both branches (SPEC 5.4); the ID branch starts from nothing in layer 0."""
    visual_update, id_update = update.chunk(2, dim=-1)
    return visual + visual_update, id_update if identity is None else identity + id_update
