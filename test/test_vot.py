"""VOT 2020: its masks, its multi-start measures against slow loops, and a whole run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from deaot_ros import cli
from deaot_ros.datasets.encoded_mask import EncodedMask, encode_mask
from deaot_ros.errors import DatasetError
from deaot_ros.evaluation.camera_clock import CameraClock
from deaot_ros.evaluation.multistart import (
    Run,
    accuracy_robustness,
    expected_average_overlap,
    overlap_curve,
)
from deaot_ros.synthetic import stand_ins
from deaot_ros.video import read_mask, write_mask


def decoded(text: str, height: int = 20, width: int = 30) -> np.ndarray:
    return EncodedMask(Path("groundtruth.txt"), 7, text, height, width).labels()


class TestMasks:
    def test_runs_go_row_by_row_and_begin_with_background(self) -> None:
        mask = decoded("m2,1,3,2,1,2,2,1")
        expected = np.zeros((20, 30), np.uint8)
        expected[1, 3:5] = 1
        expected[2, 4] = 1
        np.testing.assert_array_equal(mask, expected)

    @pytest.mark.parametrize("seed", range(8))
    def test_there_and_back(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        mask = (generator.random((20, 30)) < (0.002, 0.3, 0.9, 1.0)[seed % 4]).astype(np.uint8)
        np.testing.assert_array_equal(decoded(encode_mask(mask)), mask)

    def test_what_lies_outside_is_cut(self) -> None:
        mask = decoded("m-2,18,5,4,0,20")
        assert mask.sum() == 6 and mask[18:, :3].all()

    @pytest.mark.parametrize("text", ["0", "m0,0,0,0", "m0,0,0,0,0", "1"])
    def test_nothing(self, text: str) -> None:
        assert not decoded(text).any()

    @pytest.mark.parametrize("text", ["1,2,30,40", "m1,2,x", "", "m0,0,2,2,1,9", "m0,0,2,2,-1,2"])
    def test_no_mask(self, text: str) -> None:
        with pytest.raises(DatasetError, match=r"groundtruth\.txt, line 7"):
            decoded(text)


def slow_failure(overlaps: list[float], hidden: list[bool]) -> int:
    """Frames before the first ten in a row that overlap by no more than a tenth."""
    for start in range(len(overlaps) - 9):
        if all(overlaps[t] <= 0.1 and not hidden[t] for t in range(start, start + 10)):
            return start
    return len(overlaps)


def random_runs(seed: int, frames: int = 60) -> list[Run]:
    """Good and bad stretches; sequences of different lengths."""
    generator = np.random.default_rng(seed)
    runs = []
    for name, length in (("ant", frames), ("bear", frames // 2), ("cat", 12)):
        for count in (length, length // 2, length - 3):
            good = np.repeat(generator.random(count // 12 + 1) < 0.6, 12)[:count]
            low = generator.random(count) * 0.1
            overlaps = np.where(good, 0.3 + 0.7 * generator.random(count), low)
            runs.append(Run(name, length, overlaps, generator.random(count) < 0.02))
    return runs


@pytest.mark.parametrize("seed", range(5))
def test_measures_equal_their_definitions(seed: int) -> None:
    runs = random_runs(seed)
    kept = []
    for run in runs:
        overlaps = [0.0, *run.overlaps.tolist()[1:]]
        kept.append(slow_failure(overlaps, run.hidden.tolist()))
        assert run.frames_tracked == kept[-1]
    assert any(k < len(r.overlaps) for k, r in zip(kept, runs)), "no run fails: a weak test"
    tracked, overlap, share, weights = 0, 0.0, 0.0, 0
    for name in ("ant", "bear", "cat"):
        own = [(k, r) for k, r in zip(kept, runs) if r.sequence == name]
        tracked += sum(k for k, _ in own)
        overlap += sum(sum(r.overlaps[1:k]) for k, r in own)
        length = own[0][1].sequence_length
        share += length * sum(k for k, _ in own) / sum(len(r.overlaps) for _, r in own)
        weights += length
    accuracy, robustness = accuracy_robustness(runs)
    assert accuracy == pytest.approx(overlap / tracked, abs=1e-9)
    assert robustness == pytest.approx(share / weights, abs=1e-9)
    expected = []
    for length in range(1, 70):
        values = []
        for k, run in zip(kept, runs):
            before = [0.0 if t >= k else float(o) for t, o in enumerate(run.overlaps)]
            if length < len(before):
                values.append(sum(before[1 : length + 1]) / length)
            elif k < len(before):
                values.append(sum(before[1:]) / (length - 1))
        expected.append(sum(values) / len(values) if values else 0.0)
    np.testing.assert_allclose(overlap_curve(runs, 70)[1:], expected, atol=1e-9)
    typical = expected_average_overlap(runs, (20, 70))
    assert typical == pytest.approx(sum(expected[19:]) / 50, abs=1e-9)


def test_a_perfect_and_a_lost_run() -> None:
    shown = np.zeros(800, bool)
    perfect = Run("a", 800, np.ones(800), shown)
    assert expected_average_overlap([perfect]) == 1
    lost = Run("b", 800, np.zeros(800), shown)
    assert lost.frames_tracked == 0
    assert expected_average_overlap([lost]) == 0
    assert accuracy_robustness([lost]) == (0, 0)
    away = Run("c", 800, np.zeros(800), ~shown)  # the object is not there: no failure
    assert away.frames_tracked == 800


def test_frames_that_a_slow_tracker_misses() -> None:
    """0.25 s late at 10 Hz costs two frames, for less than one is let go; three are forgiven."""
    clock, seen = CameraClock(10), []
    for frame in range(12):
        if not clock.misses():
            seen.append(frame)
            clock.worked(0.35)
    assert seen == [0, 1, 2, 3, 6, 9]
    quick = CameraClock(10)
    for _ in range(20):
        assert not quick.misses()
        quick.worked(0.1)


def evaluate(data: Path, out: Path, weights: Path, *more: str) -> int:
    torch.set_num_threads(1)
    return cli.main(
        ["evaluate", "vot2020", "--data", str(data), "--out", str(out), "--weights", str(weights),
         "--device", "cpu", *more]
    )  # fmt: skip


def make_data(root: Path, fps: int = 30) -> dict:
    clips = {"bear": stand_ins.make_clip(21), "ant": stand_ins.make_clip(22)}
    stand_ins.make_vot(root, clips, {0: 1, 3: 1, 6: -1}, fps)
    return clips


def test_from_the_toolkits_folders_to_its_results(tmp_path: Path, weights: Path) -> None:
    clips = make_data(tmp_path / "data")
    out = tmp_path / "out"
    assert evaluate(tmp_path / "data", out, weights) == 0
    runs = {f"{n}_{a:08d}": (n, a) for n in clips for a in (0, 3, 6)}
    assert {f.name for f in (out / "predictions").iterdir()} == set(runs)
    names = {r: sorted(f.stem for f in (out / "predictions" / r).iterdir()) for r in runs}
    assert names["bear_00000003"] == [f"{n:08d}" for n in range(4, 9)]
    assert names["bear_00000006"] == [f"{n:08d}" for n in range(1, 8)], "backward"
    first = read_mask(out / "predictions/bear_00000006/00000007.png")
    np.testing.assert_array_equal(first == 1, clips["bear"].masks[6] == 1)
    with zipfile.ZipFile(out / "submission.zip") as archive:
        assert set(archive.namelist()) == {f"baseline/{n}/{r}.txt" for r, (n, _) in runs.items()}
        lines = archive.read("baseline/bear/bear_00000006.txt").decode().split()
    assert lines[0] == "1" and len(lines) == 7
    second = read_mask(out / "predictions/bear_00000006/00000006.png")  # the frame before it
    np.testing.assert_array_equal(decoded(lines[1], *second.shape), second)
    for run, (name, _) in runs.items():  # now as if all had been right
        for stem in names[run]:
            mask = (clips[name].masks[int(stem) - 1] == 1).astype(np.uint8)
            write_mask(out / "predictions" / run / f"{stem}.png", mask)
    assert evaluate(tmp_path / "data", out, weights) == 0
    measures = json.loads((out / "scores.json").read_text())["measures"]
    frames = 8 + 5 + 7
    assert measures["A"] == pytest.approx((frames - 3) / frames) and measures["R"] == 1
    assert "| paper | 47.2 |  |  |" in (out / "table.md").read_text()


def test_real_time(tmp_path: Path, weights: Path) -> None:
    """A camera of 100 kHz: after three frames of grace nothing is in time any more."""
    make_data(tmp_path / "data", fps=100_000)
    out = tmp_path / "out"
    assert evaluate(tmp_path / "data", out, weights, "--real-time") == 0
    folder = out / "predictions/bear_00000000"
    masks = [read_mask(f) for f in sorted(folder.iterdir())]
    assert all(np.array_equal(masks[3], m) for m in masks[4:])
    report = json.loads((out / "scores.json").read_text())
    assert report["speed"]["frames"] == 6 * 4 and report["paper"] == {"EAO": 46.3}
    with zipfile.ZipFile(out / "submission.zip") as archive:
        assert "realtime/ant/ant_00000000.txt" in archive.namelist()


def test_what_is_wrong_is_said_before(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_data(tmp_path)
    sequences = tmp_path / "sequences"
    (sequences / "list.txt").write_text("bear\nant\nwolf\n")
    lines = (sequences / "bear/groundtruth.txt").read_text().splitlines()
    lines[4] = "10,10,30,30"
    (sequences / "bear/groundtruth.txt").write_text("\n".join(lines))
    (sequences / "ant/anchor.value").write_text("0\n0\n")
    assert evaluate(tmp_path, tmp_path / "out", weights) == 2
    said = capsys.readouterr().err
    for text in ("groundtruth.txt, line 5", "marks no frame", "wolf", "nothing was run"):
        assert text in said
    assert evaluate(tmp_path / "none", tmp_path / "out", weights) == 2
    assert "list.txt" in capsys.readouterr().err
