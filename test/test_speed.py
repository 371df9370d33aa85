"""``deaot benchmark speed``: its arithmetic against counts by other means, its course, a rival."""

from __future__ import annotations

import json
import platform
import resource
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from deaot_ros import cli
from deaot_ros.backends import load_backend
from deaot_ros.evaluation.arithmetic import MatrixProducts, frame_flop
from deaot_ros.network import build_network
from deaot_ros.network.window import WINDOW_CELLS, Grid, window_index
from deaot_ros.tracking import Tracker

RIVAL = """
import json, sys, time
case = json.loads(sys.stdin.readline())
assert case["network_height"] == 65 and case["memory_frames"] == 2, case
print("ready the other one", flush=True)
for line in sys.stdin:
    assert line == "frame\\n"
    time.sleep(0.01)
    print("12.5 10.25", flush=True)
"""


def test_arithmetic_of_attention_is_what_the_window_and_the_memory_ask_for() -> None:
    per_pair = 2 * (128 + 1024)
    layers, grid = 2, Grid(3, 21)
    one, three = (frame_flop("deaot-s", (33, 321), 1, frames) for frames in (1, 3))
    assert three["propagate"] - one["propagate"] == layers * 2 * grid.cells**2 * per_pair
    inside = int((window_index(grid, torch.device("cpu")) < WINDOW_CELLS).sum())
    # The rest grows with the cells; a grid of 3 by 4, which is all window, tells how much.
    small = frame_flop("deaot-s", (33, 49))["propagate"]
    per_cell = (small - layers * 3 * 12**2 * per_pair) / 12
    pairs = 2 * grid.cells**2 + inside
    assert one["propagate"] == per_cell * grid.cells + layers * pairs * per_pair


def test_groups_share_the_encoder_and_nothing_else() -> None:
    one, two = (frame_flop("deaot-t", (65, 97), groups) for groups in (1, 2))
    assert one["encode"] == two["encode"]
    assert two["memorise"] == 2 * one["memorise"]
    assert two["propagate"] == 2 * one["propagate"]


def test_the_floor_is_a_time_that_products_take() -> None:
    products = MatrixProducts(10**8, torch.device("cpu"), torch.float32)
    wall, cpu = products.run()
    assert 10**8 / wall < 1e13
    assert cpu > 0


def test_every_combination_is_timed_beside_a_rival_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "rival.py"
    program.write_text(RIVAL)
    arguments = [
        "benchmark", "speed", "--device", "cpu", "--size", "65x97", "--objects", "1,11",
        "--slots", "2", "--frames", "3", "--output", str(tmp_path / "out"),
        "--against", f"{sys.executable} {program}",
    ]  # fmt: skip
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert [c["case"]["objects"] for c in content["cases"]] == [1, 11]
    for case in content["cases"]:
        stages = case["stages"]
        assert set(stages) == {"encode", "propagate", "decode", "memorise", "label"}
        for samples in (*stages.values(), case["total"], case["floor"], case["cpu"]):
            assert len(samples) == 3
            assert min(samples) > 0
        spent = [sum(stage[i] for stage in stages.values()) for i in range(3)]
        assert spent == pytest.approx(case["total"])
        assert case["rival"] == [12.5] * 3
        assert case["rival_cpu"] == [10.25] * 3
        assert case["ratios"]["rival"] == pytest.approx(12.5 / min(case["total"]))
        assert case["ratios"]["floor"] == pytest.approx(min(case["total"]) / min(case["floor"]))
        assert case["rival_name"] == "the other one"
        assert case["peak"] > 2**26  # no process with torch is smaller
    table = (tmp_path / "out" / "table.md").read_text()
    assert table.strip() in said
    assert len(table.splitlines()) == 4
    assert cv2.imread(str(tmp_path / "out" / "speed_by_objects.png")) is not None


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("import sys; sys.exit(3)", "has ended"),
        ("input(); print('hello')", "said 'hello', expected 'ready NAME'"),
        ("input(); print('ready me'); input(); print('fast')", "answered 'fast' to 'frame'"),
    ],
)
def test_a_rival_that_does_not_speak_the_protocol_is_an_error(
    program: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "benchmark", "speed", "--device", "cpu", "--size", "65x97", "--frames", "1",
        "--against", f'{sys.executable} -u -c "{program}"',
    ]  # fmt: skip
    assert cli.main(arguments) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--size", "481p"], "--size is '481p'"),
        (["--size", "16x20"], "at least 32x32"),
        (["--objects", "5,300"], "expected integers in 1..254"),
        (["--slots", "0"], "expected integers of 1 and above"),
    ],
)
def test_bad_lists_are_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["benchmark", "speed", *arguments]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="NOT CHECKED: the C library is not glibc"
)
def test_a_frame_takes_no_memory_anew() -> None:
    """Without keep_freed_memory each of these frames has more than ten thousand page faults."""
    tracker = Tracker(load_backend(build_network("deaot-t"), "cpu", "torch"))
    images = np.random.default_rng(0).integers(0, 256, (2, 465, 833, 3), np.uint8)
    tracker.start(images[0], (images[0, ..., 0] > 127).astype(np.uint8))
    faults = []
    for image in (*images, *images):
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        tracker.step(image)
        faults.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)
    assert min(faults[2:]) < 3000, faults
