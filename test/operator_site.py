"""What an operator works with: the node, a camera that shows a still picture, the page's server."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
from robot import PATIENCE, Robot, TrackerProcess

from deaot_ros.demo.environment import child_environment
from deaot_ros.network import shipped_weights
from deaot_ros.soak.resources import processor_time
from deaot_ros.synthetic import demo_clip

SIZE = (240, 320)
RATE, HASTE = 2.0, 40.0
"""Images per second; slow, for the machine also runs a network and perhaps a browser."""

HISTORY = 120
"""Images that the node keeps: a minute, for a busy machine draws slowly."""


def still() -> tuple[np.ndarray, np.ndarray]:
    """A picture of some photographs, RGB, and ids 1, 2 ... of what is in it, at ``SIZE``."""
    image, labels = demo_clip().render(0)
    size = SIZE[::-1]
    return (
        cv2.resize(image, size, interpolation=cv2.INTER_AREA),
        cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST),
    )


class PageServer:
    """``deaot operator`` as a process."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        self._arguments = arguments
        self.start()

    def start(self, port: int = 0) -> None:
        """Start, or start again; ``port`` 0: any."""
        command = [sys.executable, "-m", "deaot_ros.cli", "operator", "--port", str(port)]
        with self.log.open("wb") as file:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=child_environment(),
            )
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(r"http://\S+:(\d+)/\S*", self.log.read_text())):
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        self.address, self.port = found[0], int(found[1])

    def processor_time(self) -> float:
        """Seconds that it computed since it was started."""
        return processor_time(self._process.pid)

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        self._process.send_signal(by)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


class Site:
    """A context manager that runs all three."""

    def __init__(
        self,
        folder: Path,
        film: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
        rate: float = RATE,
        **parameters: object,
    ) -> None:
        """Prepare.

        Args:
            folder: takes logs.
            film: images and ids, shown to and fro at ``rate`` per second; by default ``still``.
            rate: of the camera.
            parameters: of the node.
        """
        self._folder = folder
        self._film = [still()] if film is None else list(film)
        self._shown: dict[int, np.ndarray] = {}
        self._parameters = {
            "weights": shipped_weights("deaot-t"), "max_long_side": 193, "frame_history": HISTORY,
            "max_objects": 6, **parameters,
        }  # fmt: skip
        self.image, self.truth = self._film[0]
        self.size = self.truth.shape
        self._usual = self._rate = rate
        self._ended = threading.Event()
        self._camera = threading.Thread(target=self._run_camera, daemon=True)
        self._leaving = ExitStack()

    def __enter__(self) -> Site:
        with ExitStack() as started:
            self.server = PageServer(self._folder / "page.log")
            started.callback(lambda: self.server.stop())
            self.start_node()
            started.callback(lambda: self.node.stop())
            self.robot = Robot()
            started.callback(self.robot.close)
            self._camera.start()
            started.callback(self._stop_camera)
            self.robot.spin_until(lambda: self.robot.statuses or not self.node.running, "status")
            assert self.node.running, self.node.output
            self.robot.meet()
            self._leaving = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.close()

    def start_node(self) -> None:
        self.node = TrackerProcess(self._folder / "node.log", **self._parameters)
        self.node.__enter__()

    def _stop_camera(self) -> None:
        self._ended.set()
        self._camera.join()

    def _run_camera(self) -> None:
        there_and_back = cycle(self._film + self._film[-2:0:-1])
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / self._rate, time.monotonic())
            image, truth = next(there_and_back)
            stamp = time.time_ns()
            self._shown[stamp] = truth
            self.robot.show(image, stamp)

    def truth_at(self, stamp: int) -> np.ndarray:
        """Ids in the image with this stamp."""
        return self._shown[stamp]

    def outrun(self) -> None:
        """Show so many images that the node keeps none of those before."""
        received = self.robot.status_where(bool, "status").frames_received
        self._rate = HASTE
        try:
            self.robot.spin_until(
                lambda: self.robot.status.frames_received > received + HISTORY, "images"
            )
        finally:
            self._rate = self._usual

    def labels(self) -> np.ndarray:
        """What the node finds in a picture that is yet to come."""
        now, masks = time.time_ns(), self.robot.masks
        masks.clear()
        stamp = self.robot.spin_until(lambda: next((s for s in masks if s > now), 0), "label map")
        message = masks[stamp]
        return np.frombuffer(message.data, np.uint8).reshape(self.size)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union."""
    return float((a & b).sum() / max(1, (a | b).sum()))
