"""What the rolling memory may hold and when it takes a frame."""

from __future__ import annotations

from dataclasses import dataclass

POLICIES = ("auto", "reference", "fifo", "ucb", "similarity", "log", "unbounded")

DEFAULT_GAP = 0.2
"""Seconds; what the published five frames of the L variants are at 24 to 30 Hz."""

MAX_LAG = 1.0
"""Longest lag of short-term memory in seconds: it looks for motion, not for history."""


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Bounds and schedule of memory; docs/memory.md compares the policies.

    Attributes:
        slots: frames that the fixed ring holds, pinned ones included; at least 1.
        policy: ``reference`` keeps annotated frames only (published T, S and B). The others fill
            the slots besides: ``fifo`` with the newest frames, ``ucb`` with those that attention
            reads (RMem), ``similarity`` with those that look like now (DMAOT), ``log`` with frames
            whose spacing grows with age. ``unbounded`` never forgets (parity with the published L
            variants; grows for ever). ``auto``: what did best for the variant.
        gap: seconds between two frames that are offered to long-term memory.
        gap_frames: the same in frames. With neither it is ``DEFAULT_GAP``, and for ``unbounded``
            the variant's published number of frames.
        admission: only frames with good masks are remembered, and the views of objects that are
            away are kept. Without it every frame that is due is taken; ``unbounded`` always does.
        lag: seconds that short-term memory lies back; 0: the previous frame.
        lag_frames: the same in frames, 1 the previous one; None: ``lag`` decides.
        padded: hand over all slots always, empty ones masked, instead of the used ones: static
            shapes for compiled and exported networks, for the price of a full bank.

    Raises:
        ValueError: a value out of range.
    """

    slots: int = 9
    policy: str = "auto"
    gap: float | None = None
    gap_frames: int | None = None
    admission: bool = True
    lag: float = 0.0
    lag_frames: int | None = None
    padded: bool = False

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
        if self.lag and self.lag_frames is not None:
            raise ValueError("give the lag of short-term memory in seconds or in frames, not both")
        if not 0 <= self.lag <= MAX_LAG:
            raise ValueError(f"lag of short-term memory must be in 0..{MAX_LAG} s, got {self.lag}")
        if self.lag_frames is not None and not 1 <= self.lag_frames <= 32:
            raise ValueError(
                f"lag of short-term memory must be in 1..32 frames, got {self.lag_frames}"
            )


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """How full the memory is: slots used, slots there are, bytes allocated on the device."""

    slots_used: int
    slots_capacity: int
    bytes: int
