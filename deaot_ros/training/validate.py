"""Region similarity J of a network on clips with known masks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from deaot_ros.network import DeAOT
from deaot_ros.synthetic import HELD_BACK, Clip, SceneSettings, referenced_clip

from .clip_step import normalise, predicted_labels

_VALIDATION_SEED = 977_000  # far from training seeds, which are small


@torch.no_grad()
def track_clip(network: DeAOT, clip: Clip) -> np.ndarray:
    """Labels uint8 [T, H, W] from the first mask alone; sides must be 16 k + 1."""
    device = next(network.parameters()).device
    images = normalise(torch.from_numpy(clip.frames).permute(0, 3, 1, 2).to(device))
    labels = torch.from_numpy(clip.masks[:1]).to(device)
    objects = labels.flatten(1).amax(1).long()
    _, reference = network.reference(network.encode(images[:1]), labels)
    short, result = reference, [labels[0]]
    for image in images[1:]:
        features = network.encode(image[None])
        propagated = network.propagate(features, reference, short)
        logits = network.decode(features, propagated.features)
        labels = predicted_labels(logits, objects, image.shape[-2:])
        short = network.memorise(propagated.contexts, labels)
        result.append(labels[0])
    return torch.stack(result).cpu().numpy()


def region_similarity(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean J over the objects of the first frame and the frames after it.

    Args:
        predicted, truth: label maps [T, H, W]. An object absent from both in a frame scores 1.
    """
    scores = []
    for label in range(1, int(truth[0].max()) + 1):
        ours, theirs = predicted[1:] == label, truth[1:] == label
        common = (ours & theirs).sum((1, 2))
        union = (ours | theirs).sum((1, 2))
        scores.append(np.where(union > 0, common / np.maximum(union, 1), 1.0).mean())
    return float(np.mean(scores))


def validation_clips(count: int, frames: int = 10, size: int = 257) -> Iterable[Clip]:
    """Fixed clips made of photographs that training never sees."""
    settings = SceneSettings(objects=(1, 3), photographs=HELD_BACK, photo_share=0.9)
    for number in range(count):
        yield referenced_clip((_VALIDATION_SEED, number), frames, size, size, settings)


def validate(network: DeAOT, clips: Iterable[Clip]) -> float:
    """Mean J over clips, each counted once."""
    network.eval()
    return float(np.mean([region_similarity(track_clip(network, c), c.masks) for c in clips]))
