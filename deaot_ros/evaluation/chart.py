"""A small line chart, drawn with OpenCV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np

_COLOURS = (
    (31, 119, 180), (214, 39, 40), (44, 160, 44), (255, 127, 14), (148, 103, 189),
    (140, 86, 75), (227, 119, 194), (127, 127, 127), (23, 190, 207), (188, 189, 34),
)  # fmt: skip
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 190, 62, 58


def line_chart(
    title: str,
    x_name: str,
    y_name: str,
    x: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    y_range: tuple[float, float] | None = None,
    x_labels: Sequence[str] | None = None,
    size: tuple[int, int] = (400, 780),
) -> np.ndarray:
    """Draw lines over common places.

    Args:
        title, x_name, y_name: words in plain ASCII, which is all that OpenCV can write.
        x: places, rising.
        lines: name to a value per place; None leaves a gap.
        y_range: of the axis; None: from 0, or the lowest value, to the highest.
        x_labels: written at the places; None: round numbers.
        size: (height, width) in pixels.

    Returns:
        uint8 [height, width, 3] RGB.
    """
    height, width = size
    picture = np.full((height, width, 3), 255, np.uint8)
    values = [v for line in lines.values() for v in line if v is not None]
    low, high = y_range or (min(0.0, *values, 0.0), max(*values, 1e-9, 1e-9) * 1.05)
    first, last = float(x[0]), float(x[-1])

    def place(at: float, value: float) -> tuple[int, int]:
        across = (at - first) / max(last - first, 1e-12)
        up = (min(max(value, low), high) - low) / max(high - low, 1e-12)
        return (
            round(_LEFT + across * (width - _LEFT - _RIGHT)),
            round(height - _BOTTOM - up * (height - _TOP - _BOTTOM)),
        )

    for tick in _ticks(low, high):
        _, row = place(first, tick)
        cv2.line(picture, (_LEFT, row), (width - _RIGHT, row), (225, 225, 225), 1)
        _write(picture, f"{tick:g}", (_LEFT - 8, row + 4), 0.42, right=True)
    ticks = list(zip(x, x_labels)) if x_labels else [(t, f"{t:g}") for t in _ticks(first, last)]
    for at, text in ticks:
        column, _ = place(at, low)
        _write(picture, text, (column, height - _BOTTOM + 18), 0.42, centre=True)
    cv2.rectangle(picture, place(first, high), place(last, low), (90, 90, 90), 1)
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [None if v is None else place(a, v) for a, v in zip(x, line, strict=True)]
        for start, end in pairwise(points):
            if start and end:
                cv2.line(picture, start, end, colour, 2, cv2.LINE_AA)
        for point in points if len(points) <= 40 else ():
            if point:
                cv2.circle(picture, point, 3, colour, -1, cv2.LINE_AA)
        row = _TOP + 10 + 20 * number
        cv2.line(picture, (width - _RIGHT + 12, row), (width - _RIGHT + 34, row), colour, 3)
        _write(picture, name, (width - _RIGHT + 40, row + 4), 0.45)
    _write(picture, title, (_LEFT, 26), 0.6)
    _write(picture, y_name, (8, _TOP - 16), 0.45)
    _write(picture, x_name, ((_LEFT + width - _RIGHT) // 2, height - 14), 0.48, centre=True)
    return picture


def save_picture(picture: np.ndarray, path: str) -> None:
    """Write uint8 RGB [H, W, 3] as PNG.

    Raises:
        OSError: it cannot be written.
    """
    if not cv2.imwrite(path, picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        raise OSError(f"cannot write {path}")


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers."""
    rough = max(high - low, 1e-12) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(next(power * s for s in (1, 2, 2.5, 5, 10) if power * s >= rough))
    first = int(np.ceil(low / step - 1e-9))
    count = int(np.floor(high / step + 1e-9)) - first + 1
    return [round(step * (first + i), 10) for i in range(count)]


def _write(
    picture: np.ndarray,
    text: str,
    where: tuple[int, int],
    scale: float,
    right: bool = False,
    centre: bool = False,
) -> None:
    (wide, _), _ = cv2.getTextSize(text, _FONT, scale, 1)
    x = where[0] - (wide if right else wide // 2 if centre else 0)
    cv2.putText(picture, text, (x, where[1]), _FONT, scale, (40, 40, 40), 1, cv2.LINE_AA)
