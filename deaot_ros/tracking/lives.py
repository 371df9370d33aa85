"""All objects of a session: what is known of each, and what people are told of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from deaot_ros.tracking.admission import worth_remembering
from deaot_ros.tracking.calibration import Calibration
from deaot_ros.tracking.measuring import NOTHING, Shape
from deaot_ros.tracking.result import ObjectState, TrackedObject
from deaot_ros.tracking.settings import StateSettings
from deaot_ros.tracking.states import ObjectLife


class Lives:
    """The lives of all objects, by id."""

    def __init__(self, calibration: Calibration) -> None:
        """Begin without objects; ``calibration`` makes scores of probabilities and likeness."""
        self._calibration = calibration
        self._lives: dict[int, ObjectLife] = {}
        self._removed: list[TrackedObject] = []
        self._size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self._lives)

    def __contains__(self, object_id: int) -> bool:
        return object_id in self._lives

    @property
    def ids(self) -> tuple[int, ...]:
        """Of objects that are not removed, ascending."""
        return tuple(sorted(self._lives))

    @property
    def tracked(self) -> list[int]:
        return [i for i, life in self._lives.items() if life.tracked]

    @property
    def away(self) -> list[int]:
        return [i for i, life in self._lives.items() if not life.tracked]

    @property
    def flooded(self) -> tuple[int, ...]:
        return tuple(i for i in self.ids if self._lives[i].flooded)

    def forget(self) -> None:
        """Forget all objects; none is told of as removed."""
        self._lives.clear()
        self._removed.clear()

    def remove(self, object_id: int) -> None:
        """Forget an object, and tell of it once more."""
        life = self._lives.pop(object_id)
        life.state = ObjectState.REMOVED
        self._removed.append(_describe(object_id, life, NOTHING, 0.0, 0.0))

    def confirm(
        self, ids: Iterable[int], shapes: Mapping[int, Shape], size: tuple[int, int], stamp: float
    ) -> tuple[TrackedObject, ...]:
        """A person said where ``ids``, known or new, are; tells of all objects.

        Args:
            ids: that were marked.
            shapes: of all objects in the frame.
            size: (height, width) of the frame.
            stamp: of the frame, seconds.
        """
        self._follow_size(size)
        for object_id in ids:
            life = self._lives.setdefault(object_id, ObjectLife())
            life.confirm(shapes[object_id], stamp)
        return self._with_removed(
            _describe(i, self._lives[i], shapes[i], *[float(shapes[i].area > 0)] * 2)
            for i in self.ids
        )

    def observe(
        self,
        shapes: Mapping[int, Shape],
        witnesses: Mapping[int, tuple[float, float]],
        size: tuple[int, int],
        stamp: float,
        settings: StateSettings,
    ) -> list[TrackedObject]:
        """Judge every object by what a frame shows.

        Args:
            shapes: of all objects in the frame.
            witnesses: mean probability and likeness of each object's mask.
            size: (height, width) of the frame.
            stamp: of the frame, seconds.
            settings: the thresholds.
        """
        self._follow_size(size)
        diagonal = math.hypot(*size)
        objects: list[TrackedObject] = []
        for object_id, shape in shapes.items():
            life = self._lives[object_id]
            score = likeness = 0.0
            if shape.area:
                probability, likeness = witnesses[object_id]
                score = self._calibration(probability, likeness)
            life.observe(shape, score, stamp, diagonal, settings)
            objects.append(_describe(object_id, life, shape, score, likeness))
        return objects

    def worth_remembering(self, shapes: Mapping[int, Shape], labels: np.ndarray) -> bool:
        """See :func:`worth_remembering`; after the frame was observed."""
        return worth_remembering(self._lives, shapes, labels)

    def settle(
        self, objects: Sequence[TrackedObject], remove: Callable[[int], None]
    ) -> tuple[TrackedObject, ...]:
        """Have objects that were away for too long removed; all objects of the frame by id."""
        for gone in [o.id for o in objects if o.state is ObjectState.REMOVED]:
            remove(gone)
        return self._with_removed(o for o in objects if o.state is not ObjectState.REMOVED)

    def told_as_removed(self) -> tuple[TrackedObject, ...]:
        """Objects that were removed since the last frame, for one without others."""
        return self._with_removed(())

    def _with_removed(self, objects: Iterable[TrackedObject]) -> tuple[TrackedObject, ...]:
        removed, self._removed = self._removed, []
        return tuple(sorted((*objects, *removed), key=lambda o: o.id))

    def _follow_size(self, size: tuple[int, int]) -> None:
        """What is known of objects is in pixels of the camera, whose resolution may change."""
        known, self._size = self._size, size
        if known is not None and known != size:
            for life in self._lives.values():
                life.rescale(size[1] / known[1], size[0] / known[0])


def _describe(
    object_id: int, life: ObjectLife, shape: Shape, score: float, likeness: float
) -> TrackedObject:
    return TrackedObject(object_id, life.state, *shape, score, life.last_seen, likeness)
