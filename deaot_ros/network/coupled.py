"""Gated propagation without decoupling: one branch for looks and identities (Table 3a: w/o De).

The paper says of it only that both embeddings are propagated together as in AOT. So the mask
embedding is added to the feature before it becomes a value, as LSTT does, and all else is
gated propagation of a single branch.
"""

from __future__ import annotations

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
from deaot_ros.network.variants import Propagation


class CoupledPropagation(nn.Module):
    """Long-term, short-term and self-propagation of one branch; the identity is always None."""

    drop_path: float = 0.0  # of the self-propagation, while training

    def __init__(self, propagation: Propagation) -> None:
        super().__init__()
        channels, keys = propagation.channels, propagation.key_channels
        values = propagation.branch_values
        widths = (values, channels, propagation.heads, 1, propagation.kernel)
        self.norm1 = nn.LayerNorm(channels)
        self.linear_QK = nn.Linear(channels, keys)
        self.linear_V = nn.Linear(channels, values)
        self.linear_U = nn.Linear(channels, values)
        self.long_term_attn = LongTermAttention(*widths)
        self.short_term_attn = ShortTermAttention(keys, *widths)
        self.norm2 = nn.LayerNorm(channels)
        self.self_attn = CoupledSelfAttention(propagation)

    def project(
        self, visual: Tensor, identity: Tensor | None, grid: Grid
    ) -> tuple[Tensor, LayerContext]:
        """X [B, T, C] as it is, and the query, feature and gate of a frame."""
        normed = self.norm1(visual)
        gate = F.silu(self.linear_U(normed))
        return visual, LayerContext(self.linear_QK(normed), normed, None, gate)

    def memorise(self, context: LayerContext, embedding: Tensor) -> LayerMemory:
        """Memory entry of a frame whose mask embedding E [B, T, C] is known."""
        return LayerMemory(context.key, F.silu(self.linear_V(context.value + embedding)))

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
        """Read both memories, then propagate within the frame; see ``GatedPropagation``."""
        query, gate = context.key, context.gate
        assert gate is not None
        read, mass = self.long_term_attn(query, *long_term, gate, grid, long_term_bias, with_mass)
        visual = visual + read + self.short_term_attn(query, *short_term, gate, grid)
        read = self.self_attn(self.norm2(visual), grid)
        if self.training and self.drop_path:
            read = drop_samples(read, self.drop_path)
        return visual + read, None, mass


class CoupledSelfAttention(GatedOutput):
    """Gated self-propagation of one branch."""

    def __init__(self, propagation: Propagation) -> None:
        channels, values = propagation.channels, propagation.branch_values
        super().__init__(values, channels, propagation.heads, 1, propagation.kernel)
        self.linear_QK = nn.Linear(channels, propagation.key_channels)
        self.linear_V = nn.Linear(channels, values)
        self.linear_U = nn.Linear(channels, values)

    def forward(self, normed: Tensor, grid: Grid) -> Tensor:
        """[B, T, C] to the same shape."""
        qk = self.linear_QK(normed)
        weights = memory_weights(qk, qk, None, self.heads)
        gate = F.silu(self.linear_U(normed))
        return self.emit(self.gather(weights, F.silu(self.linear_V(normed))), gate, grid)
