"""The paper's loss: half bootstrapped cross-entropy, half soft Jaccard (SPEC section 12)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .merging import IGNORED

UNUSED = -1e4  # logit of an identity that the clip does not use


def mask_unused(logits: Tensor, objects: Tensor) -> Tensor:
    """Set the channels above each sample's object count to a logit that softmax ignores.

    Args:
        logits: [B, C, H, W].
        objects: int64 [B], number of foreground objects.
    """
    channel = torch.arange(logits.shape[1], device=logits.device)
    unused = channel[None] > objects[:, None]
    return logits.masked_fill(unused[..., None, None], UNUSED)


def bootstrapped_cross_entropy(logits: Tensor, target: Tensor, keep: float) -> Tensor:
    """Mean cross-entropy of the hardest fraction `keep` of each sample's pixels, [B].

    Args:
        logits: [B, C, H, W].
        target: int64 [B, H, W], 255 ignored (counts as a loss of zero).
        keep: 0..1.
    """
    losses = F.cross_entropy(logits, target, reduction="none", ignore_index=IGNORED).flatten(1)
    count = max(1, int(keep * losses.shape[1]))
    if count < losses.shape[1]:
        losses = losses.topk(count, dim=1, sorted=False).values
    return losses.mean(1)


def soft_jaccard(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft intersection over union, mean over the classes in the target, [B].

    Args:
        logits: [B, C, H, W].
        target: int64 [B, H, W], 255 ignored.
    """
    valid = (target != IGNORED)[:, None]
    truth = F.one_hot(target.masked_fill(~valid[:, 0], 0), logits.shape[1])
    truth = truth.permute(0, 3, 1, 2).to(logits.dtype) * valid
    probability = logits.softmax(1) * valid
    common = (probability * truth).sum((2, 3))
    union = probability.sum((2, 3)) + truth.sum((2, 3)) - common
    present = truth.sum((2, 3)) > 0
    loss = (1 - common / (union + 1e-6)) * present
    return loss.sum(1) / present.sum(1).clamp(min=1)


def mask_loss(logits: Tensor, target: Tensor, objects: Tensor, keep: float) -> Tensor:
    """The loss of one frame, mean over the batch, scalar.

    Args:
        logits: [B, C, h, w] at any stride; resampled to the target's size.
        target: int64 [B, H, W].
        objects: int64 [B].
        keep: fraction of pixels in the cross-entropy.
    """
    logits = F.interpolate(logits, target.shape[-2:], mode="bilinear", align_corners=True)
    logits = mask_unused(logits, objects)
    cross_entropy = bootstrapped_cross_entropy(logits, target, keep)
    return (0.5 * cross_entropy + 0.5 * soft_jaccard(logits, target)).mean()
