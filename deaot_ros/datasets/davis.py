"""DAVIS 2016 and 2017 as published: ``JPEGImages``, ``Annotations`` and ``ImageSets``."""

from __future__ import annotations

from pathlib import Path

from deaot_ros.errors import DatasetError

from .files import list_files, list_folders
from .sequence import VideoSequence, pair_masks

YEARS = ("2016", "2017")


def davis_sequences(
    root: str | Path, year: str = "2017", split: str = "val", resolution: str = "480p"
) -> tuple[VideoSequence, ...]:
    """The videos of a split, in the order of its list.

    Args:
        root: holds ``JPEGImages/480p/NAME/*.jpg``, ``Annotations/480p/NAME/*.png`` and
            ``ImageSets/YEAR/SPLIT.txt``.
        year: "2016" (one object: all ids read as 1) or "2017".
        split: name of the list: "train", "val", "trainval", "test-dev", …; "all": every video
            there is, which needs no list.
        resolution: "480p" or "Full-Resolution", name of the folders.

    Raises:
        DatasetError: a folder, a list or a video is missing.
    """
    if year not in YEARS:
        raise DatasetError(f"DAVIS of {year} is unknown; expected {' or '.join(YEARS)}")
    root = Path(root).expanduser()
    images = root / "JPEGImages" / resolution
    if not images.is_dir():
        raise DatasetError(f"{root} is no DAVIS folder: expected JPEGImages/{resolution} in it")
    annotations = root / "Annotations" / resolution
    if split == "all":
        names = tuple(f.name for f in list_folders(images))
    else:
        names = listed_names(root, year, split)
    return tuple(_sequence(images / n, annotations / n, year == "2016") for n in names)


def listed_names(root: Path, year: str, split: str) -> tuple[str, ...]:
    """Names in the list of a split; DAVIS-2016 alone came with lists of files, not of videos.

    Raises:
        DatasetError: the list is missing or empty.
    """
    candidates = [root / "ImageSets" / year / f"{split}.txt"]
    if year == "2016":
        candidates.append(root / "ImageSets" / "480p" / f"{split}.txt")
    file = next((f for f in candidates if f.is_file()), None)
    if file is None:
        raise DatasetError(
            f"no list of the DAVIS-{year} split '{split}' at {candidates[0]}; "
            "put it there, or ask for the split 'all'"
        )
    names: list[str] = []
    for line in filter(None, map(str.strip, file.read_text().splitlines())):
        first = Path(line.split()[0])
        names.append(first.parent.name if first.suffix else first.name)
    if not names:
        raise DatasetError(f"{file} is empty; expected one video name per line")
    return tuple(dict.fromkeys(names))


def _sequence(images: Path, annotations: Path, single_object: bool) -> VideoSequence:
    masks = list_files(annotations) if annotations.is_dir() else ()
    frames = list_files(images)
    paired = pair_masks(images.name, frames, {m.stem: m for m in masks})
    return VideoSequence(images.name, frames, paired, single_object)
