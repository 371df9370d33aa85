"""Two minutes of `deaot soak`: faults one after another, and a report that says what was seen."""

from __future__ import annotations

import array
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from deaot_ros.demo.environment import child_environment
from deaot_ros.msg import TrackedObject, TrackedObjectArray
from deaot_ros.soak.resources import Processors, Slope, slope
from deaot_ros.soak.watch import Watch


def test_two_minutes_of_soak(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, "-m", "deaot_ros.cli", "soak", "--minutes", "2"]
    done = subprocess.run(
        [*command, "--seed", str(seed), "--output", str(tmp_path)],
        capture_output=True, text=True, timeout=400, check=False,
        env={**child_environment(), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads((tmp_path / "soak.json").read_text())
    assert report["violations"] == []
    assert sum(report["faults"].values()) >= 10
    assert report["processed"] > 100
    measured = {"host at rest", "host", "device", "shared", "files", "threads"}
    assert measured <= report["slopes_per_hour"].keys()
    assert len(report["at_rest"]) == 1
    assert report["at_rest"][0]["host"] < max(s["host"] for s in report["samples"])
    assert "rules violated     0" in done.stdout


STAMP = Time(sec=5)


def mask(pixels: int) -> Image:
    """A label map with so many pixels of object 1."""
    labels = np.zeros(100, np.uint8)
    labels[:pixels] = 1
    image = Image(header=Header(stamp=STAMP), height=10, width=10, step=10, encoding="mono8")
    image.data = array.array("B", labels.tobytes())
    return image


def objects(area: int, stamp: Time = STAMP) -> TrackedObjectArray:
    one = TrackedObject(id=1, state=TrackedObject.TRACKED, area=area, last_seen=stamp)
    return TrackedObjectArray(
        header=Header(stamp=stamp), height=10, width=10, session=1, objects=[one]
    )


@pytest.mark.parametrize(
    ("outputs", "broken"),
    [
        ([mask(7), objects(7)], False),
        ([mask(7), objects(8)], True),
        ([objects(8), mask(7)], True),
        ([mask(7), mask(8), objects(7), objects(8)], False),  # two outputs of one stamp
        ([mask(8), objects(7), objects(8)], False),  # the first label map was replaced by the next
        ([mask(8), objects(7)], True),
        ([mask(7), mask(8), objects(7), objects(9)], True),
    ],
)
def test_areas_of_objects_are_those_of_a_mask(outputs: list, broken: bool) -> None:
    watch = Watch()
    watch.sent(Header(stamp=STAMP), (10, 10))
    for message in outputs:
        (watch.on_mask if isinstance(message, Image) else watch.on_objects)(message)
    watch.settle()
    assert [v for v in watch.violations if "areas" not in v] == []
    assert bool(watch.violations) == broken


def test_outputs_do_not_go_back_in_time() -> None:
    watch = Watch()
    for sec in (5, 4):
        watch.sent(Header(stamp=Time(sec=sec)), (10, 10))
        watch.on_objects(objects(7, Time(sec=sec)))
    assert watch.violations == ["outputs went back in time by 1.000 s in a session"]


def test_busy_processors_are_counted() -> None:
    counted = Processors(os.getpid())
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    assert 0.0 <= counted.others() <= (os.cpu_count() or 1)


def test_slope_is_per_hour() -> None:
    grows = slope([0, 1800, 3600], [10.0, 12.0, 14.0])
    assert grows == (pytest.approx(4.0), pytest.approx(0.0, abs=1e-9))
    assert slope([0.0], [1.0]) == (0.0, 0.0)
    noise = np.random.default_rng(0).normal(0, 1, (400, 20))
    found = [slope(np.arange(20) * 180, row) for row in noise]
    assert np.std([f.per_hour for f in found]) == pytest.approx(found_error(found), rel=0.1)


def found_error(slopes: list[Slope]) -> float:
    """Of 400 experiments: what each says that its error is, on average."""
    return float(np.sqrt(np.mean([s.error**2 for s in slopes])))
