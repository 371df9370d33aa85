"""The one thread that decodes, tracks and publishes."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable
from itertools import islice

import numpy as np
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import Image

from deaot_ros.errors import ImageError
from deaot_ros.node.batches import Batches
from deaot_ros.node.failures import Throttle, explain
from deaot_ros.node.frame_history import CameraFrame, FrameHistory
from deaot_ros.node.mailbox import Mailbox
from deaot_ros.node.outputs import Outputs
from deaot_ros.node.parameters import Parameters
from deaot_ros.node.statistics import Statistics
from deaot_ros.node.targets import Targets
from deaot_ros.node.timeline import Timeline
from deaot_ros.tracking import Step, Tracker, TrackResult

_REPORT_PERIOD = 2.0
"""Seconds until the same fault is logged again."""

_TELL_PERIOD = 0.5
"""Seconds between words about faults, which may come with every frame."""

_EARLY = 0.95
"""Fraction of max_rate's period after which a frame counts as on time: cameras jitter."""

_SHRUNK_PER_FRAME = 30
"""Old frames brought to network size after each frame, at about 1 ms: a camera at 30 Hz may be
that far ahead of a slow network, and a fast one has one at a time."""


class Worker:
    """Owns the tracker while the node is active. All methods but the first few run in its thread.

    ``put_frame``, ``call``, ``start`` and ``stop`` are for the executor's thread.
    """

    def __init__(
        self,
        tracker: Tracker,
        outputs: Outputs,
        parameters: Callable[[], Parameters],
        logger: RcutilsLogger,
        batches: Batches,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; ``start`` begins.

        Args:
            tracker: kept through stop and start.
            outputs: where results go.
            parameters: gives those in force.
            logger: of the node.
            batches: run the network; other nodes may share them.
            on_fault: called in the worker's thread after a frame or request failed, not often.
        """
        self.tracker = tracker
        self.statistics = Statistics()
        self.enabled = True
        self.fault = ""
        self.faults = 0
        self.last_fault = ""
        self.lost = ""
        self.flooded: tuple[int, ...] = ()
        self.image_size: tuple[int, int] | None = None  # (height, width) of the newest image
        self._outputs = outputs
        self._parameters = parameters
        self._logger = logger
        self._batches = batches
        self._on_fault = on_fault
        self._told = self._failed_at = -math.inf
        self._throttle = Throttle(_REPORT_PERIOD)
        self._history = FrameHistory(parameters().frame_history)
        self._timeline = Timeline()
        self._targets = Targets(tracker, self._history, self._timeline)
        self._position = -1  # number of the frame that the tracker has seen last
        self._published = -1
        self._behind: CameraFrame | None = None  # a mask's, from which nobody has caught up yet
        self._last_start = 0.0
        self._mailbox: Mailbox[CameraFrame] | None = None
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """Frames that a newer one, or ``max_rate``, left unprocessed."""
        replaced = self._mailbox.replaced if self._mailbox else 0
        return replaced + self.statistics.skipped

    def start(self) -> None:
        """Begin to work."""
        self.statistics = Statistics()
        self._behind = None
        self._mailbox = Mailbox()
        self._thread = threading.Thread(
            target=self._run, args=(self._mailbox,), name="deaot_worker", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Finish the frame at hand and all requests, and stop; the tracker keeps its memory."""
        if self._mailbox is not None and self._thread is not None:
            self._mailbox.close()
            self._thread.join()
        self._mailbox = self._thread = None

    @property
    def waiting(self) -> int:
        """Requests that were called and not begun."""
        return self._mailbox.waiting if self._mailbox else 0

    def put_frame(self, frame: CameraFrame) -> None:
        """Hand a camera frame over; it replaces one that still waits."""
        self.statistics.received += 1
        self._history.put(frame)
        if self._mailbox is not None:
            self._mailbox.put_frame(frame)

    def call(self, request: Callable[[], None]) -> bool:
        """Run ``request`` in the worker's thread, before the next frame. False: not running."""
        if self._mailbox is None:
            return False
        self._mailbox.put_request(request)
        return True

    def apply_mask(self, mask: Image, mode: str) -> str:
        """Apply a target mask to its frame, and catch up with the camera unless requests wait.

        Returns:
            What was done, for people.

        Raises:
            MaskError, ImageError: no object was changed.
        """
        newest = self._history.newest()
        unseen = newest is not None and newest.number > self._position
        # Requests go before images: a jump of time must not pass unseen behind a mask.
        if newest and unseen and self._timeline.jumped(newest.stamp) and self._in_time(newest):
            self._timeline.advance(newest.stamp)
        parameters = self._parameters()
        frame, labels = self._targets.find(mask, parameters)
        if self._behind is not None and self._behind.number < frame.number:
            # Later frames must know of the mask before: this one adds to what is in them.
            behind = self._behind
            reached = self._targets.catch_up(behind, self._step, self._ending, frame.number)
            self._behind = behind if reached is None else reached.frame
        with self._batches.turn():
            self._targets.apply(frame, labels, mode)
        newest = self._history.newest()
        late = newest.stamp - frame.stamp if newest else 0.0
        self._position = frame.number
        self._behind = frame if parameters.catch_up and self.enabled else None
        ids = ", ".join(map(str, self.tracker.object_ids))
        done = f"tracking {ids} from the image {late:.2f} s ago"
        if self.waiting:  # often more masks: one way through the frames since is enough for all
            return done
        steps = self._catch_up()
        return done + (f", caught up in {steps} steps" if steps else "")

    def _catch_up(self) -> int:
        """Track from the last mask's frame to the newest one and publish that; gives the steps."""
        frame, self._behind = self._behind, None
        if frame is None:
            return 0
        reached = self._targets.catch_up(frame, self._step, self._ending)
        if reached is None:
            return 0
        if reached.frame.number >= self._published:  # else it was stopped in the past
            self._publish(reached.frame, reached.image, reached.result)
        return reached.steps

    def reset(self) -> None:
        """Forget all objects; masks may still be drawn on the frames that are kept."""
        self.tracker.reset()
        self._history.forget_labels()
        self._behind = None

    def _run(self, mailbox: Mailbox[CameraFrame]) -> None:
        while (job := mailbox.take()) is not None:
            before = self.faults
            try:
                if isinstance(job, CameraFrame):
                    self._catch_up()
                    self._process(job)
                else:
                    job()
                    if not self.waiting:
                        self._catch_up()
            except Exception as error:  # whatever it is, the next frame may be fine
                self.report(error)
            if self.lost:
                return
            if self.faults == before:
                self.fault = ""

    def _process(self, frame: CameraFrame) -> None:
        if not self.enabled:
            self._shrink_history(frame)  # masks may be drawn on it; whole images would pile up
            return
        if frame.number <= self._position or not self._in_time(frame):
            return
        started = time.perf_counter()
        limit = self._parameters().max_rate
        if limit and started - self._last_start < _EARLY / limit:
            self.statistics.skipped += 1
            return
        self._last_start = started
        try:
            image = frame.pixels()
        except ImageError:
            self.statistics.undecodable += 1
            raise
        decoded = time.perf_counter()
        result = self._step(frame, image)
        tracked = time.perf_counter()
        self._publish(frame, image, result)
        published = time.perf_counter()
        self.statistics.finish(
            published - frame.received,
            (started - frame.received, decoded - started, tracked - decoded, published - tracked),
        )
        self._shrink_history(frame)

    def _step(self, frame: CameraFrame, image: np.ndarray) -> TrackResult:
        self._timeline.advance(frame.stamp)
        self.image_size = frame.size
        confidence = self._outputs.wants_confidence(self._parameters())
        result = self._batches.step(
            Step(self.tracker, image, self._timeline.at(frame.stamp), frame.size, confidence)
        )
        frame.labels = result.labels
        self._report_floods(result.flooded)
        self._position = frame.number
        return result

    def _report_floods(self, ids: tuple[int, ...]) -> None:
        for object_id in set(ids).difference(self.flooded):
            self._logger.warning(
                f"the mask of object {object_id} has grown beyond belief (max_mask_growth); "
                "it is not remembered, correct it if it stays so"
            )
        self.flooded = ids

    def _publish(self, frame: CameraFrame, image: np.ndarray, result: TrackResult) -> None:
        self._published = frame.number
        shift = self._timeline.at(0.0)
        self._outputs.publish(frame.header, image, result, shift, self._parameters())

    def _shrink_history(self, frame: CameraFrame) -> None:
        """Bring some older frames to network size; the newest may still be waited for."""
        message = frame.message
        size = (message.height, message.width) if isinstance(message, Image) else frame.size
        if size is None or 0 in size:
            return
        size = self.tracker.network_size(*size)
        large = (f for f in self._history.until(frame.number) if f.exceeds(size))
        for old in islice(large, _SHRUNK_PER_FRAME):
            try:
                old.shrink(size)
            except ImageError:
                old.message = None  # it was reported when its turn came, or never had one

    def _in_time(self, frame: CameraFrame) -> bool:
        """Handle stamps that go back, as ``time_jump_policy`` says."""
        if not self._timeline.jumped(frame.stamp):
            return True
        policy = self._parameters().time_jump_policy
        if policy == "ignore":
            self.statistics.skipped += 1
            return False
        if policy == "reset":
            lost = len(self.tracker.object_ids)
            self.reset()
            self._history.clear()
            self._timeline.restart()
            self._logger.warning(
                f"stamps went back to {frame.stamp:.3f}: forgot {lost} objects, session "
                f"{self.tracker.session} begins; time_jump_policy continue would keep them",
                throttle_duration_sec=2.0,
            )
        else:
            self._history.clear()
            self._timeline.bridge(frame.stamp)
            self._logger.warning(
                f"stamps went back to {frame.stamp:.3f}: tracking goes on",
                throttle_duration_sec=2.0,
            )
        return True

    @property
    def since_fault(self) -> float:
        """Seconds since a frame or request failed; infinite before the first."""
        return time.monotonic() - self._failed_at

    def _ending(self) -> bool:
        return self._mailbox is None or self._mailbox.closed

    def report(self, error: Exception) -> str:
        """Tell people of a frame or request that failed; gives what they are told."""
        failure = explain(error)
        self.fault = self.last_fault = failure.message
        self.faults += 1
        self._failed_at = now = time.monotonic()
        self.lost = failure.message if failure.final else ""
        if self._throttle.allows(failure.message):
            self._logger.error(failure.message)
        if not failure.expected:
            self._logger.error(traceback.format_exc(), throttle_duration_sec=10.0)
        if failure.final or now - self._told >= _TELL_PERIOD:
            self._told = now
            self._on_fault()
        return failure.message
