"""A clip out of one still image: every frame is the image, changed at random (SPEC 12)."""

from __future__ import annotations

import numpy as np

from deaot_ros.datasets import StillImage
from deaot_ros.synthetic import Clip

from .augmentation import (
    colour_jitter,
    flip,
    grey_and_blur,
    random_affine,
    random_resized_crop,
    resize,
)
from .merging import choose_objects

_LARGEST = 2  # sizes; larger images are reduced first, which saves time and shows nowhere


def still_clip(rng: np.random.Generator, still: StillImage, frames: int, size: int) -> Clip:
    """A clip [frames, size, size]; its reference may show no object.

    Raises:
        DatasetError: a file is damaged, or image and mask differ in size.
    """
    image, labels = still.image(), still.mask()
    short = min(labels.shape)
    if short > _LARGEST * size:
        factor = _LARGEST * size / short
        image, labels = resize(image, labels, *(round(side * factor) for side in labels.shape))
    if rng.random() < 0.5:
        image, labels = flip(image, labels)
    images = np.empty((frames, size, size, 3), np.uint8)
    masks = np.empty((frames, size, size), np.uint8)
    for t in range(frames):
        frame, mask = image, labels
        if t:
            if rng.random() < 0.3:
                frame, mask = flip(frame, mask)
            frame, mask = random_affine(rng, frame, mask)
        frame, mask = random_resized_crop(rng, colour_jitter(rng, frame), mask, size)
        images[t], masks[t] = grey_and_blur(rng, frame), mask
    return Clip(images, choose_objects(rng, masks, 1))
