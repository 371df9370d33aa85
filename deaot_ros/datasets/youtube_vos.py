"""YouTube-VOS as published: ``SPLIT/JPEGImages``, ``SPLIT/Annotations``, ``SPLIT/meta.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deaot_ros.errors import DatasetError

from .files import list_files
from .sequence import VideoSequence, pair_masks


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """What ``meta.json`` says about an object.

    Attributes:
        category: for example "penguin".
        frames: indices into the sequence's frames that the object is annotated in; the first one
            is where it appears. Names of frames that are not there are left out.
    """

    category: str
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class YouTubeVosSequence(VideoSequence):
    """A video with what is known of its objects.

    Attributes:
        objects: object id -> record.
    """

    objects: Mapping[int, ObjectRecord] = field(default_factory=dict)


def youtube_vos_sequences(root: str | Path, split: str) -> tuple[YouTubeVosSequence, ...]:
    """The videos of a split, sorted by name.

    Args:
        root: holds the folder of the split.
        split: "train", "valid", "test" or a folder such as "valid_all_frames"; with
            ``JPEGImages/NAME/*.jpg``, ``Annotations/NAME/*.png`` and ``meta.json`` in it.
            The masks of "valid" are those of the frames in which new objects appear.

    Raises:
        DatasetError: a folder, a video or ``meta.json`` is missing or damaged.
    """
    folder = Path(root).expanduser() / split
    if not (folder / "JPEGImages").is_dir():
        raise DatasetError(f"{folder} is no YouTube-VOS split: expected JPEGImages in it")
    videos = _meta(folder / "meta.json")
    return tuple(_sequence(folder, name, videos[name]) for name in sorted(videos))


def _meta(file: Path) -> dict[str, Any]:
    try:
        videos = json.loads(file.read_text())["videos"]
    except FileNotFoundError:
        raise DatasetError(f"no {file}; it comes with YouTube-VOS, copy it there") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"cannot read {file} ({type(error).__name__}: {error}); "
            'expected JSON with the entry "videos"'
        ) from None
    if not isinstance(videos, dict) or not videos:
        raise DatasetError(f'"videos" of {file} is empty; expected video names')
    return videos


def _sequence(folder: Path, name: str, record: dict[str, Any]) -> YouTubeVosSequence:
    frames = list_files(folder / "JPEGImages" / name)
    annotations = folder / "Annotations" / name
    masks = list_files(annotations) if annotations.is_dir() else ()
    paired = pair_masks(name, frames, {m.stem: m for m in masks})
    index = {f.stem: i for i, f in enumerate(frames)}
    try:
        objects = {
            int(object_id): ObjectRecord(
                str(entry.get("category", "")),
                tuple(index[f] for f in entry["frames"] if f in index),
            )
            for object_id, entry in record["objects"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"{folder / 'meta.json'}: the objects of {name} are not readable "
            f"({type(error).__name__}: {error})"
        ) from None
    return YouTubeVosSequence(name, frames, paired, False, objects)
