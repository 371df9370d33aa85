"""The state of one object over time: TRACKED, OCCLUDED, LOST, REMOVED."""

from __future__ import annotations

import math

from deaot_ros.tracking.measuring import NOTHING, Shape
from deaot_ros.tracking.result import ObjectState
from deaot_ros.tracking.settings import StateSettings

_RETURN_MARGIN = 0.1
"""An object out of sight needs this much more score than one in sight must keep."""

_AREA_MEMORY = 1.0
"""Seconds over which the typical area is averaged."""

_STEADY = 2.5
"""Times the typical area, or a part of it, within which an area is steady."""

_STAMP_TOLERANCE = 1e-3


class ObjectLife:
    """Judges one object frame by frame. All times are stamps in seconds.

    Trust is lost at once and won back slowly: that is the hysteresis.

    Attributes:
        state: see :class:`ObjectState`.
        score: of the newest frame, 0..1.
        last_seen: stamp of the newest frame in which it was tracked.
        visible: it has pixels enough to be in sight, rightly or wrongly.
        flooded: its mask has grown beyond belief.
        steady: its area is near that of the last second.
    """

    def __init__(self) -> None:
        self.state = ObjectState.UNKNOWN
        self.score = self.last_seen = 0.0
        self.visible = self.flooded = False
        self.steady = True
        self._unseen_since = 0.0
        self._seen_since: float | None = None
        self._largest_trusted = 0
        self._typical_area = 0.0
        self._centroid = (0.0, 0.0)

    @property
    def tracked(self) -> bool:
        return self.state is ObjectState.TRACKED

    def rescale(self, x: float, y: float) -> None:
        """The camera has another resolution now: ``x`` and ``y`` times the pixels of before."""
        self._largest_trusted = round(self._largest_trusted * x * y)
        self._typical_area *= x * y
        self._centroid = (self._centroid[0] * x, self._centroid[1] * y)

    def confirm(self, shape: Shape, stamp: float) -> None:
        """A person said where the object is."""
        self.state = ObjectState.TRACKED
        self.last_seen = self._unseen_since = self._seen_since = stamp
        self.score = 1.0
        self.visible, self.flooded, self.steady = shape.area > 0, False, True
        self._largest_trusted = shape.area
        self._typical_area = shape.area
        self._centroid = shape.centroid

    def observe(
        self, shape: Shape, score: float, stamp: float, diagonal: float, settings: StateSettings
    ) -> None:
        """Take what one frame shows.

        Args:
            shape: of the mask at camera size.
            score: 0..1.
            stamp: of the frame.
            diagonal: of the camera image in pixels.
            settings: the thresholds.
        """
        self.score = score
        self.visible = shape.area >= settings.min_area
        self.flooded = self._floods(shape.area, settings)
        threshold = settings.occluded_score
        if not self.tracked:
            threshold = min(threshold + _RETURN_MARGIN, (1 + threshold) / 2)
        seen = self.visible and score >= threshold and not self.flooded
        seen = seen and not self._jumps(shape, stamp, diagonal, settings)
        if not seen:
            self._seen_since = None
            if self.tracked:
                self.state = ObjectState.OCCLUDED
                self._unseen_since = self.last_seen
        elif self._seen_since is None:
            self._seen_since = stamp
        if self._seen_since is not None and (
            self.tracked
            or stamp - self._seen_since >= settings.return_time - _STAMP_TOLERANCE
        ):
            self._trust(shape, stamp)
        else:
            self._wait(stamp, settings)

    def _trust(self, shape: Shape, stamp: float) -> None:
        self.state = ObjectState.TRACKED
        typical = max(self._typical_area, 1.0)
        self.steady = typical / _STEADY <= shape.area <= typical * _STEADY
        weight = 1 - math.exp(-max(stamp - self.last_seen, 0.0) / _AREA_MEMORY)
        self._typical_area += weight * (shape.area - self._typical_area)
        self._largest_trusted = max(self._largest_trusted, shape.area)
        self._centroid = shape.centroid
        self.last_seen = stamp

    def _wait(self, stamp: float, settings: StateSettings) -> None:
        away = stamp - self._unseen_since
        if self.state is ObjectState.OCCLUDED and away >= settings.lost_timeout:
            self.state = ObjectState.LOST
        expired = settings.lost_timeout + settings.remove_timeout
        if self.state is ObjectState.LOST and settings.remove_timeout > 0 and away >= expired:
            self.state = ObjectState.REMOVED

    def _floods(self, area: int, settings: StateSettings) -> bool:
        limit = settings.max_mask_growth * max(self._largest_trusted, settings.min_area)
        return settings.max_mask_growth > 0 and area > limit

    def _jumps(
        self, shape: Shape, stamp: float, diagonal: float, settings: StateSettings
    ) -> bool:
        """Whether the mask is further away than the object can be by now."""
        if settings.max_speed == 0 or shape is NOTHING:
            return False
        way = math.dist(shape.centroid, self._centroid)
        reach = settings.max_speed * diagonal * max(stamp - self.last_seen, 0.0)
        # Parts that come and go shift the centroid, too, by less than the object's size.
        return way > reach + math.sqrt(max(self._largest_trusted, shape.area))
