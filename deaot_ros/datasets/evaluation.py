"""Videos to evaluate on, in the layouts that the benchmarks publish."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deaot_ros.errors import DatasetError

from .clips import clip_sequences
from .davis import listed_names
from .encoded_mask import EncodedMask
from .files import list_files

_LVOS_STEP = 5
"""Frames from one that LVOS scores to the next."""


@dataclass(frozen=True, slots=True)
class EvaluationVideo:
    """A video, what is given of it, what is wanted and what is known.

    Attributes:
        name: unique within its set.
        frames: images in order.
        given: stem -> mask in which objects may appear first; the first one starts the video.
        truth: stem -> mask; empty where ground truth is not public.
        wanted: stems that a result is written for.
        single_object: all ids count as 1 (DAVIS-2016).
        consecutive: ids have to be 1, 2, … without gaps.
        spans: object id -> stems that are scored; None: the rule of the set.
        categories: object id -> category, where it is known.
        camera_fps: frames per second at which a camera would give the frames to a tracker, which
            misses those that come while it works; None: it gets every frame.
        sequence_length: frames of the sequence, where the video is but a run through a part of it.
    """

    name: str
    frames: tuple[Path, ...]
    given: Mapping[str, Path | EncodedMask]
    truth: Mapping[str, Path | EncodedMask]
    wanted: frozenset[str]
    single_object: bool = False
    consecutive: bool = False
    spans: dict[int, tuple[str, ...]] | None = None
    categories: dict[int, str] | None = None
    camera_fps: float | None = None
    sequence_length: int | None = None


def davis_videos(
    root: Path, year: str, split: str, resolution: str, problems: list[str]
) -> list[EvaluationVideo]:
    """The videos of a DAVIS split. Masks are those of 480p: servers want and score that size.

    Args:
        root: holds ``JPEGImages/RESOLUTION``, ``Annotations/480p`` and ``ImageSets``.
        year: "2016" or "2017".
        split: "val" or "test-dev".
        resolution: "480p" or "Full-Resolution", of the images.
        problems: gets a line for everything that is missing.
    """
    images, masks = root / "JPEGImages" / resolution, root / "Annotations" / "480p"
    if not _are_folders((images, masks), problems):
        return []
    try:
        names = listed_names(root, year, split)
    except DatasetError as error:
        problems.append(str(error).replace(", or ask for the split 'all'", ""))
        return []
    videos = []
    for name in names:
        files = _files(images / name, masks / name, problems)
        if files is None:
            continue
        frames, found = files
        first = frames[0].stem
        truth = found if split != "test-dev" else {}
        if first not in found:
            problems.append(f"{name}: no mask of the first frame, {masks / name / first}.png")
            continue
        if truth:
            problems += [
                f"{name}: no mask {masks / name / f.stem}.png"
                for f in frames
                if f.stem not in truth
            ]
        wanted = frozenset(f.stem for f in frames)
        given = {first: found[first]}
        videos.append(
            EvaluationVideo(name, frames, given, truth, wanted, year == "2016", year == "2017")
        )
    return videos


def youtube_vos_videos(
    root: Path, fps: int, truth: Path | None, problems: list[str]
) -> list[EvaluationVideo]:
    """The validation videos of YouTube-VOS.

    Args:
        root: holds ``valid`` and, for 30 frames per second, ``valid_all_frames``.
        fps: 6 or 30, of the frames that are tracked; results are wanted of those at 6.
        truth: a folder with ``Annotations`` and a ``meta.json`` that names categories.
        problems: gets a line for everything that is missing.
    """
    valid = root / "valid"
    images = (root / "valid_all_frames" if fps == 30 else valid) / "JPEGImages"
    masks = valid / "Annotations"
    if not _are_folders((valid / "JPEGImages", images, masks), problems):
        return []
    meta = _meta(valid / "meta.json", problems)
    known = _meta(truth / "meta.json", problems) if truth else {}
    videos = []
    for name in sorted(meta):
        files = _files(images / name, masks / name, problems)
        if files is None:
            continue
        frames, given = files
        wanted = frozenset(f.stem for f in _images(valid / "JPEGImages" / name, problems))
        missing = wanted - {f.stem for f in frames}
        if missing:
            problems.append(f"{name}: {images / name} lacks frame {min(missing)}")
            continue
        categories: dict[int, str] = {}
        scored: dict[str, Path] = {}
        if truth:
            scored = {f.stem: f for f in _images(truth / "Annotations" / name, problems)}
            for key, entry in known.get(name, {}).get("objects", {}).items():
                categories[int(key)] = str(entry.get("category", ""))
            if not categories:
                problems.append(f"{name}: no objects in {truth / 'meta.json'}")
        videos.append(
            EvaluationVideo(name, frames, given, scored, wanted, categories=categories or None)
        )
    return videos


def lvos_videos(root: Path, split: str, problems: list[str]) -> list[EvaluationVideo]:
    """The videos of LVOS.

    Args:
        root: holds ``SPLIT/JPEGImages``, ``SPLIT/Annotations`` and ``SPLIT/meta.json``.
        split: "val" or "test".
        problems: gets a line for everything that is missing.
    """
    folder = next((f for f in (root / split, root / "valid") if f.is_dir()), root)
    images, masks = folder / "JPEGImages", folder / "Annotations"
    if not _are_folders((images, masks), problems):
        return []
    meta_file = next(
        (f for f in (folder / "meta.json", root / f"{split}_meta.json") if f.is_file()),
        folder / "meta.json",
    )
    videos = []
    for name, record in sorted(_meta(meta_file, problems).items()):
        files = _files(images / name, masks / name, problems)
        if files is None:
            continue
        frames, found = files
        stems = [f.stem for f in frames]
        try:
            spans = {
                int(key): _span(stems, entry["frame_range"])
                for key, entry in record["objects"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(
                f"{name}: {meta_file} has no readable frame_range of every object ({error!r})"
            )
            continue
        truth = found if split == "val" else {}
        if truth:
            lacking = {s for span in spans.values() for s in span} - truth.keys()
            problems += [f"{name}: no mask {masks / name / s}.png" for s in sorted(lacking)]
        videos.append(EvaluationVideo(name, frames, found, truth, frozenset(stems), spans=spans))
    return videos


def vost_videos(root: Path, problems: list[str]) -> list[EvaluationVideo]:
    """The validation videos of VOST; frames without a mask are not scored.

    Args:
        root: holds ``JPEGImages``, ``Annotations`` and ``ImageSets/val.txt``.
        problems: gets a line for everything that is missing.
    """
    images, masks = root / "JPEGImages", root / "Annotations"
    listing = root / "ImageSets" / "val.txt"
    if not _are_folders((images, masks), problems):
        return []
    if not listing.is_file():
        problems.append(f"no list of videos {listing}")
        return []
    videos = []
    for name in filter(None, map(str.strip, listing.read_text().splitlines())):
        files = _files(images / name, masks / name, problems)
        if files is None:
            continue
        frames, truth = files
        first = frames[0].stem
        if first not in truth:
            problems.append(f"{name}: no mask of the first frame, {masks / name / first}.png")
            continue
        wanted = frozenset(f.stem for f in frames)
        videos.append(EvaluationVideo(name, frames, {first: truth[first]}, truth, wanted))
    return videos


def clip_videos(root: Path, problems: list[str]) -> list[EvaluationVideo]:
    """Recordings of your own: ``NAME/frames`` and ``NAME/masks``; scored where there are masks."""
    try:
        clips = clip_sequences(root)
    except DatasetError as error:
        problems.append(str(error))
        return []
    videos = []
    for clip in clips:
        masks = {f.stem: m for f, m in zip(clip.frames, clip.masks) if m is not None}
        wanted = frozenset(f.stem for f in clip.frames)
        videos.append(EvaluationVideo(clip.name, clip.frames, masks, masks, wanted))
    return videos


def training_categories(root: Path) -> frozenset[str]:
    """Categories of ``train/meta.json`` of YouTube-VOS: those that count as seen.

    Raises:
        DatasetError: it is missing or unreadable.
    """
    problems: list[str] = []
    meta = _meta(root / "train" / "meta.json", problems)
    if problems:
        raise DatasetError(f"{problems[0]}; it tells seen categories from unseen ones")
    return frozenset(
        str(entry.get("category", ""))
        for record in meta.values()
        for entry in record.get("objects", {}).values()
    )


def _span(stems: list[str], record: dict[str, str]) -> tuple[str, ...]:
    numbers = range(int(record["start"]), int(record["end"]), _LVOS_STEP)
    by_number = {int(s): s for s in stems}
    return tuple(by_number[n] for n in numbers if n in by_number)


def _are_folders(folders: tuple[Path, ...], problems: list[str]) -> bool:
    missing = [f for f in dict.fromkeys(folders) if not f.is_dir()]
    problems += [f"no folder {f}" for f in missing]
    return not missing


def _images(folder: Path, problems: list[str]) -> tuple[Path, ...]:
    if not folder.is_dir():
        problems.append(f"{folder.name}: no folder {folder}")
        return ()
    return list_files(folder)


def _files(
    images: Path, masks: Path, problems: list[str]
) -> tuple[tuple[Path, ...], dict[str, Path]] | None:
    """Frames and masks by stem; None, and a problem, where there are none."""
    frames, found = _images(images, problems), _images(masks, problems)
    if not images.is_dir() or not masks.is_dir():
        return None
    by_stem = {f.stem: f for f in found}
    if not frames:
        problems.append(f"{images.name}: no images in {images}")
    if not found:
        problems.append(f"{images.name}: no masks in {masks}")
    stems = {f.stem for f in frames}
    lonely = sorted(by_stem.keys() - stems) if frames else []
    problems += [f"{images.name}: mask {by_stem[s]} has no image" for s in lonely]
    return (frames, by_stem) if frames and found and not lonely else None


def _meta(file: Path, problems: list[str]) -> dict[str, dict]:
    try:
        videos = json.loads(file.read_text())["videos"]
        if not isinstance(videos, dict) or not videos:
            raise ValueError('"videos" is empty')
        return videos
    except FileNotFoundError:
        problems.append(f"no file {file}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        problems.append(f'{file}: {type(error).__name__}: {error}; expected JSON with "videos"')
    return {}
