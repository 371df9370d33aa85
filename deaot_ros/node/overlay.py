"""The picture for people: objects in colour, with their ids and states."""

from __future__ import annotations

import cv2
import numpy as np

from deaot_ros.tracking import ObjectState, TrackResult
from deaot_ros.video.colours import draw_overlay

_OUTLINE, _TEXT = (0, 0, 0), (255, 255, 255)


def annotated_overlay(image: np.ndarray, result: TrackResult, alpha: float) -> np.ndarray:
    """Draw every object, its box, its id and, unless it is tracked, its state.

    Args:
        image: uint8 RGB [h, w, 3]; at network size where only that was kept.
        result: of this image.
        alpha: opacity of the colours, 0..1.

    Returns:
        uint8 RGB [H, W, 3] at the size of the labels.
    """
    height, width = result.labels.shape
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    picture = draw_overlay(image, result.labels, alpha)
    scale = max(0.4, height / 1000)
    for o in result.objects:
        if not o.area:
            continue
        x, y, w, h = o.box
        cv2.rectangle(picture, (x, y), (x + w - 1, y + h - 1), _TEXT, 1)
        text = str(o.id) if o.state is ObjectState.TRACKED else f"{o.id} {o.state.name.lower()}"
        where = (x + 2, max(y - 3, int(24 * scale)))
        for colour, thickness in ((_OUTLINE, 3), (_TEXT, 1)):
            cv2.putText(
                picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness,
                cv2.LINE_AA,
            )
    return picture
