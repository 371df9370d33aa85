"""What a long run says about a memory: drift, recovery, swaps, false alarms, cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deaot_ros.evaluation.long_run import LongRun, Track
from deaot_ros.evaluation.statistics import line_fit

LENGTHS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Absences are counted under the nearest of these, in seconds, on a logarithmic scale."""

_PARTS = 10
_SHORTEST = 0.3  # seconds; shorter absences are no trial
_IN_SIGHT = 0.1  # of an object's median area
_GOOD = 0.5  # J of a mask that is on its object
_AGAIN = 2  # frames in a row that a recovered object is held
_SWAP = 2  # frames in a row on another object that are a swap


@dataclass(frozen=True, slots=True)
class Trial:
    """One return of an object.

    Attributes:
        length: the absence is counted under, seconds.
        held: it was tracked within the second before.
        delay: seconds from its return until it is held again; None: not before it left again or the
            tracker began anew.
    """

    length: float
    held: bool
    delay: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """One entrant.

    Attributes:
        j: mean over objects in sight; None without truth.
        j_by_tenth: the same by tenth of the run.
        recovered: length of absence to (trials, recovered, median delay in seconds or None).
        swaps: times that an object's mask moved onto another object.
        false_area: area claimed while absent, part of the object's median area.
        milliseconds: medians of the first and of the last tenth.
        slope: change of milliseconds per 1,000 frames, and its standard error.
        restarts: times that it was lost and began anew.
        size: bytes of memory after the first tenth and at the end.
    """

    j: float | None
    j_by_tenth: tuple[float | None, ...]
    recovered: dict[float, tuple[int, int, float | None]]
    swaps: int
    false_area: float | None
    milliseconds: tuple[float, float]
    slope: tuple[float, float]
    restarts: int
    size: tuple[int, int]


def summarise(run: LongRun) -> dict[str, Summary]:
    """Measure every entrant of a run."""
    return {name: _summary(run, track) for name, track in run.tracks.items()}


def as_json(summaries: dict[str, Summary]) -> dict[str, Any]:
    """The same as plain lists and dictionaries."""
    plain: dict[str, Any] = {name: asdict(summary) for name, summary in summaries.items()}
    for entry in plain.values():
        entry["recovered"] = {str(k): v for k, v in entry["recovered"].items()}
    return plain


def trials(run: LongRun, track: Track) -> list[Trial]:
    """All returns of all objects, object by object in order of time; needs truth throughout."""
    found: list[Trial] = []
    if not run.known.all():
        return found
    for o in range(len(run.ids)):
        sight = in_sight(run)[:, o]
        good = track.j[:, o] > _GOOD
        spells = _runs(~sight)
        for number, (start, end) in enumerate(spells):
            seconds = (end - start) / run.rate
            if seconds < _SHORTEST or start == 0 or end == len(sight):
                continue
            leaves = spells[number + 1][0] if number + 1 < len(spells) else len(sight)
            given = np.flatnonzero(track.restarts[end:leaves])  # found by the true masks, not by it
            if len(given):
                leaves = end + int(given[0]) + 1
            length = min(LENGTHS, key=lambda known: abs(np.log(known / seconds)))
            before = good[max(0, start - max(1, round(run.rate))) : start]
            held = [s for s, e in _runs(good[end:leaves]) if e - s >= _AGAIN]
            delay = held[0] / run.rate if held else None
            found.append(Trial(length, bool(before.any()), delay))
    return found


def agreement(run: LongRun, name: str, other: str, length: float) -> tuple[int, int]:
    """Returns after ``length`` seconds that ``other`` recovers; how many of them ``name`` does."""
    ours, theirs = trials(run, run.tracks[name]), trials(run, run.tracks[other])
    common = [
        a.delay is not None
        for a, b in zip(ours, theirs, strict=True)
        if b.length == length and b.delay is not None
    ]
    return len(common), sum(common)


def in_sight(run: LongRun) -> np.ndarray:
    """[F, O], where an object shows a part worth speaking of."""
    return run.true_area > _IN_SIGHT * _typical_area(run)


def _summary(run: LongRun, track: Track) -> Summary:
    sight = in_sight(run)
    parts = np.array_split(np.arange(len(sight)), _PARTS)
    absent = (run.true_area == 0) & run.known[:, None]
    false = (track.area / _typical_area(run))[absent]
    swaps = sum(
        sum(e - s >= _SWAP for s, e in _runs((owner != 0) & (owner != run.ids[o])))
        for o, owner in enumerate(track.owner.T)
    )
    ms = track.milliseconds
    recovered = {}
    found = trials(run, track)
    for length in LENGTHS:
        delays = [t.delay for t in found if t.length == length]
        times = [d for d in delays if d is not None]
        recovered[length] = (
            len(delays), len(times), float(np.median(times)) if times else None
        )  # fmt: skip
    return Summary(
        _mean(track.j[sight]),
        tuple(_mean(track.j[part][sight[part]]) for part in parts),
        recovered,
        int(swaps),
        _mean(false),
        (float(np.median(ms[parts[0]])), float(np.median(ms[parts[-1]]))),
        slope_of(ms),
        int(track.restarts.sum()),
        (int(track.size[parts[0][-1]]), int(track.size[-1])),
    )


def _typical_area(run: LongRun) -> np.ndarray:
    """[O], the median over the frames that show an object; 1 where none does."""
    return np.array([np.median(a[a > 0]) if (a > 0).any() else 1.0 for a in run.true_area.T])


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def slope_of(values: np.ndarray) -> tuple[float, float]:
    """Per 1,000 frames, and the standard error, of medians over blocks: single frames are noisy."""
    parts = np.array_split(np.arange(len(values)), min(50, max(2, len(values) // 20)))
    blocks = np.array([np.median(values[part]) for part in parts])
    x = np.array([part.mean() / 1000 for part in parts])
    return line_fit(x, blocks)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(first, end) of every stretch of True."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))
