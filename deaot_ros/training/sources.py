"""Where the clips of a stage come from. Clip `n` of a source is always the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from deaot_ros.datasets import StillImage, still_image_sets
from deaot_ros.datasets.layout import VideoLayout, training_videos, video_layout
from deaot_ros.errors import DatasetError
from deaot_ros.synthetic import Clip, SceneSettings, referenced_clip

from .merging import has_objects, merge
from .scenes import scene_settings
from .settings import TrainSettings
from .still_clips import still_clip
from .video_clips import Video, video_clip

_ATTEMPTS = 50
_CALIBRATION_SEED = 424_242
_EXAMPLE_SEED = 171_717


class ClipSource(Protocol):
    """Endless clips by number."""

    def clip(self, number: int, frames: int, size: int) -> Clip:
        """Clip ``number``: [frames, size, size], its objects visible in frame 0, ids 1, 2, …

        Raises:
            DatasetError: a file cannot be used, or nothing shows an object.
        """


def build_source(settings: TrainSettings) -> ClipSource:
    """The source that the settings ask for.

    Raises:
        DeaotError: a folder is missing, empty or in an unknown layout.
    """
    if settings.stage == "synthetic":
        return SceneSource(settings.seed, scene_settings(settings))
    if not settings.data:
        raise DatasetError(f"the stage {settings.stage} needs a data set: --data DIR")
    roots = [Path(folder).expanduser() for folder in settings.data]
    if settings.stage == "static":
        images = [image for root in roots for image in still_image_sets(root)]
        return StillSource(images, settings.merge, settings.seed)
    videos = [video for root in roots for video in _videos(root, settings)]
    return VideoSource(videos, settings.merge, settings.seed)


def calibration_source(settings: TrainSettings) -> ClipSource:
    """Other clips of the same kind, whose frames are to give typical statistics."""
    if settings.stage == "synthetic":
        scenes = replace(scene_settings(settings), photo_share=1.0, objects=(1, 3))
        return SceneSource(_CALIBRATION_SEED, scenes)
    return build_source(replace(settings, seed=_CALIBRATION_SEED, merge=0.0))


def example_clips(settings: TrainSettings, count: int = 24) -> Iterator[Clip]:
    """Two frames of scenes with one object each, for ``identities``."""
    scenes = replace(scene_settings(settings), objects=(1, 1))
    for number in range(count):
        yield referenced_clip((_EXAMPLE_SEED, number), 2, settings.size, settings.size, scenes)


def _videos(root: Path, settings: TrainSettings) -> list[Video]:
    """The videos of a set with the gap that the set asks for, repeated as it asks for."""
    gap, repeat = {
        VideoLayout.DAVIS: (settings.davis_gap, settings.davis_repeat),
        VideoLayout.YOUTUBE_VOS: (settings.youtube_vos_gap, 1),
        VideoLayout.CLIPS: (settings.clip_gap, 1),
    }[video_layout(root)]
    return [Video(sequence, gap) for sequence in training_videos(root)] * repeat


class SceneSource:
    """Scenes rendered on the fly."""

    def __init__(self, seed: int, scenes: SceneSettings) -> None:
        self._seed = seed
        self._scenes = scenes

    def clip(self, number: int, frames: int, size: int) -> Clip:
        """See :class:`ClipSource`."""
        return referenced_clip((self._seed, number), frames, size, size, self._scenes)


class SampleSource(ABC):
    """Samples of a data set in random order, each once before any comes again; merged at random."""

    def __init__(self, count: int, merge_share: float, seed: int) -> None:
        """``count`` samples; ``merge_share`` of the clips get the objects of a second one."""
        self._count = count
        self._merge_share = merge_share
        self._seed = seed

    @abstractmethod
    def draw(self, rng: np.random.Generator, index: int, frames: int, size: int) -> Clip:
        """A random clip of sample ``index``; its reference may show no object."""

    def clip(self, number: int, frames: int, size: int) -> Clip:
        """See :class:`ClipSource`."""
        epoch, place = divmod(number, self._count)
        index = int(_order(self._seed, epoch, self._count)[place])
        for attempt in range(_ATTEMPTS):
            rng = np.random.default_rng((self._seed, number, attempt))
            clip = self.draw(rng, index, frames, size)
            if rng.random() < self._merge_share or not has_objects(clip):
                other = self.draw(rng, int(rng.integers(self._count)), frames, size)
                clip = merge(rng, clip, other)
            if has_objects(clip):
                return clip
            index = int(rng.integers(self._count))
        raise DatasetError(
            f"{_ATTEMPTS} samples in a row showed no object; look at the data: deaot train --check"
        )


class StillSource(SampleSource):
    """Clips out of still images."""

    def __init__(self, images: Sequence[StillImage], merge_share: float, seed: int) -> None:
        super().__init__(len(images), merge_share, seed)
        self._images = images

    def draw(self, rng: np.random.Generator, index: int, frames: int, size: int) -> Clip:
        return still_clip(rng, self._images[index], frames, size)


class VideoSource(SampleSource):
    """Clips out of videos."""

    def __init__(self, videos: Sequence[Video], merge_share: float, seed: int) -> None:
        super().__init__(len(videos), merge_share, seed)
        self._videos = videos

    def draw(self, rng: np.random.Generator, index: int, frames: int, size: int) -> Clip:
        return video_clip(rng, self._videos[index], frames, size)


@lru_cache(2)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, count)).permutation(count)
