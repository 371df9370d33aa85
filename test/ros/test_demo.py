"""The demo: node, camera and operator as processes on real DDS, small and bounded."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from deaot_ros.synthetic import demo_clip
from deaot_ros.tracking import Tracker, TrackerSettings
from deaot_ros.video import write_mask

RATE, FRAMES, LONG_SIDE = 4.0, 12, 161
KEYS = {
    "frames_sent", "frames_received", "j_mean", "f_mean", "latency_ms_p50", "latency_ms_p95",
    "fps", "weights", "variant", "backend",
}  # fmt: skip


def demo(output: Path, weights: Path, *arguments: object) -> list[str]:
    fixed = ("--output", output, "--weights", weights, "--max-long-side", LONG_SIDE)
    command = [sys.executable, "-m", "deaot_ros.cli", "demo", *fixed, "--rate", RATE, *arguments]
    return list(map(str, command))


def small_clip(folder: Path, frames: int) -> Path:
    clip = folder / "clip"
    clip.mkdir()
    for number in range(frames):
        cv2.imwrite(str(clip / f"{number}.png"), np.full((60, 80, 3), number % 256, np.uint8))
    return clip


def left_over(folder: Path) -> list[str]:
    """Command lines of processes that still work in ``folder``, as the demo's children do."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def direct_j(weights: Path) -> float:
    """Mean J of the tracker without ROS, by the plain formula."""
    scene = demo_clip(seconds=FRAMES / RATE, fps=RATE)
    settings = TrackerSettings(max_long_side=LONG_SIDE)
    tracker = Tracker.load("deaot-t", weights, settings=settings)
    image, mask = scene.render(0)
    tracker.start(image, mask)
    scores = []
    for number in range(1, FRAMES):
        image, truth = scene.render(number)
        labels = tracker.step(image).labels
        for i in np.unique(mask)[1:]:
            union = ((labels == i) | (truth == i)).sum()
            scores.append(((labels == i) & (truth == i)).sum() / union if union else 1)
    return float(np.mean(scores))


def test_clip_of_the_package(golden_weights: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        demo(tmp_path, golden_weights, "--frames", FRAMES),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary) >= KEYS
    assert (summary["variant"], summary["weights"]) == ("deaot-t", str(golden_weights))
    assert summary["frames_sent"] >= FRAMES
    assert summary["frames_received"] >= summary["frames_sent"] - 3
    assert 0 < summary["latency_ms_p50"] <= summary["latency_ms_p95"]
    assert 0.5 * RATE < summary["fps"] < 1.5 * RATE
    if summary["frames_scored"] == FRAMES - 1:  # none was dropped: ROS may change nothing
        assert summary["j_mean"] == pytest.approx(direct_j(golden_weights), abs=0.01)
    assert 0 <= summary["f_mean"] <= 1
    for name in ("frames sent", "J mean", "latency p95", str(golden_weights)):
        assert name in done.stdout
    video = cv2.VideoCapture(str(tmp_path / "overlay.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == summary["frames_scored"] + 1
    assert cv2.imread(str(tmp_path / "contact_sheet.png")).shape == (720, 1280, 3)
    assert left_over(tmp_path) == []


def test_interrupt_ends_all_processes(golden_weights: Path, tmp_path: Path) -> None:
    clip, output = small_clip(tmp_path, 400), tmp_path / "out"
    write_mask(tmp_path / "mask.png", np.tri(60, 80, 10, np.uint8))
    arguments = demo(output, golden_weights, clip, "--mask", tmp_path / "mask.png")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        guard = threading.Timer(60, process.kill)
        guard.start()
        assert process.stdout is not None
        for line in process.stdout:
            if "the clip runs" in line:
                assert len(left_over(output)) == 2
                os.kill(process.pid, signal.SIGINT)
        guard.cancel()
    assert process.returncode == 130
    assert left_over(output) == []


def test_refused_mask(golden_weights: Path, tmp_path: Path) -> None:
    clip, output = small_clip(tmp_path, 3), tmp_path / "out"
    write_mask(tmp_path / "mask.png", np.ones((50, 80), np.uint8))
    arguments = demo(output, golden_weights, clip, "--mask", tmp_path / "mask.png")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "BAD_SIZE" in done.stderr and "Traceback" not in done.stderr
    assert left_over(output) == []


def test_source_without_mask(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deaot_ros.cli", "demo", "camera:0", "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--mask MASK.png" in done.stderr and done.stderr.count("\n") == 1


def test_no_frame_is_lost_at_camera_rate(golden_weights: Path) -> None:
    """30 Hz VGA with the shipped DDS profile; some air for machines that do other things, too."""
    command = [sys.executable, "-m", "deaot_ros.cli", "benchmark", "node", "--seconds", "3"]
    done = subprocess.run(
        [*command, "--weights", str(golden_weights), "--max-long-side", "161"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (sent, answered), *_ = re.findall(r"^(\d+) images .* (\d+) answered$", done.stdout, re.M)
    assert int(sent) == 89
    assert int(answered) >= 0.9 * int(sent)
    (overhead,) = re.findall(r"overhead +([\d.]+) ms", done.stdout)
    assert float(overhead) < 20
