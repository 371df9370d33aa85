"""A session of the demo: node, camera and operator at work."""

from __future__ import annotations

import argparse
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deaot_ros.demo.children import Children
from deaot_ros.demo.clip import Clip
from deaot_ros.demo.operator import Operator, Received
from deaot_ros.errors import DeaotError
from deaot_ros.msg import TrackerStatus

_START_PATIENCE = 120.0  # seconds for imports, weights and warm-up on a busy machine
_MASK_PATIENCE = 60.0
_TAIL_PATIENCE = 10.0  # for what is under way when the camera has stopped
_VERDICTS = {
    value: name
    for name, value in vars(TrackerStatus).items()
    if name.isupper() and isinstance(value, int)
}


@dataclass
class CameraLog:
    """What the camera process says: number and stamp (ns) of every published image."""

    frames: list[tuple[int, int]] = field(default_factory=list)
    done: bool = False
    error: str | None = None

    def follow(self, process: subprocess.Popen[str]) -> None:
        """Read in a thread until the process ends."""

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                record = json.loads(line)
                if "stamp" in record:
                    self.frames.append((record["frame"], record["stamp"]))
                self.done = self.done or "done" in record
                self.error = record.get("error", self.error)

        threading.Thread(target=read, daemon=True).start()

    def check(self) -> None:
        """Raise what the camera complained about."""
        if self.error:
            raise DeaotError(self.error)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a session.

    Attributes:
        sent: (number in the source, stamp in ns) of every image, the first one often repeated.
        images: stamp to JPEG.
        masks: stamp to label map.
        accepted: stamp of the image that the mask was drawn on.
        started: monotonic seconds when the clip began to run.
        status: the tracker's last one.
        stages: of the node's work, medians in ms.
    """

    sent: list[tuple[int, int]]
    images: dict[int, np.ndarray]
    masks: dict[int, Received]
    accepted: int
    started: float
    status: TrackerStatus
    stages: dict[str, float]


def play(
    clip: Clip,
    parameters: dict[str, str],
    logs: Path,
    tell: Callable[[str], None],
    keep_pixels: bool = True,
) -> Outcome:
    """Start the node and the camera, send the mask, collect what comes back, end both.

    Args:
        clip: to play.
        parameters: of the node.
        logs: existing folder for the logs of the processes.
        tell: is told what goes on.
        keep_pixels: keep what the camera and the tracker send.

    Raises:
        DeaotError: a process died, the mask was refused, or nothing came.
    """
    with Operator(keep_pixels) as operator, Children(logs) as children:
        camera_log = CameraLog()

        def check() -> None:
            camera_log.check()
            children.check()

        tell("starting the node")
        children.start("node", "deaot_ros.node.main", *_ros_arguments(parameters))
        operator.wait("status from the node", lambda: _is_ready(operator), _START_PATIENCE, check)

        tell(f"playing {clip.source} at {clip.rate:.1f} Hz")
        camera = children.start(
            "camera",
            "deaot_ros.demo.camera",
            *(clip.source, "--rate", f"{clip.rate}", "--limit", f"{clip.limit - 1}"),
            *(("--topic", clip.topic) if clip.topic else ()),
        )
        camera_log.follow(camera)
        # An operator draws on what the tracker has seen: it answers every image.
        operator.wait("mask for an image", lambda: bool(_answered(operator)), _MASK_PATIENCE, check)
        drawn_on = min(_answered(operator))
        if clip.mask is not None:
            _have_mask_accepted(operator, clip.mask, drawn_on, check)
            tell("the mask is accepted; the clip runs")
        started = time.monotonic()
        assert camera.stdin is not None
        camera.stdin.write("go\n")
        camera.stdin.flush()
        patience = 30 + 3 * clip.limit / clip.rate
        operator.wait("end of the clip", lambda: camera_log.done, patience, check)
        _collect_the_rest(operator, camera_log, check)
        assert operator.status is not None
        return Outcome(
            camera_log.frames,
            dict(operator.images),
            dict(operator.masks),
            drawn_on,
            started,
            operator.status,
            operator.stages,
        )


def _have_mask_accepted(
    operator: Operator, mask: np.ndarray, drawn_on: int, check: Callable[[], None]
) -> None:
    operator.send_mask(mask, drawn_on)
    operator.wait(
        "verdict on the target mask",
        lambda: operator.verdict(drawn_on) is not None,
        _MASK_PATIENCE,
        check,
    )
    verdict = operator.verdict(drawn_on)
    if verdict != TrackerStatus.ACCEPTED:
        assert operator.status is not None and verdict is not None
        raise DeaotError(
            f"the tracker refused the mask: {_VERDICTS.get(verdict, verdict)}: "
            f"{operator.status.message}"
        )


def _answered(operator: Operator) -> set[int]:
    """Stamps of images that are here, together with their masks; either may come first."""
    return operator.masks.keys() & operator.images.keys()


def _is_ready(operator: Operator) -> bool:
    status = operator.status
    if status is not None and status.state == TrackerStatus.ERROR:
        raise DeaotError(f"the node cannot start: {status.message}")
    return status is not None


def _collect_the_rest(operator: Operator, camera_log: CameraLog, check: Callable[[], None]) -> None:
    """Wait for the last image's mask, or until it is clear that it was dropped."""
    deadline = time.monotonic() + _TAIL_PATIENCE
    last = camera_log.frames[-1][1]
    operator.wait(
        "last mask",
        lambda: last in operator.masks or time.monotonic() > deadline,
        2 * _TAIL_PATIENCE,
        check,
    )


def node_parameters(arguments: argparse.Namespace) -> dict[str, str]:
    """Parameters of the node that the options of a command ask for."""
    parameters = {
        "variant": arguments.variant,
        "device": arguments.device,
        "backend": arguments.backend,
        "precision": arguments.precision,
        "autostart": "true",
    }
    if arguments.max_long_side:
        parameters["max_long_side"] = str(arguments.max_long_side)
    if arguments.weights:
        parameters["weights"] = str(Path(arguments.weights).expanduser().absolute())
    return parameters


def _ros_arguments(parameters: dict[str, str]) -> Sequence[str]:
    arguments = ["--ros-args", "-r", "__ns:=/deaot"]
    for name, value in parameters.items():
        arguments += ["-p", f"{name}:={value}"]
    return arguments
