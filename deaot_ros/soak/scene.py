"""A cheap moving picture with exact truth: two discs on a soft grey ground."""

from __future__ import annotations

import cv2
import numpy as np

SIZE = (97, 129)
"""Height and width; the smallest network input at which the shipped weights follow the discs."""

_COLOURS = ((230, 60, 30), (30, 60, 220))
_HIGHLIGHT = (250, 250, 200)


class Scene:
    """Objects 1 and 2 circle slowly, each in its half of the picture, and never touch."""

    def __init__(self, seed: int = 0, size: tuple[int, int] = SIZE) -> None:
        """Draw the ground of ``size`` (height, width)."""
        self.size = height, width = size
        coarse = np.random.default_rng(seed).integers(90, 150, (height // 24 + 2, width // 24 + 2))
        ground = cv2.resize(
            coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
        )
        self._ground = cv2.cvtColor(ground, cv2.COLOR_GRAY2RGB)

    def render(self, moment: float) -> tuple[np.ndarray, np.ndarray]:
        """Picture, uint8 [H, W, 3] RGB, and ids, uint8 [H, W], after ``moment`` seconds."""
        height, width = self.size
        image, labels = self._ground.copy(), np.zeros(self.size, np.uint8)
        for number, colour in enumerate(_COLOURS, 1):
            phase = 2.0 * number
            x = int(width * (0.46 * number - 0.19 + 0.06 * np.sin(0.6 * moment + phase)))
            y = int(height * (0.5 + 0.2 * np.sin(0.9 * moment + phase)))
            cv2.circle(labels, (x, y), int(0.17 * height), number, -1)
            image[labels == number] = colour
            highlight = (x - height // 24, y - height // 24)
            cv2.circle(image, highlight, height // 16, _HIGHLIGHT, -1)
        return image, labels


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two bool arrays."""
    return float((a & b).sum() / max(1, (a | b).sum()))
