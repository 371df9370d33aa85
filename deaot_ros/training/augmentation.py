"""Random changes of pictures and their masks, as the paper's training has them (SPEC 12)."""

from __future__ import annotations

import cv2
import numpy as np

MEAN_COLOUR = (124, 116, 104)
"""ImageNet's mean, RGB: what shows where a picture ends."""

_ROTATION, _SHIFT, _SCALE, _SHEAR = 20.0, 0.1, 0.1, 10.0  # degrees, sides, factor, degrees
_BRIGHTNESS = _CONTRAST = 0.4
_SATURATION, _HUE = 0.2, 0.1
_GREY, _BLUR, _JITTER = 0.2, 0.3, 0.8  # probabilities


def flip(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror left and right."""
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(labels[:, ::-1])


def random_affine(
    rng: np.random.Generator, image: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turn, shift, scale and shear about the centre; the size stays."""
    height, width = labels.shape
    angle = np.radians(rng.uniform(-_ROTATION, _ROTATION))
    shear = np.tan(np.radians(rng.uniform(-_SHEAR, _SHEAR)))
    scale = rng.uniform(1 - _SCALE, 1 + _SCALE)
    shift = rng.uniform(-_SHIFT, _SHIFT, 2) * (width, height)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[1.0, shear], [0.0, 1.0]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.column_stack([linear, centre + shift - linear @ centre])
    moved = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=MEAN_COLOUR
    )
    return moved, cv2.warpAffine(labels, matrix, (width, height), flags=cv2.INTER_NEAREST)


def random_resized_crop(
    rng: np.random.Generator, image: np.ndarray, labels: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """80 to 100 % of the area with an aspect ratio of 3/4 to 4/3, resized to a square."""
    height, width = labels.shape
    area = height * width * rng.uniform(0.8, 1.0)
    aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    columns = min(width, max(1, round(float(np.sqrt(area * aspect)))))
    rows = min(height, max(1, round(float(np.sqrt(area / aspect)))))
    y, x = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    part = (slice(y, y + rows), slice(x, x + columns))
    return resize(image[part], labels[part], size, size)


def resize(
    image: np.ndarray, labels: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Resample, without aliasing where the picture shrinks."""
    method = cv2.INTER_AREA if height * width < labels.size else cv2.INTER_CUBIC
    return (
        cv2.resize(image, (width, height), interpolation=method),
        cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST),
    )


def colour_jitter(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """With probability 0.8 change brightness, contrast, saturation and hue in random order."""
    if rng.random() >= _JITTER:
        return image
    for kind in rng.permutation(4):
        if kind == 0:
            image = _levels(image, rng.uniform(1 - _BRIGHTNESS, 1 + _BRIGHTNESS), 0.0)
        elif kind == 1:
            mean = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean())
            image = _levels(image, rng.uniform(1 - _CONTRAST, 1 + _CONTRAST), mean)
        elif kind == 2:
            factor = rng.uniform(1 - _SATURATION, 1 + _SATURATION)
            image = cv2.addWeighted(image, factor, _grey(image), 1 - factor, 0)
        else:
            image = _turn_hue(image, rng.uniform(-_HUE, _HUE))
    return image


def grey_and_blur(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Grey with probability 0.2, then blur (sigma 0.1 to 2 px) with probability 0.3."""
    if rng.random() < _GREY:
        image = _grey(image)
    if rng.random() < _BLUR:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.1, 2.0))
    return image


def _levels(image: np.ndarray, factor: float, pivot: float) -> np.ndarray:
    """Scale grey levels about one of them."""
    levels = pivot + (np.arange(256) - pivot) * factor
    return cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _turn_hue(image: np.ndarray, share: float) -> np.ndarray:
    """Move all hues by a share of the colour circle."""
    colours = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)  # a turn is 256 steps, so it wraps
    colours[..., 0] += np.uint8(round(share * 256) % 256)
    return cv2.cvtColor(colours, cv2.COLOR_HSV2RGB_FULL)
