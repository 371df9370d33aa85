"""The state of one object over time: TRACKED, OCCLUDED, LOST, REMOVED."""

from __future__ import annotations

from deaot_ros.tracking.result import ObjectState
from deaot_ros.tracking.settings import StateSettings

FRAMES_TO_RETURN = 2
"""Frames in a row that an object must be seen before it counts as tracked again."""


class ObjectLife:
    """Judges one object frame by frame. All times are stamps in seconds."""

    def __init__(self) -> None:
        self.state = ObjectState.UNKNOWN
        self.last_seen = 0.0
        self._unseen_since = 0.0
        self._seen_in_a_row = 0
        self._largest_trusted = 0

    def confirm(self, area: int, stamp: float) -> None:
        """A person said where the object is."""
        self.state = ObjectState.TRACKED
        self.last_seen = stamp
        self._unseen_since = stamp
        self._seen_in_a_row = FRAMES_TO_RETURN
        self._largest_trusted = area

    def observe(self, area: int, score: float, stamp: float, settings: StateSettings) -> None:
        """Take what one frame shows: area in pixels at camera size, and score 0..1."""
        growth = settings.max_mask_growth
        flooded = growth > 0 and area > growth * max(self._largest_trusted, settings.min_area)
        seen = area >= settings.min_area and score >= settings.occluded_score and not flooded
        if self.state is ObjectState.TRACKED and not seen:
            self.state = ObjectState.OCCLUDED
            self._unseen_since = self.last_seen
        self._seen_in_a_row = self._seen_in_a_row + 1 if seen else 0
        if self._seen_in_a_row >= FRAMES_TO_RETURN:
            self.state = ObjectState.TRACKED
            self.last_seen = stamp
            self._largest_trusted = max(self._largest_trusted, area)
            return
        away = stamp - self._unseen_since
        if self.state is ObjectState.OCCLUDED and away >= settings.lost_timeout:
            self.state = ObjectState.LOST
        expired = settings.lost_timeout + settings.remove_timeout
        if self.state is ObjectState.LOST and settings.remove_timeout > 0 and away >= expired:
            self.state = ObjectState.REMOVED
