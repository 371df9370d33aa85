"""Objects of clips: which are kept, under which ids, and the merging of two clips (SPEC 12)."""

from __future__ import annotations

import numpy as np

from deaot_ros.network.variants import MAX_OBJECTS_PER_GROUP
from deaot_ros.synthetic import Clip

IGNORED = 255  # label of pixels that count for nothing
_MOVED = 10  # added to the ids of the second clip
_LEAST_AREA = 100  # px in a reference of the paper's size
_PAPER_SIZE = 465


def least_area(size: int) -> int:
    """Pixels that an object must fill in a reference of size x size; 100 at the paper's 465."""
    return max(1, round(_LEAST_AREA * (size / _PAPER_SIZE) ** 2))


def has_objects(clip: Clip) -> bool:
    """Whether the reference shows any object."""
    return bool(((clip.masks[0] > 0) & (clip.masks[0] != IGNORED)).any())


def choose_objects(rng: np.random.Generator, masks: np.ndarray, least: int) -> np.ndarray:
    """Keep at most ten objects of the reference, renumber them 1, 2, …, in random order.

    Args:
        masks: uint8 [T, H, W].
        least: smaller objects of the reference become background, in px.
    """
    counts = np.bincount(masks[0].ravel(), minlength=256)
    counts[[0, IGNORED]] = 0
    kept = rng.permutation(np.flatnonzero(counts >= max(1, least)))[:MAX_OBJECTS_PER_GROUP]
    table = np.zeros(256, np.uint8)
    table[IGNORED] = IGNORED
    table[kept] = np.arange(1, len(kept) + 1)
    return table[masks]


def merge(rng: np.random.Generator, first: Clip, second: Clip) -> Clip:
    """Paste the objects of the second clip over the first, frame by frame.

    Both have at most ten objects; the result has a random ten of all that are large enough.
    """
    above = (second.masks > 0) & (second.masks != IGNORED)
    frames = np.where(above[..., None], second.frames, first.frames)
    masks = np.where(above, second.masks + np.uint8(_MOVED), first.masks)
    return Clip(frames, choose_objects(rng, masks, least_area(masks.shape[-1])))
