"""Thin-plate deformation: the smoothest way to move a few points of a picture to other places."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_CELLS = 25  # per side of the grid that a deformation is kept on
_POINTS = 4  # moved points per side


@dataclass(frozen=True)
class Bend:
    """A deformation of a square sprite that swings between two shapes.

    Attributes:
        shapes: displacements (x, y) in px on a regular grid over the sprite, two of them,
            float32 [2, G, G, 2].
        phase, rate: of the swing, rad and rad per frame.
    """

    shapes: np.ndarray
    phase: float
    rate: float

    @property
    def reach(self) -> float:
        """No point moves further than this, px."""
        return float(np.hypot(self.shapes[..., 0], self.shapes[..., 1]).max(axis=(1, 2)).sum())

    def apply(
        self, u: np.ndarray, v: np.ndarray, size: int, frame: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where pixels at columns ``u`` and rows ``v`` of the bent sprite come from, float32."""
        angle = self.phase + self.rate * frame
        shape = np.float32(np.cos(angle)) * self.shapes[0] + np.float32(np.sin(angle)) * (
            self.shapes[1]
        )
        scale = np.float32((_CELLS - 1) / (size - 1))
        moved = cv2.remap(
            shape, u * scale, v * scale, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return u + moved[..., 0], v + moved[..., 1]


def random_bend(rng: np.random.Generator, size: int, strength: float) -> Bend:
    """A random deformation of a sprite of size x size px.

    Args:
        strength: standard deviation of the moved points, as a fraction of the size.
    """
    side = np.linspace(0, size - 1, _POINTS)
    points = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    side = np.linspace(0, size - 1, _CELLS)
    grid = np.stack(np.meshgrid(side, side), -1)
    moves = rng.normal(0, strength * size, (2, len(points), 2))
    shapes = np.stack([thin_plate(points, move, grid) for move in moves])
    return Bend(shapes.astype(np.float32), rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.4))


def thin_plate(points: np.ndarray, moves: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Displacement at any place when some points are moved (Bookstein 1989).

    Args:
        points: [K, 2], not all on a line.
        moves: [K, 2] displacements of the points.
        where: [..., 2].

    Returns:
        [..., 2]; at the points exactly their displacements.
    """
    scale = max(float(np.ptp(points)), 1e-9)  # keeps the system well conditioned
    points, places = points / scale, where.reshape(-1, 2) / scale
    count = len(points)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(points, points)
    system[:count, count:] = np.column_stack([np.ones(count), points])
    system[count:, :count] = system[:count, count:].T
    weights = np.linalg.solve(system, np.vstack([moves, np.zeros((3, 2))]))
    bent = _kernel(places, points) @ weights[:count]
    flat = np.column_stack([np.ones(len(places)), places]) @ weights[count:]
    return (bent + flat).reshape(where.shape)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """r² log r² between all pairs."""
    squared = ((a[:, None] - b[None]) ** 2).sum(-1)
    return squared * np.log(np.maximum(squared, 1e-12))
