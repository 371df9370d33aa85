"""The long benchmark: its scene, its measures on runs whose answers are known, its command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("skimage", reason="synthetic scenes need its photographs")

from deaot_ros.backends import load_backend
from deaot_ros.cli import main
from deaot_ros.errors import CheckpointError, DeaotError
from deaot_ros.evaluation.chart import line_chart
from deaot_ros.evaluation.long_files import join_runs, save_run
from deaot_ros.evaluation.long_measures import agreement, summarise, trials
from deaot_ros.evaluation.long_run import Entrant, LongRun, Track, run_long
from deaot_ros.evaluation.reliability import Outcome, calibration_error, reliability
from deaot_ros.evaluation.watch import Anchors, Watch, label_areas
from deaot_ros.network import build_network
from deaot_ros.synthetic.long_scene import ABSENCES, long_scene
from deaot_ros.tracking.calibration import (
    Calibration,
    fit_calibration,
    load_calibration,
    save_calibration,
)

RATE = 10.0


def test_scene_hides_objects_for_every_length() -> None:
    scene = long_scene(3, 700, 49, 65, RATE, objects=1)
    again = long_scene(3, 700, 49, 65, RATE, objects=1)
    shown = []
    for t in range(scene.frames):
        image, labels = scene.render(t)
        shown.append((labels == 1).any())
        if t % 100 == 0:
            np.testing.assert_array_equal(image, again.render(t)[0])
    assert shown[0]
    gone = spells_out_of_sight(shown)
    for length in ABSENCES:
        assert any(length - 0.3 <= g <= length + 1.0 for g in gone), (length, gone)


def test_scene_hides_objects_for_the_lengths_asked_for() -> None:
    scene = long_scene(3, 250, 33, 41, RATE, objects=1, absences=(1.5,))
    gone = spells_out_of_sight([(scene.render(t)[1] == 1).any() for t in range(scene.frames)])
    assert len(gone) >= 2 and all(1.2 <= g <= 2.5 for g in gone), gone


def spells_out_of_sight(shown: list[bool]) -> list[float]:
    """Seconds of each."""
    edges = np.flatnonzero(np.diff(np.array(shown, int)))
    return [(b - a) / RATE for a, b in pairwise(edges) if not shown[a + 1]]


def known_run() -> LongRun:
    """One object of 100 px, out of sight in frames 50..99 (5 s) and 150..159 (1 s) of 200."""
    true_area = np.full((200, 1), 100)
    true_area[50:100] = true_area[150:160] = 0
    j = np.where(true_area > 0, 0.8, np.nan)
    nobody = np.zeros((200, 1), int)
    ms, size = np.full(200, 20.0), np.full(200, 1000)
    good = Track(j, np.where(true_area > 0, 100, 0), nobody, ms, size, np.zeros(200, bool))
    late = j.copy()
    late[100:112] = 0.1  # found 1.2 s after its return
    late[160:] = 0.0  # never found
    alarm = np.full((200, 1), 100)
    alarm[50:100] = 30
    owner = nobody.copy()
    owner[10:12] = owner[20:30] = 2
    owner[40] = 2  # one frame is no swap
    rising = np.arange(200)
    bad = Track(late, alarm, owner, ms + 0.01 * rising, size + rising, np.zeros(200, bool))
    known = np.ones(200, bool)
    return LongRun((1,), true_area, known, RATE, {"good": good, "bad": bad}, np.zeros(200))


def test_measures_of_a_known_run() -> None:
    run = known_run()
    good, bad = summarise(run)["good"], summarise(run)["bad"]
    assert good.j == pytest.approx(0.8)
    assert good.recovered[5.0] == (1, 1, 0.0)
    assert bad.recovered[5.0] == (1, 1, pytest.approx(1.2))
    assert bad.recovered[1.0] == (1, 0, None)
    assert good.recovered[2.0] == (0, 0, None)
    assert (good.swaps, bad.swaps) == (0, 2)
    assert good.false_area == 0
    assert bad.false_area == pytest.approx((50 * 0.3 + 10 * 1.0) / 60)
    assert bad.j_by_tenth[-1] == 0 and bad.j_by_tenth[3] is None
    assert bad.slope[0] == pytest.approx(10)
    assert good.slope[0] == pytest.approx(0, abs=1e-9)
    assert bad.size == (1019, 1199)
    assert [t.held for t in trials(run, run.tracks["bad"])] == [True, True]
    assert agreement(run, "bad", "good", 1.0) == (1, 0)
    assert agreement(run, "good", "bad", 1.0) == (0, 0)


@pytest.mark.parametrize(
    ("text", "name"),
    [("fifo", "fifo:9"), ("log:5", "log:5"), ("ucb:9:open", "ucb:9:open"), ("unbounded",) * 2],
)
def test_entrants(text: str, name: str) -> None:
    assert Entrant.parse(text).name == name


@pytest.mark.parametrize("text", ["fifo:x", "lru:9", "fifo:9:shut", "fifo:0"])
def test_entrants_that_cannot_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not POLICY|policy|slots"):
        Entrant.parse(text)


def test_a_tracker_that_is_lost_begins_anew_when_all_are_in_sight() -> None:
    watch = Watch(3, 2)
    full, half = np.array([100, 100]), np.array([100, 10])
    fine, lost = np.array([0.9, 0.9]), np.array([0.9, 0.0])
    away = np.array([0.9, np.nan])
    assert not any(watch.failed(fine, full) for _ in range(9))
    assert [watch.failed(lost, full) for _ in range(4)] == [False, False, True, False]
    assert not any(watch.failed(away, half) for _ in range(9)), "absence is no loss"
    assert not any(watch.failed(lost, half) for _ in range(9)), "not in sight as a whole"
    assert watch.failed(lost, full)
    never = Watch(0, 2)
    assert not any(never.failed(lost, full) for _ in range(9))


def test_anchors_come_with_the_first_frame_that_shows_all() -> None:
    full, half = np.array([100, 100]), np.array([100, 10])
    anchors = Anchors(3, 2)
    areas = (full, full, full, full, full, half, half, full, full)
    reached = [anchors.reached(area) for area in areas]
    assert reached == [False, False, True, False, False, False, False, True, False]
    assert not any(Anchors(0, 2).reached(full) for _ in range(9))
    labels = np.array([[0, 7, 7], [2, 255, 7]], np.uint8)
    assert label_areas(labels, (2, 5, 7)).tolist() == [1, 0, 3]


def test_an_object_that_was_given_anew_was_not_found() -> None:
    run = known_run()
    again = np.zeros(200, bool)
    again[105] = True  # "bad" finds its object at 112
    tracks = {"bad": replace(run.tracks["bad"], restarts=again)}
    assert summarise(replace(run, tracks=tracks))["bad"].recovered[5.0] == (1, 0, None)


def test_command_on_a_synthetic_scene(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["benchmark", "long", "--frames", "40", "--size", "81x65", "--untrained"]
    arguments += ["--entrants", "reference,log:2:open", "--gap", "0.5", "--output", str(tmp_path)]
    arguments += ["--restart", "0.5"]
    assert main(arguments) == 0
    table = capsys.readouterr().out
    assert "| reference |" in table and "| log:2:open |" in table
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["about"]["frames"] == 39
    first, last = summary["entrants"]["log:2:open"]["size"]
    assert first == last > 0
    assert summary["entrants"]["reference"]["restarts"] > 0
    for name in ("drift", "recovery", "time", "memory"):
        assert cv2.imread(str(tmp_path / f"{name}.png")) is not None
    assert main([*arguments[:-2], "--anchors", "1"]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert {e["restarts"] for e in summary["entrants"].values()} == {3}, "the same for all"
    assert main([*arguments, "--anchors", "1"]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_command_on_real_frames(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A folder with the first mask only is played to and fro; J stays open."""
    clip = tmp_path / "clip"
    (clip / "frames").mkdir(parents=True)
    (clip / "masks").mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        frame = rng.integers(0, 256, (65, 81, 3), np.uint8)
        cv2.imwrite(str(clip / "frames" / f"{i}.png"), frame)
    mask = np.zeros((65, 81), np.uint8)
    mask[10:40, 10:40] = 1
    cv2.imwrite(str(clip / "masks" / "0.png"), mask)
    arguments = ["benchmark", "long", str(clip), "--frames", "9", "--untrained"]
    arguments += ["--entrants", "fifo:3", "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["about"]["frames"] == 8
    assert summary["entrants"]["fifo:3"]["false_area"] is None
    (clip / "masks" / "0.png").rename(clip / "masks" / "2.png")
    assert main(arguments) == 2
    assert "no mask of the first frame" in capsys.readouterr().err


def test_chart_puts_values_where_they_belong() -> None:
    flat = line_chart("t", "x", "y", [0, 1], {"a": [1.0, 1.0]}, (0, 1))
    low = line_chart("t", "x", "y", [0, 1], {"a": [0.0, 0.0]}, (0, 1))
    blue = [(p == (31, 119, 180)).all(2)[:, 100:580].any(1) for p in (flat, low)]
    assert np.flatnonzero(blue[0]).mean() < 80
    assert np.flatnonzero(blue[1]).mean() > 320


def test_calibrated_scores_mean_what_they_say() -> None:
    """Masks are right with probability p squared; half of them fit, the other half is checked."""
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    good = rng.random(20_000) < p**2
    none = np.zeros_like(p)
    calibration = fit_calibration(*(v[:10_000].tolist() for v in (p, none, good)))
    assert calibration.trust == 0
    assert calibration(0.8, 0.0) == pytest.approx(0.64, abs=0.03)
    before = reliability(Outcome(*(tuple(v[10_000:]) for v in (p, none, good))))
    scores = tuple(map(calibration, p[10_000:], none))
    after = reliability(Outcome(scores, tuple(none), tuple(good[10_000:])))
    assert calibration_error(before) > 0.15
    assert calibration_error(after) < 0.02
    values = [calibration(v, 0.0) for v in np.linspace(0, 1, 50)]
    assert values == sorted(values)


def test_the_better_witness_is_trusted() -> None:
    """Probability says nothing here; masks are right with the likeness as their chance."""
    rng = np.random.default_rng(1)
    p, like = rng.random((2, 10_000))
    good = rng.random(10_000) < like
    calibration = fit_calibration(p.tolist(), like.tolist(), good.tolist())
    assert calibration.trust >= 0.9
    assert calibration(0.5, 0.8) == pytest.approx(0.8, abs=0.1)


def test_calibration_of_few_and_equal_values() -> None:
    assert fit_calibration([0.7], [0.5], [True])(0.2, 0.1) == 1.0
    same = [0.5] * 4
    assert fit_calibration(same, same, [True, False, True, False])(0.5, 0.5) == 0.5
    with pytest.raises(ValueError, match="no outputs"):
        fit_calibration([], [], [])


def test_calibration_next_to_weights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = tmp_path / "net.safetensors"
    weights.write_bytes(b"weights")
    assert load_calibration(weights)(0.3, 0.9) == 0.3
    file = save_calibration(Calibration((0.2, 0.8), (0.0, 0.5), 0.25), weights)
    assert file == tmp_path / "net.calibration.json"
    assert load_calibration(weights)(0.4, 0.8) == pytest.approx(0.25)
    assert load_calibration(weights)(0.9, 0.9) == 0.5
    assert not caplog.records
    weights.write_bytes(b"others")
    assert load_calibration(weights)(0.5, 0.9) == 0.5
    assert "made for other weights" in caplog.text
    right = json.loads(file.read_text())
    broken = [json.dumps(right | {key: [2]}) for key in ("evidence", "chance", "trust")]
    for damaged in ("{", "{}", *broken):
        file.write_text(damaged)
        with pytest.raises(CheckpointError, match="not a calibration of scores"):
            load_calibration(weights)
    with pytest.raises(ValueError, match="rise"):
        Calibration((0.5, 0.2), (0.1, 0.2))


def test_an_interrupted_run_reports_what_was_done() -> None:
    rng = np.random.default_rng(0)
    frame, truth = rng.integers(0, 256, (49, 65, 3), np.uint8), np.zeros((49, 65), np.uint8)
    truth[10:30, 10:30] = 1

    def frames() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(4):
            yield frame, truth
        raise KeyboardInterrupt

    backend = load_backend(build_network("deaot-t"), "cpu", "auto", "auto")
    run = run_long(backend, Calibration(), [Entrant("fifo", 2)], frames(), RATE, 0.1)
    assert len(run.true_area) == len(run.known) == len(run.host_bytes) == 3
    assert all(len(part) == 3 for part in astuple(run.tracks["fifo:2"]))


def test_runs_made_side_by_side_are_reported_as_one(tmp_path: Path) -> None:
    run = known_run()
    good = replace(run, tracks={"good": run.tracks["good"]})
    shorter = replace(
        run,
        true_area=run.true_area[:190], known=run.known[:190], host_bytes=run.host_bytes[:190],
        tracks={"bad": Track(*(column[:190] for column in astuple(run.tracks["bad"])))},
    )  # fmt: skip
    save_run(good, "w", tmp_path)
    joined = join_runs(shorter, "w", tmp_path)
    assert set(joined.tracks) == {"good", "bad"}
    for name, track in joined.tracks.items():
        for ours, whole in zip(astuple(track), astuple(run.tracks[name]), strict=True):
            np.testing.assert_array_equal(ours, whole[:190])
    with pytest.raises(DeaotError, match="other frames or weights"):
        join_runs(shorter, "others", tmp_path)
    with pytest.raises(DeaotError, match="other frames or weights"):
        join_runs(replace(shorter, true_area=shorter.true_area + 1), "w", tmp_path)
    with pytest.raises(DeaotError, match="is missing"):
        join_runs(shorter, "w", tmp_path / "nowhere")
