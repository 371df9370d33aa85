"""One clip batch through the network: reference, rollout, supervised frames (SPEC section 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deaot_ros.network import DeAOT
from deaot_ros.network.gpm import LayerMemory
from deaot_ros.network.model import Features
from deaot_ros.synthetic import Clip

from .loss import mask_loss, mask_unused

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
_IDENTITIES = 10


@dataclass(frozen=True)
class Batch:
    """Clips as tensors.

    Attributes:
        images: normalised RGB [T, B, 3, H, W].
        masks: uint8 [T, B, H, W].
        objects: int64 [B], objects of each clip.
        shuffle: int64 [B, 11], identity that each label is shown as; the background stays 0.
    """

    images: Tensor
    masks: Tensor
    objects: Tensor
    shuffle: Tensor


def normalise(images: Tensor) -> Tensor:
    """uint8 RGB [..., 3, H, W] to the network's input."""
    return (images.float() / 255 - _MEAN.to(images.device)) / _STD.to(images.device)


def make_batch(clips: list[Clip], rng: np.random.Generator) -> Batch:
    """Stack clips of one size and draw their identity shuffles."""
    images = torch.from_numpy(np.stack([c.frames for c in clips], 1)).permute(0, 1, 4, 2, 3)
    masks = torch.from_numpy(np.stack([c.masks for c in clips], 1))
    shuffle = np.zeros((len(clips), _IDENTITIES + 1), np.int64)
    for row in shuffle:
        row[1:] = rng.permutation(_IDENTITIES) + 1
    objects = masks[0].flatten(1).amax(1).long()
    return Batch(normalise(images), masks, objects, torch.from_numpy(shuffle))


def clip_loss(
    network: DeAOT,
    batch: Batch,
    rollout: int,
    keep: float,
    self_fed: bool,
    auxiliary: float,
) -> Tensor:
    """Mean loss of the supervised frames plus the reference's own, scalar.

    Args:
        rollout: frames after the reference that run without gradients and without a loss.
        keep: fraction of pixels in the cross-entropy.
        self_fed: memory gets predicted masks (else the true ones).
        auxiliary: weight of the reference frame's own loss.
    """
    total, count = batch.images.shape[:2]
    graded = [0, *range(rollout + 1, total)]
    # One encoder pass for all frames with gradients: batch statistics see every clip and frame.
    encoded = network.encode(batch.images[graded].flatten(0, 1))
    features = {t: _part(encoded, i, count) for i, t in enumerate(graded)}
    output, reference = network.reference(features[0], _shown(batch, batch.masks[0]))
    loss = output.new_zeros(())
    if auxiliary > 0:
        logits = _unshuffle(network.decode(features[0], output), batch)
        loss = loss + auxiliary * mask_loss(logits, batch.masks[0].long(), batch.objects, keep)
    short = reference
    if rollout:
        with torch.no_grad():
            ahead = network.encode(batch.images[1 : rollout + 1].flatten(0, 1))
            for i in range(rollout):
                mask = batch.masks[i + 1]
                short, _ = _predict(
                    network, _part(ahead, i, count), reference, short, batch, mask, self_fed
                )
    supervised = graded[1:]
    for t in supervised:
        short, logits = _predict(
            network, features[t], reference, short, batch, batch.masks[t], self_fed
        )
        frame_loss = mask_loss(logits, batch.masks[t].long(), batch.objects, keep)
        loss = loss + frame_loss / len(supervised)
    return loss


def _predict(
    network: DeAOT,
    features: Features,
    reference: list[LayerMemory],
    short: list[LayerMemory],
    batch: Batch,
    mask: Tensor,
    self_fed: bool,
) -> tuple[list[LayerMemory], Tensor]:
    """Predict a frame; its memory entry and its logits [B, 11, h4, w4] in label order."""
    propagated = network.propagate(features, reference, short)
    logits = _unshuffle(network.decode(features, propagated.features), batch)
    if self_fed:
        mask = predicted_labels(logits.detach(), batch.objects, mask.shape[-2:])
    return network.memorise(propagated.contexts, _shown(batch, mask)), logits


def predicted_labels(logits: Tensor, objects: Tensor, size: Sequence[int]) -> Tensor:
    """Hard labels uint8 [B, H, W] of stride-4 logits [B, C, h4, w4]."""
    logits = F.interpolate(logits, list(size), mode="bilinear", align_corners=True)
    return mask_unused(logits, objects).argmax(1).to(torch.uint8)


def _part(features: Features, index: int, count: int) -> Features:
    """The `index`-th group of `count` images."""
    part = slice(index * count, (index + 1) * count)
    return Features(
        features.x4[part],
        features.x8[part],
        features.x16[part],
        features.tokens[part],
        features.grid,
    )


def _shown(batch: Batch, mask: Tensor) -> Tensor:
    """Labels uint8 [B, H, W] as shuffled identities."""
    flat = batch.shuffle.gather(1, mask.long().flatten(1))
    return flat.view(mask.shape).to(torch.uint8)


def _unshuffle(logits: Tensor, batch: Batch) -> Tensor:
    """Logits of identities back in label order."""
    index = batch.shuffle[..., None, None].expand(-1, -1, *logits.shape[-2:])
    return logits.gather(1, index)
