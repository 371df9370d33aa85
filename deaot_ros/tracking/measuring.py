"""Box, area and centroid of every object in a label map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """Extent of one object; all zero where it has no pixels.

    Attributes:
        box: tight (x, y, width, height) in pixels.
        area: pixels.
        centroid: (x, y), mean of pixel coordinates.
    """

    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]


NOTHING = Shape((0, 0, 0, 0), 0, (0.0, 0.0))


def measure(labels: np.ndarray, ids: tuple[int, ...]) -> dict[int, Shape]:
    """Measure ``ids`` in ``labels``, integer [H, W]."""
    return {object_id: _measure_one(labels == object_id) for object_id in ids}


def _measure_one(mask: np.ndarray) -> Shape:
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return NOTHING
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    crop = mask[top:bottom, left:right]
    return _shape(top, left, crop.sum(axis=1), crop.sum(axis=0))


def shape_of(per_row: np.ndarray, per_column: np.ndarray) -> Shape:
    """Shape of an object with so many pixels in each row [H] and in each column [W]."""
    rows, columns = np.flatnonzero(per_row), np.flatnonzero(per_column)
    if rows.size == 0:
        return NOTHING
    top, left = int(rows[0]), int(columns[0])
    return _shape(top, left, per_row[top : rows[-1] + 1], per_column[left : columns[-1] + 1])


def _shape(top: int, left: int, per_row: np.ndarray, per_column: np.ndarray) -> Shape:
    height, width = len(per_row), len(per_column)
    area = int(per_row.sum())
    x = left + float(per_column @ np.arange(width)) / area
    y = top + float(per_row @ np.arange(height)) / area
    return Shape((left, top, width, height), area, (x, y))
