"""The VOT toolkit runs ``deaot trax`` itself; its own analysis and ours say the same.

Runs where the command ``vot`` (vot-toolkit 0.7, GPL-3.0, in an environment of its own) is on PATH.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
import torch

from deaot_ros.datasets.vot import sequence_of, vot_videos
from deaot_ros.evaluation.multistart import Run, accuracy_robustness, expected_average_overlap
from deaot_ros.evaluation.protocols import score_video
from deaot_ros.evaluation.set_run import RunSettings
from deaot_ros.evaluation.video_run import run_video
from deaot_ros.network import shipped_weights
from deaot_ros.synthetic import Clip, referenced_clip, stand_ins

VOT = shutil.which("vot")
pytestmark = pytest.mark.skipif(VOT is None, reason="NOT CHECKED: vot-toolkit is not installed")

FRAMES, LENGTHS = 20, (4, 18)
ANCHORS = {0: 1, 6: 1, 19: -1}
STACK = f"""title: tiny
experiments:
  baseline:
    type: multistart
    analyses:
      - {{type: multistart_eao_score, name: eao, low: {LENGTHS[0]}, high: {LENGTHS[1]}}}
      - {{type: multistart_average_ar, name: ar}}
"""


def vot(workspace: Path, *arguments: str) -> None:
    subprocess.run([str(VOT), *arguments, "deaot"], cwd=workspace, check=True, timeout=500)


def test_toolkit_and_package_agree(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    weights = shipped_weights("deaot-t")  # the toolkit cannot score runs that all fail at once
    assert weights is not None
    clips: dict[str, Clip] = {}
    for seed in count():
        clip = referenced_clip(seed, FRAMES, 97, 129)
        if all((clip.masks[t] == 1).sum() > 800 for t in ANCHORS):
            clips[f"clip{seed}"] = clip
        if len(clips) == 1:
            break
    stand_ins.make_vot(tmp_path, clips, ANCHORS)
    command = f"{sys.executable} -m deaot_ros.cli trax --device cpu --weights {weights}"
    (tmp_path / "trackers.ini").write_text(
        f"[deaot]\nlabel = deaot\nprotocol = trax\ncommand = {command}\ntimeout = 120\n"
        "env_OMP_NUM_THREADS = 1\n"
    )
    (tmp_path / "stack.yaml").write_text(STACK)
    (tmp_path / "config.yaml").write_text(
        "registry:\n- ./trackers.ini\nsequences: sequences\nstack: stack.yaml\n"
    )
    vot(tmp_path, "evaluate", "--workspace", ".")
    vot(tmp_path, "analysis", "--workspace", ".", "--format", "json")
    (report,) = (tmp_path / "analysis").glob("*.json")
    results = json.loads(report.read_text())["results"]["baseline"]["results"]
    runner = RunSettings("vot2020", "deaot-t", str(weights), "", "480p", 6, (1.0,), False,
                         "published", 1040, "auto", "auto").load("cpu")  # fmt: skip
    problems: list[str] = []
    runs = []
    for video in vot_videos(tmp_path, False, problems):
        run_video(video, runner, tmp_path / "ours" / video.name)
        (found,) = score_video(video, tmp_path / "ours" / video.name, "whole")
        runs.append(Run(sequence_of(video.name), FRAMES, found.j, found.hidden))
    assert not problems and len(runs) == 3
    assert results[0][0][0] == pytest.approx(expected_average_overlap(runs, LENGTHS), abs=1e-9)
    assert results[1][0][:2] == pytest.approx(list(accuracy_robustness(runs)), abs=1e-9)
