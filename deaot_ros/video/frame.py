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
class Recorded:
    """Where an image stands in a bag.

    Attributes:
        seconds, nanoseconds, frame_id: of its header, as they are.
        time: of recording, ns.
    """

    seconds: int
    nanoseconds: int
    frame_id: str
    time: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One image.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        stem: name of its results, unique in a source.
        stamp: seconds; of what clock depends on the source. Never decreases.
        recorded: of an image in a bag.
    """

    image: np.ndarray
    stem: str
    stamp: float
    recorded: Recorded | None = None


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
