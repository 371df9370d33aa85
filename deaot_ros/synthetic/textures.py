"""Surfaces for backgrounds and objects: cut-outs of photographs and procedural patterns.

Every function draws from the generator it is given and returns uint8 RGB [height, width, 3].
"""

from __future__ import annotations

import cv2
import numpy as np

from .photographs import PHOTOGRAPHS, photograph
from .pictures import read_picture


def photo_texture(rng: np.random.Generator, name: str, height: int, width: int) -> np.ndarray:
    """A random crop of a photograph, mirrored and turned at random, resized to the given size.

    Args:
        name: one of ``PHOTOGRAPHS``, or the path of a picture.
    """
    image = photograph(name) if name in PHOTOGRAPHS else read_picture(name)
    if rng.random() < 0.2:
        image = np.rot90(image, int(rng.integers(1, 4)))
    rows, columns = image.shape[:2]
    # The largest crop of the wanted shape, then a random part of it (never below 64 px).
    fit = min(rows / height, columns / width)
    least = max(0.3, min(1.0, 64 / (fit * min(height, width))))
    factor = fit * rng.uniform(least, 1.0)
    crop_h, crop_w = max(2, int(height * factor)), max(2, int(width * factor))
    y = int(rng.integers(0, rows - crop_h + 1))
    x = int(rng.integers(0, columns - crop_w + 1))
    crop = image[y : y + crop_h, x : x + crop_w]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    method = cv2.INTER_AREA if factor > 1 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(crop), (width, height), interpolation=method)


def fractal_noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Sum of octaves of smooth noise, float32 [height, width] in 0..1."""
    total = np.zeros((height, width), np.float32)
    cells, weight = int(rng.integers(2, 6)), 1.0
    falloff = rng.uniform(0.4, 0.8)
    while cells < min(height, width) // 2:
        grid = rng.random((cells, cells), dtype=np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        cells, weight = cells * 2, weight * falloff
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def procedural_texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A pattern of two or three random colours: noise, stripes, checks, cells or a gradient."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    kind = rng.choice(["noise", "stripes", "checks", "cells", "gradient"])
    angle = rng.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    period = rng.uniform(6, 48)
    if kind == "stripes":
        field = 0.5 + 0.5 * np.sin(along * (2 * np.pi / period))
    elif kind == "checks":
        field = ((np.floor(along / period) + np.floor(across / period)) % 2).astype(np.float32)
    elif kind == "cells":
        centres = np.zeros((height, width), np.uint8)
        count = max(4, int(height * width / period**2))
        centres[rng.integers(0, height, count), rng.integers(0, width, count)] = 1
        field = cv2.distanceTransform(1 - centres, cv2.DIST_L2, 3) / period
    elif kind == "gradient":
        field = (along - along.min()) / max(float(np.ptp(along)), 1e-6)
    else:
        field = fractal_noise(rng, height, width)
    field = np.clip(field + rng.uniform(0, 0.5) * (fractal_noise(rng, height, width) - 0.5), 0, 1)
    first, second = rng.integers(0, 256, (2, 3)).astype(np.float32)
    image = first + (second - first) * field[..., None].astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def colour_jitter(rng: np.random.Generator, image: np.ndarray, strength: float) -> np.ndarray:
    """Change brightness, contrast, saturation and hue by up to `strength` (0..1)."""
    pixels = image.astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(1 - strength, 1 + strength)
    # A random rotation of the colour axes stands for hue; the identity at strength 0.
    mix = np.eye(3) + strength * 0.5 * rng.uniform(-1, 1, (3, 3))
    mix /= mix.sum(axis=1, keepdims=True)
    pixels = pixels @ mix.T.astype(np.float32)
    contrast = rng.uniform(1 - strength, 1 + strength)
    mean = float(pixels.mean())
    shift = 255 * strength * rng.uniform(-0.5, 0.5)
    return np.clip((pixels - mean) * contrast + mean + shift, 0, 255).astype(np.uint8)
