"""What scores are worth: how often a mask with a given score is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from deaot_ros.evaluation.watch import Watch, score_masks
from deaot_ros.synthetic import HELD_BACK, SceneSettings, referenced_clip
from deaot_ros.synthetic.long_scene import long_scene
from deaot_ros.tracking import Tracker

GOOD = 0.5
"""J above which a mask is right."""

_CLIP_FRAMES = 24
_SCENE_FRAMES = 100
_RATE = 10.0
_PATIENCE = 2.0  # seconds that an object may be lost for
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
    """Track clips, (image, truth) per frame, and note the score of every mask with a pixel.

    A tracker that has lost an object begins anew after two seconds, as it would with a person who
    watches. Otherwise the scores would tell of what comes after a loss and of little else.
    """
    scores: list[float] = []
    good: list[bool] = []
    for clip in clips:
        frames = iter(clip)
        image, truth = next(frames)
        tracker.start(image, truth, 0.0)
        ids = tracker.object_ids
        watch = Watch(round(_PATIENCE * _RATE), len(ids))
        for number, (image, truth) in enumerate(frames, 1):
            result = tracker.step(image, number / _RATE)
            seen = score_masks(result.labels, truth, ids)
            for thing, j in zip(result.objects, seen.j, strict=True):
                if thing.area:
                    scores.append(thing.score)
                    good.append(bool(j > GOOD))  # false for NaN: the object is out of sight
            if watch.failed(seen.j, seen.true_area):
                tracker.start(image, truth, number / _RATE)
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
