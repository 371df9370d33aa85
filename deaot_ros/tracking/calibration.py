"""What a network's confidence is worth: from mean probability to the chance of a good mask."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from deaot_ros.errors import CheckpointError

_LOGGER = logging.getLogger(__name__)

SUFFIX = ".calibration.json"
"""NAME.safetensors has its calibration next to it in NAME.calibration.json."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising line through knots; without knots values stay what they are.

    Attributes:
        probability: mean probability in the mask at each knot, rising.
        chance: part of such masks whose J is above 0.5, not falling.

    Raises:
        ValueError: the knots are not of that kind.
    """

    probability: tuple[float, ...] = ()
    chance: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        x, y = self.probability, self.chance
        if len(x) != len(y) or not all(math.isfinite(v) and 0 <= v <= 1 for v in (*x, *y)):
            raise ValueError("knots must be as many probabilities as chances, all in 0..1")
        rises = all(a < b for a, b in pairwise(x))
        if not rises or any(b < a for a, b in pairwise(y)):
            raise ValueError("probabilities must rise and chances must not fall")

    def __call__(self, value: float) -> float:
        """The score of a mean probability, both 0..1."""
        x, y = self.probability, self.chance
        if not x:
            return value
        right = bisect_right(x, value)
        if right == 0 or right == len(x):
            return y[min(right, len(x) - 1)]
        part = (value - x[right - 1]) / (x[right] - x[right - 1])
        return y[right - 1] + part * (y[right] - y[right - 1])


def fit_calibration(values: Sequence[float], good: Sequence[bool], bins: int = 20) -> Calibration:
    """Fit by isotonic regression over bins of equal count.

    Args:
        values: mean probabilities.
        good: whether each mask's J was above 0.5.
        bins: knots at most.

    Raises:
        ValueError: nothing to fit.
    """
    if not values:
        raise ValueError("no outputs to calibrate scores with")
    pairs = sorted(zip(values, good, strict=True))
    size = -(-len(pairs) // bins)
    # Pool adjacent violators: (sum of values, good ones, count) per knot.
    pools: list[tuple[float, int, int]] = []
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        pools.append((sum(v for v, _ in part), sum(g for _, g in part), len(part)))
        while len(pools) > 1 and _falls(pools[-2], pools[-1]):
            last = pools.pop()
            pools[-1] = tuple(a + b for a, b in zip(pools[-1], last))  # type: ignore[assignment]
    knots = {round(v / n, 6): round(g / n, 4) for v, g, n in pools}
    return Calibration(tuple(knots), tuple(knots.values()))


def _falls(left: tuple[float, int, int], right: tuple[float, int, int]) -> bool:
    return left[1] / left[2] >= right[1] / right[2] or left[0] / left[2] >= right[0] / right[2]


def calibration_path(weights: Path) -> Path:
    """Where the calibration of a weights file is."""
    return weights.with_suffix(SUFFIX)


def load_calibration(weights: Path) -> Calibration:
    """The calibration next to a weights file.

    Without one, or with one that was made for other weights, scores stay mean probabilities; the
    latter is logged.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = calibration_path(weights)
    if not path.is_file():
        return Calibration()
    try:
        content = json.loads(path.read_text())
        calibration = Calibration(
            tuple(map(float, content["probability"])), tuple(map(float, content["chance"]))
        )
        made_for = str(content["weights_sha256"])
    except (ValueError, TypeError, KeyError, RecursionError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a calibration of scores ({error}); expected JSON with the lists "
            "'probability' and 'chance' and with 'weights_sha256'. Delete it, or renew it: "
            "deaot benchmark scores --write"
        ) from None
    if made_for != weights_digest(weights):
        _LOGGER.warning(
            "%s was made for other weights and is left aside: scores are mean probabilities. "
            "Renew it: deaot benchmark scores --write",
            path,
        )
        return Calibration()
    return calibration


def save_calibration(calibration: Calibration, weights: Path) -> Path:
    """Write a calibration next to its weights; gives its path."""
    path = calibration_path(weights)
    content = {
        "weights_sha256": weights_digest(weights),
        "probability": calibration.probability,
        "chance": calibration.chance,
    }
    path.write_text(json.dumps(content) + "\n")
    return path


def weights_digest(path: Path) -> str:
    """SHA-256 of a weights file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
