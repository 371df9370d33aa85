"""What the rolling memory may hold and when it takes a frame."""

from __future__ import annotations

from dataclasses import dataclass

POLICIES = ("auto", "reference", "fifo", "unbounded")


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Bounds and schedule of long-term memory.

    Attributes:
        slots: frames that the fixed ring holds, pinned ones included; at least 1.
        policy: ``reference`` keeps annotated frames only (published T, S and B), ``fifo`` keeps
            annotated frames and the newest others, ``unbounded`` never forgets (parity with the
            published L variants; grows for ever). ``auto``: ``reference`` or ``fifo``, as the
            variant was published.
        gap: seconds between two frames that are remembered; None: ``gap_frames`` decides.
        gap_frames: the same in frames; None: the variant's published gap.

    Raises:
        ValueError: a value out of range.
    """

    slots: int = 9
    policy: str = "auto"
    gap: float | None = None
    gap_frames: int | None = None

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ValueError(f"memory slots must be at least 1, got {self.slots}")
        if self.policy not in POLICIES:
            raise ValueError(
                f"unknown memory policy '{self.policy}'; expected one of {', '.join(POLICIES)}"
            )
        if self.gap is not None and self.gap_frames is not None:
            raise ValueError("give the memory gap in seconds or in frames, not both")
        if self.gap is not None and self.gap <= 0:
            raise ValueError(f"memory gap must be above 0 s, got {self.gap}")
        if self.gap_frames is not None and self.gap_frames < 1:
            raise ValueError(f"memory gap must be at least 1 frame, got {self.gap_frames}")


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """How full the memory is: slots used, slots there are, bytes allocated on the device."""

    slots_used: int
    slots_capacity: int
    bytes: int
