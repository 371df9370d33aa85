"""Files that are damaged, missing or cannot be written."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from bench import NODE, Bench, running
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from robot import Robot, TrackerProcess

from deaot_ros.demo.environment import child_environment, free_domain
from deaot_ros.network import shipped_weights
from deaot_ros.soak.scene import Scene
from deaot_ros.tracking.calibration import calibration_path
from deaot_ros.video.masks import write_mask

SECOND = 10**9

fault = partial(pytest.mark.fault, "system")


class Touched:
    """Unpickling this creates the file ``name``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (self.name,)


def damage(case: str, folder: Path) -> Path:
    """A weights file that is no good."""
    whole = Path(NODE["weights"]).read_bytes()  # type: ignore[arg-type]
    file = folder / "weights.safetensors"
    if case == "truncated":
        file.write_bytes(whole[: len(whole) // 2])
    elif case == "header":
        file.write_bytes((2**60).to_bytes(8, "little") + whole[8:])
    elif case == "not-finite":
        file.write_bytes(whole[:-4096] + np.full(1024, np.nan, np.float32).tobytes())
    elif case == "empty":
        file.write_bytes(b"")
    elif case == "folder":
        file.mkdir()
    elif case == "other-network":
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(3)}, file)
    else:
        file = folder / "weights.pth"
        file.write_bytes(pickle.dumps({"state_dict": Touched(str(folder / "executed"))}))
    return file


WEIGHTS = {
    "truncated": "is not a readable safetensors file",
    "header": "is not a readable safetensors file",
    "not-finite": "not finite",
    "empty": "is not a readable safetensors file",
    "folder": "no weights file at",
    "other-network": "does not fit 'deaot-t'",
    "hostile-pickle": "is damaged, or holds more than plain tensors",
}


@pytest.fixture(scope="module")
def unconfigured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A node that waits to be configured."""
    log = tmp_path_factory.mktemp("node") / "log"
    with running(log, 1, autostart=False) as bench:
        yield bench
        assert bench.process.stop() == 0
        assert "Traceback" not in bench.process.output, bench.process.output


def refuses(bench: Bench, weights: Path) -> str:
    """What a node says when it is configured with these weights."""
    before = len(bench.process.output)
    parameter = Parameter("weights", value=str(weights)).to_parameter_msg()
    answer = bench.robot.call(SetParameters, "tracker/set_parameters", parameters=[parameter])
    assert answer.results[0].successful
    wanted = Transition(id=Transition.TRANSITION_CONFIGURE)
    call = bench.robot.call
    assert not call(ChangeState, "tracker/change_state", transition=wanted).success
    assert call(GetState, "tracker/get_state").current_state.label == "unconfigured"
    said = bench.process.output[before:]
    (line,) = [text for text in said.splitlines() if "configure failed" in text]
    return line


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=fault(
            f"weights: {case}", "a node is configured with such a file",
            "refused in one line that says what is wrong; nothing in the file is executed",
        ))
        for case in WEIGHTS
    ],
)  # fmt: skip
def test_damaged_weights(
    case: str, unconfigured: Bench, tmp_path: Path, observe: Callable[[str], None]
) -> None:
    line = refuses(unconfigured, damage(case, tmp_path))
    assert WEIGHTS[case] in line
    assert not (tmp_path / "executed").exists()
    observe(f'"{WEIGHTS[case]}"')


@fault("damaged calibration of scores", "the JSON beside the weights is nested 100,000 deep",
       "refused with the remedy")  # fmt: skip
def test_damaged_calibration(
    unconfigured: Bench, tmp_path: Path, observe: Callable[[str], None]
) -> None:
    weights = tmp_path / "weights.safetensors"
    shutil.copy(shipped_weights("deaot-t"), weights)  # type: ignore[arg-type]
    calibration_path(weights).write_text("[" * 100_000)
    assert "is not a calibration of scores" in refuses(unconfigured, weights)
    observe('"is not a calibration of scores"')


@fault("logs cannot be written", "ROS_LOG_DIR lies below a file", "ends with a reason, or tracks")
def test_no_log_folder(tmp_path: Path, observe: Callable[[str], None]) -> None:
    (tmp_path / "file").write_text("")
    process = TrackerProcess(tmp_path / "log", **NODE)
    process.environment |= {
        "ROS_LOG_DIR": str(tmp_path / "file" / "below"),
        "ROS_DOMAIN_ID": str(free_domain()),
    }
    with process:
        robot = Robot(domain=int(process.environment["ROS_DOMAIN_ID"]))
        try:
            robot.spin_until(lambda: robot.statuses or not process.running, "status or end")
        finally:
            robot.close()
        if process.running:
            observe("tracks")
        else:
            assert "log" in process.output.lower(), process.output
            assert "Traceback" not in process.output, process.output
            observe("ends: " + process.output.strip().splitlines()[-1][:80])


def track(folder: Path, output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``deaot track`` of two images."""
    import cv2

    images = folder / "images"
    images.mkdir()
    scene = Scene()
    for number in range(2):
        image, truth = scene.render(number)
        cv2.imwrite(str(images / f"{number:05}.png"), image[..., ::-1])
        if number == 0:
            write_mask(folder / "mask.png", truth)
    command = ["deaot_ros.cli", "track", str(images), "--mask", str(folder / "mask.png")]
    return subprocess.run(
        [sys.executable, "-m", *command, "--output", str(output)], capture_output=True, text=True,
        timeout=120, env={**child_environment(), **environment}, check=False,
    )  # fmt: skip


@fault("disk full for outputs of `deaot track`", "masks/00001.png is a link to /dev/full",
       "ends with 2 and one line with the file")  # fmt: skip
def test_disk_full(tmp_path: Path, observe: Callable[[str], None]) -> None:
    masks = tmp_path / "out" / "masks"
    masks.mkdir(parents=True)
    (masks / "00001.png").symlink_to("/dev/full")
    done = track(tmp_path, tmp_path / "out")
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "00001.png" in last and "No space left" in last, done.stderr
    observe(f'"{last.replace(str(tmp_path), "")[:80]}"')


@fault("disk full for objects.jsonl", "objects.jsonl is a link to /dev/full",
       "ends with 2 and one line")  # fmt: skip
def test_disk_full_for_table(tmp_path: Path, observe: Callable[[str], None]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "objects.jsonl").symlink_to("/dev/full")
    done = track(tmp_path, tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "No space left" in last, done.stderr
    observe(f'"{last[:80]}"')
