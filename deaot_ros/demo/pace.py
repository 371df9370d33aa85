"""Which network size and camera rate this machine can follow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from deaot_ros.tracking import Tracker

LONG_SIDES = (257, 321, 401, 513, 641)
MIN_RATE = 5.0
"""Hz that a larger network must still reach to be preferred, unless the user asks for more."""

_SHARE = 0.5  # of the measured rate: the node, the camera and the watcher share this machine
_SECONDS = 0.8  # of measuring, per size
_SLOWEST = 2.0  # Hz; a machine that cannot even follow that drops frames, and the table says so


@dataclass(frozen=True, slots=True)
class Pace:
    """What to ask of the node.

    Attributes:
        long_side: limit of the network input in pixels.
        rate: camera frames per second.
    """

    long_side: int
    rate: float


def choose_pace(
    seconds_per_frame: Callable[[int], float],
    long_sides: Sequence[int],
    image_long_side: int,
    least: float,
    enough: float,
) -> tuple[Pace, float]:
    """The largest network that keeps up with ``least``, else the smallest.

    Args:
        seconds_per_frame: measures the network with a given limit of its long side.
        long_sides: limits to try, ascending.
        image_long_side: in pixels; larger networks make no sense.
        least, enough: camera rate in Hz that is wanted, and above which no machine is asked to go.

    Returns:
        What to ask for, and the seconds per frame that were measured for it.
    """
    best: tuple[Pace, float] | None = None
    for side in long_sides:
        step = seconds_per_frame(side)
        rate = min(enough, max(_SLOWEST, _SHARE / step))
        if best is not None and rate < least:
            break
        best = Pace(side, rate), step
        if side >= image_long_side:
            break
    assert best is not None, "there is at least one size to try"
    return best


def network_timer(tracker: Tracker, size: tuple[int, int]) -> Callable[[int], float]:
    """A measuring function for :func:`choose_pace`.

    Args:
        tracker: is used for it.
        size: (height, width) of the camera image.
    """
    noise = np.random.default_rng(0)

    def measure(long_side: int) -> float:
        factor = min(1.0, long_side / max(size))
        height, width = (max(32, round(side * factor)) for side in size)
        image = noise.integers(0, 256, (height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2] = 1
        tracker.start(image, mask)
        tracker.step(image)
        best = math.inf  # what the machine can do, not what others left of it just now
        end = time.perf_counter() + _SECONDS
        while (start := time.perf_counter()) < end:
            tracker.step(image)
            best = min(best, time.perf_counter() - start)
        return best

    return measure
