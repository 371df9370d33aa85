"""What scores are worth: how often a mask with a given score is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from deaot_ros.synthetic import HELD_BACK, SceneSettings, referenced_clip
from deaot_ros.synthetic.long_scene import long_scene
from deaot_ros.tracking import Tracker

GOOD = 0.5
"""J above which a mask is right."""

_CLIP_FRAMES = 24
_SCENE_FRAMES = 100
_RATE = 10.0
_FIRST_SEED = 500_000  # far from the seeds of the long benchmark

Clip = Iterable[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Scores of masks, and whether each was right."""

    scores: tuple[float, ...]
    good: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """Masks of similar score: their number, mean score, and the part that was right."""

    count: int
    score: float
    right: float


def held_back_clips(first: int, count: int, height: int, width: int) -> Iterator[Clip]:
    """Clips of photographs that training never sees: short ones and such with absences, in turn.

    Args:
        first, count: which ones; others for fitting than for checking.
        height, width: of the frames in pixels.
    """
    settings = SceneSettings(objects=(1, 3), photographs=HELD_BACK, photo_share=0.9)
    for number in range(first, first + count):
        seed = _FIRST_SEED + number
        if number % 2:
            scene = long_scene(seed, _SCENE_FRAMES, height, width, _RATE)
            yield (scene.render(t) for t in range(_SCENE_FRAMES))
        else:
            clip = referenced_clip(seed, _CLIP_FRAMES, height, width, settings)
            yield zip(clip.frames, clip.masks, strict=True)


def collect(tracker: Tracker, clips: Iterable[Clip]) -> Outcome:
    """Track clips, (image, truth) per frame, and note the score of every mask with a pixel."""
    scores: list[float] = []
    good: list[bool] = []
    for clip in clips:
        tracker.reset()
        for number, (image, truth) in enumerate(clip):
            if number == 0:
                tracker.start(image, truth, 0.0)
                continue
            result = tracker.step(image, number / _RATE)
            for thing in result.objects:
                if not thing.area:
                    continue
                said, true = result.labels == thing.id, truth == thing.id
                common = np.count_nonzero(said & true)
                scores.append(thing.score)
                good.append(common > GOOD * np.count_nonzero(said | true))
    return Outcome(tuple(scores), tuple(good))


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
