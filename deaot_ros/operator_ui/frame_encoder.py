"""Views as what a page gets: a JPEG, and the ids as runs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from deaot_ros.operator_ui.frame_store import View
from deaot_ros.operator_ui.link import Level
from deaot_ros.operator_ui.rle import encode_runs
from deaot_ros.operator_ui.wire import pack

_FROZEN_QUALITY = 92


def live(view: View, level: Level, number: int) -> bytes:
    """A picture of the live view, no larger than ``level``.

    The costly part is done once for all pages that get the same size.

    Raises:
        ImageError: the camera's image cannot be decoded.
    """
    # A frame is sent bare when the node is late, and again once it has answered.
    key = (level, view.complete)
    body = view.encoded.get(key)
    if body is None:
        body = view.encoded[key] = _body(view, level.long_side, level.quality)
    return pack({"type": "live", "number": number}, body)


def frozen(view: View, request: str) -> bytes:
    """The whole frame at the camera's size, to draw on.

    Raises:
        ImageError: the camera's image cannot be decoded.
    """
    return pack({"type": "frozen", "request": request}, _body(view, 0, _FROZEN_QUALITY))


def region(found: np.ndarray, request: str) -> bytes:
    """Pixels that a tool found, bool [H, W]."""
    height, width = found.shape
    header = {"type": "region", "request": request, "width": width, "height": height}
    return pack(header, encode_runs(found.astype(np.uint8)))


def _body(view: View, long_side: int, quality: int) -> bytes:
    """Picture and ids, reduced to ``long_side`` (0: as they are), described by a header."""
    image = view.frame.pixels()
    height, width = image.shape[:2]
    scale = min(1.0, long_side / max(height, width)) if long_side else 1.0
    size = max(1, round(scale * width)), max(1, round(scale * height))
    if scale < 1:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    runs = b""
    if view.complete and view.labels is not None:
        labels = view.labels
        if labels.shape[::-1] != size:
            labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        runs = encode_runs(labels)
    header: dict[str, Any] = {
        "stamp": str(view.key),  # more digits than a number of JavaScript holds
        "width": width,
        "height": height,
        "shown": size,
        "session": view.session,
        "objects": view.objects,
    }
    return pack(header, jpeg.tobytes(), runs)
