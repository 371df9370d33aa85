"""Which layout a folder of videos has."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from .clips import clip_sequences
from .davis import davis_sequences
from .sequence import VideoSequence
from .youtube_vos import youtube_vos_sequences


class VideoLayout(Enum):
    """Layouts of sets of videos."""

    DAVIS = "DAVIS"
    YOUTUBE_VOS = "YouTube-VOS"
    CLIPS = "clips"


def video_layout(root: Path) -> VideoLayout:
    """The layout of a folder; what is neither DAVIS nor YouTube-VOS counts as clips."""
    if (root / "JPEGImages" / "480p").is_dir():
        return VideoLayout.DAVIS
    if (youtube_vos_split(root) / "JPEGImages").is_dir():
        return VideoLayout.YOUTUBE_VOS
    return VideoLayout.CLIPS


def youtube_vos_split(root: Path) -> Path:
    """The folder of the training split: ``train`` below, or the folder itself."""
    return root / "train" if (root / "train").is_dir() else root


def training_videos(root: Path) -> tuple[VideoSequence, ...]:
    """The training videos of a set: DAVIS-2017 and YouTube-VOS their split "train", else all.

    Raises:
        DatasetError: see the readers.
    """
    layout = video_layout(root)
    if layout is VideoLayout.DAVIS:
        return davis_sequences(root, split="train")
    if layout is VideoLayout.YOUTUBE_VOS:
        split = youtube_vos_split(root).absolute()
        return youtube_vos_sequences(split.parent, split.name)
    return clip_sequences(root)
