"""Rendered clips, and the endless stream of them that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .random_scene import DEFAULT_SCENES, SceneSettings, random_scene

_MIN_VISIBLE = 0.006  # part of the first frame that an object must fill to be asked for


@dataclass(frozen=True)
class Clip:
    """Frames uint8 [T, H, W, 3] RGB and exact label maps uint8 [T, H, W], 0 = background."""

    frames: np.ndarray
    masks: np.ndarray


def render_clip(
    seed: int | tuple[int, ...],
    frames: int,
    height: int,
    width: int,
    settings: SceneSettings = DEFAULT_SCENES,
) -> Clip:
    """Render a random clip; the same arguments always give the same bytes."""
    scene = random_scene(np.random.default_rng(seed), frames, height, width, settings)
    images = np.empty((frames, height, width, 3), np.uint8)
    masks = np.empty((frames, height, width), np.uint8)
    for t in range(frames):
        images[t], masks[t] = scene.render(t)
    return Clip(images, masks)


def referenced_clip(
    seed: int | tuple[int, ...],
    frames: int,
    height: int,
    width: int,
    settings: SceneSettings = DEFAULT_SCENES,
) -> Clip:
    """A random clip whose labelled objects are all visible in its first frame.

    Objects that are not become background, the others are renumbered 1, 2, …; scenes without
    any visible object are drawn again (from the next sub-seed, so still deterministic).
    """
    root = (seed,) if isinstance(seed, int) else tuple(seed)
    least = _MIN_VISIBLE * height * width
    for attempt in range(100):
        clip = render_clip((*root, attempt), frames, height, width, settings)
        counts = np.bincount(clip.masks[0].ravel(), minlength=256)
        kept = [i for i in range(1, 256) if counts[i] >= least]
        if kept:
            table = np.zeros(256, np.uint8)
            table[kept] = np.arange(1, len(kept) + 1)
            return Clip(clip.frames, table[clip.masks])
    raise ValueError(
        f"100 random scenes of {height}x{width} px showed no object: "
        "use larger frames or larger objects"
    )


def training_clips(
    seed: int,
    frames: int,
    height: int,
    width: int,
    settings: SceneSettings = DEFAULT_SCENES,
    start: int = 0,
) -> Iterator[Clip]:
    """Endless deterministic clips; clip number `n` depends on `seed` and `n` only."""
    number = start
    while True:
        yield referenced_clip((seed, number), frames, height, width, settings)
        number += 1
