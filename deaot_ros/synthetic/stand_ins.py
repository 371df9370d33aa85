"""Small stand-ins for the public data sets: their layouts, filled with rendered scenes.

They show what a runner expects and let it be tried without a download:

    clips = {"bear": make_clip(21), "ant": make_clip(22)}
    make_davis(Path("DAVIS"), "2017", "val", clips)

Every ``make`` function takes a folder, which it fills, and the clips by the name of their video.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from deaot_ros.datasets.encoded_mask import encode_mask
from deaot_ros.video import write_mask

from .clips import Clip, referenced_clip

FRAMES, HEIGHT, WIDTH = 8, 65, 97


def make_clip(seed: int, objects: int = 2) -> Clip:
    """A clip of eight frames of 65x97 px with that many objects, all in its first frame."""
    for attempt in range(100):
        clip = referenced_clip((seed, attempt), FRAMES, HEIGHT, WIDTH)
        if clip.masks[0].max() >= objects:
            return Clip(clip.frames, np.where(clip.masks > objects, 0, clip.masks))
    raise ValueError(f"100 random scenes showed fewer than {objects} objects; ask for fewer")


def write_images(clip: Clip, folder: Path, stems: list[str]) -> None:
    """Write frames as ``STEM.jpg``."""
    folder.mkdir(parents=True)
    for stem, image in zip(stems, clip.frames):
        cv2.imwrite(str(folder / f"{stem}.jpg"), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])


def write_masks(masks: dict[str, np.ndarray], folder: Path) -> None:
    """Write label maps [H, W] as ``STEM.png`` with the DAVIS palette."""
    folder.mkdir(parents=True)
    for stem, mask in masks.items():
        write_mask(folder / f"{stem}.png", mask.astype(np.uint8))


def stems_of(count: int, step: int = 1, first: int = 0, digits: int = 5) -> list[str]:
    """Numbers as file names without extension."""
    return [f"{first + step * i:0{digits}d}" for i in range(count)]


def make_davis(root: Path, year: str, split: str, clips: dict[str, Clip]) -> None:
    """DAVIS. Test-dev has masks of first frames only; there are images of twice the size, too."""
    for name, clip in clips.items():
        stems = stems_of(len(clip.frames))
        height, width = clip.masks.shape[1:]
        write_images(clip, root / "JPEGImages/480p" / name, stems)
        large = np.stack([cv2.resize(f, (2 * width, 2 * height)) for f in clip.frames])
        write_images(Clip(large, clip.masks), root / "JPEGImages/Full-Resolution" / name, stems)
        known = dict(zip(stems, clip.masks if split == "val" else clip.masks[:1]))
        if year == "2016":
            known = {s: np.where(m > 0, 255, 0) for s, m in known.items()}
        write_masks(known, root / "Annotations/480p" / name)
    listing = root / "ImageSets" / year / f"{split}.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("\n".join(clips))


def make_youtube_vos(root: Path, clips: dict[str, Clip], late: int) -> None:
    """YouTube-VOS. Object 2 is given in frame ``late`` only; ground truth goes to ``root/truth``.

    30 frames per second: every frame of the clip; 6: every second one. ``late`` must be even.
    """
    meta: dict[str, dict] = {}
    truth_meta: dict[str, dict] = {}
    for name, clip in clips.items():
        valid, everything = root / "valid", stems_of(len(clip.frames))
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
    """LVOS. Every frame has a mask; object 2 is scored up to frame number ``end``."""
    videos = {}
    for name, clip in clips.items():
        count = len(clip.frames)
        stems = stems_of(count, first=1, digits=8)
        write_images(clip, root / "val/JPEGImages" / name, stems)
        write_masks(dict(zip(stems, clip.masks)), root / "val/Annotations" / name)
        videos[name] = {
            "objects": {
                "1": {"frame_range": {"start": "1", "end": str(count + 1), "frame_nums": "2"}},
                "2": {"frame_range": {"start": "1", "end": str(end), "frame_nums": "1"}},
            }
        }
    (root / "val/meta.json").write_text(json.dumps({"videos": videos}))


def make_vost(root: Path, clips: dict[str, Clip]) -> None:
    """VOST. Masks hold void pixels; the last frame has none."""
    for name, clip in clips.items():
        stems = [f"frame{n}" for n in stems_of(len(clip.frames), step=6)]
        write_images(clip, root / "JPEGImages" / name, stems)
        masks = clip.masks.copy()
        masks[1:, :3] = 255
        write_masks(dict(zip(stems[:-1], masks)), root / "Annotations" / name)
    (root / "ImageSets").mkdir()
    (root / "ImageSets/val.txt").write_text("\n".join(clips) + "\n")


def make_clips(root: Path, clips: dict[str, Clip]) -> None:
    """Recordings of one's own."""
    for name, clip in clips.items():
        stems = stems_of(len(clip.frames))
        write_images(clip, root / name / "frames", stems)
        write_masks(dict(zip(stems, clip.masks)), root / name / "masks")


def make_vot(root: Path, clips: dict[str, Clip], anchors: dict[int, int], fps: int = 30) -> None:
    """VOT 2020, object 1 alone. Anchors: frame numbers from 0, and 1 forward or -1 backward."""
    sequences = root / "sequences"
    for name, clip in clips.items():
        folder = sequences / name
        write_images(clip, folder / "color", stems_of(len(clip.frames), first=1, digits=8))
        properties = f"channels.color=color/%08d.jpg\nfps={fps}\nformat=default\nname={name}\n"
        (folder / "sequence").write_text(properties)
        lines = [encode_mask(mask == 1) for mask in clip.masks]
        (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
        values = [str(float(anchors.get(t, 0))) for t in range(len(clip.frames))]
        (folder / "anchor.value").write_text("\n".join(values) + "\n")
    (sequences / "list.txt").write_text("\n".join(clips) + "\n")
