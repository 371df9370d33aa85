"""Random scenes: everything about them follows from one generator."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .events import Events, Texture, add_events
from .motion import wander
from .photographs import TRAINING
from .pictures import read_cut_out
from .scene import Look, Scene, Sprite
from .shapes import random_shape
from .textures import colour_jitter, photo_texture, procedural_texture

_REFILLED = 0.3  # of the cut-outs: drawn pictures are flat, their outlines are not


@dataclass(frozen=True)
class SceneSettings:
    """What random scenes look like. Probabilities are 0..1, lengths fractions of the frame.

    Attributes:
        objects: smallest and largest number of labelled objects.
        distractors: largest number of moving objects without a label.
        clutter: largest number of shapes glued to the background.
        photographs: names or paths to draw surfaces from.
        cut_outs: paths of pictures with an alpha channel, for objects.
        cut_out_share: how often an object has the outline of such a picture, if there are any.
        photo_share: how often a surface is a photograph and not a pattern.
        same_photo: how often an object is cut from the background's own photograph.
        look_alike: how often an object is a twin of the one before.
        parts: how often an object carries patches of other surfaces.
        size: smallest and largest object size.
        speed: largest typical motion per frame.
        thin_plate: how often an object bends as a thin plate.
        leave: how often an object leaves the picture and returns, in clips of five frames or more.
        cover: how often something without a label passes in front of an object.
    """

    objects: tuple[int, int] = (1, 3)
    distractors: int = 1
    clutter: int = 6
    photographs: tuple[str, ...] = TRAINING
    cut_outs: tuple[str, ...] = ()
    cut_out_share: float = 0.5
    photo_share: float = 0.75
    same_photo: float = 0.35
    look_alike: float = 0.2
    parts: float = 0.4
    size: tuple[float, float] = (0.22, 0.65)
    speed: float = 0.04
    thin_plate: float = 0.0
    leave: float = 0.0
    cover: float = 0.0


DEFAULT_SCENES = SceneSettings()


def random_scene(
    rng: np.random.Generator,
    frames: int,
    height: int,
    width: int,
    settings: SceneSettings = DEFAULT_SCENES,
) -> Scene:
    """Draw a scene; the same generator state gives the same scene."""
    short = min(height, width)
    name = _draw(rng, settings.photographs)
    background = _background(rng, name, height, width, settings)
    pace = settings.speed * short * rng.uniform(0.1, 1.0)  # lively and calm clips
    sprites = _sprites(rng, name, frames, height, width, pace, settings)
    camera = wander(rng, frames, (0.0, 0.0), 0.5 * pace * rng.random(), 0.01, 0.008)
    look = Look(
        drift=rng.uniform(0, 0.15) if rng.random() < 0.5 else 0.0,
        drift_rate=rng.uniform(0.1, 0.8),
        tint=tuple(rng.uniform(-0.04, 0.04, 3)) if rng.random() < 0.3 else (0.0, 0.0, 0.0),
        noise=rng.uniform(0, 8) if rng.random() < 0.5 else 0.0,
        shake=rng.uniform(0, 0.008) * short if rng.random() < 0.3 else 0.0,
        jpeg=int(rng.integers(40, 95)) if rng.random() < 0.3 else 0,
    )
    tilt = tuple(rng.normal(0, 0.01, 2) / short) if rng.random() < 0.4 else (0.0, 0.0)
    seed = int(rng.integers(2**31))
    # Events are drawn last, so scenes without any are those of the same seed of ever.
    events = Events(settings.thin_plate, settings.leave, settings.cover)
    sprites = add_events(rng, sprites, events, frames, (width, height), _any_surface(settings))
    return Scene(height, width, frames, background, camera, tuple(sprites), look, tilt, seed)


def _any_surface(settings: SceneSettings) -> Texture:
    return lambda rng, size: _surface(rng, None, size, size, settings)


def _draw(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]  # rng.choice would copy thousands of paths


def _surface(
    rng: np.random.Generator, name: str | None, height: int, width: int, settings: SceneSettings
) -> np.ndarray:
    """A photograph (the named one, else any) or a pattern, with its own colours."""
    if name is not None or rng.random() < settings.photo_share:
        chosen = name if name is not None else _draw(rng, settings.photographs)
        surface = photo_texture(rng, chosen, height, width)
    else:
        surface = procedural_texture(rng, height, width)
    return colour_jitter(rng, surface, 0.4) if rng.random() < 0.7 else surface


def _background(
    rng: np.random.Generator, name: str, height: int, width: int, settings: SceneSettings
) -> np.ndarray:
    rows, columns = int(height * 1.4), int(width * 1.4)
    photo = name if rng.random() < settings.photo_share else None
    canvas = _surface(rng, photo, rows, columns, settings)
    for _ in range(int(rng.integers(0, settings.clutter + 1))):
        size = int(min(height, width) * rng.uniform(0.08, 0.5))
        alpha = random_shape(rng, max(size, 16))[..., None]
        size = alpha.shape[0]
        y, x = int(rng.integers(0, rows - size)), int(rng.integers(0, columns - size))
        patch = _surface(rng, None, size, size, settings)
        region = canvas[y : y + size, x : x + size].astype(np.float32)
        canvas[y : y + size, x : x + size] = region + (patch - region) * alpha
    return canvas


def _sprites(
    rng: np.random.Generator,
    name: str,
    frames: int,
    height: int,
    width: int,
    pace: float,
    settings: SceneSettings,
) -> list[Sprite]:
    """Labelled objects 1, 2, … and unlabelled distractors in random depth order."""
    low, high = settings.objects
    count = int(rng.integers(low, high + 1))
    labels = [*range(1, count + 1), *[0] * int(rng.integers(0, settings.distractors + 1))]
    short = min(height, width)
    sprites: list[Sprite] = []
    for label in labels:
        size = max(16, int(short * rng.uniform(*settings.size)))
        if sprites and rng.random() < settings.look_alike:
            texture, alpha = sprites[-1].texture, sprites[-1].alpha
        else:
            texture, alpha = _cut_out(rng, name, size, settings)
        start = rng.uniform(-0.42, 0.42, 2) * (width, height)
        path = wander(rng, frames, tuple(start), pace * rng.uniform(0.0, 1.5), 0.03, 0.015)
        wobble = (
            (size * rng.uniform(0, 0.04), rng.uniform(0.5, 2), rng.uniform(0, 6), 0.4)
            if rng.random() < 0.5
            else (0.0, 1.0, 0.0, 0.0)
        )
        shadow = (
            (rng.uniform(0.2, 0.6), *(size * rng.uniform(-0.2, 0.2, 2)))
            if rng.random() < 0.35
            else (0.0, 0.0, 0.0)
        )
        blur = rng.uniform(0.2, 1.0) if rng.random() < 0.35 else 0.0
        sprites.append(Sprite(texture, alpha, path, label, wobble, shadow, blur))
    return [sprites[i] for i in rng.permutation(len(sprites))]


def _cut_out(
    rng: np.random.Generator, name: str, size: int, settings: SceneSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Texture and alpha of a new object."""
    if settings.cut_outs and rng.random() < settings.cut_out_share:
        picture = read_cut_out(_draw(rng, settings.cut_outs))
        if picture is not None:
            return _from_picture(rng, picture, name, size, settings)
    texture = _surface(rng, _own_photograph(rng, name, settings), size, size, settings).copy()
    if rng.random() < settings.parts:
        _add_parts(rng, texture, settings)
    if rng.random() < 0.3:
        texture = cv2.GaussianBlur(texture, (0, 0), float(rng.uniform(0.5, 2.0)))
    return texture, random_shape(rng, size)


