"""From a rough box to the object in it, by GrabCut."""

from __future__ import annotations

import cv2
import numpy as np

_ITERATIONS = 4
_LONG_SIDE = 480
"""GrabCut sees at most this many pixels per side, so that an answer takes well below a second."""

_MARGIN = 0.3
"""Background around the box that GrabCut learns from, as a fraction of the box's side."""

_SMALLEST = 4
"""Pixels per side below which there is nothing to learn from."""

Box = tuple[int, int, int, int]


def cut_out(image: np.ndarray, box: Box) -> np.ndarray:
    """The object that fills a box.

    Args:
        image: uint8 RGB [H, W, 3].
        box: x, y, width, height in pixels; what lies outside the image is cut off.

    Returns:
        bool [H, W], never true outside the box. The whole box where GrabCut finds no object in it.
    """
    height, width = image.shape[:2]
    x0, y0 = max(box[0], 0), max(box[1], 0)
    x1, y1 = min(box[0] + box[2], width), min(box[1] + box[3], height)
    found = np.zeros((height, width), bool)
    if x1 <= x0 or y1 <= y0:
        return found
    whole = found.copy()
    whole[y0:y1, x0:x1] = True
    if min(x1 - x0, y1 - y0) < _SMALLEST:
        return whole
    margin_x, margin_y = (2 + round(_MARGIN * side) for side in (x1 - x0, y1 - y0))
    left, top = max(x0 - margin_x, 0), max(y0 - margin_y, 0)
    right, bottom = min(x1 + margin_x, width), min(y1 + margin_y, height)
    if (left, top, right, bottom) == (x0, y0, x1, y1):
        return whole  # the box is the picture: there is no background to learn from
    crop = image[top:bottom, left:right]
    scale = min(1.0, _LONG_SIDE / max(crop.shape[:2]))
    small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    state = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    inner = [round(scale * v) for v in (y0 - top, y1 - top, x0 - left, x1 - left)]
    state[inner[0] : inner[1], inner[2] : inner[3]] = cv2.GC_PR_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    by_mask = cv2.GC_INIT_WITH_MASK
    try:
        cv2.grabCut(np.ascontiguousarray(small), state, (0, 0, 1, 1), *models, _ITERATIONS, by_mask)
    except cv2.error:  # too few different pixels on one side
        return whole
    object_ = np.isin(state, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    large = cv2.resize(object_, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    found[top:bottom, left:right] = large >= 0.5
    found &= whole
    return found if found.any() else whole
