"""From what a person types to a source of frames."""

from __future__ import annotations

import re
from pathlib import Path

from deaot_ros.video.frame import Source, VideoError

BAG_SUFFIXES = {".db3", ".mcap", ".bag"}


def open_source(text: str, topic: str | None = None) -> Source:
    """Open a folder of images, a video file, ``camera:N`` or a bag.

    Args:
        text: path or ``camera:N``.
        topic: image topic; for bags only, and needed where a bag has several.

    Raises:
        VideoError: there is nothing like that, or it cannot be read.
    """
    path = Path(text).expanduser()
    if is_bag(path):
        from deaot_ros.video.bag import BagSource  # rosbags is an optional dependency

        return BagSource(path, topic)
    if topic is not None:
        raise VideoError(f"--topic is for bags, but {text} is none; leave it out")
    if camera := re.fullmatch(r"camera:(\d+)", text):
        from deaot_ros.video.capture import CameraSource

        return CameraSource(int(camera[1]))
    if text.startswith("camera:"):
        raise VideoError(f"'{text}' names no camera; expected camera:N, for example camera:0")
    if path.is_dir():
        from deaot_ros.video.folder import FolderSource

        return FolderSource(path)
    if not path.is_file():
        raise VideoError(
            f"no source at {text}; expected a folder of images, a video file, camera:N or a bag"
        )
    from deaot_ros.video.capture import FileSource

    return FileSource(path)


def is_bag(path: Path) -> bool:
    """Whether a path is a bag: a bag file, or a folder that holds one."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or any(
            file.suffix in BAG_SUFFIXES for file in path.iterdir()
        )
    return path.is_file() and path.suffix in BAG_SUFFIXES
