"""Accuracy, robustness and expected average overlap of VOT 2020's multi-start protocol.

Kristan et al., "The Eighth Visual Object Tracking VOT2020 Challenge Results", section 3, with the
conventions of the VOT toolkit, so that figures compare: the frame in which a run starts overlaps
nothing, and the sum of a failed run is spread over one frame less than the run is stretched to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

FAILING_OVERLAP = 0.1
FAILING_FRAMES = 10
"""A tracker has failed where its overlap is not above the threshold for so many frames."""

TYPICAL_LENGTHS = (115, 755)
"""EAO is the mean over these lengths in frames, the second one excluded."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run from an anchor.

    Attributes:
        sequence: that it belongs to.
        sequence_length: frames of that.
        overlaps: of every frame from the anchor on, 0..1; the anchor's own does not count.
        hidden: bool per frame, the object is not there.
    """

    sequence: str
    sequence_length: int
    overlaps: np.ndarray
    hidden: np.ndarray

    @property
    def frames_tracked(self) -> int:
        """Frames until the tracker fails for good, or all of them."""
        low = (self.counted <= FAILING_OVERLAP) & ~self.hidden
        ends = np.flatnonzero(~low)
        edges = np.concatenate(([-1], ends, [len(low)]))
        long = np.flatnonzero(np.diff(edges) > FAILING_FRAMES)
        return int(edges[long[0]]) + 1 if len(long) else len(low)

    @property
    def counted(self) -> np.ndarray:
        """Overlaps as the toolkit counts them."""
        return np.concatenate(([0.0], self.overlaps[1:]))


def accuracy_robustness(runs: Iterable[Run]) -> tuple[float, float]:
    """Mean overlap until failure, and the part of the frames until then.

    Accuracy weighs a sequence by the frames tracked, robustness by its length.

    Raises:
        ValueError: there are no runs.
    """
    overlap, tracked, share, frames = 0.0, 0, 0.0, 0
    for group in _by_sequence(runs):
        kept = [run.frames_tracked for run in group]
        overlap += sum(float(run.counted[:k].sum()) for run, k in zip(group, kept))
        tracked += sum(kept)
        length = group[0].sequence_length
        share += length * sum(kept) / sum(len(run.overlaps) for run in group)
        frames += length
    if not frames:
        raise ValueError("no runs to score")
    return (overlap / tracked if tracked else 0.0), share / frames


def overlap_curve(runs: Sequence[Run], length: int) -> np.ndarray:
    """Expected average overlap for every number of frames below ``length``.

    A run counts up to its own length; one that failed goes on with zeros.
    """
    total, active = np.zeros(length), np.zeros(length)
    numbers = np.arange(length)
    for run in runs:
        overlaps, count = run.counted, len(run.overlaps)
        kept = run.frames_tracked
        overlaps[kept:] = 0
        sums = np.cumsum(overlaps)
        own = numbers[1 : min(count, length)]
        total[own] += sums[own] / own
        active[own] += 1
        if kept < count < length:
            beyond = numbers[count:]
            total[beyond] += sums[-1] / (beyond - 1)
            active[beyond] += 1
    return np.divide(total, active, out=np.zeros(length), where=active > 0)


def expected_average_overlap(
    runs: Sequence[Run], lengths: tuple[int, int] = TYPICAL_LENGTHS
) -> float:
    """EAO: the mean of :func:`overlap_curve` over typical lengths."""
    low, high = lengths
    return float(overlap_curve(runs, high)[low:].mean())


def _by_sequence(runs: Iterable[Run]) -> list[list[Run]]:
    ordered = sorted(runs, key=lambda run: run.sequence)
    return [list(group) for _, group in groupby(ordered, key=lambda run: run.sequence)]
