"""Smooth motion: poses interpolated between key frames, as 3x3 matrices of the plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Path:
    """A pose that passes smoothly (Catmull-Rom) through key frames.

    Attributes:
        times: key times in frames, increasing [K], K ≥ 1.
        poses: x (px), y (px), angle (rad), logarithm of the scale, at each key time [K, 4].
            Before the first and after the last key the pose rests.
    """

    times: np.ndarray
    poses: np.ndarray

    def at(self, time: float) -> np.ndarray:
        """The pose (x, y, angle, log scale) at a time in frames, float64 [4]."""
        times, poses = self.times, self.poses
        if time <= times[0]:
            return poses[0]
        if time >= times[-1]:
            return poses[-1]
        i = int(np.searchsorted(times, time, side="right")) - 1
        before, start = poses[max(i - 1, 0)], poses[i]
        end, after = poses[i + 1], poses[min(i + 2, len(poses) - 1)]
        s = (time - times[i]) / (times[i + 1] - times[i])
        return 0.5 * (
            2 * start
            + (end - before) * s
            + (2 * before - 5 * start + 4 * end - after) * s**2
            + (3 * start - before - 3 * end + after) * s**3
        )

    def matrix(self, time: float) -> np.ndarray:
        """Similarity transform of the pose at a time, float64 [3, 3]."""
        x, y, angle, log_scale = self.at(time)
        c, s = np.cos(angle) * np.exp(log_scale), np.sin(angle) * np.exp(log_scale)
        return np.array([[c, -s, x], [s, c, y], [0.0, 0.0, 1.0]])


def wander(
    rng: np.random.Generator,
    frames: int,
    start: tuple[float, float],
    speed: float,
    turn: float,
    zoom: float,
    key_every: int = 4,
) -> Path:
    """A random smooth path.

    Args:
        frames: length of the clip.
        start: x, y at time 0, px.
        speed: typical speed, px per frame; each path has its own main direction.
        turn: typical rotation, rad per frame.
        zoom: typical change of log scale per frame.
        key_every: frames between key poses.
    """
    keys = max(2, -(-frames // key_every) + 1)
    heading = rng.uniform(0, 2 * np.pi)
    drift = speed * np.array([np.cos(heading), np.sin(heading)])
    steps = np.empty((keys - 1, 4))
    steps[:, :2] = drift + rng.normal(0, 0.5 * speed, (keys - 1, 2))
    steps[:, 2] = rng.normal(0, turn) + rng.normal(0, 0.5 * turn, keys - 1)
    steps[:, 3] = rng.normal(0, zoom) + rng.normal(0, 0.5 * zoom, keys - 1)
    poses = np.zeros((keys, 4))
    poses[0, :2] = start
    poses[1:] = poses[0] + np.cumsum(steps * key_every, axis=0)
    poses[:, 3] = np.clip(poses[:, 3], -0.9, 0.7)
    return Path(np.arange(keys, dtype=float) * key_every, poses)
