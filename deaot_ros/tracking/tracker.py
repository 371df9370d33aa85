"""The tracker: one mask of what matters in, labels and objects of every later frame out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from deaot_ros.backends import Backend, TorchBackend, load_backend
from deaot_ros.errors import (
    CheckpointError,
    MaskError,
    MaskErrorCode,
    NotFiniteError,
    NotStartedError,
)
from deaot_ros.memory import MemoryUsage
from deaot_ros.network import build_network, load_checkpoint, shipped_weights
from deaot_ros.tracking.calibration import Calibration, load_calibration
from deaot_ros.tracking.checks import (
    AnnotationMode,
    check_count,
    check_ids,
    check_image,
    check_mask,
)
from deaot_ros.tracking.engine import Engine, Seen
from deaot_ros.tracking.lives import Lives
from deaot_ros.tracking.measuring import measure
from deaot_ros.tracking.prediction import Prediction
from deaot_ros.tracking.resizing import align, network_size
from deaot_ros.tracking.result import TrackResult
from deaot_ros.tracking.settings import StateSettings, TrackerSettings
from deaot_ros.tracking.together import match_together

DEFAULT_INTERVAL = 1 / 30
"""Seconds between frames that come without stamps."""


@dataclass(frozen=True, slots=True)
class Step:
    """Arguments of ``Tracker.step``, for ``Tracker.step_together``."""

    tracker: Tracker
    image: np.ndarray
    stamp: float | None = None
    output_size: tuple[int, int] | None = None
    confidence: bool = False


class Tracker:
    """Tracks every object of a mask through a stream of images.

    ``step`` is ``predict`` followed by ``memorise`` of the predicted labels; the two are there for
    evaluation and parity. Network size is fixed by the first image of a session: later images of
    any size are resampled to it. Not thread-safe: one thread at a time.
    """

    def __init__(
        self,
        backend: Backend,
        settings: TrackerSettings | None = None,
        weights: str = "",
        calibration: Calibration | None = None,
    ) -> None:
        """See :meth:`load` for the usual way.

        Args:
            backend: runs the network. Several trackers may share one.
            settings: None: the defaults.
            weights: what people are told about where the weights come from.
            calibration: of the scores; None: they are mean probabilities.
        """
        self.settings = settings or TrackerSettings()
        self.weights = weights
        self.session = 1
        self._backend = backend
        self._states = self.settings.states
        self._calibration = calibration or Calibration()
        self._engine: Engine | None = None
        self._lives = Lives(self._calibration)
        self._stamp: float | None = None
        self._idle_frames = 0

    @classmethod
    def load(
        cls,
        variant: str = "deaot-t",
        weights: str | Path | None = None,
        device: str = "auto",
        backend: str = "auto",
        precision: str = "auto",
        settings: TrackerSettings | None = None,
        cache: Path | None = None,
        in_background: bool = False,
    ) -> Tracker:
        """Build a network, load its weights and make a tracker of it.

        Args:
            variant: one of ``deaot_ros.network.VARIANTS``.
            weights: file; None: the weights that come with the package.
            device, backend, precision, cache, in_background: see
                ``deaot_ros.backends.load_backend``.
            settings: None: the defaults.

        Raises:
            VariantError: unknown variant.
            CheckpointError: weights or calibration missing, damaged or for another variant.
            DeviceError: device, backend or precision not to be had.
        """
        network = build_network(variant)
        path = find_weights(variant, weights)
        load_checkpoint(network, path)
        runner = load_backend(network, device, backend, precision, cache, in_background)
        return cls(runner, settings, str(path), load_calibration(path))

    def sibling(self, settings: TrackerSettings) -> Tracker:
        """Another tracker, with objects and memory of its own, that runs the same network."""
        return Tracker(self._backend, settings, self.weights, self._calibration)

    @property
    def variant(self) -> str:
        return self._backend.variant.name

    @property
    def device(self) -> str:
        return str(self._backend.device)

    @property
    def backend(self) -> str:
        return self._backend.name

    @property
    def runner(self) -> Backend:
        """What runs the network."""
        return self._backend

    @property
    def backend_reason(self) -> str:
        """Why this backend runs, for people."""
        return self._backend.reason

    @property
    def precision(self) -> str:
        return self._backend.precision

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Live ids, ascending."""
        return self._lives.ids

    @property
    def memory_usage(self) -> MemoryUsage:
        engine = self._engine  # once: another thread may ask while this one resets
        if engine is None:
            return MemoryUsage(0, self.settings.memory.slots, 0)
        return engine.usage

    def configure_states(self, states: StateSettings) -> None:
        """Change the thresholds from the next frame on."""
        self._states = states

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of what the network sees of an image of this size."""
        align_corners = self._backend.variant.align_corners
        if self.settings.network_size is not None:
            h, w = self.settings.network_size
            return align(h, align_corners), align(w, align_corners)
        return network_size(
            height, width, align_corners=align_corners, max_long_side=self.settings.max_long_side
        )

    @torch.inference_mode()
    def warm_up(self, height: int, width: int) -> None:
        """Run a throw-away session on a black image, so that the first real frame is not slow."""
        dummy = Tracker(self._backend, self.settings)
        image = np.zeros((height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2 + 1] = 1
        dummy.start(image, mask)
        dummy.step(image)

    def start(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        stamp: float | None = None,
        *,
        output_size: tuple[int, int] | None = None,
    ) -> TrackResult:
        """Forget everything and track the objects of ``mask`` from here on.

        Args:
            image: uint8 [H, W, 3] RGB.
            mask: integer [H, W]; 0 background, any other value an object id, 1..65534 without 255.
            stamp: seconds; None: a thirtieth after the last one.
            output_size: (height, width) of ``mask`` where ``image`` is a shrunk version of what it
                was drawn on; None: the image's.

        Raises:
            ImageError, MaskError: nothing was changed.
        """
        image = check_image(image)
        mask, ids = check_mask(mask, output_size or (image.shape[0], image.shape[1]))
        check_count(len(ids), self.settings.max_objects)
        if self._lives:
            self.session += 1
        self._forget()
        return self._begin(image, mask, ids, self._next_stamp(stamp))

    @torch.inference_mode()
    def step(
        self,
        image: np.ndarray,
        stamp: float | None = None,
        *,
        output_size: tuple[int, int] | None = None,
        confidence: bool = False,
    ) -> TrackResult:
        """Track all objects to the next frame and remember it.

        Args:
            image: uint8 [H, W, 3] RGB of any size.
            stamp: seconds; None: a thirtieth after the last one.
            output_size: (height, width) of the labels; None: the image's.
            confidence: also give the probability of being any object.

        Raises:
            ImageError, NotFiniteError: nothing was changed.
        """
        image = check_image(image)
        size = output_size or (image.shape[0], image.shape[1])
        stamp = self._next_stamp(stamp)
        engine = self._engine
        if engine is None:
            return self._empty(size, stamp, confidence)
        return self._conclude(engine, engine.look(image, stamp, size, confidence))

    @property
    def batch_key(self) -> Hashable | None:
        """Trackers of which this is equal, and not None, may go through ``step_together``."""
        engine = self._engine
        backend = self._backend
        if engine is None or not isinstance(backend, TorchBackend) or backend.recordable:
            return None
        return id(backend), engine.size

    @staticmethod
    @torch.inference_mode()
    def step_together(steps: Sequence[Step]) -> list[TrackResult]:
        """The next frame of several trackers of one ``batch_key``, each once, as one batch.

        Gives what ``step`` of each would, up to the order in which the network adds.

        Raises:
            ImageError, ValueError: nothing was changed.
        """
        keys = {step.tracker.batch_key for step in steps}
        if len(keys) != 1 or None in keys or len({id(s.tracker) for s in steps}) < len(steps):
            raise ValueError("only different trackers of one batch_key can be stepped together")
        images = [check_image(step.image) for step in steps]
        stamps = [step.tracker._next_stamp(step.stamp) for step in steps]
        engines = [step.tracker._started() for step in steps]
        backend = steps[0].tracker._backend
        assert isinstance(backend, TorchBackend)
        seen = [
            engine.examine(*matched, step.output_size or step.image.shape[:2], step.confidence)
            for step, engine, matched in zip(
                steps, engines, match_together(backend, engines, images, stamps)
            )
        ]
        return [
            step.tracker._conclude(engine, each)
            for step, engine, each in zip(steps, engines, seen)
        ]

    def _conclude(self, engine: Engine, seen: Seen) -> TrackResult:
        # Everything is under way on the device; the first transfer waits for it. Memory is written
        # last: whether the frame is worth it is known only now.
        frame = seen.frame
        labels = engine.labels_of(frame)
        foreground = None
        if seen.foreground is not None:
            foreground = (seen.foreground * 255).round_().to(torch.uint8).cpu().numpy()
        scores, likeness = torch.stack((seen.scores, seen.likeness)).cpu().numpy()
        if not np.isfinite(scores).all():  # one such frame in memory would spoil all later
            raise NotFiniteError(
                "the network gave values that are not finite (NaN or Inf) for this image; it is "
                f"left out and memory stays as it was. Precision is {self.precision}: use fp32 "
                "where it is fp16, else check the weights"
            )
        engine.follow(frame)
        shapes = engine.measure(seen, labels)
        places = {i: engine.identities.place(i) for i in shapes}
        witnesses = {i: (float(scores[p]), float(likeness[p])) for i, p in places.items()}
        size = labels.shape[0], labels.shape[1]
        lives = self._lives
        observed = lives.observe(shapes, witnesses, size, frame.stamp, self._states)
        if engine.due(frame):
            worthy = lives.worth_remembering(shapes, labels)
            engine.offer(frame, lives.tracked, lives.away, worthy)
        flooded = lives.flooded
        objects = lives.settle(observed, self.remove)
        return TrackResult(
            labels, objects, frame.stamp, frame.number, self.session, foreground, flooded
        )

    @torch.inference_mode()
    def predict(self, image: np.ndarray, stamp: float | None = None) -> Prediction:
        """Look at the next frame without remembering it; ``memorise`` does that.

        Raises:
            ImageError: nothing was changed.
            NotStartedError: no object is tracked.
        """
        image = check_image(image)
        engine = self._started()
        frame, logits = engine.match(image, self._next_stamp(stamp))
        engine.label(frame, logits, (image.shape[0], image.shape[1]))
        return Prediction(
            engine.labels_of(frame),
            logits,
            engine.identities.place_ids,
            engine.identities.live_places(),
            self._backend.variant.align_corners,
        )

    @torch.inference_mode()
    def memorise(self, labels: np.ndarray) -> None:
        """Remember the frame of the last ``predict`` with these labels, [H, W] object ids.

        Whoever gives the labels vouches for them: long-term memory takes the frame when it is due.
        Pixels of ids that are not tracked count as background.

        Raises:
            NotStartedError: there is no predicted frame that is not remembered yet.
        """
        engine = self._started()
        if engine.frame is None or engine.frame.contexts is None:
            raise NotStartedError("no predicted frame to remember; call predict first")
        frame = engine.frame
        frame.places = engine.places_of(labels)
        engine.memorise(frame)
        if engine.due(frame):
            shows = set(np.unique(labels).tolist()).intersection(self.object_ids)
            engine.offer(frame, shows, shows.symmetric_difference(self.object_ids), worthy=True)

    @torch.inference_mode()
    def annotate(
        self,
        mask: np.ndarray,
        *,
        image: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        stamp: float | None = None,
        mode: AnnotationMode = "merge",
    ) -> TrackResult:
        """Merge a mask: new ids are added, known ids corrected, all others stay.

        The frame becomes a pinned reference. A known id loses the pixels it had; every marked
        pixel goes to its id. Without a session and with an image this starts one.

        Args:
            mask: as in ``start``, at the size of the labels of its frame.
            image: an earlier frame that the mask was drawn on; None: the newest one. The caller
                then steps through the frames after it again.
            labels: ids [H, W] that were known in ``image``; they give the mask's size where the
                image was shrunk. None: only the mask is known.
            stamp: of ``image``.
            mode: ``add`` refuses known ids, ``correct`` refuses new ones.

        Raises:
            ImageError, MaskError: nothing was changed.
            NotStartedError: no image given and no frame at hand.
        """
        if image is None:
            engine = self._started()
            frame = engine.frame
            assert frame is not None, "a session begins with a frame"
            mask, ids = check_mask(mask, (frame.places.shape[0], frame.places.shape[1]))
            check_ids(ids, self.object_ids, mode, self.settings.max_objects)
            return self._refer(engine, mask, ids)
        image = check_image(image)
        size = image.shape[:2] if labels is None else (labels.shape[0], labels.shape[1])
        mask, ids = check_mask(mask, size)
        check_ids(ids, self.object_ids, mode, self.settings.max_objects)
        stamp = self._next_stamp(stamp)
        if self._engine is None:
            return self._begin(image, mask, ids, stamp)
        self._engine.see(image, np.zeros(size, np.uint8) if labels is None else labels, stamp)
        return self._refer(self._engine, mask, ids)

    def add(self, mask: np.ndarray) -> TrackResult:
        """Add the objects of ``mask`` on the newest frame; see ``annotate``."""
        return self.annotate(mask, mode="add")

    def correct(self, mask: np.ndarray) -> TrackResult:
        """Say where known objects really are on the newest frame; see ``annotate``."""
        return self.annotate(mask, mode="correct")

    def remove(self, object_id: int) -> None:
        """Stop tracking an object; the others keep their memory. Reported once as REMOVED.

        What memory holds of it stays there unused, and its place in the network goes to no other
        object until the memory starts anew.

        Raises:
            MaskError: the id is not tracked.
        """
        if object_id not in self._lives or self._engine is None:
            raise MaskError(
                MaskErrorCode.BAD_ID,
                f"id {object_id} is not tracked, only {list(self.object_ids)}",
            )
        self._engine.remove(object_id)
        self._lives.remove(object_id)
        if not self._lives:
            self._engine = None

    def reset(self) -> None:
        """Forget all objects and all memory."""
        self._forget()
        self.session += 1

    def _forget(self) -> None:
        self._engine = None
        self._lives.forget()
        self._idle_frames = 0

    def _started(self) -> Engine:
        if self._engine is None:
            raise NotStartedError("nothing is tracked; call start with an image and a mask first")
        return self._engine

    @torch.inference_mode()
    def _begin(
        self, image: np.ndarray, mask: np.ndarray, ids: tuple[int, ...], stamp: float
    ) -> TrackResult:
        """Begin a session on an image, which may be smaller than the mask drawn on it."""
        height, width = mask.shape
        engine = Engine(
            self._backend,
            self.network_size(height, width),
            self.settings.memory,
            self.settings.max_objects,
        )
        engine.see(image, np.zeros_like(mask), stamp)
        result = self._refer(engine, mask, ids)
        self._engine = engine  # last: an engine that failed half-way would fail every frame
        return result

    def _refer(self, engine: Engine, mask: np.ndarray, ids: tuple[int, ...]) -> TrackResult:
        """Merge a checked mask into the engine's newest frame."""
        frame = engine.frame
        assert frame is not None
        others = [i for i in self.object_ids if i not in ids]
        seen = [i for i in self._lives.tracked if i not in ids]
        try:
            engine.refer(frame, mask, ids, seen, len(seen) == len(others))
        except Exception:
            if engine.usage.slots_used == 0 and others:  # memory was to start anew
                self.reset()
            raise
        labels = engine.labels_of(frame)
        shapes = measure(labels, engine.identities.ids)
        size = labels.shape[0], labels.shape[1]
        objects = self._lives.confirm(ids, shapes, size, frame.stamp)
        return TrackResult(labels, objects, frame.stamp, frame.number, self.session)

    def _empty(self, size: tuple[int, int], stamp: float, confidence: bool) -> TrackResult:
        self._idle_frames += 1
        return TrackResult(
            np.zeros(size, np.uint8),
            self._lives.told_as_removed(),
            stamp,
            self._idle_frames - 1,
            self.session,
            np.zeros(size, np.uint8) if confidence else None,
        )

    def _next_stamp(self, stamp: float | None) -> float:
        if stamp is None:
            stamp = 0.0 if self._stamp is None else self._stamp + DEFAULT_INTERVAL
        self._stamp = stamp
        return stamp


def find_weights(variant: str, weights: str | Path | None) -> Path:
    """The file named, or the one that comes with the package.

    Raises:
        CheckpointError: none is named, and none comes with the package.
    """
    path = Path(weights).expanduser() if weights else shipped_weights(variant)
    if path is None:
        raise CheckpointError(
            f"no weights come with the package for '{variant}'; give a file "
            "(models/README.md says where the published ones are)"
        )
    return path
