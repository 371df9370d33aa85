"""What a soak saw: growth per hour, latency over time, recoveries, violated rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deaot_ros.soak.resources import Slope, Usage, slope

WARM_UP = 0.2
"""Part of the time that slopes leave out: allocators and caches fill. In half an hour every fault
has come twice by then."""

_PARTS = 10


class LatencyPart(NamedTuple):
    """Frames of a part of the time.

    Attributes:
        minute: when the part ended.
        frames: whose latency was measured.
        p50, p95, p99: ms, from the camera's publication to the arrival of the objects.
        computed: ms of processor time that the node took per frame, faults and all.
        others: processors that other processes kept busy.
    """

    minute: float
    frames: int
    p50: float
    p95: float
    p99: float
    computed: float
    others: float


@dataclass
class Record:
    """Filled while the soak runs. Times are seconds since it began, latencies ms.

    ``lost`` has an entry for each time that the network did not see an object which the node knows
    and does not call TRACKED: of that the weights are judged elsewhere, by benchmarks. ``others``
    are processors that other processes kept busy: latencies are no better than what they leave.
    ``computed`` is the node's processor time in seconds, ``frames`` what it had processed then.
    ``at_rest`` has (time, MB of host memory) of a node without objects that has given freed memory
    back: what it holds otherwise swings with what happened last, by more than a leak would show.
    """

    seed: int
    rate: float
    on_gpu: bool = False
    violations: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    at_rest: list[tuple[float, float]] = field(default_factory=list)
    processed: int = 0
    _base: int = 0
    _newest: int = 0

    def sample(
        self,
        moment: float,
        held: Usage,
        segments: int,
        others: float,
        computed: float,
        processed: int,
    ) -> None:
        """Take what the node holds, and how many frames it has processed since activation."""
        self.times.append(moment)
        self.computed.append(computed)
        self.others.append(others)
        self.usages.append(held)
        self.segments.append(segments)
        if processed < self._newest:  # activated anew
            self._base += self._newest
        self._newest = processed
        self.processed = self._base + processed
        self.frames.append(self.processed)

    def suffered(self, name: str) -> None:
        """Count a fault."""
        self.faults[name] += 1

    def line(self, moment: float) -> str:
        """Where it stands, for people."""
        host = self.usages[-1].host if self.usages else 0.0
        return (
            f"{moment / 60:5.1f} min: {self.processed} frames, {sum(self.faults.values())} faults, "
            f"{host:.1f} MB, {len(self.violations)} violations"
        )

    def slopes(self) -> dict[str, Slope]:
        """Growth after the warm-up."""
        if not self.times:
            return {}
        begin = WARM_UP * self.times[-1]
        first = next(i for i, t in enumerate(self.times) if t >= begin)
        times = self.times[first:]
        columns = {
            name: [float(getattr(u, name)) for u in self.usages[first:]] for name in Usage._fields
        }
        columns["segments"] = [float(n) for n in self.segments[first:]]
        rested = [(t, held) for t, held in self.at_rest if t >= begin]
        at_rest = slope([t for t, _ in rested], [held for _, held in rested])
        rows = {name: slope(times, values) for name, values in columns.items()}
        return {"host at rest": at_rest, **rows}

    def latency_parts(self) -> list[LatencyPart]:
        """Latencies between faults per tenth of the time."""
        if not self.latencies or not self.times:
            return []
        end = self.times[-1]
        rows = []
        for part in range(_PARTS):
            low, high = end * part / _PARTS, end * (part + 1) / _PARTS
            values = [v for t, v in self.latencies if low <= t < high]
            at = [i for i, t in enumerate(self.times) if low <= t <= high]
            if values and at:
                p50, p95, p99 = np.percentile(values, (50, 95, 99)).tolist()
                frames = self.frames[at[-1]] - self.frames[at[0]]
                computed = 1e3 * (self.computed[at[-1]] - self.computed[at[0]]) / max(1, frames)
                others = float(np.mean([self.others[i] for i in at]))
                rows.append(
                    LatencyPart(high / 60, len(values), p50, p95, p99, computed, others)
                )
        return rows

    def write(self, file: Path) -> None:
        """Everything as JSON."""
        content = {
            "seed": self.seed,
            "rate": self.rate,
            "processed": self.processed,
            "faults": dict(self.faults),
            "recovery_s": {k: {"median": float(np.median(v)), "worst": max(v)}
                           for k, v in sorted(self.recoveries.items())},
            "slopes_per_hour": {k: s._asdict() for k, s in self.slopes().items()},
            "latency_ms": [row._asdict() for row in self.latency_parts()],
            "samples": [
                {"second": t, **u._asdict(), "segments": n, "others": b}
                for t, u, n, b in zip(self.times, self.usages, self.segments, self.others)
            ],
            "at_rest": [{"second": t, "host": held} for t, held in self.at_rest],
            "lost_from_sight": self.lost,
            "violations": self.violations,
        }
        file.write_text(json.dumps(content, indent=1) + "\n")

    def lines(self) -> Sequence[str]:
        """For people."""
        rows = [
            f"frames processed   {self.processed}",
            f"faults             {sum(self.faults.values())} of {len(self.faults)} kinds, "
            f"seed {self.seed}",
        ]
        ends = {**self.usages[-1]._asdict(), "segments": self.segments[-1]} if self.usages else {}
        if self.at_rest:
            ends["host at rest"] = self.at_rest[-1][1]
        for name, growth in self.slopes().items():
            if name in ends:
                unit = " MB" if name.split()[0] in ("host", "device", "shared") else ""
                rows.append(
                    f"{name:18} {ends[name]:8.1f}{unit:3} at the end, {growth.per_hour:+8.2f} ± "
                    f"{growth.error:.2f}{unit} per hour"
                )
        rows.append("latency between faults, ms; processor time per frame, ms; processors that")
        rows.append("other processes kept busy")
        rows.append("  minute  frames     p50     p95     p99  computed  others")
        rows += [
            f"{r.minute:8.1f}{r.frames:8}{r.p50:8.1f}{r.p95:8.1f}{r.p99:8.1f}"
            f"{r.computed:10.1f}{r.others:8.2f}"
            for r in self.latency_parts()
        ]
        if self.recoveries:
            worst = max(self.recoveries, key=lambda k: max(self.recoveries[k]))
            slowest = max(self.recoveries[worst])
            rows.append(f"slowest recovery   {slowest:.2f} s, after '{worst}'")
        rows.append(f"lost from sight     {len(self.lost)} times, marked again")
        rows.append(f"rules violated     {len(self.violations)}")
        return [*rows, *(f"  {v}" for v in self.violations)]
