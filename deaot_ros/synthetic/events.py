"""What happens to objects on their way: they bend, leave and return, or are covered for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .motion import Path
from .scene import Sprite
from .shapes import random_shape
from .thin_plate import random_bend

Texture = Callable[[np.random.Generator, int], np.ndarray]
"""Draws a surface, uint8 [size, size, 3]."""

_LEAST_FRAMES = 5  # to be seen, away and back


@dataclass(frozen=True)
class Events:
    """How often each event happens to an object, 0..1."""

    thin_plate: float = 0.0
    leave: float = 0.0
    cover: float = 0.0


def add_events(
    rng: np.random.Generator,
    sprites: list[Sprite],
    events: Events,
    frames: int,
    size: tuple[int, int],
    texture: Texture,
) -> list[Sprite]:
    """The sprites with their events; covers come in front of everything.

    Args:
        size: width and height of the picture, px.
        texture: for covers.
    """
    changed: list[Sprite] = []
    covers: list[Sprite] = []
    for sprite in sprites:
        if events.thin_plate and rng.random() < events.thin_plate:
            bend = random_bend(rng, sprite.alpha.shape[0], rng.uniform(0.02, 0.07))
            sprite = replace(sprite, bend=bend)
        if sprite.label and frames >= _LEAST_FRAMES:
            if events.leave and rng.random() < events.leave:
                sprite = replace(sprite, path=_leave(rng, sprite.path, frames, max(size)))
            if events.cover and rng.random() < events.cover:
                covers.append(_cover(rng, sprite, frames, texture))
        changed.append(sprite)
    return changed + covers


def _leave(rng: np.random.Generator, path: Path, frames: int, reach: float) -> Path:
    """The path with a way out of the picture and back; there at the first and the last frame."""
    times = np.arange(frames, dtype=float)
    start, end = rng.uniform(0.1, 0.3) * (frames - 1), rng.uniform(0.7, 0.95) * (frames - 1)
    # A third of the way out, a third away, a third back.
    share = np.clip(np.minimum(times - start, end - times) * 3 / (end - start), 0, 1)
    direction = rng.uniform(0, 2 * np.pi)
    poses = np.stack([path.at(t) for t in times])
    away = 1.3 * reach * np.array([np.cos(direction), np.sin(direction)])
    poses[:, :2] += share[:, None] * away
    return Path(times, poses)


def _cover(
    rng: np.random.Generator, sprite: Sprite, frames: int, texture: Texture
) -> Sprite:
    """Something that passes in front of a sprite, beside it at the first frame."""
    own = sprite.alpha.shape[0]
    size = max(16, int(own * rng.uniform(0.6, 1.2)))
    times = np.arange(frames, dtype=float)
    meeting = rng.uniform(0.4, 0.8) * (frames - 1)
    direction = rng.uniform(0, 2 * np.pi)
    # Both are squares: half a diagonal each keeps them apart at the start.
    distance = 0.75 * (own * np.exp(sprite.path.at(0.0)[3]) + size)
    way = distance * np.array([np.cos(direction), np.sin(direction)])
    poses = np.zeros((frames, 4))
    poses[:, :2] = sprite.path.at(meeting)[:2] + (times / meeting - 1)[:, None] * way
    return Sprite(texture(rng, size), random_shape(rng, size), Path(times, poses), 0)
