"""What a tracker may be told: sizes, limits, thresholds of object states."""

from __future__ import annotations

from dataclasses import dataclass, field

from deaot_ros.memory import MemorySettings

MAX_LONG_SIDE = 1040
"""Published limit of the network input's long side in pixels (SPEC section 2)."""


@dataclass(frozen=True, slots=True)
class StateSettings:
    """When an object counts as tracked, occluded or lost.

    Attributes:
        min_area: pixels at camera size below which an object is not visible.
        occluded_score: score below which it is not trusted.
        lost_timeout: seconds without sight until OCCLUDED becomes LOST.
        remove_timeout: further seconds until LOST becomes REMOVED; 0: never.
        max_mask_growth: times the largest area trusted so far that an area may reach in one
            step; above it the mask is taken for a flood. 0: no limit.
        return_time: seconds that an object must be seen without a break before it counts as
            tracked again.
        max_speed: image diagonals per second that an object may move; a mask further away is not
            believed until the object could have got there. 0: no limit.

    Raises:
        ValueError: a value out of range.
    """

    min_area: int = 25
    occluded_score: float = 0.5
    lost_timeout: float = 2.0
    remove_timeout: float = 0.0
    max_mask_growth: float = 4.0
    return_time: float = 0.1
    max_speed: float = 2.0

    def __post_init__(self) -> None:
        if self.min_area < 1:
            raise ValueError(f"min_area must be at least 1 px, got {self.min_area}")
        if not 0 <= self.occluded_score <= 1:
            raise ValueError(f"occluded_score must be in 0..1, got {self.occluded_score}")
        if self.lost_timeout < 0 or self.remove_timeout < 0:
            raise ValueError("lost_timeout and remove_timeout must not be negative")
        if self.max_mask_growth != 0 and self.max_mask_growth <= 1:
            raise ValueError(
                f"max_mask_growth must be above 1, or 0 for no limit, got {self.max_mask_growth}"
            )
        if self.return_time < 0 or self.max_speed < 0:
            raise ValueError("return_time and max_speed must not be negative")


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How a :class:`Tracker` works.

    Attributes:
        max_long_side: limit of the network input's long side in pixels; images are never enlarged.
        network_size: fixed (height, width) of the network input instead; aligned to what the
            variant takes.
        max_objects: live objects at most, 1..65533; every ten cost another pass.
        memory: bounds and schedule of the memory.
        states: thresholds.

    Raises:
        ValueError: a value out of range.
    """

    max_long_side: int = MAX_LONG_SIDE
    network_size: tuple[int, int] | None = None
    max_objects: int = 254
    memory: MemorySettings = field(default_factory=MemorySettings)
    states: StateSettings = field(default_factory=StateSettings)

    def __post_init__(self) -> None:
        if self.max_long_side < 32:
            raise ValueError(f"max_long_side must be at least 32 px, got {self.max_long_side}")
        if self.network_size is not None and min(self.network_size) < 32:
            raise ValueError(f"network_size must be at least 32x32 px, got {self.network_size}")
        if not 1 <= self.max_objects <= 65533:
            raise ValueError(f"max_objects must be in 1..65533, got {self.max_objects}")
