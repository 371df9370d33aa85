"""Speeds for people and programs: table, JSON and plots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from deaot_ros.evaluation.chart import line_chart, save_picture
from deaot_ros.evaluation.speed import Case, Speed

PERCENTILES = (50, 95, 99)
_MIB = 2**20
_AXES = {"objects": "objects", "slots": "memory frames", "height": "image height in px"}
"""Numbers of a case that a plot can have along its axis, and their names."""


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """Least, p50, p95 and p99."""
    found = {"min": float(np.min(samples))}
    return found | {f"p{p}": float(np.percentile(samples, p)) for p in PERCENTILES}


def ratios(speed: Speed) -> dict[str, float]:
    """Of the least samples: how many times the floor a frame takes, and what the rival takes of it.

    The least, because whatever else the machine does only ever adds time. Of CPU time as well,
    where all sides told theirs and none ran elsewhere.
    """
    on_cpu = speed.device == "cpu" and speed.case.precision == "fp32"
    found = {"floor": min(speed.total) / min(speed.floor)}
    if on_cpu:
        found["floor_cpu"] = min(speed.cpu) / min(speed.floor_cpu)
    if speed.rival:
        found["rival"] = min(speed.rival) / min(speed.total)
    if speed.rival_cpu and on_cpu:
        found["rival_cpu"] = min(speed.rival_cpu) / min(speed.cpu)
    return found


def table(speeds: Sequence[Speed]) -> str:
    """A Markdown table, one row per case; medians unless a column says otherwise."""
    stages = list(speeds[0].stages)
    head = [
        "variant", "runs on", "input", "objects", "memory", *(f"{name} ms" for name in stages),
        "min ms", "p50", "p95", "p99", "peak MiB", "build s", "warm-up s", "floor ms", "× floor",
        "CPU ms", "floor CPU ms",
    ]  # fmt: skip
    rival = any(s.rival for s in speeds)
    if rival:
        head += ["other ms", "times as fast"]
    rows = [head, ["---"] * len(head)]
    for s in speeds:
        total, found = percentiles(s.total), ratios(s)
        row = [
            s.case.variant, f"{s.case.backend} {s.case.precision}", f"{s.size[0]}×{s.size[1]}",
            str(s.case.objects), str(s.case.slots),
            *(f"{np.median(s.stages[name]):.1f}" for name in stages),
            *(f"{value:.1f}" for value in total.values()),
            f"{s.peak / _MIB:.0f}", f"{s.build:.1f}", f"{s.warm_up:.1f}",
            f"{min(s.floor):.1f}", f"{found['floor']:.2f}",
            f"{min(s.cpu):.0f}", f"{min(s.floor_cpu):.0f}",
        ]  # fmt: skip
        if rival:
            row += [f"{min(s.rival):.1f}", f"{found['rival']:.2f}"] if s.rival else ["–", "–"]
        rows.append(row)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def as_json(speeds: Sequence[Speed], about: dict[str, Any]) -> dict[str, Any]:
    """All samples, their percentiles and the ratios."""
    return {
        "about": about,
        "cases": [
            {
                **asdict(s),
                "percentiles": {"total": percentiles(s.total)}
                | {name: percentiles(samples) for name, samples in s.stages.items()},
                "ratios": ratios(s),
            }
            for s in speeds
        ],
    }


def write_report(folder: Path, speeds: Sequence[Speed], about: dict[str, Any]) -> list[str]:
    """Write ``speed.json``, ``table.md`` and a plot along every number that varies.

    Returns:
        The names of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speed.json").write_text(json.dumps(as_json(speeds, about), indent=1) + "\n")
    (folder / "table.md").write_text(table(speeds) + "\n")
    written = ["speed.json", "table.md"]
    # By the clock a busy CPU says more about what else it does.
    on_cpu = all(s.device == "cpu" for s in speeds)
    unit = "ms of CPU time per frame, least" if on_cpu else "ms per frame, median"
    for axis, name in _AXES.items():
        places = sorted({getattr(s.case, axis) for s in speeds})
        if len(places) < 2:
            continue
        lines: dict[str, list[float | None]] = {}
        for s in speeds:
            line = lines.setdefault(_name(s.case, axis, speeds), [None] * len(places))
            line[places.index(getattr(s.case, axis))] = (
                min(s.cpu) if on_cpu else float(np.median(s.total))
            )
        picture = line_chart(
            "Speed", name, unit, [float(p) for p in places], lines,
            x_labels=[str(p) for p in places],
        )  # fmt: skip
        save_picture(picture, str(folder / f"speed_by_{axis}.png"))
        written.append(f"speed_by_{axis}.png")
    return written


def _name(case: Case, axis: str, speeds: Sequence[Speed]) -> str:
    """What sets a case apart from others, but for the number along the axis."""
    parts = asdict(case)
    parts.pop(axis)
    if axis == "height":
        parts.pop("width")
    units = {"height": " px", "objects": " objects", "slots": " slots"}
    varied = [
        f"{value}{units.get(key, '')}"
        for key, value in parts.items()
        if key != "width" and len({getattr(s.case, key) for s in speeds}) > 1
    ]
    return " ".join(varied) or case.variant
