"""What a tracker says about a frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class ObjectState(IntEnum):
    """State of an object; the numbers are those of ``TrackedObject.msg``."""

    UNKNOWN = 0
    TRACKED = 1
    OCCLUDED = 2
    LOST = 3
    REMOVED = 4


@dataclass(frozen=True, slots=True)
class TrackedObject:
    """One object in one frame.

    Attributes:
        id: as in the target mask.
        state: see :class:`ObjectState`.
        box: tight (x, y, width, height) in pixels; zeros where the object has no pixels.
        area: pixels.
        centroid: (x, y) in pixels.
        score: how likely the mask is right, 0..1; 0 where it has no pixels. With a calibration
            next to the weights the chance of J > 0.5, else the mean probability in the mask.
        last_seen: stamp in seconds of the newest frame in which it was tracked.
        likeness: cosine between what the mask shows and what its annotated masks showed, by the
            keys of the network's first layer; 0 where it has no pixels.
    """

    id: int
    state: ObjectState
    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]
    score: float
    last_seen: float
    likeness: float = 0.0


@dataclass(frozen=True, slots=True)
class TrackResult:
    """All objects in one frame.

    Attributes:
        labels: [H, W], pixel = object id, 0 background; uint8, or uint16 when an id exceeds 254.
        objects: every known object by id; a removed one is listed once more as REMOVED.
        stamp: seconds.
        frame: frames processed since the session began, from 0.
        session: grows whenever identities start anew.
        flooded: ids whose mask has grown beyond belief (``StateSettings.max_mask_growth``); they
            are not TRACKED, and the frame is not remembered.
        confidence: uint8 [H, W], 255 times the probability of being any object; None unless asked
            for.
    """

    labels: np.ndarray
    objects: tuple[TrackedObject, ...]
    stamp: float
    frame: int
    session: int
    confidence: np.ndarray | None = None
    flooded: tuple[int, ...] = ()
