"""What scores are worth: how often a mask with a given score is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from deaot_ros.evaluation.watch import score_masks
from deaot_ros.synthetic import HELD_BACK, SceneSettings, referenced_clip
from deaot_ros.synthetic.long_scene import long_scene
from deaot_ros.tracking import Tracker

GOOD = 0.5
"""J above which a mask is right."""

_FRAMES = 24
_LONG_EVERY, _LONG_FRAMES, _LONG_OBJECTS = 10, 150, 2
_RATE = 10.0
_FIRST_SEED = 500_000
_SCENES = SceneSettings(
    photographs=HELD_BACK, photo_share=0.9, look_alike=0.3, thin_plate=0.3, leave=0.2, cover=0.3
)

Clip = Iterable[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Scores of masks, their likeness to what was annotated, and whether each was right."""

    scores: tuple[float, ...]
    likeness: tuple[float, ...]
    good: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """Masks of similar score: their number, mean score, and the part that was right."""

    count: int
    score: float
    right: float


def held_back_clips(first: int, count: int, height: int, width: int) -> Iterator[Clip]:
    """Clips of photographs that training never sees, with look-alikes, absences and covers.

    Every tenth is a long scene, in which an object is as often out of sight as in it: there the
    masks of what is gone have moved to other things.

    Args:
        first, count: which ones; others for fitting than for checking.
        height, width: of the frames in pixels.
    """
    for number in range(first, first + count):
        seed = _FIRST_SEED + number
        if number % _LONG_EVERY == _LONG_EVERY - 1:
            scene = long_scene(
                seed, _LONG_FRAMES, height, width, _RATE, _LONG_OBJECTS, photographs=HELD_BACK
            )
            yield (scene.render(t) for t in range(scene.frames))
        else:
            clip = referenced_clip(seed, _FRAMES, height, width, _SCENES)
            yield zip(clip.frames, clip.masks, strict=True)


def collect(tracker: Tracker, clips: Iterable[Clip]) -> Outcome:
    """Track clips, (image, truth) per frame, and note the score of every mask with a pixel."""
    scores: list[float] = []
    likeness: list[float] = []
    good: list[bool] = []
    for clip in clips:
        frames = iter(clip)
        image, truth = next(frames)
        tracker.start(image, truth, 0.0)
        ids = tracker.object_ids
        for number, (image, truth) in enumerate(frames, 1):
            result = tracker.step(image, number / _RATE)
            j = score_masks(result.labels, truth, ids).j
            for thing, overlap in zip(result.objects, j, strict=True):
                if thing.area:
                    scores.append(thing.score)
                    likeness.append(thing.likeness)
                    good.append(bool(overlap > GOOD))  # NaN, for one out of sight, is not
    return Outcome(tuple(scores), tuple(likeness), tuple(good))


def reliability(outcome: Outcome, bins: int = 10) -> list[Bin]:
    """Bins of equal width over 0..1; empty ones are left out."""
    scores, good = np.array(outcome.scores), np.array(outcome.good)
    place = np.minimum((scores * bins).astype(int), bins - 1)
    return [
        Bin(int(chosen.sum()), float(scores[chosen].mean()), float(good[chosen].mean()))
        for chosen in (place == b for b in range(bins))
        if chosen.any()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance between score and part that is right, weighted by count."""
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.score - b.right) for b in bins) / max(total, 1)
