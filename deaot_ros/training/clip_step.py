"""One clip batch through the network: reference, rollout, supervised frames (SPEC section 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network import DeAOT
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.model import Features
from deaot_ros.network.variants import MAX_OBJECTS_PER_GROUP

from .batch import Batch
from .loss import mask_loss, mask_unused
from .merging import IGNORED

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@dataclass(frozen=True)
class StepPlan:
    """How the clips of a step are gone through.

    Attributes:
        rollout: frames after the reference that run without gradients and without a loss.
        keep: fraction of pixels in the cross-entropy.
        self_fed: memory gets predicted masks (else the true ones).
        auxiliary: weight of the reference frame's own loss.
        memory_gap: frames between writes to the long-term memory; 0: none.
        all_identities: logits are compared over all ten identities, not those of the clip alone.
    """

    rollout: int = 0
    keep: float = 1.0
    self_fed: bool = False
    auxiliary: float = 0.0
    memory_gap: int = 0
    all_identities: bool = False


class ClipLoss(nn.Module):
    """A network and its loss in one module, which is what PyTorch's DDP wants to call."""

    def __init__(self, network: DeAOT) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, plan: StepPlan) -> Tensor:
        """See :func:`clip_loss`."""
        return clip_loss(self.network, batch, plan)


def normalise(images: Tensor) -> Tensor:
    """uint8 RGB [..., 3, H, W] to the network's input."""
    return (images.float() / 255 - _MEAN.to(images.device)) / _STD.to(images.device)


def clip_loss(network: DeAOT, batch: Batch, plan: StepPlan) -> Tensor:
    """Mean loss of the supervised frames plus the reference's own, scalar."""
    total, count = batch.images.shape[:2]
    graded = [0, *range(plan.rollout + 1, total)]
    # One encoder pass for all frames with gradients: batch statistics see every clip and frame.
    encoded = network.encode(normalise(batch.images[graded].flatten(0, 1)))
    features = {t: _part(encoded, i, count) for i, t in enumerate(graded)}
    output, reference = network.reference(features[0], _shown(batch, batch.masks[0]))
    loss = output.new_zeros((), dtype=torch.float32)
    everyone = torch.full_like(batch.objects, MAX_OBJECTS_PER_GROUP)
    used = everyone if plan.all_identities else batch.objects
    if plan.auxiliary > 0:
        logits = _unshuffle(network.decode(features[0], output), batch)
        own = mask_loss(logits, batch.masks[0].long(), used, plan.keep)
        loss = loss + plan.auxiliary * own
    memory = Memory(reference, reference, plan.memory_gap)
    if plan.rollout:
        with torch.no_grad():
            ahead = network.encode(normalise(batch.images[1 : plan.rollout + 1].flatten(0, 1)))
            for t in range(1, plan.rollout + 1):
                _predict(network, _part(ahead, t - 1, count), memory, batch, t, plan.self_fed)
    supervised = graded[1:]
    for t in supervised:
        logits = _predict(network, features[t], memory, batch, t, plan.self_fed)
        frame_loss = mask_loss(logits, batch.masks[t].long(), used, plan.keep)
        loss = loss + frame_loss / len(supervised)
    return loss


@dataclass
class Memory:
    """What is remembered of a clip, an entry per layer.

    Attributes:
        long_term: the reference and every `gap`-th frame.
        short_term: the frame before.
        gap: 0: the reference only.
    """

    long_term: list[LayerMemory]
    short_term: list[LayerMemory]
    gap: int

    def add(self, frame: int, entries: list[LayerMemory]) -> None:
        """Remember a predicted frame."""
        self.short_term = entries
        if self.gap and frame % self.gap == 0:
            self.long_term = [
                type(old)(*(torch.cat(parts, 1) for parts in zip(old, new, strict=True)))
                for old, new in zip(self.long_term, entries, strict=True)
            ]


def _predict(
    network: DeAOT, features: Features, memory: Memory, batch: Batch, frame: int, self_fed: bool
) -> Tensor:
    """Predict and remember a frame; its logits [B, 11, h4, w4] in label order, float32."""
    propagated = network.propagate(features, memory.long_term, memory.short_term)
    logits = _unshuffle(network.decode(features, propagated.features), batch)
    mask = batch.masks[frame]
    if self_fed:
        mask = predicted_labels(logits.detach(), batch.objects, mask.shape[-2:])
    memory.add(frame, network.memorise(propagated.contexts, _shown(batch, mask)))
    return logits


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
    """Labels uint8 [B, H, W] as shuffled identities; ignored pixels stay ignored."""
    flat = mask.long().flatten(1)
    shown = batch.shuffle.gather(1, flat.clamp(max=batch.shuffle.shape[1] - 1))
    return shown.masked_fill(flat == IGNORED, IGNORED).view(mask.shape).to(torch.uint8)


def _unshuffle(logits: Tensor, batch: Batch) -> Tensor:
    """Logits of identities back in label order, float32: the loss is no place for half."""
    index = batch.shuffle[..., None, None].expand(-1, -1, *logits.shape[-2:])
    return logits.float().gather(1, index)
