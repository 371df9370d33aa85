"""A long run for people and programs: table, JSON and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from deaot_ros.evaluation.chart import line_chart, save_picture
from deaot_ros.evaluation.long_measures import LENGTHS, Summary, agreement, as_json, slope_of
from deaot_ros.evaluation.long_run import LongRun

_MIB = 2**20


def table(run: LongRun, summaries: dict[str, Summary]) -> str:
    """A Markdown table, one row per entrant."""
    head = [
        "memory", "J", "J first tenth", "J last tenth",
        *(f"back after {length:g} s" for length in LENGTHS), "restarts", "swaps", "false area",
        "ms first", "ms last", "ms per 1,000 frames", "MiB first", "MiB last",
    ]  # fmt: skip
    rows = [head, ["---"] * len(head)]
    rows += [[name, *_cells(summary)] for name, summary in summaries.items()]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    early, late = (size / _MIB for size in _host_bytes(run))
    rise, error = (value / 2**10 for value in slope_of(run.host_bytes))
    lines += [
        "",
        f"Process: {early:.1f} MiB after a tenth of the run, {late:.1f} MiB at its end; "
        f"{rise:+.0f} ± {error:.0f} KiB per 1,000 frames.",
    ]
    if "unbounded" in summaries:
        lines += ["", "Returns that `unbounded` recovers, and how many of these others do:", ""]
        for name in summaries:
            if name == "unbounded":
                continue
            parts = []
            for length in LENGTHS:
                count, common = agreement(run, name, "unbounded", length)
                parts.append(f"{length:g} s {common}/{count}")
            lines.append(f"- {name}: {', '.join(parts)}")
    return "\n".join(lines)


def write_report(
    folder: Path, run: LongRun, summaries: dict[str, Summary], about: dict[str, Any]
) -> None:
    """Write ``summary.json``, ``table.md`` and the pictures into a folder.

    Args:
        folder: made if it is missing.
        run, summaries: what to report.
        about: how the run was made, for the JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {"about": {**about, "host_bytes": _host_bytes(run)}, "entrants": as_json(summaries)}
    (folder / "summary.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / "table.md").write_text(table(run, summaries) + "\n")
    tenths = list(range(1, 11))
    known = {n: s for n, s in summaries.items() if s.j is not None}
    if known:
        drift = {n: s.j_by_tenth for n, s in known.items()}
        picture = line_chart(
            "Drift", "tenth of the run", "mean J", tenths, drift, (0, 1), [str(t) for t in tenths]
        )
        save_picture(picture, str(folder / "drift.png"))
        back = {
            n: [100 * done / count if count else None for count, done, _ in s.recovered.values()]
            for n, s in known.items()
        }
        places = list(range(len(LENGTHS)))
        labels = [f"{length:g} s" for length in LENGTHS]
        picture = line_chart(
            "Recovery", "absence", "% found again", places, back, (0, 100), labels
        )
        save_picture(picture, str(folder / "recovery.png"))
    places, cost = _blocks({n: t.milliseconds for n, t in run.tracks.items()})
    save_picture(
        line_chart("Time", "frame", "ms per frame", places, cost), str(folder / "time.png")
    )
    places, size = _blocks({n: t.size / _MIB for n, t in run.tracks.items()})
    save_picture(line_chart("Memory", "frame", "MiB", places, size), str(folder / "memory.png"))


def _host_bytes(run: LongRun) -> tuple[int, int]:
    """Resident memory after a tenth of the run and at its end."""
    return int(run.host_bytes[len(run.host_bytes) // 10]), int(run.host_bytes[-1])


def _cells(s: Summary) -> list[str]:
    back = [
        "–" if not count else f"{done}/{count}" + (f", {delay:.1f} s" if done else "")
        for count, done, delay in s.recovered.values()
    ]
    return [
        _number(s.j), _number(s.j_by_tenth[0]), _number(s.j_by_tenth[-1]), *back,
        str(s.restarts), str(s.swaps),
        "–" if s.false_area is None else f"{100 * s.false_area:.1f} %",
        f"{s.milliseconds[0]:.1f}", f"{s.milliseconds[1]:.1f}",
        f"{s.slope[0]:+.2f} ± {s.slope[1]:.2f}",
        f"{s.size[0] / _MIB:.2f}", f"{s.size[1] / _MIB:.2f}",
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _blocks(series: dict[str, np.ndarray]) -> tuple[list[float], dict[str, list[float]]]:
    """Medians over a hundred stretches of the run."""
    length = len(next(iter(series.values())))
    parts = np.array_split(np.arange(length), min(100, length))
    places = [float(part[-1]) for part in parts]
    return places, {n: [float(np.median(v[part])) for part in parts] for n, v in series.items()}
