"""Say what this machine can do, what it lacks and how to fix that.

Exit code 0 unless the tracker cannot run here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from deaot_ros.demo.environment import (
    child_environment,
    distribution,
    profile_variable,
    shm_profile,
)
from deaot_ros.shared_segments import left_over, size_of

_PROBE_TIMEOUT = 90.0  # seconds; a cold import of torch can take many
_MIN_SHM = 256 * 2**20  # bytes of /dev/shm: two participants with 64 MiB segments, and air


class Level(Enum):
    """How bad a finding is. FAIL: the tracker cannot run."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the report; ``remedy`` says what to do where ``level`` is not OK."""

    level: Level
    subject: str
    text: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line: there are no options."""


def run(arguments: argparse.Namespace) -> int:
    """Look at everything and print a line for each."""
    with ThreadPoolExecutor(2) as pool:
        findings = [finding for group in pool.map(_guarded, _CHECKS) for finding in group]
    for finding in findings:
        remedy = f"\n{'':23}fix: {finding.remedy}" if finding.remedy else ""
        print(f"{finding.level.value:5} {finding.subject:16} {finding.text}{remedy}")
    failed = any(f.level is Level.FAIL for f in findings)
    print("The tracker cannot run here." if failed else "The tracker can run here.")
    return 1 if failed else 0


def _guarded(check: Callable[[], list[Finding]]) -> list[Finding]:
    """A doctor that dies helps nobody."""
    try:
        return check()
    except Exception as error:
        name = check.__name__.removeprefix("_").replace("_", " ")
        return [Finding(Level.WARN, name, f"could not be examined: {error!r}")]


def _probe(code: str) -> tuple[bool, str]:
    """Run Python elsewhere, since imports of broken binary modules can end a process.

    Returns:
        Whether it worked, and the last line that it printed.
    """
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT,
            env=child_environment(),
            cwd=Path(sys.executable).parent,  # not where a source folder could hide a package
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    last = lines[-1] if lines else f"ended with status {done.returncode}"
    return done.returncode == 0, last


def _python() -> list[Finding]:
    version = sys.version.split()[0]
    return [Finding(Level.OK, "Python", f"{version} at {sys.executable}")]


def _torch() -> list[Finding]:
    worked, said = _probe(
        "import torch as t; c = t.cuda.is_available();"
        "n = [t.cuda.get_device_name(i) for i in range(t.cuda.device_count())] if c else [];"
        "print(t.__version__, t.version.cuda or 'none', t.get_num_threads(), '|'.join(n), sep=';')"
    )
    if not worked:
        remedy = "pip install torch (on a Jetson: NVIDIA's wheel, see docs/install.md)"
        return [Finding(Level.FAIL, "torch", said, remedy)]
    version, cuda, threads, names = said.split(";")
    findings = [
        Finding(Level.OK, "torch", f"{version}, CUDA {cuda}, {threads} CPU threads"),
    ]
    if names:
        findings += [Finding(Level.OK, "GPU", name) for name in names.split("|")]
    elif _has_gpu():
        remedy = "install a CUDA build of torch and a driver that is new enough"
        findings.append(Finding(Level.WARN, "GPU", "there is one, but torch cannot use it", remedy))
    else:
        remedy = "expect a few frames per second; max_long_side makes it faster"
        findings.append(Finding(Level.WARN, "GPU", "none: the network runs on the CPU", remedy))
    return findings


def _has_gpu() -> bool:
    """An NVIDIA GPU, whether or not torch can use it; Jetsons have no nvidia0."""
    return any(Path(f"/dev/{name}").exists() for name in ("nvidia0", "nvhost-gpu", "nvmap"))


def _libraries() -> list[Finding]:
    findings = []
    for module, package in (
        ("numpy", "numpy"),
        ("cv2", "opencv-python-headless"),
        ("safetensors", "safetensors"),
        ("PIL", "pillow"),
    ):
        worked, said = _probe(f"import {module}; print({module}.__version__)")
        remedy = "" if worked else f"pip install {package}"
        findings.append(Finding(Level.OK if worked else Level.FAIL, module, said, remedy))
    for module, purpose in (
        ("rosbags", "bags are to be read"),
        ("aiohttp", "the operator's page is wanted"),
        ("onnx", "the network is to be exported"),
        ("onnxruntime", "it is to run the network"),
    ):  # fmt: skip
        worked, said = _probe(f"import {module}; print('importable')")
        remedy = "" if worked else f"pip install {module}, if {purpose}"
        findings.append(Finding(Level.OK if worked else Level.WARN, module, said, remedy))
    return findings


def _tensorrt() -> list[Finding]:
    worked, said = _probe(
        "from deaot_ros.backends.tensorrt_library import find_library; print(find_library().name)"
    )
    if worked:
        use = "" if _has_gpu() else ", which builds engines here and runs none without a GPU"
        return [Finding(Level.OK, "TensorRT", said + use)]
    if not _has_gpu():
        return [Finding(Level.OK, "TensorRT", "not there, and of no use without an NVIDIA GPU")]
    remedy = (
        "JetPack has it; elsewhere NVIDIA's apt repository, or on x86-64 "
        "pip install 'deaot-ros[tensorrt-rtx]'"
    )
    return [Finding(Level.WARN, "TensorRT", "not importable: torch runs the network", remedy)]


def _weights() -> list[Finding]:
    worked, said = _probe(
        "from deaot_ros.network import VARIANTS, shipped_weights as s;"
        "print(' '.join(v for v in VARIANTS if s(v)) or '-')"
    )
    remedy = "put weights into models/ as models/README.md says, or use --weights FILE"
    if not worked:
        return [Finding(Level.FAIL, "weights", said, "reinstall deaot_ros")]
    if said == "-":
        return [Finding(Level.FAIL, "weights", "none are shipped", remedy)]
    return [Finding(Level.OK, "weights", f"shipped for {said}")]


def _ros() -> list[Finding]:
    worked, said = _probe(
        "import rclpy; from rclpy.utilities import get_rmw_implementation_identifier as i;"
        "print(i())"
    )
    if not worked:
        remedy = "make setup, or source /opt/ros/DISTRO/setup.bash; deaot track works without"
        return [Finding(Level.WARN, "ROS 2", f"rclpy: {said}", remedy)]
    findings = [Finding(Level.OK, "ROS 2", f"{distribution()}, {said}")]
    for subject, code, level, remedy in (
        (
            "messages",
            "from deaot_ros.msg import TrackedObjectArray; from deaot_ros.srv import SetTargets",
            Level.WARN,
            "make setup, or colcon build and source install/setup.bash",
        ),
        ("cv_bridge", "import cv_bridge", Level.OK, ""),
        ("vision_msgs", "import vision_msgs.msg", Level.WARN,
         "apt install ros-$ROS_DISTRO-vision-msgs, if the topic detections is wanted"),
    ):  # fmt: skip
        worked, said = _probe(f"{code}; print('importable')")
        if not worked and level is Level.OK:
            said, remedy = "not there; the node's own image codec does its work", ""
        found = Level.OK if worked else level
        findings.append(Finding(found, subject, said, "" if worked else remedy))
    return findings + _dds(findings[0].text)


def _dds(ros: str) -> list[Finding]:
    if "fastrtps" not in ros:
        return [Finding(Level.OK, "DDS", "not Fast DDS; its own defaults hold")]
    file = os.environ.get(profile_variable())
    if file and not Path(file).is_file():
        return [Finding(Level.WARN, "DDS profile", f"{file} does not exist", "correct or unset it")]
    if file and "segment_size" in Path(file).read_text(errors="replace"):
        return [Finding(Level.OK, "DDS profile", f"{file} sets the shared-memory segment")]
    shipped = shm_profile()
    remedy = f"export {profile_variable()}={shipped}" if shipped else "reinstall deaot_ros"
    text = f"{file or 'none'}: shared memory is 512 KiB, smaller than a VGA image; frames get lost"
    return [Finding(Level.WARN, "DDS profile", text, remedy)]


def _shared_memory() -> list[Finding]:
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError as error:
        text = f"{error.strerror}: images go through sockets"
        return [Finding(Level.WARN, "/dev/shm", text, "mount a tmpfs there")]
    left = sum(map(size_of, left_over()))
    text = f"{free // 2**20} MiB free, {left // 2**20} MiB left there by killed processes"
    if left > free:
        remedy = "start a tracker node: it removes them first; or fastdds shm clean"
        return [Finding(Level.WARN, "/dev/shm", text, remedy)]
    if free < _MIN_SHM:
        remedy = "in a container: docker run --ipc=host or --shm-size=1g"
        return [Finding(Level.WARN, "/dev/shm", text, remedy)]
    return [Finding(Level.OK, "/dev/shm", text)]


def _cameras() -> list[Finding]:
    devices = sorted(Path("/dev").glob("video*"))
    if not devices:
        return [Finding(Level.OK, "cameras", "none (/dev/video*); videos, folders, topics work")]
    barred = [d for d in devices if not os.access(d, os.R_OK | os.W_OK)]
    text = " ".join(map(str, devices))
    if barred:
        remedy = "sudo usermod -aG video $USER, then log in again"
        return [Finding(Level.WARN, "cameras", f"{text}, without permission", remedy)]
    return [Finding(Level.OK, "cameras", text)]


_CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    _python,
    _torch,
    _libraries,
    _tensorrt,
    _weights,
    _ros,
    _shared_memory,
    _cameras,
)
