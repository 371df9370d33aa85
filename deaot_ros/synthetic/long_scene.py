"""A long scene for drift and loss: objects that are covered or leave for known times and return.

Objects, of which the first two look alike, and a stranger that looks like the last, move for as
long as one likes under a camera that goes in loops while the light changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from .motion import Path
from .photographs import PHOTOGRAPHS
from .scene import Look, Scene, Sprite
from .shapes import random_shape
from .textures import colour_jitter, photo_texture

ABSENCES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds that objects are out of sight, each as often as the others, unless asked otherwise."""

_IN_SIGHT = (3.0, 6.0)  # seconds between two absences of an object
_TRANSIT = 0.4  # seconds that a cover or an object takes to come or go
_LOOP = 40.0  # seconds of a loop of the camera
_LIGHT = 25.0  # seconds of a wave of the light
_KEY_EVERY = 0.1  # seconds between key poses
_UNLIKE = 0.25  # change of colour between look-alikes


@dataclass(frozen=True, slots=True)
class Absence:
    """An object is out of sight from ``start`` for ``seconds``; covered, or out of the picture."""

    start: float
    seconds: float
    covered: bool


def long_scene(
    seed: int,
    frames: int,
    height: int,
    width: int,
    rate: float,
    objects: int = 3,
    object_size: float = 0.36,
    absences: Sequence[float] = ABSENCES,
    photographs: tuple[str, ...] = tuple(PHOTOGRAPHS),
) -> Scene:
    """Draw a long scene; the same arguments give the same scene.

    Args:
        seed: of everything.
        frames: length.
        height, width: of a frame in pixels.
        rate: frames per second; the story is told in seconds.
        objects: labelled ones.
        object_size: of an object, part of the frame's shorter side.
        absences: seconds that objects are out of sight, each as often as the others.
        photographs: names or paths of the surfaces; each comes once before any comes again.
    """
    rng = np.random.default_rng(seed)
    duration = frames / rate
    times = np.arange(0.0, duration + 2 * _KEY_EVERY, _KEY_EVERY)
    short = min(height, width)

    def surface(rows: int, columns: int) -> np.ndarray:
        return colour_jitter(rng, photo_texture(rng, next(names), rows, columns), 0.3)

    names = cycle(rng.permutation(photographs).tolist())
    background = surface(round(1.5 * height), round(1.5 * width))
    sprites: list[Sprite] = []
    covers: list[Sprite] = []
    size = max(16, round(object_size * short))
    twin: tuple[np.ndarray, np.ndarray] | None = None
    for label in range(1, objects + 1):
        if twin is not None and label == 2:  # the look-alike of the first
            texture, alpha = colour_jitter(rng, twin[0], _UNLIKE), twin[1]
        else:
            texture = surface(size, size)
            alpha = random_shape(rng, size)
        twin = (texture, alpha)
        home = (((label - 0.5) / objects - 0.5) * 0.9 * width, (0.12 - 0.24 * (label % 2)) * height)
        where = _lissajous(rng, times, (0.36 * width, 0.32 * height), home)
        gone = _absences(rng, duration, absences)
        cover = _transits(times, where, [a for a in gone if a.covered], width)
        where = _leave(times, where, [a for a in gone if not a.covered], width, rng)
        turn = 0.3 * np.sin(2 * np.pi * times / rng.uniform(8, 16))
        scale = 0.15 * np.sin(2 * np.pi * times / rng.uniform(15, 30))
        wobble = (0.03 * size, 1.0, rng.uniform(0, 6), 2.0 / rate)
        path = _path(times, rate, where, turn, scale)
        sprites.append(Sprite(texture, alpha, path, label, wobble))
        side = round(1.5 * size)
        square = np.zeros((side, side), np.float32)
        square[3:-3, 3:-3] = 1
        covers.append(Sprite(surface(side, side), square, _path(times, rate, cover), 0))
    texture, alpha = sprites[-1].texture, sprites[-1].alpha
    stranger = Sprite(
        colour_jitter(rng, texture, _UNLIKE),
        alpha,
        _path(times, rate, _lissajous(rng, times, (0.7 * width, 0.3 * height), (0.0, 0.0))),
        0,
    )
    angle = 2 * np.pi * times / _LOOP
    pan = np.stack([0.1 * width * np.cos(angle), 0.08 * height * np.sin(2 * angle)], axis=1)
    look = Look(
        drift=0.25, drift_rate=2 * np.pi / (_LIGHT * rate), tint=(0.05, 0.0, -0.05), noise=3.0
    )
    # The objects follow the camera, or they would leave the picture with every loop.
    moved = [_shifted(s, times, rate, -pan) for s in (stranger, *sprites, *covers)]
    camera = _path(times, rate, pan)
    return Scene(height, width, frames, background, camera, tuple(moved), look, seed=seed)


