"""Whether the masks of a frame are good enough to be remembered for long."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deaot_ros.tracking.measuring import Shape
from deaot_ros.tracking.states import ObjectLife

TRUSTED = 0.7
"""Score that a mask needs: a wrong one in memory does more harm than a right one does good."""

TORN = 0.6
"""Part of a mask that its largest connected piece must be; below it the mask is torn."""

_DOUBTFUL_SHARE = 0.1
"""Doubtful objects that are put up with: among dozens one is always in doubt."""

_ROWS = 48
"""Rows and columns that are looked at for pieces: smaller ones than that do not matter."""


def worth_remembering(
    lives: Mapping[int, ObjectLife], shapes: Mapping[int, Shape], labels: np.ndarray
) -> bool:
    """Whether something is in sight and what is in sight can be believed.

    An object can be believed when it is tracked (which covers a flood and a jump), its score is
    high, its area is steady and its mask is in one piece.

    Args:
        lives: of all objects, after this frame was observed.
        shapes: their extent in the frame.
        labels: ids [H, W].
    """
    visible = [i for i, life in lives.items() if life.visible]
    good = [i for i in visible if _believed(lives[i]) and not _torn(labels, i, shapes[i])]
    return bool(good) and len(visible) - len(good) <= _DOUBTFUL_SHARE * len(visible)


def _believed(life: ObjectLife) -> bool:
    return life.tracked and life.score >= TRUSTED and life.steady


def _torn(labels: np.ndarray, object_id: int, shape: Shape) -> bool:
    x, y, width, height = shape.box
    step_x, step_y = -(-width // _ROWS), -(-height // _ROWS)
    crop = labels[y : y + height : step_y, x : x + width : step_x] == object_id
    return largest_piece(crop) < TORN


def largest_piece(mask: np.ndarray) -> float:
    """Part of the pixels of a mask, bool [h, w], that its largest 4-connected piece has; 0..1."""
    parent: list[int] = []
    area: list[int] = []

    def root(piece: int) -> int:
        while parent[piece] != piece:
            piece = parent[piece]
        return piece

    above: list[tuple[int, int, int]] = []  # runs of pixels as (first, end, piece)
    here: list[tuple[int, int, int]] = []
    last_row = 0
    for row, first, end in _runs(mask):
        if row != last_row:
            above, here = here if row == last_row + 1 else [], []
            last_row = row
        piece = len(parent)
        parent.append(piece)
        area.append(end - first)
        for other_first, other_end, other in above:
            if other_first < end and first < other_end:
                joined, kept = root(piece), root(other)
                if joined != kept:
                    parent[joined] = kept
                    area[kept] += area[joined]
        here.append((first, end, piece))
    total = int(np.count_nonzero(mask))
    largest = max((area[p] for p in range(len(parent)) if parent[p] == p), default=0)
    return largest / total if total else 0.0


def _runs(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """Row, first column and end of every stretch of pixels, row by row."""
    stride = mask.shape[1] + 1  # a blank pixel ends each row
    flat = np.pad(mask, ((0, 0), (0, 1))).ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    rows, first = np.divmod(edges[::2], stride)
    return list(zip(rows.tolist(), first.tolist(), (edges[1::2] - rows * stride).tolist()))
