"""The stack of propagation layers. Its name in published checkpoints is ``LSTT``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deaot_ros.network.attention import Grid, to_map
from deaot_ros.network.coupled import CoupledPropagation
from deaot_ros.network.gpm import GatedPropagation
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.lstt import LongShortTermTransformer
from deaot_ros.network.variants import Variant


class GroupNormOnMap(nn.Module):
    """GroupNorm with a group per branch: each is normalised over all tokens (SPEC 5.6)."""

    def __init__(self, branches: int, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(branches, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] to the same shape."""
        return self.gn(x)


class PropagationStack(nn.Module):
    """L layers of one module, and what the decoder reads of them.

    Of gated propagation that is the last output, of AOT's LSTT the stack's input and every output
    (SPEC 6). D below is ``Variant.decoder_channels``.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        propagation, count = variant.propagation, variant.layers
        self.reads_all = propagation.module == "lstt"
        if propagation.module == "gpm":
            layers: list[nn.Module] = [GatedPropagation(propagation, i == 0) for i in range(count)]
        elif propagation.module == "coupled":
            layers = [CoupledPropagation(propagation) for _ in range(count)]
        else:
            layers = [LongShortTermTransformer(propagation) for _ in range(count)]
        self.layers = nn.ModuleList(layers)
        norms: list[nn.Module]
        if self.reads_all:
            norms = [nn.LayerNorm(propagation.channels) for _ in range(count)]
            # Unused, but published checkpoints and initial random streams have it.
            self.mask_token = nn.Parameter(torch.zeros(1, 1, propagation.channels))
        else:
            norms = [GroupNormOnMap(propagation.branches, variant.decoder_channels)]
        self.decoder_norms = nn.ModuleList(norms)

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
            tokens: projected encoder map [B, T, C].
            grid: of the tokens.
            long_term, short_term: per layer.
            long_term_bias: [B, 1, S] for padded memory, see ``memory_weights``.
            with_mass: also give the attention mass of the first layer.

        Returns:
            [B, D, h, w] for the decoder, each layer's context for the memory, and the mass.
        """
        mass: Tensor | None = None
        visual: Tensor = tokens
        identity: Tensor | None = None
        contexts: list[LayerContext] = []
        outputs: list[Tensor] = []
        for layer, long, short in zip(self.layers, long_term, short_term, strict=True):
            visual, context = layer.project(visual, identity, grid)
            first = not contexts
            visual, identity, layer_mass = layer.propagate(
                visual, identity, context, long, short, long_term_bias, grid, with_mass and first
            )
            mass = layer_mass if first else mass
            contexts.append(context)
            outputs.append(visual)
        return self._output(tokens, outputs, identity, grid), contexts, mass

    def reference(
        self, tokens: Tensor, grid: Grid, embedding: Tensor
    ) -> tuple[Tensor, list[LayerMemory]]:
        """Pass a frame whose mask is known: its own entry is both memories (SPEC 5.7).

        Args:
            tokens: [B, T, C].
            grid: of the tokens.
            embedding: mask embedding E [B, T, C].

        Returns:
            [B, D, h, w] for the decoder, and the frame's memory entry per layer.
        """
        visual: Tensor = tokens
        identity: Tensor | None = None
        memories: list[LayerMemory] = []
        outputs: list[Tensor] = []
        for layer in self.layers:
            visual, context = layer.project(visual, identity, grid)
            memory = layer.memorise(context, embedding)
            visual, identity, _ = layer.propagate(
                visual, identity, context, memory, memory, None, grid
            )
            memories.append(memory)
            outputs.append(visual)
        return self._output(tokens, outputs, identity, grid), memories

    def memorise(self, contexts: Sequence[LayerContext], embedding: Tensor) -> list[LayerMemory]:
        """Memory entry per layer of the frame that gave ``contexts``."""
        return [
            layer.memorise(context, embedding)
            for layer, context in zip(self.layers, contexts, strict=True)
        ]

    def _output(
        self, tokens: Tensor, outputs: list[Tensor], identity: Tensor | None, grid: Grid
    ) -> Tensor:
        if self.reads_all:
            normed = (norm(x) for norm, x in zip(self.decoder_norms, outputs, strict=True))
            return to_map(torch.cat((tokens, *normed), dim=-1), grid)
        last = outputs[-1]
        branches = last if identity is None else torch.cat((last, identity), dim=-1)
        return self.decoder_norms[0](to_map(branches, grid))
