"""One soak: node, camera, operator, one fault after another, samples of what the node holds."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.task import Future
from std_srvs.srv import Trigger

from deaot_ros.demo.children import Children
from deaot_ros.errors import DeaotError
from deaot_ros.msg import TrackerStatus
from deaot_ros.soak.faults import Fault, all_faults
from deaot_ros.soak.report import Record
from deaot_ros.soak.resources import Processors, processor_time, shared_segments, usage
from deaot_ros.soak.rig import Rig, label_image
from deaot_ros.soak.scene import Scene

_START_PATIENCE = 120.0
_BETWEEN = (2.0, 5.0)
"""Seconds without a fault between two."""

_RECOVERY = 1.0
"""Seconds after a fault until both objects must be tracked again ..."""

_RECOVERY_FRAMES = 8
"""... but so many frames the node may have, however slow this machine is."""

_SILENCE = 10.0
"""Seconds without an output, while the camera runs and no fault is on, that are a violation."""

_FIRST_REST, _REST_EVERY = 60.0, 120.0
"""Seconds until the node is first brought to rest, and between two rests."""

_FLUSH, _GIVE_BACK = 10.0, 6.0
"""Seconds of a rest: until earlier images have left the history, and until what was freed has been
given back."""

_SLOWNESS = 20.0
"""Images that one second of the scene lasts. It stands still while no image is shown: whether the
network finds what has moved on unseen is another question."""


class Session:
    """Runs the node of ``parameters`` and its surroundings.

    Attributes:
        rig: the surroundings.
        noise: for faults that need numbers.
        scratch: what a fault keeps from its begin to its end.
        offset: nanoseconds from the clock to the camera's stamps.
        pid: of the node.
    """

    def __init__(self, parameters: dict[str, object], rate: float, seed: int, logs: Path) -> None:
        """Prepare; ``rate`` images per second, logs into the existing folder ``logs``."""
        self.rate = rate
        self.noise = np.random.default_rng(seed)
        self.scratch: dict[str, Any] = {}
        self.offset = 0
        self.pid = 0
        self._random = random.Random(seed)
        self._parameters = parameters
        self._logs = logs
        self._scene = Scene(seed)
        self._record = Record(seed, rate)
        self._answers: list[tuple[str, Future]] = []
        self._shown = 0
        self._due = 0.0
        self._heard = 0

    def run(self, seconds: float, tell: Callable[[str], None]) -> Record:
        """Soak for ``seconds`` and give what was seen.

        Raises:
            DeaotError: the node did not start, or died.
        """
        words = ["--ros-args", "-r", "__ns:=/deaot"]
        for name, value in self._parameters.items():
            words += ["-p", f"{name}:={value}"]
        with Children(self._logs) as children:
            self.rig = Rig()
            try:
                self._children = children
                self.pid = children.start("node", "deaot_ros.node.main", *words).pid
                self._start()
                self._soak(seconds, tell)
            finally:
                self.rig.close()
        self.rig.watch.settle()
        self._record.violations += self.rig.watch.violations
        log = (self._logs / "node.log").read_text(errors="replace")
        if "Traceback" in log:
            self._record.violations.append("the log of the node has a traceback")
        return self._record

    def ask(self, kind: type, name: str, **fields: object) -> None:
        """Call a service; that the answer comes is checked after the fault."""
        self._answers.append((name, self.rig.call(kind, name, **fields)))

    def _start(self) -> None:
        self._until(lambda: self.rig.status is not None, _START_PATIENCE, "status of the node")
        self._record.on_gpu = self.rig.status.device.startswith("cuda")  # type: ignore[union-attr]
        self._until(self.rig.camera.get_subscription_count, _START_PATIENCE, "camera subscriber")
        self._until(self.rig.operator.get_subscription_count, _START_PATIENCE, "mask subscriber")
        self._due = time.monotonic()
        self._mark()

    def _until(self, condition: Callable[[], Any], patience: float, what: str) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            self._children.check()
            if time.monotonic() > deadline:
                raise DeaotError(f"no {what} within {patience:.0f} s; {self._logs / 'node.log'}")
            self.rig.listen(0.1)

    def _mark(self) -> None:
        """Mark both objects until the node says that it has them."""
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            for _ in range(3):
                self._tick()
            stamp, shown = next(reversed(self.rig.shown.items()))
            self.rig.operator.publish(label_image(shown.truth, stamp))
            for _ in range(20):
                self._tick()
                status = self.rig.status
                assert status is not None
                if list(status.object_ids) == [1, 2] and self.rig.tracks_well():
                    return
        self._record.violations.append("both objects could not be marked within 30 s")

    def _tick(self, fault: Fault | None = None) -> None:
        """Show one image and listen until the next is due."""
        self._children.check()
        image, truth = self._scene.render(self._shown / _SLOWNESS)
        stamp = time.time_ns() + self.offset
        newest = next(reversed(self.rig.shown), 0)
        if fault is None:
            self.rig.show(image, truth, stamp)
        else:
            fault.show(self, image, truth, stamp)
        self._shown += next(reversed(self.rig.shown), 0) != newest
        self._due = max(self._due + 1 / self.rate, time.monotonic())
        self.rig.listen(max(0.001, self._due - time.monotonic()))

    def _soak(self, seconds: float, tell: Callable[[str], None]) -> None:
        record, began = self._record, time.monotonic()
        processors = Processors(self.pid, os.getpid())
        faults = list(all_faults())
        waiting: list[Fault] = []
        next_word, next_rest = 0.0, _FIRST_REST
        told = len(record.violations)
        while (now := time.monotonic() - began) < seconds:
            if now >= next_word:
                next_word = now + 60.0
                tell(record.line(now))
            if now >= next_rest:
                next_rest = now + _REST_EVERY
                self._rest(began)
            self._steady(self._random.uniform(*_BETWEEN), began)
            status = self.rig.status  # a rest after each fault: what is held now is compared
            processed = int(status.frames_processed) if status else 0
            held = usage(self.pid, record.on_gpu)
            moment = time.monotonic() - began
            record.sample(
                moment, held, shared_segments(), processors.others(), processor_time(self.pid),
                processed,
            )  # fmt: skip
            waiting = waiting or self._random.sample(faults, len(faults))
            fault = waiting.pop()
            self._suffer(fault)
            record.violations += [f"by '{fault.name}': {v}" for v in self.rig.watch.violations]
            self.rig.watch.violations.clear()
            for rule in record.violations[told:]:
                tell(f"{now / 60:5.1f} min: violated: {rule}")
            told = len(record.violations)

    def _rest(self, began: float) -> None:
        """Sample what the node holds without objects, when all that was freed is given back."""
        for seconds in (_FLUSH, _GIVE_BACK):
            self.ask(Trigger, "tracker/reset")  # a new session: memory is given back
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                self._tick()
        self._record.at_rest.append((time.monotonic() - began, usage(self.pid).host))
        self._check_answers("rest")
        self._mark()

    def _steady(self, seconds: float, began: float) -> None:
        """No fault: what is measured now is compared over time."""
        self.rig.latencies.clear()
        start = last = time.monotonic()
        end = start + seconds
        count = self.rig.watch.outputs
        while time.monotonic() < end:
            self._tick()
            if self.rig.watch.outputs > count:
                count, last = self.rig.watch.outputs, time.monotonic()
            elif time.monotonic() - last > _SILENCE:
                self._record.violations.append(f"no output for {_SILENCE:.0f} s without a fault")
                last = time.monotonic()
        self._record.latencies += [
            (sent - began, 1e3 * taken) for sent, taken in self.rig.latencies if sent >= start
        ]

    def _suffer(self, fault: Fault) -> None:
        self.scratch.clear()
        for _ in range(int(self.rate)):
            if self.rig.tracks_well():
                break
            self._tick()
        else:  # the network has lost an object in the meantime, which is no fault's doing
            self._record.lost.append(f"before '{fault.name}': {self.rig.describe()}")
            self._mark()
        fault.begin(self)
        end = time.monotonic() + fault.seconds
        while time.monotonic() < end:
            self._tick(fault)
        fault.end(self)
        self._record.suffered(fault.name)
        ended = time.monotonic()
        if fault.forgets:
            self._mark()
        self._recover(fault, ended)
        self._check_answers(fault.name)

    def _recover(self, fault: Fault, ended: float) -> None:
        """Both objects are tracked again soon."""
        outputs = self.rig.watch.outputs
        while True:
            self._tick()
            taken, frames = time.monotonic() - ended, self.rig.watch.outputs - outputs
            if frames > 0 and self.rig.tracks_well():
                self._record.recoveries.setdefault(fault.name, []).append(taken)
                return
            if (taken > _RECOVERY and frames > _RECOVERY_FRAMES) or taken > _START_PATIENCE:
                break
        objects = self.rig.objects
        what = f"after '{fault.name}', {taken:.1f} s and {frames} frames: {self.rig.describe()}"
        if frames == 0 or objects is None or [o.id for o in objects.objects] != [1, 2]:
            self._record.violations.append(what)
        else:  # the node knows both and says what it sees of them; the network has lost one
            self._record.lost.append(what)
        self._mark()

    def _check_answers(self, cause: str) -> None:
        deadline = time.monotonic() + 30.0
        while not all(f.done() for _, f in self._answers) and time.monotonic() < deadline:
            self._tick()
        for name, answer in self._answers:
            if not answer.done():
                self._record.violations.append(f"'{cause}': {name} gave no answer in 30 s")
                continue
            success = getattr(answer.result(), "success", True)
            if not success:
                said = getattr(answer.result(), "message", "")
                self._record.violations.append(f"'{cause}': {name} failed: {said}")
        self._answers.clear()
        status = self.rig.status
        if status is not None and status.state == TrackerStatus.ERROR:
            for _ in range(int(2 * self.rate)):  # it is told once a second
                self._tick()
            if self.rig.status.state == TrackerStatus.ERROR:  # type: ignore[union-attr]
                self._record.violations.append(f"status stays ERROR after '{cause}'")