def _absences(
    rng: np.random.Generator, duration: float, lengths: Sequence[float]
) -> list[Absence]:
    """Absences one after the other, every length once before any comes again."""
    absences: list[Absence] = []
    time = 3.0 + rng.uniform(0, 3)
    while time < duration:
        for seconds in rng.permutation(lengths):
            absences.append(Absence(time, float(seconds), bool(rng.random() < 0.5)))
            time += seconds + rng.uniform(*_IN_SIGHT)
    return absences


def _lissajous(
    rng: np.random.Generator,
    times: np.ndarray,
    reach: tuple[float, float],
    start: tuple[float, float],
) -> np.ndarray:
    """Positions [K, 2] on a slow closed curve through ``start``."""
    columns = []
    for axis in range(2):
        period = rng.uniform(12, 22)
        phase = np.arcsin(np.clip(start[axis] / reach[axis], -1, 1))
        columns.append(reach[axis] * np.sin(2 * np.pi * times / period + phase))
    return np.stack(columns, axis=1)


def _leave(
    times: np.ndarray,
    where: np.ndarray,
    absences: list[Absence],
    width: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Take an object out of the picture during its absences; it returns where its curve is."""
    out = where.copy()
    for absence in absences:
        side = 1.0 if rng.random() < 0.5 else -1.0
        away = _presence(times, absence)[:, None]
        out = out * (1 - away) + np.array([side * 0.9 * width, 0.0]) * away
    return out


def _transits(
    times: np.ndarray, where: np.ndarray, absences: list[Absence], width: int
) -> np.ndarray:
    """A cover waits above the picture and goes with its object during each absence."""
    parked = np.array([0.0, -2.0 * width])
    cover = np.repeat(parked[None], len(times), axis=0)
    for absence in absences:
        there = _presence(times, absence)[:, None]
        cover = cover * (1 - there) + where * there
    return cover


def _presence(times: np.ndarray, absence: Absence) -> np.ndarray:
    """1 during an absence, 0 outside, with smooth flanks before and after it."""
    rise = (times - absence.start) / _TRANSIT + 1
    fall = (absence.start + absence.seconds - times) / _TRANSIT + 1
    s = np.clip(np.minimum(rise, fall), 0, 1)
    return s * s * (3 - 2 * s)


def _path(
    times: np.ndarray,
    rate: float,
    where: np.ndarray,
    turn: np.ndarray | float = 0.0,
    scale: np.ndarray | float = 0.0,
) -> Path:
    poses = np.zeros((len(times), 4))
    poses[:, :2], poses[:, 2], poses[:, 3] = where, turn, scale
    return Path(times * rate, poses)


def _shifted(sprite: Sprite, times: np.ndarray, rate: float, shift: np.ndarray) -> Sprite:
    poses = sprite.path.poses.copy()
    poses[:, :2] += shift
    return Sprite(
        sprite.texture, sprite.alpha, Path(times * rate, poses), sprite.label, sprite.wobble
    )
