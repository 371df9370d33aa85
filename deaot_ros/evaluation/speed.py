"""How long each stage of a frame takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from deaot_ros.backends import Backend
from deaot_ros.tracking import Tracker, TrackerSettings

STAGES = ("encode", "propagate", "decode", "memorise")
_WARM_UP = 2


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over frames in milliseconds.

    Attributes:
        stages: stage to ms; ``label`` is what the frame takes besides the network: resizing of
            logits, labels, scores, boxes.
        total: of a whole ``Tracker.step``.
        size: (height, width) that the network saw.
        memory_frames: in long-term memory at the end.
    """

    stages: dict[str, float]
    total: float
    size: tuple[int, int]
    memory_frames: int


def measure_speed(
    backend: Backend,
    settings: TrackerSettings,
    height: int = 480,
    width: int = 854,
    objects: int = 3,
    frames: int = 10,
) -> Speed:
    """Track noise and time it; two further frames warm up.

    Args:
        backend: with the network.
        settings: of the tracker.
        height, width: of the camera image in pixels.
        objects: tracked ones, 1..254.
        frames: timed ones.
    """
    clock = _Clock(backend)
    tracker = Tracker(clock, settings)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, height, width, 3), np.uint8)
    columns = np.arange(width) * objects // width + 1
    tracker.start(images[0], np.repeat(columns[None], height, 0).astype(np.int32))
    samples: dict[str, list[float]] = {name: [] for name in (*STAGES, "label", "total")}
    for number in range(_WARM_UP + frames):
        clock.spent = dict.fromkeys(STAGES, 0.0)
        start = clock.now()
        tracker.step(images[number % len(images)])
        total = clock.now() - start
        if number < _WARM_UP:
            continue
        for name, seconds in clock.spent.items():
            samples[name].append(seconds)
        samples["label"].append(total - sum(clock.spent.values()))
        samples["total"].append(total)
    medians = {name: 1000 * median(values) for name, values in samples.items()}
    total = medians.pop("total")
    used = tracker.memory_usage.slots_used
    return Speed(medians, total, tracker.network_size(height, width), used)


class _Clock:
    """A backend that notes how long its stages take."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.spent = dict.fromkeys(STAGES, 0.0)

    def now(self) -> float:
        if self._backend.device.type == "cuda":
            torch.cuda.synchronize(self._backend.device)
        return time.perf_counter()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backend, name)
        return self._timed(name, value) if name in STAGES else value

    def _timed(self, name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = self.now()
            result = stage(*args, **kwargs)
            self.spent[name] += self.now() - start
            return result

        return run
