"""Synthetic scenes: reproducible, and masks that are true by an independent count."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path as File

import cv2
import numpy as np
import pytest

from deaot_ros.errors import DeaotError
from deaot_ros.synthetic import (
    DEMO_OBJECTS,
    HELD_BACK,
    PHOTOGRAPHS,
    TRAINING,
    Look,
    Scene,
    SceneSettings,
    Sprite,
    demo_clip,
    find_pictures,
    random_scene,
    referenced_clip,
    render_clip,
    training_clips,
)
from deaot_ros.synthetic.motion import Path
from deaot_ros.synthetic.photographs import photograph
from deaot_ros.synthetic.pictures import read_cut_out, read_picture
from deaot_ros.synthetic.thin_plate import random_bend, thin_plate


def still(x: float, y: float, angle: float = 0.0, log_scale: float = 0.0) -> Path:
    return Path(np.array([0.0]), np.array([[x, y, angle, log_scale]]))


def flat_sprite(colour: tuple[int, int, int], size: int, label: int, path: Path) -> Sprite:
    """A disc of one colour with a soft edge."""
    y, x = np.mgrid[0:size, 0:size] - (size - 1) / 2
    alpha = np.clip(size / 2 - 3 - np.hypot(x, y) + 0.5, 0, 1).astype(np.float32)
    texture = np.broadcast_to(np.uint8(colour), (size, size, 3)).copy()
    return Sprite(texture, alpha, path, label)


def flat_scene(*sprites: Sprite, frames: int = 1, look: Look | None = None) -> Scene:
    background = np.zeros((200, 240, 3), np.uint8)
    return Scene(120, 160, frames, background, still(0, 0), sprites, look or Look())


def test_same_seed_same_bytes_and_other_seed_other_bytes() -> None:
    first = render_clip(5, 4, 97, 129)
    second = render_clip(5, 4, 97, 129)
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.masks, second.masks)
    assert not np.array_equal(first.frames, render_clip(6, 4, 97, 129).frames)


def test_frames_render_alike_in_any_order() -> None:
    scene = random_scene(np.random.default_rng(8), 5, 97, 129)
    forward = [scene.render(t)[0] for t in range(5)]
    backward = [scene.render(t)[0] for t in reversed(range(5))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))


def test_training_stream_can_start_anywhere() -> None:
    from_start = list(itertools.islice(training_clips(3, 2, 65, 65), 4))
    later = next(training_clips(3, 2, 65, 65, start=3))
    assert np.array_equal(from_start[3].frames, later.frames)
    assert np.array_equal(from_start[3].masks, later.masks)


def test_clip_shapes_types_and_labels() -> None:
    clip = referenced_clip(11, 3, 81, 113, SceneSettings(objects=(2, 4)))
    assert clip.frames.shape == (3, 81, 113, 3) and clip.frames.dtype == np.uint8
    assert clip.masks.shape == (3, 81, 113) and clip.masks.dtype == np.uint8
    in_first = set(np.unique(clip.masks[0])) - {0}
    assert in_first == set(range(1, len(in_first) + 1))
    assert set(np.unique(clip.masks)) - {0} <= in_first


def test_label_map_is_the_objects_own_colour() -> None:
    """Colours tell which object covers most of a pixel; the labels must say the same."""
    red = flat_sprite((200, 0, 0), 61, 1, still(-20, 0, 0.3, 0.2))
    green = flat_sprite((0, 200, 0), 51, 2, still(15, 10))
    image, labels = flat_scene(red, green).render(0)
    nearest = np.argmin(
        [((image.astype(int) - c) ** 2).sum(2) for c in ((0, 0, 0), (200, 0, 0), (0, 200, 0))],
        axis=0,
    )
    colours_mix = (image > 95).any(2) & (image < 105).all(2)
    assert np.array_equal(labels[~colours_mix], nearest[~colours_mix])
    assert colours_mix.sum() < 0.02 * labels.size


def test_area_and_centre_follow_the_pose() -> None:
    scale = 1.3
    sprite = flat_sprite((255, 255, 255), 61, 1, still(12, -7, 0.0, np.log(scale)))
    _, labels = flat_scene(sprite).render(0)
    y, x = np.nonzero(labels)
    assert x.mean() == pytest.approx(159 / 2 + 12, abs=0.1)
    assert y.mean() == pytest.approx(119 / 2 - 7, abs=0.1)
    assert len(x) == pytest.approx(np.pi * (27.5 * scale) ** 2, rel=0.02)


def test_last_sprite_is_in_front() -> None:
    behind = flat_sprite((255, 0, 0), 41, 1, still(0, 0))
    before = flat_sprite((0, 255, 0), 61, 2, still(0, 0))
    assert set(np.unique(flat_scene(behind, before).render(0)[1])) == {0, 2}
    assert set(np.unique(flat_scene(before, behind).render(0)[1])) == {0, 1, 2}


def test_distractor_hides_but_has_no_label() -> None:
    target = flat_sprite((255, 0, 0), 41, 1, still(0, 0))
    distractor = flat_sprite((0, 0, 255), 61, 0, still(0, 0))
    image, labels = flat_scene(target, distractor).render(0)
    assert labels.max() == 0
    assert image[..., 2].max() > 200


def test_motion_blur_and_shadow_reach_beyond_the_label() -> None:
    moving = Path(np.array([0.0, 2.0]), np.array([[-20.0, 0, 0, 0], [20.0, 0, 0, 0]]))
    sharp = flat_sprite((255, 255, 255), 41, 1, moving)
    blurred = Sprite(sharp.texture, sharp.alpha, moving, 1, blur=1.0)
    count = [(flat_scene(s, frames=3).render(1)[0] > 10).sum() for s in (sharp, blurred)]
    assert count[1] > 1.1 * count[0]
    grey = np.full((200, 240, 3), 100, np.uint8)
    shaded = Sprite(sharp.texture, sharp.alpha, still(0, 0), 1, shadow=(0.5, 20.0, 0.0))
    image, labels = Scene(120, 160, 1, grey, still(0, 0), (shaded,)).render(0)
    assert (image[labels == 0] < 80).sum() > 100


def test_noise_changes_pixels_not_labels() -> None:
    sprite = flat_sprite((90, 90, 90), 41, 1, still(0, 0))
    clean, noisy = flat_scene(sprite), flat_scene(sprite, look=Look(noise=6.0))
    difference = noisy.render(0)[0].astype(int) - clean.render(0)[0]
    assert difference[clean.render(0)[1] == 1].std() == pytest.approx(6.0, rel=0.1)
    assert np.array_equal(clean.render(0)[1], noisy.render(0)[1])


def test_path_passes_through_its_keys_smoothly() -> None:
    times = np.array([0.0, 4.0, 8.0])
    poses = np.array([[0.0, 0, 0, 0], [10.0, 4, 0.2, 0.1], [30.0, -4, 0, 0]])
    path = Path(times, poses)
    for time, pose in zip(times, poses, strict=True):
        assert path.at(time) == pytest.approx(pose)
    assert path.at(-3) == pytest.approx(poses[0]) and path.at(99) == pytest.approx(poses[2])
    slopes = [(path.at(4 + e) - path.at(4 + e - 1e-4)) / 1e-4 for e in (0.0, 1e-4)]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-2, abs=1e-3)


def test_frame_out_of_range_is_refused() -> None:
    with pytest.raises(IndexError, match="clip of 1 frames"):
        flat_scene().render(1)


def test_photographs_are_free_and_the_held_back_ones_stay_out_of_training() -> None:
    assert all(licence in ("CC0", "public domain", "CC0 / public domain")
               for _, licence in PHOTOGRAPHS.values())
    assert set(TRAINING) | set(HELD_BACK) == set(PHOTOGRAPHS)
    assert not set(TRAINING) & set(HELD_BACK)
    for name in PHOTOGRAPHS:
        image = photograph(name)
        assert image.ndim == 3 and image.shape[2] == 3 and image.std() > 5
    with pytest.raises(ValueError, match="expected one of"):
        photograph("lena")


def test_scenes_use_only_the_photographs_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from deaot_ros.synthetic import textures

    seen: set[str] = set()

    def watch(name: str) -> np.ndarray:
        seen.add(name)
        return photograph(name)

    monkeypatch.setattr(textures, "photograph", watch)
    for seed in range(5):
        render_clip(seed, 1, 65, 65, SceneSettings(photographs=HELD_BACK, photo_share=1.0))
    assert seen == set(HELD_BACK)


def test_demo_tells_its_story() -> None:
    scene = demo_clip(240, 320, seconds=8, fps=5)
    assert scene.frames == 40
    masks = np.stack([scene.render(t)[1] for t in range(scene.frames)])
    area = {label: (masks == label).sum((1, 2)) for label in DEMO_OBJECTS}
    assert all(a[0] > 2000 for a in area.values()), "everything is visible at the start"
    cup, cat, astronaut = area[1], area[2], area[3]
    hidden = int(cup.argmin())
    assert cup[hidden] < 0.1 * cup[0] and cup[-1] > 0.8 * cup[0], "hidden, then seen again"
    assert 0 < hidden < scene.frames - 1
    assert cat.min() > 0.7 * cat[0], "the one in front is never hidden"
    gone = np.nonzero(astronaut == 0)[0]
    assert len(gone) >= 5 and np.array_equal(gone, np.arange(gone[0], gone[-1] + 1))
    assert astronaut[-1] > 0.8 * astronaut[0], "left and came back"


def test_demo_is_the_same_story_at_any_rate_and_size() -> None:
    slow, fast = demo_clip(96, 128, 4, 5), demo_clip(96, 128, 8, 10)
    for a, b in ((0, 0), (slow.frames - 1, fast.frames - 1)):
        assert (slow.render(a)[1] == fast.render(b)[1]).mean() > 0.97
    assert np.array_equal(slow.render(3)[0], demo_clip(96, 128, 4, 5).render(3)[0])
    with pytest.raises(ValueError, match="longer clip"):
        demo_clip(seconds=0.01)


def test_pictures_from_folders(tmp_path: File) -> None:
    wide = np.full((500, 2000, 3), (255, 0, 0), np.uint8)
    cv2.imwrite(str(tmp_path / "b.png"), wide)
    cut = np.zeros((120, 200, 4), np.uint8)
    cv2.circle(cut, (100, 60), 40, (0, 0, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "a.png"), cut)
    (tmp_path / "notes.txt").write_text("no picture")
    assert find_pictures(str(tmp_path)) == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    photograph = read_picture(str(tmp_path / "b.png"))
    assert photograph.shape == (225, 900, 3) and tuple(photograph[0, 0]) == (0, 0, 255)
    assert read_cut_out(str(tmp_path / "b.png")) is None  # no outline
    cut_out = read_cut_out(str(tmp_path / "a.png"))
    assert cut_out is not None
    texture, alpha = cut_out
    assert texture.shape == (89, 89, 3) and tuple(texture[44, 44]) == (255, 0, 0)
    assert alpha[44, 44] == 1 and alpha[0, 0] == 0
    assert alpha.sum() == pytest.approx(np.pi * 40**2, rel=0.03)


def test_scenes_use_the_cut_outs(tmp_path: File) -> None:
    cut = np.zeros((200, 200, 4), np.uint8)
    cut[20:180, 20:180] = (0, 0, 255, 255)
    cut[60:140, 60:140] = 0  # a square ring, which no drawn outline is
    cv2.imwrite(str(tmp_path / "ring.png"), cut)
    settings = SceneSettings(
        cut_outs=find_pictures(str(tmp_path)), cut_out_share=1.0, objects=(1, 1), distractors=0
    )
    mask = referenced_clip(3, 1, 193, 193, settings).masks[0]
    contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    assert len(contours) == 2  # outer and inner outline


def test_missing_and_damaged_pictures_are_named(tmp_path: File) -> None:
    with pytest.raises(DeaotError, match=r"no pictures in .*empty"):
        find_pictures(str(tmp_path / "empty"))
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DeaotError, match=r"cannot read picture .*broken\.png"):
        read_picture(str(tmp_path / "broken.png"))


def test_thin_plate_moves_its_points_and_keeps_flat_motions_flat() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 100, (9, 2))
    moves = rng.normal(0, 5, (9, 2))
    assert thin_plate(points, moves, points) == pytest.approx(moves, abs=1e-6)
    elsewhere = rng.uniform(-50, 150, (4, 5, 2))
    matrix = np.array([[1.1, -0.2], [0.3, 0.8]])
    flat = thin_plate(points, points @ matrix + 7, elsewhere)
    assert flat == pytest.approx(elsewhere @ matrix + 7, abs=1e-6)


def test_a_bent_sprite_changes_shape_and_keeps_within_its_reach() -> None:
    sprite = flat_sprite((255, 0, 0), 61, 1, still(0, 0))
    bend = random_bend(np.random.default_rng(5), 61, 0.08)
    bent = dataclasses.replace(sprite, bend=bend)
    disc, shapes = flat_scene(sprite).render(0)[1], []
    for t in (0, 9):
        image, labels = flat_scene(bent, frames=10).render(t)
        red = image[..., 0] >= 128
        assert (red == (labels == 1)).mean() > 0.998
        shapes.append(labels)
        limit = cv2.dilate(disc, np.ones((3, 3)), iterations=int(np.ceil(bend.reach)) + 1)
        assert not (labels > limit).any()
    assert (shapes[0] != disc).sum() > 50 and (shapes[0] != shapes[1]).sum() > 50


def test_objects_leave_and_return() -> None:
    settings = SceneSettings(objects=(1, 1), leave=1.0)
    for seed in range(6):
        areas = (referenced_clip((31, seed), 12, 97, 97, settings).masks == 1).sum((1, 2))
        assert areas[0] > 0 and areas[5:7].sum() == 0, areas
    plain = SceneSettings(objects=(1, 1))
    back = gone = 0
    for seed in range(6):
        there = referenced_clip((31, seed), 12, 97, 97, plain).masks[-1].any()
        gone += int(there)
        back += int(there and referenced_clip((31, seed), 12, 97, 97, settings).masks[-1].any())
    assert back == gone > 0, "at the end they are where they would have been"


def test_covers_hide_objects_for_a_while() -> None:
    hidden = 0
    for seed in range(8):
        scenes = [SceneSettings(objects=(1, 1), distractors=0, cover=share) for share in (0.0, 1.0)]
        plain, covered = (render_clip((32, seed), 9, 97, 97, s).masks == 1 for s in scenes)
        assert not (covered & ~plain).any(), "a cover has no label"
        assert np.array_equal(covered[0], plain[0]), "it starts beside its object"
        hidden += int((covered.sum((1, 2)) < 0.8 * plain.sum((1, 2))).any())
    assert hidden >= 4
