"""Steps of the trackers of one process: in turn, and those that wait at once as one batch."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Condition

from deaot_ros.tracking import Step, Tracker, TrackResult
from deaot_ros.tracking.checks import check_image

BATCHING = ("auto", "on", "off")
"""Whether images of several cameras are put into one batch."""

_PATIENCE = 0.1
"""Part of the last batch's time for which the next one waits for the cameras of the two before it.

Without it two cameras would never meet: one publishes while the other tracks. With it they do as
soon as the network is what they wait for, and where it is not, the wait is short.
"""


class _Job:
    """A step that waits, or is done."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.member = id(step.tracker), step.tracker.batch_key
        self.result: TrackResult | None = None
        self.error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.result is not None or self.error is not None


class Batches:
    """Runs the networks of a process, one thing at a time.

    Networks keep work space, and two that run at once on one device take each longer than one
    after the other. Whoever's turn it is takes along the steps of other threads that wait for the
    same network with images of the same size, where ``batch`` says so.
    """

    def __init__(self, batch: str = "auto") -> None:
        """Take one of ``BATCHING``.

        ``auto`` is ``on`` for a GPU and ``off`` for a CPU, which takes as long for a batch as for
        its images one by one, while the first of them waits for the last.
        """
        self._batch = batch
        self._changed = Condition()
        self._busy = False
        self._waiting: list[_Job] = []
        self._recent: deque[set[tuple[int, Hashable]]] = deque(maxlen=2)
        self._duration = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """To be held while a tracker runs its network otherwise than by ``step``."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy)
            self._busy = True
        try:
            yield
        finally:
            self._release()

    def step(self, step: Step) -> TrackResult:
        """``Tracker.step`` in turn, alone or in a batch.

        Raises:
            DeaotError: nothing was changed.
        """
        if not step.tracker.object_ids:
            return _alone(step)  # it does not run the network
        check_image(step.image)  # here: others must not fail by it
        job = _Job(step)
        with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()
            self._changed.wait_for(lambda: job.done or not self._busy)
            leads = not job.done
            if leads:
                self._busy = True
                batch = self._gather(job)
        if leads:
            started = time.perf_counter()
            try:
                _run(batch)
            finally:
                self._release(time.perf_counter() - started)
        if job.error is not None:
            raise job.error
        assert job.result is not None
        return job.result

    def _gather(self, job: _Job) -> list[_Job]:
        """The job and those that go with it; waits a little for the usual company."""
        key = job.member[1]
        batch = [job]
        if key is not None and self._worthwhile(job.step.tracker):
            company = {m for batch in self._recent for m in batch if m[1] == key}
            self._changed.wait_for(
                lambda: company <= {other.member for other in self._waiting},
                _PATIENCE * self._duration,
            )
            batch = [other for other in self._waiting if other.member[1] == key]
        self._waiting = [other for other in self._waiting if other not in batch]
        self._recent.append({other.member for other in batch})
        return batch

    def _worthwhile(self, tracker: Tracker) -> bool:
        return self._batch == "on" or (self._batch == "auto" and tracker.device != "cpu")

    def _release(self, duration: float | None = None) -> None:
        with self._changed:
            self._busy = False
            if duration is not None:
                self._duration = duration
            self._changed.notify_all()


def _run(batch: list[_Job]) -> None:
    steps = [job.step for job in batch]
    try:
        results = [_alone(steps[0])] if len(steps) == 1 else Tracker.step_together(steps)
    except Exception as error:
        for job in batch:
            job.error = error
    else:
        for job, result in zip(batch, results, strict=True):
            job.result = result


def _alone(step: Step) -> TrackResult:
    return step.tracker.step(
        step.image, step.stamp, output_size=step.output_size, confidence=step.confidence
    )
