"""What a source of frames gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deaot_ros.errors import DeaotError

DEFAULT_FPS = 30.0
"""Frames per second of sources that do not know their own."""


class VideoError(DeaotError):
    """A source that cannot be read, or an output that cannot be written."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One image.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        stem: name of its results, unique in a source.
        stamp: seconds; of what clock depends on the source. Never decreases.
    """

    image: np.ndarray
    stem: str
    stamp: float


class Source(Protocol):
    """Frames in order. Iterating opens it anew and raises :class:`VideoError` where it breaks.

    Attributes:
        count: frames that are expected; None where nobody knows.
        fps: frames per second.
        live: True where frames come whether or not somebody reads them.
    """

    count: int | None
    fps: float
    live: bool

    def __iter__(self) -> Iterator[Frame]: ...
