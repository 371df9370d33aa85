"""Outlines of objects as soft alpha masks."""

from __future__ import annotations

import cv2
import numpy as np

_SHIFT = 4  # fractional bits of polygon corners


def random_shape(rng: np.random.Generator, size: int) -> np.ndarray:
    """A random outline filling most of a square, float32 alpha [size, size] in 0..1.

    Blobs, star-shaped polygons, ellipses, rounded boxes and unions of two of them. The outline
    stays a few pixels away from the border, so that soft edges are never cut.
    """
    alpha = _outline(rng, size)
    if rng.random() < 0.3:
        alpha = np.maximum(alpha, _outline(rng, size))
    return cv2.GaussianBlur(alpha, (0, 0), float(rng.uniform(0.5, 1.0)))


def _outline(rng: np.random.Generator, size: int) -> np.ndarray:
    kind = rng.choice(["blob", "polygon", "ellipse", "box"])
    radius = size / 2 - 4
    if kind in ("blob", "polygon"):
        points = _polar_outline(rng, kind) * radius * 0.98
    else:
        angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        power = 1.0 if kind == "ellipse" else rng.uniform(0.2, 0.5)
        x, y = np.cos(angle), np.sin(angle)
        points = np.stack([np.sign(x) * np.abs(x) ** power, np.sign(y) * np.abs(y) ** power], 1)
        points[:, 1] *= rng.uniform(0.35, 1.0)
        turn = rng.uniform(0, np.pi)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        points = points @ rotation.T
        points *= radius * 0.98 / np.abs(points).max()
    canvas = np.zeros((size, size), np.uint8)
    corners = np.round((points + (size - 1) / 2) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(canvas, [corners], 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    return canvas.astype(np.float32) / 255


def _polar_outline(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Points (x, y) of a star-shaped outline within the unit disc, [n, 2]."""
    if kind == "polygon":
        count = int(rng.integers(3, 10))
        angle = np.sort(rng.uniform(0, 2 * np.pi, count)) + rng.uniform(0, 2 * np.pi)
        angle = angle if count > 4 else np.arange(count) * 2 * np.pi / count + angle[0]
        length = rng.uniform(0.45, 1.0, count)
    else:
        angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
        length = np.ones_like(angle)
        for order in range(2, 7):
            wave = rng.normal(0, 0.35 / order)
            length += wave * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
        length = np.maximum(length, 0.2)
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * (length / length.max())[:, None]
    stretch = np.array([1.0, rng.uniform(0.5, 1.0)])
    return points * stretch if rng.random() < 0.5 else points * stretch[::-1]
