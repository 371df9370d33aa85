"""What a row of scores, one per frame, comes to: mean, recall, decay, spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_BINS = 4
_GOOD = 0.5
_LAST_PART = 0.75
"""Where VOST's last quarter of a video begins."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the frames of one object.

    Attributes:
        mean: of all frames.
        recall: share of frames above 0.5.
        decay: mean of the first quarter less that of the last one.
    """

    mean: float
    recall: float
    decay: float


def statistics(values: np.ndarray) -> Statistics:
    """Mean, recall and decay as DAVIS defines them.

    Neighbouring quarters share the frame between them. Frame numbers are integers of any size here;
    tools that keep them in a byte are wrong beyond 255 frames.

    Args:
        values: one score per frame, at least one.

    Raises:
        ValueError: no values.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"one score per frame is expected, got shape {values.shape}")
    edges = np.round(np.linspace(1, len(values), _BINS + 1) + 1e-10).astype(np.int64) - 1
    first, last = values[edges[0] : edges[1] + 1], values[edges[-2] : edges[-1] + 1]
    return Statistics(
        float(values.mean()),
        float((values > _GOOD).mean()),
        float(first.mean() - last.mean()),
    )


class Fit(NamedTuple):
    """Slope of a straight line by least squares, and its standard error for independent values."""

    slope: float
    error: float


def line_fit(x: np.ndarray, y: np.ndarray) -> Fit:
    """Fit ``y`` over ``x``, at least two different places."""
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    return Fit(slope, float(np.sqrt(rest @ rest / max(1, len(y) - 2) / (x @ x))))


def temporal_spread(j: np.ndarray, f: np.ndarray) -> float:
    """V of LVOS: standard deviation over time of the mean of J and F; lower is steadier."""
    return float(((np.asarray(j, np.float64) + np.asarray(f, np.float64)) / 2).std())


def last_quarter(values: np.ndarray) -> float:
    """J_tr of VOST from J: the mean of the last quarter of the frames, when all has changed."""
    values = np.asarray(values, np.float64)
    if not values.size:
        raise ValueError("no scores; expected one per frame")
    return float(values[math.floor(len(values) * _LAST_PART) :].mean())
