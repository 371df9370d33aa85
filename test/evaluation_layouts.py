"""Tiny data sets in the layouts that the benchmarks publish, made of synthetic scenes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from deaot_ros.synthetic import Clip, referenced_clip
from deaot_ros.video import write_mask

FRAMES, HEIGHT, WIDTH = 8, 65, 97


def make_clip(seed: int, objects: int = 2) -> Clip:
    """A clip with at least that many objects in its first frame."""
    for attempt in range(100):
        clip = referenced_clip((seed, attempt), FRAMES, HEIGHT, WIDTH)
        if clip.masks[0].max() >= objects:
            return Clip(clip.frames, np.where(clip.masks > objects, 0, clip.masks))
    raise AssertionError("no scene with so many objects")


def write_images(clip: Clip, folder: Path, stems: list[str]) -> None:
    folder.mkdir(parents=True)
    for stem, image in zip(stems, clip.frames):
        cv2.imwrite(str(folder / f"{stem}.jpg"), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])


def write_masks(masks: dict[str, np.ndarray], folder: Path) -> None:
    folder.mkdir(parents=True)
    for stem, mask in masks.items():
        write_mask(folder / f"{stem}.png", mask.astype(np.uint8))


def stems_of(count: int, step: int = 1, first: int = 0, digits: int = 5) -> list[str]:
    return [f"{first + step * i:0{digits}d}" for i in range(count)]


def make_davis(root: Path, year: str, split: str, clips: dict[str, Clip]) -> None:
    """Test-dev has masks of first frames only; there are images of twice the size, too."""
    stems = stems_of(FRAMES)
    for name, clip in clips.items():
        write_images(clip, root / "JPEGImages/480p" / name, stems)
        large = np.stack([cv2.resize(f, (2 * WIDTH, 2 * HEIGHT)) for f in clip.frames])
        write_images(Clip(large, clip.masks), root / "JPEGImages/Full-Resolution" / name, stems)
        known = dict(zip(stems, clip.masks if split == "val" else clip.masks[:1]))
        if year == "2016":
            known = {s: np.where(m > 0, 255, 0) for s, m in known.items()}
        write_masks(known, root / "Annotations/480p" / name)
    listing = root / "ImageSets" / year / f"{split}.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("\n".join(clips))


def make_youtube_vos(root: Path, clips: dict[str, Clip], late: int) -> None:
    """Object 2 is given in frame ``late`` only; ground truth goes to ``root/truth``.

    30 frames per second: every frame of the clip; 6: every second one. ``late`` must be even.
    """
    everything = stems_of(FRAMES)
    meta: dict[str, dict] = {}
    truth_meta: dict[str, dict] = {}
    for name, clip in clips.items():
        valid = root / "valid"
        write_images(clip, root / "valid_all_frames/JPEGImages" / name, everything)
        write_images(Clip(clip.frames[::2], clip.masks), valid / "JPEGImages" / name,
                     everything[::2])  # fmt: skip
        first = np.where(clip.masks[0] == 1, 1, 0)
        second = np.where(clip.masks[late] == 2, 2, 0)
        given = {everything[0]: first, everything[late]: second}
        write_masks(given, valid / "Annotations" / name)
        true = clip.masks.copy()
        true[:late][true[:late] == 2] = 0
        write_masks(dict(zip(everything[::2], true[::2])), root / "truth/Annotations" / name)
        starts = {1: 0, 2: late}
        meta[name] = {"objects": {str(i): {"frames": everything[s::2]} for i, s in starts.items()}}
        truth_meta[name] = {
            "objects": {
                str(i): {"category": c, "frames": everything[starts[i] :: 2]}
                for i, c in ((1, "cat"), (2, "yak"))
            }
        }
    (root / "valid/meta.json").write_text(json.dumps({"videos": meta}))
    (root / "truth/meta.json").write_text(json.dumps({"videos": truth_meta}))
    (root / "train").mkdir()
    seen = {"videos": {"x": {"objects": {"1": {"category": "cat", "frames": ["00000"]}}}}}
    (root / "train/meta.json").write_text(json.dumps(seen))


def make_lvos(root: Path, clips: dict[str, Clip], end: int) -> None:
    """Every frame has a mask; object 2 is scored up to frame number ``end``."""
    stems = stems_of(FRAMES, first=1, digits=8)
    videos = {}
    for name, clip in clips.items():
        write_images(clip, root / "val/JPEGImages" / name, stems)
        write_masks(dict(zip(stems, clip.masks)), root / "val/Annotations" / name)
        videos[name] = {
            "objects": {
                "1": {"frame_range": {"start": "1", "end": str(FRAMES + 1), "frame_nums": "2"}},
                "2": {"frame_range": {"start": "1", "end": str(end), "frame_nums": "1"}},
            }
        }
    (root / "val/meta.json").write_text(json.dumps({"videos": videos}))


def make_vost(root: Path, clips: dict[str, Clip]) -> None:
    """Masks hold void pixels; the last frame has none."""
    stems = [f"frame{n}" for n in stems_of(FRAMES, step=6)]
    for name, clip in clips.items():
        write_images(clip, root / "JPEGImages" / name, stems)
        masks = clip.masks.copy()
        masks[1:, :3] = 255
        write_masks(dict(zip(stems[:-1], masks)), root / "Annotations" / name)
    (root / "ImageSets").mkdir()
    (root / "ImageSets/val.txt").write_text("\n".join(clips) + "\n")


def make_clips(root: Path, clips: dict[str, Clip]) -> None:
    stems = stems_of(FRAMES)
    for name, clip in clips.items():
        write_images(clip, root / name / "frames", stems)
        write_masks(dict(zip(stems, clip.masks)), root / name / "masks")
