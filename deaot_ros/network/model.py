"""The DeAOT network (Yang and Yang, NeurIPS 2022) and its relatives: four functions of tensors.

``encode`` an image, ``propagate`` the masks in memory to it, ``decode`` logits at stride 4, and
``memorise`` the frame once its labels are known; ``reference`` does the last three for a frame
whose labels are given. Nothing is kept between calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from deaot_ros.network.attention import Grid, to_tokens
from deaot_ros.network.batch_norm import fold_batch_norm
from deaot_ros.network.decoder import Decoder
from deaot_ros.network.eager_cpu import eager_cpu
from deaot_ros.network.encoders import build_encoder
from deaot_ros.network.identity import ID_CHANNELS, embed_labels, one_hot
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.stack import PropagationStack
from deaot_ros.network.variants import Variant, get_variant


class Features(NamedTuple):
    """An encoded image.

    Attributes:
        x4, x8, x16: encoder maps at strides 4, 8 and 16, the decoder's shortcuts.
        tokens: projected last map [B, T, C].
        grid: of the tokens.
    """

    x4: Tensor
    x8: Tensor
    x16: Tensor
    tokens: Tensor
    grid: Grid


class Propagated(NamedTuple):
    """A frame after it has read the memory.

    Attributes:
        features: [B, D, h, w] for the decoder.
        contexts: per layer, for ``memorise``.
        mass: [B, T, S / T], attention of each token to each long-term frame in the first layer;
            None unless asked for.
    """

    features: Tensor
    contexts: list[LayerContext]
    mass: Tensor | None = None


class DeAOT(nn.Module):
    """One variant, AOT's and ablations included; entry names of published ones are the published.

    B in the shapes below is the number of object groups of one image (inference), or of clips
    (training). An image encoded once may serve any number of groups. C is the width of a branch,
    256 as published; D, of what the decoder reads, is 512 in DeAOT.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.encoder, channels = build_encoder(variant.encoder)
        width = variant.propagation.channels
        self.encoder_projector = nn.Conv2d(channels.last, width, 1)
        self.LSTT = PropagationStack(variant)
        self.decoder = Decoder(
            variant.decoder_channels, channels, ID_CHANNELS, variant.align_corners
        )
        # Sides of 16 k + 1 cells need an odd patch with padding, sides of 16 k do not (SPEC 4).
        kernel, padding = (17, 8) if variant.align_corners else (16, 0)
        self.patch_wise_id_bank = nn.Conv2d(ID_CHANNELS, width, kernel, 16, padding)
        self.id_norm: nn.LayerNorm | None = None
        if variant.propagation.module != "lstt":
            self.id_norm = nn.LayerNorm(width)

    def encode(self, image: Tensor) -> Features:
        """Encode normalised RGB [B, 3, H, W] (SPEC section 2)."""
        x4, x8, x16, last = self.encoder(image)
        projected = self.encoder_projector(last)
        return Features(x4, x8, x16, to_tokens(projected), Grid(*projected.shape[-2:]))

    def identify(self, labels: Tensor) -> Tensor:
        """Mask embedding E [B, T, C] of uint8 label maps [B, H, W] at network size."""
        bank = self.patch_wise_id_bank
        if eager_cpu(labels):
            embedding = embed_labels(labels, bank)
        else:
            embedding = to_tokens(bank(one_hot(labels, bank.weight.dtype)))
        return embedding if self.id_norm is None else self.id_norm(embedding)

    def propagate(
        self,
        features: Features,
        long_term: Sequence[LayerMemory],
        short_term: Sequence[LayerMemory],
        long_term_bias: Tensor | None = None,
        with_mass: bool = False,
    ) -> Propagated:
        """Read the memories, one entry per layer with batch B each.

        ``long_term_bias`` [B, 1, S] masks tokens of empty slots; None: every token counts.
        ``with_mass`` also asks for ``Propagated.mass``.
        """
        tokens = _expand(features.tokens, short_term[0].keys.shape[0])
        return Propagated(
            *self.LSTT(tokens, features.grid, long_term, short_term, long_term_bias, with_mass)
        )

    def decode(self, features: Features, propagated: Tensor) -> Tensor:
        """Raw logits [B, 11, h4, w4] at stride 4; channels of unused identities are not masked."""
        return self.decoder(propagated, features.x4, features.x8, features.x16)

    def memorise(self, contexts: Sequence[LayerContext], labels: Tensor) -> list[LayerMemory]:
        """Memory entry per layer of a propagated frame with its labels, uint8 [B, H, W]."""
        return self.LSTT.memorise(contexts, self.identify(labels))

    def reference(self, features: Features, labels: Tensor) -> tuple[Tensor, list[LayerMemory]]:
        """Pass a frame whose labels, uint8 [B, H, W], are given.

        Returns:
            Features [B, D, h, w] for ``decode``, and the memory entry per layer.
        """
        tokens = _expand(features.tokens, labels.shape[0])
        return self.LSTT.reference(tokens, features.grid, self.identify(labels))

    def fold(self) -> None:
        """Fold the encoder's batch norms away. For inference only; saved weights need unfolded."""
        fold_batch_norm(self.encoder)


def _expand(tokens: Tensor, batch: int) -> Tensor:
    return tokens.expand(batch, -1, -1)


def build_network(name: str) -> DeAOT:
    """Build variant ``name`` with random weights, in eval mode.

    Raises:
        VariantError: the name is unknown.
    """
    return DeAOT(get_variant(name)).eval()
