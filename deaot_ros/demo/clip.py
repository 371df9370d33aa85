"""What the demo plays: the package's own clip, or what the user gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deaot_ros.errors import DeaotError
from deaot_ros.video import VideoError, open_source, read_mask, write_mask
from deaot_ros.video.folder import list_images

FRAMES = 120
"""Frames of the demo's clip that are enough to see its story."""

MIN_SECONDS, MAX_SECONDS = 8.0, 30.0
"""How long the demo's clip may take."""

MAX_PLAY_SECONDS = 45.0
"""Longer sources are cut, so that the demo comes to an end."""

LIVE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Clip:
    """Something to play.

    Attributes:
        source: for ``open_source``; topic likewise.
        mask: label map of the first frame; None: nothing is to be tracked.
        truth: mask files of all frames in order; empty without ground truth.
        rate: frames per second to play it at.
        limit: frames to play at most, the first one included.
    """

    source: str
    topic: str | None
    mask: np.ndarray | None
    truth: tuple[Path, ...]
    rate: float
    limit: int


def render_demo_clip(folder: Path, rate: float, frames: int | None) -> Clip:
    """Render the package's clip with its exact masks into ``folder``/frames and /masks.

    Args:
        folder: made where missing; an older clip in it is replaced.
        rate: frames per second.
        frames: None: as many as suit the rate.
    """
    from deaot_ros.synthetic import demo_clip

    if frames is None:
        seconds = float(np.clip(FRAMES / rate, MIN_SECONDS, MAX_SECONDS))
        frames = round(seconds * rate)
    scene = demo_clip(seconds=frames / rate, fps=rate)
    images, masks = folder / "frames", folder / "masks"
    for part in (images, masks):
        part.mkdir(parents=True, exist_ok=True)
        for old in part.glob("[0-9][0-9][0-9][0-9][0-9].png"):
            old.unlink()
    truth = []
    for number in range(frames):
        image, labels = scene.render(number)
        file = images / f"{number:05d}.png"
        if not cv2.imwrite(str(file), image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise VideoError(f"cannot write {file}; choose another --output")
        truth.append(masks / file.name)
        write_mask(truth[-1], labels)
    return Clip(str(images.absolute()), None, read_mask(truth[0]), tuple(truth), rate, frames)


@dataclass(frozen=True, slots=True)
class UsersClip:
    """What the user wants to be played, checked; :meth:`at` gives it a pace.

    Attributes:
        mask: label map of the first frame.
    """

    source: str
    topic: str | None
    mask: np.ndarray
    truth: tuple[Path, ...]
    fps: float
    live: bool
    count: int | None

    def at(self, rate: float, frames: int | None) -> Clip:
        """Play at ``rate`` or the source's own where that is slower; ``frames`` at most.

        Raises:
            DeaotError: there is only one frame.
        """
        rate = min(rate, self.fps)
        longest = LIVE_SECONDS if self.live else MAX_PLAY_SECONDS
        limit = frames or max(2, round(longest * rate))
        if self.count is not None:
            limit = min(limit, self.count)
        if limit < 2:
            raise DeaotError(f"{self.source} has a single frame; at least two make a clip")
        return Clip(self.source, self.topic, self.mask, self.truth, rate, limit)


def users_clip(source: str, topic: str | None, mask: str | None, truth: Path | None) -> UsersClip:
    """Check what the user gives.

    Args:
        source, topic: for ``open_source``.
        mask: PNG of the first frame; None: the first one of ``truth``.
        truth: folder of masks, one per frame.

    Raises:
        DeaotError: something is missing or does not fit.
    """
    files = tuple(f for f in list_images(truth) if f.suffix.lower() == ".png") if truth else ()
    if truth and not files:
        raise VideoError(f"no PNG masks in {truth}; expected one per frame")
    if mask is None and not files:
        raise DeaotError(
            f"{source} needs a mask of its first frame: --mask MASK.png (make demo SOURCE=... "
            "MASK=...), an indexed or grey PNG of the same size, pixel = object id, 0 background"
        )
    labels = read_mask(mask if mask is not None else files[0])
    opened = open_source(source, topic)
    path = Path(source).expanduser()
    if path.exists():  # the camera process works in another folder
        source = str(path.absolute())
    return UsersClip(source, topic, labels, files, opened.fps, opened.live, opened.count)
