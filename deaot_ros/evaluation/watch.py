"""What a frame's masks are worth beside the truth, and when a tracker must begin anew."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_LOST = 0.1  # J below which an object in sight is lost
_WELL_IN_SIGHT = 0.4  # of the largest area it had


class Seen(NamedTuple):
    """Masks of one frame beside the truth, [O] each.

    Attributes:
        j: NaN where the object is truly out of sight.
        area: pixels it is said to have.
        owner: the object that truly has more than half of these pixels, 0: none.
        true_area: pixels it truly has.
    """

    j: np.ndarray
    area: np.ndarray
    owner: np.ndarray
    true_area: np.ndarray


def score_masks(
    labels: np.ndarray, truth: np.ndarray | None, ids: tuple[int, ...]
) -> Seen:
    """Compare labels [H, W] with the truth, None where it is not known."""
    known = np.array((0, *ids))
    table = np.zeros(65536, np.int64)
    table[known] = np.arange(len(known))
    count = len(known)
    said = table[labels]
    if truth is None:
        area = np.bincount(said.ravel(), minlength=count)[1:]
        return Seen(np.full(len(ids), np.nan), area, np.zeros_like(area), np.zeros_like(area))
    both = np.bincount((table[truth] * count + said).ravel(), minlength=count * count)
    both = both.reshape(count, count)  # [truth, said]
    area, true_area = both.sum(0)[1:], both.sum(1)[1:]
    common = np.diagonal(both)[1:]
    j = np.where(true_area > 0, common / np.maximum(area + true_area - common, 1), np.nan)
    most = both[1:, 1:].argmax(0)
    owns = 2 * both[1:, 1:].max(0) > area
    return Seen(j, area, np.where(owns & (area > 0), known[1:][most], 0), true_area)


def label_areas(labels: np.ndarray, ids: tuple[int, ...]) -> np.ndarray:
    """Pixels [O] that each id has in labels [H, W]."""
    return np.bincount(labels.ravel(), minlength=max(ids) + 1)[list(ids)]


class _Sight:
    """Says whether all objects are well in sight, beside the largest areas that they had."""

    def __init__(self, objects: int) -> None:
        self._largest = np.zeros(objects)

    def whole(self, true_area: np.ndarray) -> bool:
        self._largest = np.maximum(self._largest, true_area)
        return bool((true_area >= _WELL_IN_SIGHT * self._largest).all())


class Anchors:
    """Says when all trackers begin anew, whatever they did: the multi-start protocol of VOT 2020.

    An anchor is due ``interval`` frames after the one before, and comes with the next frame that
    shows every object well.
    """

    def __init__(self, interval: int, objects: int) -> None:
        self._interval = interval
        self._waited = 0
        self._sight = _Sight(objects)

    def reached(self, true_area: np.ndarray) -> bool:
        """Whether the frame at hand is an anchor; asked once for every frame."""
        if not self._interval:
            return False
        self._waited += 1
        here = self._sight.whole(true_area) and self._waited >= self._interval
        if here:
            self._waited = 0
        return here


class Watch:
    """Says when a tracker that has lost an object must begin anew."""

    def __init__(self, patience: int, objects: int) -> None:
        self._patience = patience
        self._lost = np.zeros(objects, int)
        self._sight = _Sight(objects)

    def failed(self, j: np.ndarray, true_area: np.ndarray) -> bool:
        """Whether an object was lost for too long and all are well in sight now."""
        if not self._patience:
            return False
        self._lost = np.where(j < _LOST, self._lost + 1, np.where(np.isnan(j), self._lost, 0))
        again = self._sight.whole(true_area) and bool((self._lost >= self._patience).any())
        if again:
            self._lost[:] = 0
        return again
