"""What a network's confidence is worth: from what it shows to the chance of a good mask."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from bisect import bisect_left, bisect_right
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
    """A rising line through knots over the evidence for a mask.

    Evidence is the mean of two witnesses: the mean probability in the mask, and its likeness to
    what was annotated (``TrackedObject.likeness``). Without knots a score is the probability.

    Attributes:
        evidence: at each knot, rising.
        chance: part of such masks whose J is above 0.5, not falling.
        trust: in the likeness, 0..1; the rest is that in the probability.

    Raises:
        ValueError: the knots are not of that kind.
    """

    evidence: tuple[float, ...] = ()
    chance: tuple[float, ...] = ()
    trust: float = 0.0

    def __post_init__(self) -> None:
        x, y = self.evidence, self.chance
        finite = all(math.isfinite(v) and abs(v) <= 1 for v in (*x, *y, self.trust))
        if len(x) != len(y) or not finite or any(v < 0 for v in (*y, self.trust)):
            raise ValueError(
                "knots must be as much evidence, in -1..1, as chances, in 0..1 like the trust"
            )
        rises = all(a < b for a, b in pairwise(x))
        if not rises or any(b < a for a, b in pairwise(y)):
            raise ValueError("evidence must rise and chances must not fall")

    def __call__(self, probability: float, likeness: float) -> float:
        """The score of a mask, 0..1."""
        x, y = self.evidence, self.chance
        if not x:
            return probability
        value = _evidence(probability, likeness, self.trust)
        right = bisect_right(x, value)
        if right == 0 or right == len(x):
            return y[min(right, len(x) - 1)]
        part = (value - x[right - 1]) / (x[right] - x[right - 1])
        return y[right - 1] + part * (y[right] - y[right - 1])


def fit_calibration(
    probabilities: Sequence[float],
    likenesses: Sequence[float],
    good: Sequence[bool],
    bins: int = 20,
) -> Calibration:
    """Weigh both witnesses, then fit by isotonic regression over bins of equal count.

    The trust is the one whose evidence best tells good masks from bad ones: in most pairs of a good
    and a bad mask the good one has more (area under the ROC curve).

    Args:
        probabilities: mean probability in each mask.
        likenesses: of each mask.
        good: whether each mask's J was above 0.5.
        bins: knots at most.

    Raises:
        ValueError: nothing to fit.
    """
    if not probabilities:
        raise ValueError("no outputs to calibrate scores with")
    weighed = {
        trust: [_evidence(*both, trust) for both in zip(probabilities, likenesses, strict=True)]
        for trust in (step / 20 for step in range(21))
    }
    trust = max(weighed, key=lambda step: (round(_ordered(weighed[step], good), 4), -step))
    pairs = sorted(zip(weighed[trust], good, strict=True))
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
    return Calibration(tuple(knots), tuple(knots.values()), trust)


def _evidence(probability: float, likeness: float, trust: float) -> float:
    return (1 - trust) * probability + trust * likeness


def _ordered(values: Sequence[float], good: Sequence[bool]) -> float:
    """Part of the pairs of a good and a bad mask in which the good one has the larger value."""
    bad = sorted(v for v, right in zip(values, good, strict=True) if not right)
    places = [
        bisect_left(bad, v) + bisect_right(bad, v)
        for v, right in zip(values, good, strict=True)
        if right
    ]
    return sum(places) / max(1, 2 * len(bad) * len(places))


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
            tuple(map(float, content["evidence"])),
            tuple(map(float, content["chance"])),
            float(content["trust"]),
        )
        made_for = str(content["weights_sha256"])
    except (ValueError, TypeError, KeyError, RecursionError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a calibration of scores ({error}); expected JSON with the lists "
            "'evidence' and 'chance', with 'trust' and 'weights_sha256'. Delete it, or renew it: "
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
        "evidence": calibration.evidence,
        "chance": calibration.chance,
        "trust": calibration.trust,
    }
    path.write_text(json.dumps(content) + "\n")
    return path


def weights_digest(path: Path) -> str:
    """SHA-256 of a weights file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
