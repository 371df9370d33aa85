"""What a fault test works with: the node, a camera with a known scene, rules for all outputs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from robot import RELIABLE, Robot, TrackerProcess, image_message, labels_of
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from deaot_ros.demo.environment import free_domain
from deaot_ros.msg import TrackedObject, TrackedObjectArray, TrackerStatus
from deaot_ros.network import shipped_weights
from deaot_ros.soak.scene import SIZE, Scene, overlap
from deaot_ros.soak.watch import Watch

NODE: dict[str, object] = {
    "weights": shipped_weights("deaot-t"), "network_height": SIZE[0], "network_width": SIZE[1],
    "occluded_score": 0.2, "image_timeout": 1.0, "max_objects": 260, "frame_history": 40,
    "diagnostic_updater__period": 0.2,
}  # fmt: skip
"""Parameters of the nodes of these tests. So small a scene has low calibrated scores: its objects
count as seen from 0.2 on, for these tests are about the node, not about the network."""

RECOVERY = 1.0
RECOVERY_FRAMES = 8
"""Seconds within which both objects are tracked again after a fault. So many frames the node may
have in any case: on a busy machine they take longer."""

BUSY = 3.0
LOG_PERIOD = 2.0
"""Seconds after which the node may say the same again."""

_RECENT = 50
"""Frames that tell how busy the machine is."""

IDS = [1, 2]
STEP = 0.1
"""Seconds of the scene from one image to the next ..."""

PACE = 1.0
"""... and the most that pass in a second, however fast images come: the network must follow."""


def many(count: int) -> np.ndarray:
    """A mask of objects 1 to ``count``, without 255, of 36 px each."""
    mask = np.zeros(SIZE, np.uint16)
    ids = [i for i in range(1, count + 2) if i != 255][:count]
    for place, object_id in enumerate(ids):
        row, column = divmod(place, SIZE[1] // 6)
        mask[6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = object_id
    return mask


class Bench:
    """One node under test; ``observe`` takes notes for the table of faults."""

    def __init__(self, process: TrackerProcess, robot: Robot, seed: int, domain: int) -> None:
        self.process = process
        self.robot = robot
        self.domain = domain
        self.scene = Scene(seed)
        self.noise = np.random.default_rng(seed)
        self.watch = Watch()
        self.observe: Callable[[str], None] = lambda _: None
        self.truth: dict[int, np.ndarray] = {}
        self.offset = 0
        self.session = 0
        self._moment = 0.0
        self._step = STEP
        self._last = 0
        self._frame_times: list[float] = []
        self._log_start, self._log_began = 0, time.monotonic()
        self._listen()

    def _listen(self) -> None:
        subscribe = self.robot.node.create_subscription
        subscribe(Image, "mask", self.watch.on_mask, RELIABLE)
        subscribe(TrackedObjectArray, "objects", self.watch.on_objects, RELIABLE)

    def replace_robot(self) -> None:
        """Everything around the node leaves the graph, and comes as new participants."""
        self.robot.close()
        self.robot = Robot(domain=self.domain)
        self._listen()
        self.robot.meet()

    # Camera

    def now(self) -> int:
        """A stamp of the camera that no image had."""
        self._last = max(time.time_ns() + self.offset, self._last + 1000)
        return self._last

    def go_to(self, stamp: int) -> None:
        """Let the camera's clock say ``stamp`` now."""
        self.offset = stamp - time.time_ns()
        self._last = stamp

    def render(self) -> tuple[np.ndarray, np.ndarray]:
        self._moment += self._step
        return self.scene.render(self._moment)

    def send(self, message: Image, truth: np.ndarray | None = None) -> int:
        """Publish an image message; gives its stamp."""
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        if truth is not None:
            self.truth[stamp] = truth
        self.watch.sent(message.header, (message.height, message.width))
        self.robot.camera.publish(message)
        return stamp

    def show(
        self, change: Callable[[np.ndarray], np.ndarray] | None = None,
        encoding: str = "rgb8", stamp: int | None = None, **fields: object,
    ) -> int:  # fmt: skip
        """Publish the next picture of the scene; waits for nothing."""
        image, truth = self.render()
        image = image if change is None else change(image)
        stamp = self.now() if stamp is None else stamp
        return self.send(image_message(image, stamp, encoding, **fields), truth)

    def show_again(self) -> int:
        """Publish the newest picture once more: the scene stands still."""
        self._moment -= self._step
        return self.show()

    def answer(self, stamp: int) -> TrackedObjectArray:
        """Wait for the outputs of the image with this stamp."""
        robot = self.robot
        robot.spin_until(
            lambda: (stamp in robot.masks and stamp in robot.objects) or not self.process.running,
            f"output of the image {stamp}",
        )
        assert self.process.running, self.process.output[-3000:]
        return robot.objects[stamp]

    def follow(self, count: int = 1) -> int:
        """Show images one by one and wait for the outputs of each; gives the last stamp."""
        for _ in range(count):
            began = time.monotonic()
            stamp = self.show()
            self.answer(stamp)
            self._frame_times.append(time.monotonic() - began)
        return stamp

    def backlog(self) -> int:
        """Images that a late mask has to be caught up through for a while; gives the stamp of one
        before them."""
        stamp = self.follow()
        self.film(1.4, 25, self.show)  # slow enough for the network to take every one
        return stamp

    def film(self, seconds: float, rate: float, show: Callable[[], object]) -> None:
        """Call ``show`` at ``rate`` and listen meanwhile."""
        self._step = min(STEP, PACE / rate)
        end = due = time.monotonic()
        end += seconds
        while time.monotonic() < end:
            show()
            due = max(due + 1 / rate, time.monotonic())
            self.robot.listen(max(0.001, due - time.monotonic()))
        self._step = STEP

    # Operator

    def mask(self, stamp: int, labels: np.ndarray | None = None, **fields: object) -> Image:
        """A target mask for an image that was shown."""
        labels = self.truth[stamp] if labels is None else labels
        return image_message(labels, stamp, "mono8" if labels.itemsize == 1 else "16UC1", **fields)

    def mark(self) -> None:
        """Show an image, mark both objects in it, and see them tracked."""
        stamp = self.follow()
        status = self.robot.mark(self.mask(stamp))
        assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
        stamp = self.follow(2)
        if not self.tracks_well(stamp):
            self._until_tracked()

    def begin(self) -> None:
        """Track both objects from the scene's first picture on, whatever was before."""
        self._log_start, self._log_began = len(self.process.output), time.monotonic()
        self.robot.masks.clear()
        self.robot.objects.clear()
        self._moment, self.offset, self._last = 0.0, 0, 0
        self.start_anew()
        self.watch.settle()
        self.watch.violations.clear()

    def start_anew(self) -> None:
        """Forget all objects and mark both."""
        assert self.robot.call(Trigger, "tracker/reset").success
        self.mark()
        self.session = self.newest().session

    def find_again(self) -> None:
        """Both objects are tracked, after a new mask where the network needs one."""
        stamp = self.follow()
        if self.tracks_well(stamp):
            self.observe("tracked again without a mask")
        else:
            self.start_anew()
            self.observe("tracked again after a mask")

    # What must hold

    def newest(self) -> TrackedObjectArray:
        """The objects that came last."""
        return self.robot.objects[next(reversed(self.robot.objects))]

    def states(self, stamp: int) -> dict[int, int]:
        return {o.id: o.state for o in self.robot.objects[stamp].objects}

    def tracks_well(self, stamp: int) -> bool:
        """Whether both objects are TRACKED where they are."""
        truth, labels = self.truth[stamp], labels_of(self.robot.masks[stamp])
        return self.states(stamp) == dict.fromkeys(IDS, TrackedObject.TRACKED) and all(
            overlap(labels == i, truth == i) > 0.5 for i in IDS
        )

    def describe(self, stamp: int) -> str:
        objects = self.robot.objects[stamp].objects
        return ", ".join(f"{o.id}: state {o.state}, score {o.score:.2f}" for o in objects)

    def recover(self) -> None:
        """Both objects are tracked again at once, in the session they were in."""
        taken, frames = self._until_tracked()
        slow = float(np.percentile(self._frame_times[-_RECENT:], 90))
        assert taken < RECOVERY + BUSY * frames * slow, f"{taken} s for {frames} frames"
        assert self.newest().session == self.session, "the tracker has forgotten all"
        self.healthy()
        self.observe(f"tracked again with image {frames}")

    def _until_tracked(self) -> tuple[float, int]:
        """Show images until both objects are tracked; gives the seconds and the images."""
        began, frames = time.monotonic(), 0
        while True:
            stamp, frames = self.follow(), frames + 1
            found = self.tracks_well(stamp)
            taken = time.monotonic() - began
            if found:
                return taken, frames
            assert not (taken > RECOVERY and frames > RECOVERY_FRAMES), self.describe(stamp)

    def healthy(self) -> None:
        """Diagnostics say within a second that images arrive and are tracked, as they do."""

        def seen() -> bool:
            good = {
                s.name for array in self.robot.diagnostics for s in array.status
                if s.level in (DiagnosticStatus.OK, DiagnosticStatus.WARN)  # WARN: what was lately
            }  # fmt: skip
            return {"tracker: tracker", "tracker: input"} <= good

        self.robot.diagnostics.clear()
        deadline = time.monotonic() + RECOVERY + BUSY
        while not seen():
            assert time.monotonic() < deadline, self.robot.diagnostics[-1:]
            self.follow()
            self.robot.listen(0.1)

    def forgotten(self) -> None:
        """A new session has begun, honestly; the operator's mask starts it anew at once."""
        stamp = self.follow()
        assert self.robot.objects[stamp].session > self.session
        assert not labels_of(self.robot.masks[stamp]).any()
        self.mark()
        self.session = self.newest().session
        self.observe("a new session, empty; tracked again after a mask")

    def said(self, words: str) -> None:
        """The log says so, and does not go on and on."""
        self.robot.spin_until(lambda: self._lines(words), f"log line {words}", patience=10)
        lines = self._lines(words)
        at_most = 2 + (time.monotonic() - self._log_began) / LOG_PERIOD
        assert len(lines) <= at_most, lines
        self.observe(f'log: "{_brief(lines[0])}"')

    def let_speak(self) -> None:
        """Wait until the node may say again what it said in the test before."""
        self.robot.listen(LOG_PERIOD)

    def status(self, words: str, state: int | None = None) -> TrackerStatus:
        """A status comes that says so."""
        statuses = self.robot.statuses
        statuses[:-1] = []  # the newest may say so already
        found = self.robot.spin_until(
            lambda: next(
                (s for s in statuses
                 if re.search(words, s.message) and state in (None, s.state)), None
            ), words, patience=10,
        )  # fmt: skip
        self.observe("`status`")
        return found

    def diagnosed(self, task: str, words: str) -> None:
        """A diagnosis comes that says so, and is not OK."""

        def seen() -> bool:
            return any(
                s.name == f"tracker: {task}" and re.search(words, s.message) and s.level != b"\0"
                for array in self.robot.diagnostics for s in array.status
            )  # fmt: skip

        self.robot.diagnostics.clear()
        self.robot.spin_until(seen, f"diagnosis {words}", patience=10)
        self.observe(f"`/diagnostics` {task}")

    def check(self) -> None:
        """The process lives, no rule was broken, nothing unexpected is in the log."""
        assert self.process.running, self.process.output[-3000:]
        self.watch.settle()
        assert not self.watch.violations, self.watch.violations
        new = self.process.output[self._log_start :]
        assert "Traceback" not in new, new[-3000:]

    def _lines(self, words: str) -> list[str]:
        new = self.process.output[self._log_start :]
        return [line for line in new.splitlines() if re.search(words, line)]


@contextmanager
def running(
    log: Path, seed: int, process: TrackerProcess | None = None, **parameters: object
) -> Iterator[Bench]:
    """A node, and a robot around it, in a domain where nobody was before."""
    process = process or TrackerProcess(log, **{**NODE, **parameters})
    domain = free_domain()
    process.environment["ROS_DOMAIN_ID"] = str(domain)
    process.__enter__()
    try:
        bench = Bench(process, Robot(domain=domain), seed, domain)
        try:
            yield bench
        finally:
            bench.robot.close()
    finally:
        process.kill()


def _brief(line: str) -> str:
    text = re.sub(r"^(\[[^]]*\] ?)+: ?", "", line)
    text = re.sub(r"\d{6,}(\.\d+)?", "N", text).replace("|", "/")
    return text if len(text) < 90 else text[:87] + "..."
