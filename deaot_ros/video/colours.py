"""Colours of object ids, and pictures with objects drawn over them."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

_DAVIS_COLOURS = 22


@cache
def distinct_colours() -> np.ndarray:
    """Uint8 [256, 3] RGB: black for 0, then colours as different as bits can make them.

    Bit i of the id goes to channel i mod 3, lowest bits to the most significant places.
    """
    ids = np.arange(256)
    bits = ids[:, None] >> np.arange(8) & 1
    colours = np.zeros((256, 3), np.int64)
    for bit in range(8):
        colours[:, bit % 3] |= bits[:, bit] << (7 - bit // 3)
    return colours.astype(np.uint8)


@cache
def davis_palette() -> np.ndarray:
    """Palette of DAVIS annotations, uint8 [256, 3] RGB: 22 colours, then greys."""
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    colours = distinct_colours()[:_DAVIS_COLOURS]
    palette[:_DAVIS_COLOURS] = np.where(colours == 192, 191, colours)
    return palette


def draw_overlay(image: np.ndarray, labels: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    """Draw objects over an image, with a light line around each.

    Args:
        image: uint8 [H, W, 3] RGB.
        labels: integers [H, W], 0 = background.
        alpha: opacity of the colours, 0..1.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    # Ids repeat their colours beyond 255; never black, which means background.
    index = np.where(labels > 0, (labels.astype(np.int32) - 1) % 255 + 1, 0)
    colours = cv2.addWeighted(distinct_colours()[index], alpha, image, 1 - alpha, 0)
    drawn = np.where(labels[..., None] > 0, colours, image)
    edges = np.zeros(labels.shape, bool)
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edges[1:] |= labels[1:] != labels[:-1]
    drawn[edges] = 255
    return drawn