def _own_photograph(rng: np.random.Generator, name: str, settings: SceneSettings) -> str | None:
    return name if rng.random() < settings.same_photo else None


def _from_picture(
    rng: np.random.Generator,
    picture: tuple[np.ndarray, np.ndarray],
    name: str,
    size: int,
    settings: SceneSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """A cut-out at the wanted size: as it is, in other colours, or its outline filled anew."""
    texture, alpha = (cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)
                      for part in picture)
    if rng.random() < 0.5:
        texture, alpha = texture[:, ::-1], np.ascontiguousarray(alpha[:, ::-1])
    if rng.random() < _REFILLED:
        texture = _surface(rng, _own_photograph(rng, name, settings), size, size, settings)
    elif rng.random() < 0.6:
        texture = colour_jitter(rng, texture, 0.4)
    return np.ascontiguousarray(texture), alpha


def _add_parts(rng: np.random.Generator, texture: np.ndarray, settings: SceneSettings) -> None:
    """Glue patches of other surfaces to a texture, in place."""
    size = texture.shape[0]
    for _ in range(int(rng.integers(1, 4))):
        part = max(16, int(size * rng.uniform(0.25, 0.6)))
        if part >= size:
            continue
        cover = random_shape(rng, part)[..., None]
        y, x = rng.integers(0, size - part, 2)
        region = texture[y : y + part, x : x + part].astype(np.float32)
        patch = _surface(rng, None, part, part, settings)
        texture[y : y + part, x : x + part] = region + (patch - region) * cover
