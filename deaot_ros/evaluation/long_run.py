"""Several memories track the same long video side by side."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deaot_ros.backends import Backend
from deaot_ros.evaluation.watch import Anchors, Seen, Watch, label_areas, score_masks
from deaot_ros.network.model import Features
from deaot_ros.tracking import MemorySettings, Tracker, TrackerSettings
from deaot_ros.tracking.calibration import Calibration

Frame = tuple[np.ndarray, np.ndarray | None]
"""Image uint8 [H, W, 3] RGB and its true labels [H, W]; None where they are not known."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A memory that takes part, as ``POLICY``, ``POLICY:SLOTS`` or ``POLICY:SLOTS:open``.

    Attributes:
        policy, slots: of the memory.
        admission: frames are remembered only when they are worth it; ``open`` takes all.
    """

    policy: str
    slots: int = 9
    admission: bool = True

    @classmethod
    def parse(cls, text: str) -> Entrant:
        """Read the short form.

        Raises:
            ValueError: it is not of that form.
        """
        policy, _, rest = text.strip().partition(":")
        slots, _, door = rest.partition(":")
        if door not in ("", "open") or (slots and not slots.isdigit()):
            raise ValueError(f"'{text}' is not POLICY, POLICY:SLOTS or POLICY:SLOTS:open")
        entrant = cls(policy, int(slots or 9), not door)
        entrant.settings(1.0, 0.0)  # says what is wrong
        return entrant

    @property
    def name(self) -> str:
        if self.policy in ("reference", "unbounded"):
            return self.policy
        return f"{self.policy}:{self.slots}" + ("" if self.admission else ":open")

    def settings(self, gap: float, lag: float) -> MemorySettings:
        """Settings of its memory; gap and lag in seconds."""
        return MemorySettings(
            slots=self.slots, policy=self.policy, gap=gap, admission=self.admission, lag=lag
        )


@dataclass(frozen=True, slots=True)
class Track:
    """What one entrant did; F frames after the first, O objects.

    Attributes:
        j: [F, O], NaN where the object is truly out of sight.
        area: [F, O], pixels it said the object has.
        owner: [F, O], the object that truly has more than half of these pixels, 0: none.
        milliseconds: [F], of the whole step, encoder included: processor time on a CPU, which
            other programs hardly change, and time by the clock on a GPU.
        size: [F], bytes of memory on the device.
        restarts: [F], whether it began anew on this frame.
    """

    j: np.ndarray
    area: np.ndarray
    owner: np.ndarray
    milliseconds: np.ndarray
    size: np.ndarray
    restarts: np.ndarray


@dataclass(frozen=True, slots=True)
class LongRun:
    """A run.

    Attributes:
        ids: objects of the first mask.
        true_area: [F, O] pixels; zero where truth is not known.
        known: [F], whether truth is known.
        rate: frames per second.
        tracks: by the entrant's name.
        host_bytes: [F], resident memory of the process.
    """

    ids: tuple[int, ...]
    true_area: np.ndarray
    known: np.ndarray
    rate: float
    tracks: dict[str, Track]
    host_bytes: np.ndarray


def run_long(
    backend: Backend,
    calibration: Calibration,
    entrants: Sequence[Entrant],
    frames: Iterable[Frame],
    rate: float,
    gap: float,
    lag: float = 0.0,
    restart: float = 0.0,
    anchors: float = 0.0,
    settings: TrackerSettings | None = None,
) -> LongRun:
    """Let every entrant track the same frames; the encoder runs once for all.

    Ctrl-C ends the run; what was done until then is reported.

    Args:
        backend: with the network.
        calibration: of its scores.
        entrants: at least one.
        frames: the first one with labels.
        rate: frames per second.
        gap: seconds between remembered frames.
        lag: seconds that short-term memory lies back.
        restart: seconds that an object in sight may be lost for; then its tracker is given the
            true masks, as soon as all objects are in sight, and begins anew. 0: never.
        anchors: seconds between frames on which every tracker begins anew from the true masks, lost
            or not (``Anchors``), so that all are judged on the same stretches. 0: none.
        settings: of the trackers, but for their memory.

    Raises:
        ValueError: the first frame has no labels, or there is only one frame.
    """
    shared = SharedEncoder(backend)
    clock = shared.clock
    base = settings or TrackerSettings()
    trackers = {
        e.name: Tracker(
            shared,  # type: ignore[arg-type]
            TrackerSettings(
                base.max_long_side, base.network_size, base.max_objects,
                e.settings(gap, lag), base.states,
            ),
            calibration=calibration,
        )
        for e in entrants
    }  # fmt: skip
    source = iter(frames)
    image, truth = next(source)
    if truth is None:
        raise ValueError("the first frame has no mask; tracking begins with one")
    ids = tuple(int(i) for i in np.unique(truth) if i not in (0, 255))
    for tracker in trackers.values():
        tracker.start(image, truth, 0.0)
    records = {name: _Record(len(ids)) for name in trackers}
    watches = {name: Watch(round(restart * rate), len(ids)) for name in trackers}
    anchor = Anchors(round(anchors * rate), len(ids))
    true_areas, known, host = array("q"), array("b"), array("q")
    with suppress(KeyboardInterrupt):  # what was done until then is a run, too
        for number, (image, truth) in enumerate(source, 1):
            encoding = shared.encoding_time(image, next(iter(trackers.values())))
            anchored = truth is not None and anchor.reached(label_areas(truth, ids))
            for name, tracker in trackers.items():
                start = clock()
                result = tracker.step(image, number / rate)
                spent = 1000 * (clock() - start + encoding)
                seen = score_masks(result.labels, truth, ids)
                again = anchored or watches[name].failed(seen.j, seen.true_area)
                if again and truth is not None:
                    tracker.start(image, truth, number / rate)
                records[name].note(seen, spent, tracker.memory_usage.bytes, again)
            true_areas.extend(seen.true_area.tolist())
            known.append(truth is not None)
            host.append(resident_bytes())
    if not host:
        raise ValueError("one frame only; a run needs more")
    count = len(host)
    areas = np.array(true_areas).reshape(-1, len(ids))[:count]
    tracks = {name: record.track(count) for name, record in records.items()}
    return LongRun(
        ids, areas, np.array(known[:count], bool), rate, tracks, np.array(host)
    )


class _Record:
    """What becomes a :class:`Track`, in plain numbers: lists of arrays would look like a leak."""

    def __init__(self, objects: int) -> None:
        self._objects = objects
        self._per_object = [array("d"), array("q"), array("q")]
        self._per_frame = [array("d"), array("q"), array("b")]

    def note(self, seen: Seen, milliseconds: float, size: int, restarted: bool) -> None:
        """Add a frame."""
        for column, values in zip(self._per_object, seen[:3], strict=True):
            column.extend(values.tolist())
        for column, value in zip(self._per_frame, (milliseconds, size, restarted), strict=True):
            column.append(value)

    def track(self, frames: int) -> Track:
        """The first ``frames`` of them."""
        per_object = (
            np.array(column).reshape(-1, self._objects)[:frames] for column in self._per_object
        )
        milliseconds, size, restarts = (np.array(column)[:frames] for column in self._per_frame)
        return Track(*per_object, milliseconds, size, restarts.astype(bool))


class SharedEncoder:
    """A backend that encodes an image once, however many trackers ask."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.clock = time.process_time if backend.device.type == "cpu" else time.perf_counter
        self._image: np.ndarray | None = None
        self._features: Features | None = None

    def encode(self, image: np.ndarray, size: tuple[int, int]) -> Features:
        if image is not self._image or self._features is None:
            self._image, self._features = image, self._backend.encode(image, size)
        return self._features

    def encoding_time(self, image: np.ndarray, tracker: Tracker) -> float:
        """Encode an image for all trackers; gives the seconds that it took."""
        import torch

        start = self.clock()
        with torch.inference_mode():
            self.encode(image, tracker.network_size(*image.shape[:2]))
        return self.clock() - start

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
