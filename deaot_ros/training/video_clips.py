"""A clip out of a video: random frames, one random scale and crop for all of them (SPEC 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from deaot_ros.datasets import VideoSequence
from deaot_ros.errors import DatasetError
from deaot_ros.synthetic import Clip

from .augmentation import MEAN_COLOUR, colour_jitter, flip, grey_and_blur, resize
from .merging import IGNORED, choose_objects, least_area

MaskReader = Callable[[int], np.ndarray]
"""Gives the mask of a frame by its index."""

_REFERENCE_AREA = 200  # px of foreground in a good reference
_REFERENCE_TRIES = 20
_FRAMES_TRIES = 5
_CROP_TRIES = 5
_SHORT_EDGE = 480 / 465  # of the scaled video at scale 1, in crop sizes
_SCALES = (0.7, 1.3)


@dataclass(frozen=True)
class Video:
    """A video to draw clips from.

    Attributes:
        sequence: frames and masks.
        gap: largest step between frames that follow each other in a clip, in annotated frames.
        annotated: indices of the frames with masks.
    """

    sequence: VideoSequence
    gap: int
    annotated: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Find the annotated frames (DatasetError: fewer than two)."""
        annotated = tuple(i for i, mask in enumerate(self.sequence.masks) if mask is not None)
        if len(annotated) < 2:
            raise DatasetError(
                f"video {self.sequence.name} has {len(annotated)} annotated frames; expected at "
                "least 2: add masks or take the video away"
            )
        object.__setattr__(self, "annotated", annotated)


def video_clip(rng: np.random.Generator, video: Video, frames: int, size: int) -> Clip:
    """A clip [frames, size, size]; its reference may show no object.

    Raises:
        DatasetError: a file is missing or damaged, or sizes differ.
    """
    mask_of = cache(video.sequence.mask)  # most are looked at more than once
    indices = choose_frames(rng, video, frames, mask_of)
    images = [video.sequence.image(i) for i in indices]
    masks = [mask_of(i) for i in indices]
    if any(mask.shape != masks[0].shape for mask in masks):
        raise DatasetError(
            f"the frames of video {video.sequence.name} have different sizes; "
            "expected one size"
        )
    scale = rng.uniform(*_SCALES) * _SHORT_EDGE * size / min(masks[0].shape)
    height, width = (max(1, round(side * scale)) for side in masks[0].shape)
    scaled = [resize(i, m, height, width) for i, m in zip(images, masks, strict=True)]
    place = _choose_place(rng, scaled[0][1], size)
    mirrored = rng.random() < 0.5
    clip = np.empty((frames, size, size, 3), np.uint8)
    clip[:] = MEAN_COLOUR
    labels = np.zeros((frames, size, size), np.uint8)
    for t, (image, mask) in enumerate(scaled):
        image = grey_and_blur(rng, colour_jitter(rng, image[place.seen]))
        mask = mask[place.seen]
        clip[t][place.shown], labels[t][place.shown] = (
            flip(image, mask) if mirrored else (image, mask)
        )
    return Clip(clip, choose_objects(rng, labels, 1))


def choose_frames(
    rng: np.random.Generator, video: Video, frames: int, mask_of: MaskReader
) -> list[int]:
    """Indices of a reference and of frames after it, or before it when time runs backwards.

    Drawn again, a few times, while later frames show objects that the reference does not.
    """
    chosen: list[int] = []
    for _ in range(_FRAMES_TRIES):
        chosen = _walk(rng, video, _choose_reference(rng, video, mask_of), frames)
        known = _ids(mask_of(chosen[0]))
        if all(_ids(mask_of(i)) <= known for i in set(chosen[1:])):
            break
    return chosen


def _choose_reference(rng: np.random.Generator, video: Video, mask_of: MaskReader) -> int:
    """Place, among the annotated frames, of one with enough foreground."""
    place = 0
    for _ in range(_REFERENCE_TRIES):
        place = int(rng.integers(len(video.annotated)))
        mask = mask_of(video.annotated[place])
        if np.count_nonzero((mask > 0) & (mask != IGNORED)) > _REFERENCE_AREA:
            break
    return place


def _walk(rng: np.random.Generator, video: Video, place: int, frames: int) -> list[int]:
    """Go on by random gaps; at an end of the video, turn round."""
    last = len(video.annotated) - 1
    step = -1 if rng.random() < 0.5 else 1
    places = [place]
    while len(places) < frames:
        place += step * int(rng.integers(1, min(video.gap, last) + 1))
        if not 0 <= place <= last:
            place = -place if place < 0 else 2 * last - place
            step = -step
        places.append(place)
    return [video.annotated[p] for p in places]


def _ids(mask: np.ndarray) -> set[int]:
    return set(np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:IGNORED]).tolist())


@dataclass(frozen=True)
class _Place:
    """Which part of a scaled frame is seen, and where the crop shows it."""

    seen: tuple[slice, slice]
    shown: tuple[slice, slice]


def _choose_place(rng: np.random.Generator, reference: np.ndarray, size: int) -> _Place:
    """A random crop that shows an object of the reference, if a few draws find one."""
    least = least_area(size)
    place = _draw_place(rng, reference.shape, size)
    for _ in range(_CROP_TRIES - 1):
        counts = np.bincount(reference[place.seen].ravel(), minlength=256)[1:IGNORED]
        if counts.max() > least:
            break
        place = _draw_place(rng, reference.shape, size)
    return place


def _draw_place(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> _Place:
    """Per axis: a random part of a longer side; a shorter side somewhere in the crop."""
    seen, shown = [], []
    for side in shape:
        offset = int(rng.integers(0, abs(side - size) + 1))
        length = min(side, size)
        start = offset if side > size else 0
        seen.append(slice(start, start + length))
        start = offset if side < size else 0
        shown.append(slice(start, start + length))
    return _Place((seen[0], seen[1]), (shown[0], shown[1]))
