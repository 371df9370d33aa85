"""Rates, latencies and counts of what the node does."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

WINDOW = 300
"""Frames that percentiles are taken over."""

RATE_SPAN = 2.0
"""Seconds that rates are taken over."""

STAGES = ("wait", "decode", "track", "publish")
"""Of one frame: in the mailbox, to RGB, in the tracker, to DDS."""


class Statistics:
    """Counts since activation. Written by the worker and the camera's callback."""

    def __init__(self) -> None:
        self.received = 0
        self.processed = 0
        self.skipped = 0
        self.undecodable = 0
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._stages = {stage: deque[float](maxlen=WINDOW) for stage in STAGES}
        self._finished: deque[float] = deque(maxlen=1000)

    def finish(self, latency: float, stages: tuple[float, float, float, float]) -> None:
        """Count a published frame; seconds from arrival to publication, and of each stage."""
        self.processed += 1
        self._latencies.append(latency)
        for stage, seconds in zip(STAGES, stages):
            self._stages[stage].append(seconds)
        self._finished.append(time.monotonic())

    @property
    def fps(self) -> float:
        """Frames published per second, lately."""
        now = time.monotonic()
        recent = [t for t in self._finished.copy() if now - t < RATE_SPAN]
        return len(recent) / RATE_SPAN

    def latency_ms(self, percentile: float) -> float:
        """Percentile of the latency from arrival to publication, ms; 0 before the first frame."""
        return _percentile_ms(self._latencies, percentile)

    def stages_ms(self, percentile: float) -> dict[str, float]:
        """Percentile of every stage, ms."""
        return {s: _percentile_ms(values, percentile) for s, values in self._stages.items()}


def _percentile_ms(values: deque[float], percentile: float) -> float:
    recent = values.copy()
    return 1e3 * float(np.percentile(recent, percentile)) if recent else 0.0
