"""Short-term memory: the previous frame, or one a little older."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from torch import Tensor

from deaot_ros.network.layer import LayerMemory

MAX_FRAMES = 32
"""Frames kept at most, however small the interval between them is."""

_STAMP_TOLERANCE = 0.25


class ShortTermMemory:
    """The entries of the newest frames; ``read`` gives the oldest that is not older than the lag.

    An annotated frame clears it, as published.
    """

    def __init__(self, lag: float, lag_frames: int | None) -> None:
        """Take the lag in seconds, or where ``lag_frames`` is given in frames (SPEC: ``skip``)."""
        self._lag = lag
        self._entries: deque[tuple[float, Sequence[LayerMemory]]] = deque(
            maxlen=lag_frames or MAX_FRAMES
        )
        self._in_frames = lag_frames is not None

    def clear(self) -> None:
        self._entries.clear()

    def restart(self, entry: Sequence[LayerMemory], stamp: float) -> None:
        """Forget all frames but this one."""
        self._entries.clear()
        self._entries.append((stamp, entry))

    def push(self, entry: Sequence[LayerMemory], stamp: float) -> None:
        """Take the newest frame and let go of those that no later frame will ask for."""
        self._entries.append((stamp, entry))
        self._trim(stamp - self._lag)

    def read(self, stamp: float) -> Sequence[LayerMemory]:
        """The entry per layer, [G, T, C], for a frame at ``stamp`` seconds."""
        # A camera's stamps jitter by a part of its interval.
        jitter = _STAMP_TOLERANCE * (stamp - self._entries[-1][0])
        self._trim(stamp - self._lag - jitter)
        return self._entries[0][1]

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors that are held."""
        return [t for _, entry in list(self._entries) for layer in entry for t in layer]

    def _trim(self, oldest: float) -> None:
        if self._in_frames:
            return
        while len(self._entries) > 1 and self._entries[0][0] < oldest:
            self._entries.popleft()
