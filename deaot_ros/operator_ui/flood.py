"""From one pixel to everything around it that has its colour."""

from __future__ import annotations

import cv2
import numpy as np


def flood(image: np.ndarray, x: int, y: int, tolerance: int) -> np.ndarray:
    """Pixels connected to one, each channel at most ``tolerance`` from that pixel's colour.

    Args:
        image: uint8 RGB [H, W, 3].
        x, y: the pixel.
        tolerance: 0..255.

    Returns:
        bool [H, W]; nothing where the pixel is outside the image.
    """
    height, width = image.shape[:2]
    if not (0 <= x < width and 0 <= y < height):
        return np.zeros((height, width), bool)
    # A little smoothing: the noise of one pixel must not end the flood.
    smooth = cv2.medianBlur(np.ascontiguousarray(image), 3)
    mask = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (1 << 8)
    cv2.floodFill(smooth, mask, (x, y), 0, (tolerance,) * 3, (tolerance,) * 3, flags)
    return mask[1:-1, 1:-1].astype(bool)
