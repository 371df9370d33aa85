"""A minute of `deaot soak`: faults one after another, and a report that says what was seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from deaot_ros.demo.environment import child_environment
from deaot_ros.soak.resources import slope


def test_a_minute_of_soak(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, "-m", "deaot_ros.cli", "soak", "--minutes", "1"]
    done = subprocess.run(
        [*command, "--seed", str(seed), "--output", str(tmp_path)],
        capture_output=True, text=True, timeout=400, check=False,
        env={**child_environment(), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads((tmp_path / "soak.json").read_text())
    assert report["violations"] == []
    assert sum(report["faults"].values()) >= 5
    assert report["processed"] > 20
    assert {"host", "device", "shared", "files", "threads"} <= report["slopes_per_hour"].keys()
    assert "rules violated     0" in done.stdout


def test_slope_is_per_hour() -> None:
    assert abs(slope([0, 1800, 3600], [10.0, 12.0, 14.0]) - 4.0) < 1e-9
    assert slope([0.0], [1.0]) == 0.0
