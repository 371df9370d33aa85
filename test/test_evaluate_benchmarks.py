"""Every benchmark from its published layout to the zip, with a small network, on tiny data."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deaot_ros import cli
from deaot_ros.network import build_network, save_weights
from deaot_ros.synthetic import Clip, stand_ins
from deaot_ros.video import read_mask, write_mask
from deaot_ros.video.colours import davis_palette


@pytest.fixture(scope="module")
def clips() -> dict[str, Clip]:
    return {"bear": stand_ins.make_clip(21), "ant": stand_ins.make_clip(22)}


def evaluate(what: str, data: Path, out: Path, weights: Path, *more: str) -> int:
    torch.set_num_threads(1)
    return cli.main(
        ["evaluate", what, "--data", str(data), "--out", str(out), "--weights", str(weights),
         "--device", "cpu", *more]
    )  # fmt: skip


def packed(out: Path) -> set[str]:
    with zipfile.ZipFile(out / "submission.zip") as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def report(out: Path) -> dict:
    return json.loads((out / "scores.json").read_text())


def fill(out: Path, masks: dict[str, dict[str, np.ndarray]]) -> None:
    """Put masks where finished videos are, so that only scoring is left."""
    for name, by_stem in masks.items():
        folder = out / "predictions" / name
        for file in folder.glob("*.png"):
            write_mask(file, by_stem[file.stem].astype(np.uint8))


class TestDavis:
    def test_davis17(
        self, tmp_path: Path, clips: dict[str, Clip], weights: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        stand_ins.make_davis(tmp_path / "data", "2017", "val", clips)
        out = tmp_path / "out"
        assert evaluate("davis17", tmp_path / "data", out, weights) == 0
        stems = stand_ins.stems_of(stand_ins.FRAMES)
        assert packed(out) == {f"{n}/{s}.png" for n in clips for s in stems}
        with Image.open(out / "predictions/bear/00003.png") as image:
            assert image.mode == "P" and image.size == (stand_ins.WIDTH, stand_ins.HEIGHT)
            assert np.array(image.getpalette()).reshape(-1, 3).tolist()[:22] == (
                davis_palette()[:22].tolist()
            )
        first = read_mask(out / "predictions/bear/00000.png")
        assert np.array_equal(first, clips["bear"].masks[0])
        assert "| paper | 80.5 | 77.7 |" in (out / "table.md").read_text()
        assert "reading and writing added" in capsys.readouterr().out
        # What is done is not done again; only scores follow the files.
        perfect = {n: dict(zip(stems, c.masks)) for n, c in clips.items()}
        half = {s: np.where(m == 2, 0, m) for s, m in perfect["ant"].items()}
        fill(out, {**perfect, "ant": half})
        assert evaluate("davis17", tmp_path / "data", out, weights) == 0
        found = report(out)
        ant = {o["id"]: o for o in found["objects"] if o["video"] == "ant"}
        absent = np.mean([not (m == 2).any() for m in clips["ant"].masks[1:-1]])
        assert ant[1]["J"] == ant[1]["F"] == 1
        assert ant[2]["J"] == pytest.approx(absent)
        assert found["measures"]["J"] == pytest.approx((3 + absent) / 4)
        assert {o["frames"] for o in found["objects"]} == {stand_ins.FRAMES - 2}

    def test_davis16_is_one_object(
        self, tmp_path: Path, clips: dict[str, Clip], weights: Path
    ) -> None:
        one = {"bear": clips["bear"]}
        stand_ins.make_davis(tmp_path / "data", "2016", "val", one)
        assert evaluate("davis16", tmp_path / "data", tmp_path / "out", weights) == 0
        found = report(tmp_path / "out")
        assert [(o["video"], o["id"]) for o in found["objects"]] == [("bear", 1)]
        assert 0 <= found["measures"]["J&F"] <= 1

    def test_test_dev_at_full_resolution(
        self, tmp_path: Path, clips: dict[str, Clip], weights: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        stand_ins.make_davis(tmp_path / "data", "2017", "test-dev", {"bear": clips["bear"]})
        out = tmp_path / "out"
        full = ("--resolution", "Full-Resolution")
        assert evaluate("davis17-test", tmp_path / "data", out, weights, *full) == 0
        assert "ground truth is not public" in capsys.readouterr().out
        assert report(out)["measures"] is None
        assert read_mask(out / "predictions/bear/00005.png").shape == clips["bear"].masks.shape[1:]

    def test_interrupted_and_other_settings(
        self, tmp_path: Path, clips: dict[str, Clip], weights: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        data, out = tmp_path / "data", tmp_path / "out"
        stand_ins.make_davis(data, "2017", "val", clips)
        broken = data / "JPEGImages/480p/ant/00006.jpg"
        whole = broken.read_bytes()
        broken.write_bytes(whole[: len(whole) // 2])  # its header is good
        assert evaluate("davis17", data, out, weights) == 2
        assert "00006.jpg" in capsys.readouterr().err
        assert sorted(f.name for f in (out / "predictions").iterdir()) == [".ant.partial", "bear"]
        kept = (out / "predictions/bear/00001.png").stat().st_mtime_ns
        broken.write_bytes(whole)
        assert evaluate("davis17", data, out, weights) == 0
        assert (out / "predictions/bear/00001.png").stat().st_mtime_ns == kept
        assert len(list((out / "predictions/ant").iterdir())) == stand_ins.FRAMES
        assert not (out / "predictions/.ant.partial").exists()
        assert evaluate("davis17", data, out, weights, "--flip") == 2
        assert "other settings (flip: False, now True)" in capsys.readouterr().err
        assert evaluate("davis17", data, out, tmp_path / "none.pth") == 2
        assert "no weights file" in capsys.readouterr().err
        own = tmp_path / "own.safetensors"
        for seed, status in ((1, 0), (2, 2)):  # the same file, trained on
            torch.manual_seed(seed)
            save_weights(build_network("deaot-t"), own, {"variant": "deaot-t"})
            assert evaluate("davis17", data, tmp_path / "own", own) == status
        assert "other settings (weights_sha256" in capsys.readouterr().err

    def test_two_processes_and_augmentation_find_the_same_as_one(
        self, tmp_path: Path, clips: dict[str, Clip], weights: Path
    ) -> None:
        data = tmp_path / "data"
        stand_ins.make_davis(data, "2017", "val", clips)
        how = ("--flip", "--scales", "1.2")
        assert evaluate("davis17", data, tmp_path / "1", weights, *how) == 0
        assert evaluate("davis17", data, tmp_path / "2", weights, *how, "--workers", "2") == 0
        assert report(tmp_path / "1")["measures"] == report(tmp_path / "2")["measures"]
        assert report(tmp_path / "2")["speed"]["frames"] == 2 * stand_ins.FRAMES

    def test_everything_wrong_is_said_at_once(
        self, tmp_path: Path, clips: dict[str, Clip], weights: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        data = tmp_path / "data"
        stand_ins.make_davis(data, "2017", "val", clips)
        masks = data / "Annotations/480p"
        (data / "ImageSets/2017/val.txt").write_text("bear\nant\nwolf\n")
        Image.open(masks / "bear/00000.png").convert("RGB").save(masks / "bear/00000.png")
        Image.open(masks / "bear/00002.png").resize((50, 40)).save(masks / "bear/00002.png")
        write_mask(masks / "ant/00000.png", clips["ant"].masks[0] * np.uint8(3))
        (masks / "ant/00004.png").unlink()
        (data / "JPEGImages/480p/ant/00005.jpg").write_bytes(b"")
        assert evaluate("davis17", data, tmp_path / "out", weights) == 2
        said = capsys.readouterr().err
        for text in (
            "wolf: no folder", "bear/00000.png holds RGB pixels", "bear/00002.png is 40x50",
            "ids of", "are 3, 6; expected 1 to 2", "no mask", "ant/00004.png", "ant/00005.jpg",
            "nothing was run",
        ):  # fmt: skip
            assert text in said
        assert not (tmp_path / "out").exists()


class TestYoutubeVos:
    @pytest.mark.parametrize("fps", [6, 30])
    def test_late_objects(
        self, tmp_path: Path, clips: dict[str, Clip], weights: Path, fps: int
    ) -> None:
        data, late = tmp_path / "data", 4
        stand_ins.make_youtube_vos(data, clips, late)
        how = ("--fps", str(fps), "--truth", str(data / "truth"))
        assert evaluate("youtubevos18", data, tmp_path / "out", weights, *how) == 0
        stems = stand_ins.stems_of(stand_ins.FRAMES)[::2]
        expected = {f"Annotations/{n}/{s}.png" for n in clips for s in stems}
        assert packed(tmp_path / "out") == expected
        for name, clip in clips.items():
            folder = tmp_path / "out/predictions" / name
            assert not (read_mask(folder / "00002.png") == 2).any()
            appeared = clip.masks[late] == 2
            assert (read_mask(folder / f"{late:05d}.png")[appeared] == 2).all()
        measures = report(tmp_path / "out")["measures"]
        parts = [measures[f"{m} {k}"] for m in "JF" for k in ("seen", "unseen")]
        assert measures["G"] == pytest.approx(np.mean(parts))
        frames = {o["id"]: o["frames"] for o in report(tmp_path / "out")["objects"]}
        assert frames == {1: 3, 2: 1}  # of frames 0 2 4 6, those after an object's first

    def test_without_truth(
        self, tmp_path: Path, clips: dict[str, Clip], weights: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        data = tmp_path / "data"
        stand_ins.make_youtube_vos(data, {"bear": clips["bear"]}, 2)
        assert evaluate("youtubevos19", data, tmp_path / "out", weights) == 0
        said = capsys.readouterr().out
        assert "submission.zip to the YouTube-VOS 2019 server" in said
        assert "| paper | 82.0 | 81.2 |" in said


def test_lvos(tmp_path: Path, clips: dict[str, Clip], weights: Path) -> None:
    stand_ins.make_lvos(tmp_path / "data", clips, end=4)
    out = tmp_path / "out"
    assert evaluate("lvos", tmp_path / "data", out, weights) == 0
    found = report(out)
    assert set(found["measures"]) == {"J&F", "J", "F", "V"}
    frames = {o["id"]: o["frames"] for o in found["objects"]}
    assert frames == {1: 2, 2: 1}  # frames 1 and 6; frame 1 alone
    perfect = {
        n: dict(zip(stand_ins.stems_of(stand_ins.FRAMES, first=1, digits=8), c.masks))
        for n, c in clips.items()
    }
    fill(out, perfect)
    assert evaluate("lvos", tmp_path / "data", out, weights) == 0
    assert report(out)["measures"] == {"J&F": 1, "J": 1, "F": 1, "V": 0}


def test_vost(tmp_path: Path, clips: dict[str, Clip], weights: Path) -> None:
    stand_ins.make_vost(tmp_path / "data", clips)
    out = tmp_path / "out"
    assert evaluate("vost", tmp_path / "data", out, weights) == 0
    assert set(report(out)["measures"]) == {"J", "J_tr"}
    stems = [f"frame{s}" for s in stand_ins.stems_of(stand_ins.FRAMES, step=6)]
    masks = {}
    for name, clip in clips.items():
        true = clip.masks.copy()
        true[1:, :3] = 0  # void counts as background, as in the published tool
        true[5] = 0  # the last of frames 1..5 that count: all of the last quarter's two but one
        masks[name] = dict(zip(stems, true))
    fill(out, masks)
    assert evaluate("vost", tmp_path / "data", out, weights) == 0
    objects, measures = report(out)["objects"], report(out)["measures"]
    gone = [
        not (c.masks[5][3:] == o).any() for c in clips.values() for o in (1, 2)
    ]  # an object that is not there either
    assert {o["frames"] for o in objects} == {5}
    assert measures["J"] == pytest.approx((4 + np.mean(gone)) / 5)
    assert measures["J_tr"] == pytest.approx((1 + np.mean(gone)) / 2)


def test_clips(tmp_path: Path, clips: dict[str, Clip], weights: Path) -> None:
    stand_ins.make_clips(tmp_path / "data", clips)
    assert evaluate("clips", tmp_path / "data", tmp_path / "out", weights) == 0
    assert len(report(tmp_path / "out")["objects"]) == 4
    assert evaluate("davis17", tmp_path / "data", tmp_path / "out2", weights) == 2
