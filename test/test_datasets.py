"""Readers of data sets: tiny folders in the published layouts, and what is said of broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from deaot_ros.datasets import (
    VideoSequence,
    clip_sequences,
    davis_sequences,
    still_images,
    youtube_vos_sequences,
)
from deaot_ros.errors import DatasetError
from deaot_ros.synthetic import Clip, referenced_clip
from deaot_ros.video import write_mask


@pytest.fixture(scope="module")
def clip() -> Clip:
    return referenced_clip(11, 4, 65, 97)


def write_clip(clip: Clip, frames: Path, masks: Path, annotated: tuple[int, ...]) -> None:
    frames.mkdir(parents=True)
    masks.mkdir(parents=True)
    for i, image in enumerate(clip.frames):
        cv2.imwrite(str(frames / f"{i:05d}.png"), image[..., ::-1])
        if i in annotated:
            write_mask(masks / f"{i:05d}.png", clip.masks[i])


def assert_is(sequence: VideoSequence, clip: Clip, annotated: tuple[int, ...]) -> None:
    assert len(sequence.frames) == len(clip.frames)
    for i in range(len(clip.frames)):
        assert np.array_equal(sequence.image(i), clip.frames[i])
        if i in annotated:
            assert np.array_equal(sequence.mask(i), clip.masks[i])
        else:
            assert sequence.masks[i] is None
            with pytest.raises(DatasetError, match="has no mask"):
                sequence.mask(i)


def make_davis(root: Path, clip: Clip) -> None:
    for name in ("bear", "ant"):
        write_clip(
            clip, root / "JPEGImages/480p" / name, root / "Annotations/480p" / name, (0, 1, 2, 3)
        )
    for year, lines in (
        ("2017", "bear\n\nant\n"),
        ("480p", "/JPEGImages/480p/ant/00000.jpg /Annotations/480p/ant/00000.png\n" * 2),
    ):
        (root / "ImageSets" / year).mkdir(parents=True)
        (root / "ImageSets" / year / "val.txt").write_text(lines)


def test_davis_in_the_order_of_its_list(tmp_path: Path, clip: Clip) -> None:
    make_davis(tmp_path, clip)
    sequences = davis_sequences(tmp_path)
    assert [s.name for s in sequences] == ["bear", "ant"]
    assert_is(sequences[0], clip, (0, 1, 2, 3))
    assert [s.name for s in davis_sequences(tmp_path, split="all")] == ["ant", "bear"]
    (old,) = davis_sequences(tmp_path, "2016")
    assert old.name == "ant"
    assert np.array_equal(old.mask(2), (clip.masks[2] > 0).astype(np.uint8))
    with pytest.raises(DatasetError, match=r"no list of the DAVIS-2017 split 'train'.*'all'"):
        davis_sequences(tmp_path, split="train")
    with pytest.raises(DatasetError, match="expected JPEGImages/480p"):
        davis_sequences(tmp_path / "JPEGImages")
    with pytest.raises(DatasetError, match="2016 or 2017"):
        davis_sequences(tmp_path, "2018")


def test_youtube_vos_knows_late_objects(tmp_path: Path, clip: Clip) -> None:
    split = tmp_path / "valid"
    write_clip(clip, split / "JPEGImages/a1b2", split / "Annotations/a1b2", (0, 2))
    objects = {
        "1": {"category": "penguin", "frames": ["00000", "00001"]},
        "2": {"category": "duck", "frames": ["00002", "00099"]},
    }
    (split / "meta.json").write_text(json.dumps({"videos": {"a1b2": {"objects": objects}}}))
    (sequence,) = youtube_vos_sequences(tmp_path, "valid")
    assert_is(sequence, clip, (0, 2))
    assert sequence.objects[1].category == "penguin" and sequence.objects[1].frames == (0, 1)
    assert sequence.objects[2].frames == (2,)
    (split / "meta.json").write_text("{}")
    with pytest.raises(DatasetError, match='expected JSON with the entry "videos"'):
        youtube_vos_sequences(tmp_path, "valid")
    (split / "meta.json").unlink()
    with pytest.raises(DatasetError, match="comes with YouTube-VOS"):
        youtube_vos_sequences(tmp_path, "valid")
    with pytest.raises(DatasetError, match="no YouTube-VOS split"):
        youtube_vos_sequences(tmp_path, "train")


def test_folder_of_clips(tmp_path: Path, clip: Clip) -> None:
    for name in ("one", "two"):
        write_clip(clip, tmp_path / name / "frames", tmp_path / name / "masks", (0, 3))
    assert [s.name for s in clip_sequences(tmp_path)] == ["one", "two"]
    (single,) = clip_sequences(tmp_path / "two")
    assert_is(single, clip, (0, 3))
    (tmp_path / "two/frames/00003.png").unlink()
    with pytest.raises(DatasetError, match=r"00003\.png has no image"):
        clip_sequences(tmp_path)
    with pytest.raises(DatasetError, match="no clips"):
        clip_sequences(tmp_path / "one/masks")


def test_damaged_and_unequal_files_are_named(tmp_path: Path, clip: Clip) -> None:
    write_clip(clip, tmp_path / "frames", tmp_path / "masks", (0, 1, 2))
    write_mask(tmp_path / "masks/00000.png", clip.masks[0][:-1])
    (tmp_path / "masks/00001.png").write_bytes(b"nothing")
    cv2.imwrite(str(tmp_path / "masks/00002.png"), clip.masks[2].astype(np.uint16) + 300)
    data = (tmp_path / "frames/00001.png").read_bytes()
    (tmp_path / "frames/00001.png").write_bytes(data[: len(data) // 2])
    (sequence,) = clip_sequences(tmp_path)
    with pytest.raises(DatasetError, match=r"masks/00000\.png is 64x97, its image .* is 65x97"):
        sequence.mask(0)
    with pytest.raises(DatasetError, match=r"masks/00001\.png is no image"):
        sequence.mask(1)
    with pytest.raises(DatasetError, match=r"00002\.png has ids up to 30\d; expected"):
        sequence.mask(2)
    with pytest.raises(DatasetError, match=r"cannot read frame .*frames/00001\.png"):
        sequence.image(1)


@pytest.mark.parametrize(
    ("images", "masks", "grey", "part"),
    [
        ("JPEGImages", "SegmentationObject", False, ""),  # VOC 2012
        ("JPEGImages", "Annotations", False, "coco"),
        ("images", "ground_truth_mask", True, ""),  # ECSSD
        ("imgs", "masks", True, "pascal"),  # PASCAL-S
        ("Imgs", "Imgs", True, ""),  # MSRA10K
        ("images", "masks", False, ""),
    ],
)
def test_still_image_layouts(
    tmp_path: Path, clip: Clip, images: str, masks: str, grey: bool, part: str
) -> None:
    image, labels = clip.frames[0], clip.masks[0]
    (tmp_path / images / part).mkdir(parents=True)
    (tmp_path / masks / part).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(tmp_path / images / part / "7.jpg"), image[..., ::-1])
    cv2.imwrite(str(tmp_path / images / part / "without.jpg"), image[..., ::-1])
    stored = np.where(labels > 0, 200, 90).astype(np.uint8) if grey else labels.copy()
    if not grey:
        stored[0, :5] = 255  # void
    cv2.imwrite(str(tmp_path / masks / part / "7.png"), stored)
    if images == masks:
        (tmp_path / images / "without.jpg").unlink()
    (found,) = still_images(tmp_path)
    assert found.name == f"{part}/7".lstrip("/") and found.image().shape == image.shape
    expected = (labels > 0).astype(np.uint8) if grey else np.where(stored == 255, 0, stored)
    assert np.array_equal(found.mask(), expected)
    (tmp_path / images / part / "7.jpg").unlink()
    with pytest.raises(DatasetError, match=r"7\.png has no image"):
        still_images(tmp_path)


def test_a_folder_without_a_known_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"JPEGImages \+ SegmentationObject"):
        still_images(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(DatasetError, match="no masks in"):
        still_images(tmp_path)
