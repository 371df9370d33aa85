"""The stack of gated propagation layers. Its name in published checkpoints is ``LSTT``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deaot_ros.network.attention import Grid, to_map
from deaot_ros.network.gpm import CHANNELS, GatedPropagation, LayerContext, LayerMemory


class GroupNormOnMap(nn.Module):
    """GroupNorm with two groups: each branch is normalised over all tokens (SPEC 5.6)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] to the same shape."""
        return self.gn(x)


class PropagationStack(nn.Module):
    """L layers of :class:`GatedPropagation`; only the last output reaches the decoder."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([GatedPropagation(first=i == 0) for i in range(layers)])
        self.decoder_norms = nn.ModuleList([GroupNormOnMap(2 * CHANNELS)])

    def forward(
        self,
        tokens: Tensor,
        grid: Grid,
        long_term: Sequence[LayerMemory],
        short_term: Sequence[LayerMemory],
        long_term_bias: Tensor | None = None,
        with_mass: bool = False,
    ) -> tuple[Tensor, list[LayerContext], Tensor | None]:
        """Propagate the masks in memory to a frame.

        Args:
            tokens: projected encoder map [B, T, 256].
            grid: of the tokens.
            long_term, short_term: per layer.
            long_term_bias: [B, 1, S] for padded memory, see :class:`LongTermAttention`.
            with_mass: also give the attention mass of the first layer.

        Returns:
            [B, 512, h, w] for the decoder, each layer's context for the memory, and the mass.
        """
        mass: Tensor | None = None
        visual: Tensor = tokens
        identity: Tensor | None = None
        contexts: list[LayerContext] = []
        for layer, long, short in zip(self.layers, long_term, short_term, strict=True):
            context = layer.project(visual, identity)
            first = not contexts
            visual, identity, layer_mass = layer.propagate(
                visual, identity, context, long, short, long_term_bias, grid, with_mass and first
            )
            mass = layer_mass if first else mass
            contexts.append(context)
        return self._output(visual, identity, grid), contexts, mass

    def reference(
        self, tokens: Tensor, grid: Grid, embedding: Tensor
    ) -> tuple[Tensor, list[LayerMemory]]:
        """Pass a frame whose mask is known: its own entry is both memories (SPEC 5.7).

        Args:
            tokens: [B, T, 256].
            grid: of the tokens.
            embedding: mask embedding E [B, T, 256].

        Returns:
            [B, 512, h, w] for the decoder, and the frame's memory entry per layer.
        """
        visual: Tensor = tokens
        identity: Tensor | None = None
        memories: list[LayerMemory] = []
        for layer in self.layers:
            context = layer.project(visual, identity)
            memory = layer.memorise(context, embedding)
            visual, identity, _ = layer.propagate(
                visual, identity, context, memory, memory, None, grid
            )
            memories.append(memory)
        return self._output(visual, identity, grid), memories

    def memorise(self, contexts: Sequence[LayerContext], embedding: Tensor) -> list[LayerMemory]:
        """Memory entry per layer of the frame that gave ``contexts``."""
        return [
            layer.memorise(context, embedding)
            for layer, context in zip(self.layers, contexts, strict=True)
        ]

    def _output(self, visual: Tensor, identity: Tensor | None, grid: Grid) -> Tensor:
        assert identity is not None, "a stack has at least one layer"
        return self.decoder_norms[0](to_map(torch.cat((visual, identity), dim=-1), grid))
