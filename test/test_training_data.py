"""Clips for training out of still images and videos: sampling, merging, and the checker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from deaot_ros.cli import main
from deaot_ros.datasets import StillImage, VideoSequence
from deaot_ros.errors import DatasetError
from deaot_ros.synthetic import Clip, SceneSettings, referenced_clip
from deaot_ros.training import TrainSettings, augmentation
from deaot_ros.training.merging import choose_objects, merge
from deaot_ros.training.sources import build_source
from deaot_ros.training.still_clips import still_clip
from deaot_ros.training.video_clips import Video, choose_frames, video_clip
from deaot_ros.video import write_mask

LARGE = SceneSettings(objects=(1, 2), size=(0.5, 0.8))


def write_video(root: Path, seed: int, frames: int = 6) -> Path:
    clip = referenced_clip(seed, frames, 72, 120, LARGE)
    for folder in ("frames", "masks"):
        (root / folder).mkdir(parents=True)
    for i in range(frames):
        cv2.imwrite(str(root / f"frames/{i:03d}.png"), clip.frames[i][..., ::-1])
        write_mask(root / f"masks/{i:03d}.png", clip.masks[i])
    return root


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three clips."""
    root = tmp_path_factory.mktemp("clips")
    for i in range(3):
        write_video(root / f"clip{i}", 20 + i)
    return root


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two sets with two images each."""
    root = tmp_path_factory.mktemp("stills")
    for name, masks in (("ECSSD", "ground_truth_mask"), ("mine", "masks")):
        for folder in ("images", masks):
            (root / name / folder).mkdir(parents=True)
        for i in range(2):
            clip = referenced_clip((40, i), 1, 90, 120, LARGE)
            cv2.imwrite(str(root / name / f"images/{i}.jpg"), clip.frames[0][..., ::-1])
            labels = clip.masks[0] if name == "mine" else (clip.masks[0] > 0) * np.uint8(255)
            cv2.imwrite(str(root / name / masks / f"{i}.png"), labels)
    return root


def numbered_video(count: int, masks: list[np.ndarray], folder: Path, gap: int) -> Video:
    """A video whose masks cycle through the given ones."""
    files = []
    for i, labels in enumerate(masks):
        write_mask(folder / f"{i}.png", labels)
        cv2.imwrite(str(folder / f"{i}.jpg"), np.zeros((*labels.shape, 3), np.uint8))
        files.append(folder / f"{i}.png")
    frames = tuple(folder / f"{i % len(masks)}.jpg" for i in range(count))
    annotated = tuple(files[i % len(masks)] for i in range(count))
    return Video(VideoSequence("numbers", frames, annotated), gap)


def draw_frames(seed: int, video: Video, frames: int) -> list[int]:
    return choose_frames(np.random.default_rng(seed), video, frames, video.sequence.mask)


def test_frames_are_drawn_by_gaps_in_both_directions(tmp_path: Path) -> None:
    video = numbered_video(60, [np.ones((20, 20), np.uint8)], tmp_path, 4)
    gaps, directions, turned = set(), set(), 0
    for seed in range(60):
        chosen = np.array(draw_frames(seed, video, 5))
        assert chosen.min() >= 0 and chosen.max() < 60
        steps = np.diff(chosen)
        directions.add(int(np.sign(steps[0])))
        if (np.sign(steps) == np.sign(steps[0])).all():
            gaps |= set(np.abs(steps).tolist())
        else:
            turned += 1
            assert chosen.min() < 4 or chosen.max() > 55, "it turns at the ends only"
    assert gaps == {1, 2, 3, 4} and directions >= {-1, 1} and 0 < turned < 30


def test_a_reference_has_foreground_and_all_the_objects(tmp_path: Path) -> None:
    small, one, two = (np.zeros((30, 30), np.uint8) for _ in range(3))
    small[:14, :14] = 1  # 196 px
    one[:15, :15] = 1  # 225 px
    two[:15, :15], two[20:, 20:] = 1, 2
    video = numbered_video(40, [small, one], tmp_path, 1)
    starts = [draw_frames(s, video, 3)[0] % 2 for s in range(30)]
    assert all(starts)
    video = numbered_video(40, [one, one, one, two], tmp_path, 1)
    unknown = 0
    for seed in range(40):
        chosen = [i % 4 for i in draw_frames(seed, video, 3)]
        unknown += chosen[0] != 3 and 3 in chosen
    assert unknown < 5, "drawn again while later frames show something new"


def test_video_clips_show_one_place_at_one_scale(clips: Path) -> None:
    settings = TrainSettings(stage="video", data=(str(clips),), size=65, frames=4, merge=0.0)
    source = build_source(settings)
    first, again = source.clip(3, 4, 65), source.clip(3, 4, 65)
    assert np.array_equal(first.frames, again.frames) and np.array_equal(first.masks, again.masks)
    assert not np.array_equal(first.frames, source.clip(4, 4, 65).frames)
    for number in range(12):
        clip = source.clip(number, 4, 65)
        assert clip.frames.shape == (4, 65, 65, 3) and clip.masks.shape == (4, 65, 65)
        ids = set(np.unique(clip.masks[0])) - {0}
        assert ids and ids == set(range(1, len(ids) + 1))
        assert set(np.unique(clip.masks)) <= ids | {0}, "nothing that the reference lacks"
        empty = (clip.frames == augmentation.MEAN_COLOUR).all(-1).all(0)
        assert not clip.masks[:, empty].any()


def test_a_still_world_stays_still(tmp_path: Path) -> None:
    """Of a video that does not move, every frame of a clip has the same mask."""
    labels = np.zeros((72, 120), np.uint8)
    labels[20:50, 30:80] = 5
    video = numbered_video(9, [labels], tmp_path, 3)
    for seed in range(8):
        clip = video_clip(np.random.default_rng(seed), video, 4, 65)
        assert (clip.masks == clip.masks[0]).all() and set(np.unique(clip.masks)) <= {0, 1}


def test_still_images_become_clips(stills: Path) -> None:
    source = build_source(TrainSettings(stage="static", data=(str(stills),), size=65))
    again = build_source(TrainSettings(stage="static", data=(str(stills),), size=65))
    for number in range(8):
        clip = source.clip(number, 4, 65)
        assert np.array_equal(clip.frames, again.clip(number, 4, 65).frames)
        ids = set(np.unique(clip.masks[0])) - {0}
        assert ids and ids == set(range(1, len(ids) + 1))
        assert set(np.unique(clip.masks)) <= ids | {0}
        assert not (clip.masks[1] == clip.masks[0]).all(), "later frames are moved"


def test_masks_move_with_their_pictures(tmp_path: Path) -> None:
    """A bright object on black: image and mask agree after every change of shape."""
    labels = np.zeros((100, 140), np.uint8)
    cv2.ellipse(labels, (70, 50), (45, 25), 30, 0, 360, 1, -1)
    image = np.repeat(labels[..., None] * np.uint8(255), 3, 2)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        moved = augmentation.random_affine(rng, *augmentation.flip(image, labels))
        cut, mask = augmentation.random_resized_crop(rng, *moved, 81)
        bright = cut.min(-1) > 186  # brighter than what fills the border
        assert (bright == (mask > 0)).mean() > 0.96
    cv2.imwrite(str(tmp_path / "0.png"), image)
    write_mask(tmp_path / "0m.png", labels)
    still = StillImage("0", tmp_path / "0.png", tmp_path / "0m.png")
    areas = [(still_clip(np.random.default_rng(s), still, 2, 65).masks[0] > 0).mean()
             for s in range(20)]
    assert np.ptp(areas) > 0.01 and min(areas) > 0.1


def test_colours_change_within_their_limits() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    seen = [augmentation.colour_jitter(np.random.default_rng(s), grey).mean() for s in range(200)]
    assert 60 <= min(seen) < 66 and 134 < max(seen) <= 140  # brightness 0.6 to 1.4
    assert 25 < sum(value == 100 for value in seen) < 60  # one in five stays as it is
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200
    turned = [augmentation.colour_jitter(np.random.default_rng(s), red)[0, 0] for s in range(100)]
    assert max(t[1] for t in turned) > 60 and max(t[2] for t in turned) > 60  # both ways round


def test_merging_pastes_the_second_over_the_first() -> None:
    first = Clip(np.full((2, 465, 465, 3), 10, np.uint8), np.zeros((2, 465, 465), np.uint8))
    second = Clip(np.full((2, 465, 465, 3), 20, np.uint8), np.zeros((2, 465, 465), np.uint8))
    first.masks[:, :200] = 1
    first.masks[:, 300:, :9] = 2
    second.masks[:, 100:260] = 1
    second.masks[0, 400, :99] = 2  # too small in the reference
    second.masks[1, 400, :] = 2
    merged = merge(np.random.default_rng(0), first, second)
    low, high, side = merged.masks[0, 0, 0], merged.masks[0, 150, 0], merged.masks[0, 330, 0]
    assert {low, high, side} == {1, 2, 3}
    assert (merged.masks[:, :100] == low).all() and (merged.masks[:, 100:260] == high).all()
    assert (merged.frames[:, 100:260] == 20).all() and (merged.frames[:, :100] == 10).all()
    assert merged.masks[0, 400, 50] == 0 and (merged.frames[0, 400, :99] == 20).all()


def test_at_most_ten_objects_are_kept_at_random() -> None:
    masks = np.zeros((2, 20, 20), np.uint8)
    masks[0] = np.arange(1, 21)[:, None]
    masks[1, 0] = 99  # not in the reference
    masks[1, 1] = 255
    kept = []
    for seed in range(6):
        chosen = choose_objects(np.random.default_rng(seed), masks, 1)
        assert set(np.unique(chosen[0])) == set(range(11))
        assert not chosen[1, 0].any() and (chosen[1, 1] == 255).all()
        kept.append(tuple(np.flatnonzero(chosen[0, :, 0])))
    assert len(set(kept)) > 1


def test_merging_happens_as_often_as_asked(clips: Path) -> None:
    settings = TrainSettings(stage="video", data=(str(clips),), size=65, merge=0.0)
    counts = []
    for share in (0.0, 1.0):
        source = build_source(replace(settings, merge=share))
        counts.append(np.mean([source.clip(n, 2, 65).masks[0].max() for n in range(20)]))
    assert counts[1] > counts[0] + 0.5


def test_every_video_is_seen_before_any_comes_again(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = build_source(TrainSettings(stage="video", data=(str(clips),), merge=0.0))
    seen: list[int] = []
    draw = source.draw  # type: ignore[attr-defined]

    def remember(rng: np.random.Generator, index: int, *rest: int) -> Clip:
        seen.append(index)
        return draw(rng, index, *rest)

    monkeypatch.setattr(source, "draw", remember)
    for number in range(6):
        source.clip(number, 2, 65)
    assert set(seen[:3]) == set(seen[3:6]) == {0, 1, 2}


def test_data_that_cannot_be_used_is_named(tmp_path: Path, clips: Path) -> None:
    with pytest.raises(DatasetError, match="needs a data set: --data DIR"):
        build_source(TrainSettings(stage="static"))
    write_video(tmp_path / "short", 1, 3)
    for mask in sorted((tmp_path / "short/masks").iterdir())[1:]:
        mask.unlink()
    with pytest.raises(DatasetError, match="video short has 1 annotated frames"):
        build_source(TrainSettings(stage="video", data=(str(tmp_path),)))
    for frame in (tmp_path / "short/frames").iterdir():
        write_mask(tmp_path / "short/masks" / f"{frame.stem}.png", np.zeros((72, 120), np.uint8))
    source = build_source(TrainSettings(stage="video", data=(str(tmp_path),)))
    with pytest.raises(DatasetError, match=r"showed no object.*--check"):
        source.clip(0, 2, 65)


def run_check(stage: str, root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["train", "--stage", stage, "--check", "--data", str(root)])
    return code, capsys.readouterr().out


def test_checker_finds_nothing_in_good_data(
    clips: Path, stills: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run_check("video", clips, capsys)
    assert code == 0 and "3 videos checked\nno problem found" in said
    code, said = run_check("static", stills, capsys)
    assert code == 0 and "4 images checked\nno problem found" in said


def test_checker_lists_everything_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, name in enumerate(("bad", "empty", "few", "sizes")):
        write_video(tmp_path / name, 60 + i, 2 if name == "few" else 5)
    bad = tmp_path / "bad"
    (bad / "frames/000.png").unlink()
    (bad / "frames/001.png").write_bytes(b"\x89PNG nothing")
    write_mask(bad / "masks/002.png", np.ones((70, 120), np.uint8))
    (bad / "masks/003.png").write_bytes(b"")
    cv2.imwrite(str(bad / "masks/004.png"), np.full((72, 120), 300, np.uint16))
    for i in range(5):
        write_mask(tmp_path / f"empty/masks/{i:03d}.png", np.zeros((72, 120), np.uint8))
    cv2.imwrite(str(tmp_path / "sizes/frames/004.png"), np.zeros((64, 64, 3), np.uint8))
    code, said = run_check("video", tmp_path, capsys)
    assert code == 1
    for words in (
        f"bad: mask {bad}/masks/000.png without image",
        f"bad: cannot read frame {bad}/frames/001.png",
        f"bad: mask {bad}/masks/002.png is 70x120, its image",
        f"bad: mask {bad}/masks/003.png is no image",
        f"bad: mask {bad}/masks/004.png has ids up to 300",
        "empty: no mask shows more than 200 px",
        "few: 2 of 2 frames have masks; expected at least 5",
        "sizes: frame",
        "4 videos checked",
    ):
        assert words in said, words
    assert said.count("\n") >= 10 and "problems" in said


def test_checker_of_still_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / f"images/{name}.jpg"), np.zeros((40, 50, 3), np.uint8))
    write_mask(tmp_path / "masks/a.png", np.zeros((40, 50), np.uint8))
    write_mask(tmp_path / "masks/b.png", np.ones((40, 40), np.uint8))
    cv2.imwrite(str(tmp_path / "masks/c.png"), np.ones((40, 50, 3), np.uint8))
    write_mask(tmp_path / "masks/d.png", np.ones((40, 50), np.uint8))
    code, said = run_check("static", tmp_path, capsys)
    assert code == 1 and "4 problems" in said
    for words in ("shows no object", "is 40x40, its image", "colour PNG", "d.png: mask without"):
        assert words in said, words
    code, said = run_check("static", tmp_path / "masks", capsys)
    assert code == 1 and "no pair of folders that is known" in said
    assert main(["train", "--check"]) == 2
