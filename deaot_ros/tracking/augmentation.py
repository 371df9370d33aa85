"""Test-time augmentation: several scales, mirrored or not, averaged (SPEC section 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from deaot_ros.backends import Backend
from deaot_ros.errors import NotStartedError
from deaot_ros.tracking.resizing import network_size
from deaot_ros.tracking.settings import TrackerSettings
from deaot_ros.tracking.tracker import Tracker

MAX_SHORT_SIDE = 624
"""Published limit of the short side where the scales are not just 1.0."""


@dataclass(frozen=True, slots=True)
class AugmentedPrediction:
    """Mean over the augmentations.

    Attributes:
        labels: ids [H, W], the most likely object of the mean.
        probabilities: float32 [1 + 10 G, H, W], ordered as in ``Prediction.probabilities``.
        own_labels: per augmentation the ids [H, W] of its own prediction, mirrored back; these
            are what its memory is given.
    """

    labels: np.ndarray
    probabilities: torch.Tensor
    own_labels: tuple[np.ndarray, ...]


class AugmentedTracker:
    """One tracker per augmentation over a shared network; outputs are averaged, memories are not.

    Slower by the number of augmentations: for evaluation, not for robots.
    """

    def __init__(
        self,
        backend: Backend,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        max_short_side: float | None = None,
        settings: TrackerSettings | None = None,
    ) -> None:
        """Set up; nothing runs yet.

        Args:
            backend: see ``deaot_ros.backends.load_backend``.
            scales: of the network input.
            flip: add the mirrored image after each scale.
            max_short_side: limit in pixels before scaling; None: 624 where the scales are not just
                1.0, else no limit, as published.
            settings: of each tracker; ``network_size`` follows from the scale.
        """
        if max_short_side is None and tuple(scales) != (1.0,):
            max_short_side = MAX_SHORT_SIDE
        self._backend = backend
        self._max_short_side = max_short_side
        self._settings = settings or TrackerSettings()
        mirroring = (False, True) if flip else (False,)
        self._augmentations = [(s, mirrored) for s in scales for mirrored in mirroring]
        self._trackers: list[Tracker] = []

    def start(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Begin with ``image`` uint8 [H, W, 3] and the ids ``mask`` [H, W]."""
        self._trackers = []
        for scale, mirrored in self._augmentations:
            size = network_size(
                image.shape[0],
                image.shape[1],
                align_corners=self._backend.variant.align_corners,
                max_long_side=self._settings.max_long_side,
                max_short_side=self._max_short_side,
                scale=scale,
            )
            tracker = Tracker(self._backend, replace(self._settings, network_size=size))
            tracker.start(_mirror(image, mirrored), _mirror(mask, mirrored))
            self._trackers.append(tracker)

    def predict(self, image: np.ndarray) -> AugmentedPrediction:
        """Look at the next frame without remembering it."""
        own: list[np.ndarray] = []
        mean: torch.Tensor | None = None
        for (_, mirrored), tracker in zip(self._augmentations, self._trackers, strict=True):
            prediction = tracker.predict(_mirror(image, mirrored))
            own.append(_mirror(prediction.labels, mirrored))
            p = prediction.probabilities()
            p = p.flip(-1) if mirrored else p
            mean = p if mean is None else mean + p
        if mean is None:
            raise NotStartedError("nothing is tracked; call start with an image and a mask first")
        mean = mean / len(own)
        return AugmentedPrediction(
            prediction.place_ids[mean.argmax(0).cpu().numpy()], mean, tuple(own)
        )

    def memorise(self, own_labels: Sequence[np.ndarray]) -> None:
        """Remember the frame of the last ``predict``; each memory gets its own labels."""
        for (_, mirrored), tracker, labels in zip(
            self._augmentations, self._trackers, own_labels, strict=True
        ):
            tracker.memorise(_mirror(labels, mirrored))

    def step(self, image: np.ndarray, annotation: np.ndarray | None = None) -> AugmentedPrediction:
        """Track to the next frame and remember it.

        Args:
            image: uint8 [H, W, 3].
            annotation: ids [H, W] of objects that appear in this frame, overwriting the prediction
                where it is not 0.
        """
        prediction = self.predict(image)
        if annotation is None:
            self.memorise(prediction.own_labels)
            return prediction
        for (_, mirrored), tracker in zip(self._augmentations, self._trackers, strict=True):
            tracker.annotate(_mirror(annotation, mirrored))
        return replace(
            prediction, labels=np.where(annotation > 0, annotation, prediction.labels)
        )


def _mirror(array: np.ndarray, mirrored: bool) -> np.ndarray:
    return np.ascontiguousarray(array[:, ::-1]) if mirrored else array
