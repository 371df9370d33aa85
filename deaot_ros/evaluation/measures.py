"""The DAVIS measures: region similarity J and boundary accuracy F.

Definitions of Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object
Segmentation" (CVPR 2016), with the conventions of the DAVIS evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

BOUNDARY_TOLERANCE = 0.008
"""How far a boundary pixel may be off, as a fraction of the image diagonal."""


def region_similarity(
    result: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None
) -> float:
    """J: intersection over union of two masks, 0..1; 1 where both are empty.

    Args:
        result, truth: [H, W], non-zero = object.
        void: [H, W], non-zero where nobody knows; such pixels do not count.

    Raises:
        ValueError: the sizes differ.
    """
    return _overlap(*_as_masks(result, truth, void))


def boundary_measure(
    result: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None
) -> float:
    """F: harmonic mean of boundary precision and recall, 0..1.

    A boundary pixel is matched where the other mask has one within ``ceil(0.008 * diagonal)``
    pixels. 1 where both boundaries are empty, 0 where only one is.

    Args:
        result, truth: [H, W], non-zero = object.
        void: [H, W], non-zero where nobody knows; both masks count as background there.

    Raises:
        ValueError: the sizes differ.
    """
    return scores(result, truth, void)[1]


def scores(
    result: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None
) -> tuple[float, float]:
    """J and F of two masks; quicker than one after the other. See the two measures."""
    result, truth = _as_masks(result, truth, void)
    tolerance = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*result.shape))
    # Nothing happens where neither mask is: the rest of the image is not looked at again.
    box = _inhabited(result | truth)
    result, truth = result[box], truth[box]
    return _overlap(result, truth), _boundary_overlap(result, truth, tolerance)


def _overlap(result: np.ndarray, truth: np.ndarray) -> float:
    union = np.count_nonzero(result | truth)
    return np.count_nonzero(result & truth) / union if union else 1.0


def _boundary_overlap(result: np.ndarray, truth: np.ndarray, tolerance: int) -> float:
    ours, theirs = boundary_map(result), boundary_map(truth)
    count, expected = np.count_nonzero(ours), np.count_nonzero(theirs)
    if not count or not expected:
        return 1.0 if count == expected else 0.0
    disk = _disk(tolerance)
    near_theirs = cv2.dilate(theirs.view(np.uint8), disk).view(bool)
    near_ours = cv2.dilate(ours.view(np.uint8), disk).view(bool)
    precision = np.count_nonzero(ours & near_theirs) / count
    recall = np.count_nonzero(theirs & near_ours) / expected
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Boundary of a mask, one pixel wide: bool [H, W].

    A pixel belongs to it where the pixel right of it, below it or diagonally below it differs;
    in the last row and column only the neighbour inside the image counts.
    """
    mask = _as_bool(mask)
    boundary = np.zeros_like(mask)
    boundary[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    boundary[:-1] |= mask[:-1] != mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return boundary


@dataclass(frozen=True, slots=True)
class Scores:
    """J and F of a sequence: means over objects of their means over frames.

    Attributes:
        j_mean, f_mean: 0..1.
        objects: object id to its (J, F).
        frames: frames counted.
    """

    j_mean: float
    f_mean: float
    objects: dict[int, tuple[float, float]]
    frames: int


def sequence_scores(pairs: Iterable[tuple[np.ndarray, np.ndarray]], ids: Sequence[int]) -> Scores:
    """Score a sequence.

    Args:
        pairs: (result, truth) label maps [H, W] of every frame that counts.
        ids: objects to score, usually those of the first mask.

    Raises:
        ValueError: no frames, no objects, or sizes that differ.
    """
    if not ids:
        raise ValueError("no objects to score: the first mask has no pixel other than 0")
    collected = np.array(
        [[scores(result == i, truth == i) for i in ids] for result, truth in pairs]
    )
    if not collected.size:
        raise ValueError("no frames to score: results and ground truth have no frame in common")
    per_object = collected.mean(0)
    j_mean, f_mean = per_object.mean(0)
    objects = {int(i): (float(j), float(f)) for i, (j, f) in zip(ids, per_object, strict=True)}
    return Scores(float(j_mean), float(f_mean), objects, len(collected))


def _as_masks(
    result: np.ndarray, truth: np.ndarray, void: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    result, truth = _as_bool(result), _as_bool(truth)
    known = result if void is None else ~_as_bool(void)
    if not result.shape == truth.shape == known.shape or result.ndim != 2:
        raise ValueError(
            f"masks of one size [H, W] are expected, got {result.shape}, {truth.shape}"
            + ("" if void is None else f" and {known.shape}")
        )
    return (result, truth) if void is None else (result & known, truth & known)


def _as_bool(mask: np.ndarray) -> np.ndarray:
    mask = np.asarray(mask)
    return mask if mask.dtype == bool else mask != 0  # a third of the time where it is one


def _inhabited(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of the image that holds the mask and all of its boundary.

    One pixel more on each side, where there is one: boundaries lie up to a pixel above and left of
    a mask, and an edge of the part that is not the image's must not look like one.
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(max(top - 1, 0), top + height + 1), slice(max(left - 1, 0), left + width + 1)


def _disk(radius: int) -> np.ndarray:
    offsets = np.arange(-radius, radius + 1)
    return (offsets[:, None] ** 2 + offsets[None] ** 2 <= radius**2).astype(np.uint8)
