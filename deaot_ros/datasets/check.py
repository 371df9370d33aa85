"""Everything that is wrong in a folder of training data, one line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deaot_ros.errors import DatasetError

from .davis import listed_names
from .files import check_size, list_files, list_folders, load_image, load_labels
from .layout import VideoLayout, video_layout, youtube_vos_split
from .still_images import VOID, StillImage, find_layout, image_pairs, set_folders

_REFERENCE_AREA = 200  # px of foreground that training wants in a reference


@dataclass(frozen=True)
class Unit:
    """Something that is checked at once.

    Attributes:
        name: shown before every problem.
        frames, masks: folders of a video, or the two files of a still image.
        still: it is a still image.
        grey: see ``StillImage``.
    """

    name: str
    frames: Path
    masks: Path
    still: bool = False
    grey: bool = False


def find_units(root: Path, stage: str) -> tuple[list[Unit], list[str]]:
    """What there is to check in a folder, and what is wrong before any file is opened.

    Args:
        root: a data set.
        stage: "static" or "video".
    """
    if not root.is_dir():
        return [], [f"{root}: no such folder"]
    return _still_units(root) if stage == "static" else _video_units(root)


def check_unit(unit: Unit, frames: int) -> Iterator[str]:
    """Problems of a video or still image.

    Args:
        frames: of a clip in training.
    """
    problems = _check_still(unit) if unit.still else _check_video(unit, frames)
    for problem in problems:
        yield f"{unit.name}: {problem}"


def _still_units(root: Path) -> tuple[list[Unit], list[str]]:
    units: list[Unit] = []
    problems: list[str] = []
    for folder in set_folders(root):
        layout = find_layout(folder)
        if layout is None:
            problems.append(f"{folder}: no set of still images: no pair of folders that is known")
            continue
        pairs, lonely = image_pairs(folder, layout)
        problems += [f"{mask}: mask without image" for mask in lonely]
        units += [
            Unit(f"{folder.name}/{p.name}", p.image_file, p.mask_file, True, p.grey) for p in pairs
        ]
        if not pairs:
            problems.append(f"{folder}: no image with a mask")
    return units, problems


def _video_units(root: Path) -> tuple[list[Unit], list[str]]:
    layout = video_layout(root)
    if layout is VideoLayout.CLIPS:
        single = (root / "frames").is_dir()
        folders = (root,) if single else list_folders(root)
        units = [Unit(f.name, f / "frames", f / "masks") for f in folders]
        return units, [] if units else [f"{root}: no folder in it"]
    folder, part = root, Path("480p")
    names: list[str] = []
    problems: list[str] = []
    if layout is VideoLayout.YOUTUBE_VOS:
        folder, part = youtube_vos_split(root), Path()
        try:
            names = sorted(json.loads((folder / "meta.json").read_text())["videos"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{folder / 'meta.json'}: {type(error).__name__}: {error}")
    else:
        try:
            names = list(listed_names(root, "2017", "train"))
        except DatasetError as error:
            problems.append(str(error))
    images, masks = folder / "JPEGImages" / part, folder / "Annotations" / part
    return [Unit(name, images / name, masks / name) for name in names], problems


def _check_still(unit: Unit) -> Iterator[str]:
    still = StillImage(unit.name, unit.frames, unit.masks, unit.grey)
    try:
        still.image()
    except DatasetError as error:
        yield str(error)
        return
    try:
        if not still.mask().any():
            yield f"mask {unit.masks} shows no object"
    except DatasetError as error:
        yield str(error)


def _check_video(unit: Unit, length: int) -> Iterator[str]:
    if not unit.frames.is_dir():
        yield f"no folder {unit.frames}"
        return
    frames = list_files(unit.frames)
    masks = {f.stem: f for f in list_files(unit.masks)} if unit.masks.is_dir() else {}
    stems = {f.stem for f in frames}
    for stem in sorted(masks.keys() - stems):
        yield f"mask {masks[stem]} without image"
    annotated = [f for f in frames if f.stem in masks]
    if len(annotated) < length:
        yield (
            f"{len(annotated)} of {len(frames)} frames have masks; expected at least {length}"
            + ("" if len(annotated) < 2 else " (clips will show frames twice)")
        )
    yield from _check_sizes(frames)
    reference = False
    for frame in annotated:
        file = masks[frame.stem]
        try:
            labels = load_labels(file)
            check_size(file, labels.shape, frame)
        except DatasetError as error:
            yield str(error)
            continue
        reference |= np.count_nonzero((labels > 0) & (labels != VOID)) > _REFERENCE_AREA
    if annotated and not reference:
        yield (
            f"no mask shows more than {_REFERENCE_AREA} px of objects; "
            "a clip has no good frame to start from"
        )


def _check_sizes(frames: tuple[Path, ...]) -> Iterator[str]:
    first: tuple[int, ...] | None = None
    for frame in frames:
        try:
            shape = load_image(frame).shape[:2]
        except DatasetError as error:
            yield str(error)
            continue
        first = first or shape
        if shape != first:
            yield (
                f"frame {frame} is {shape[0]}x{shape[1]}, the first one {first[0]}x{first[1]} "
                "(height x width); expected one size"
            )
