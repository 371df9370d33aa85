"""Long runs on disk, so that entrants may run on several cores or days and be reported as one."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from deaot_ros.errors import DeaotError
from deaot_ros.evaluation.long_run import LongRun, Track

FILE = "run.npz"

_COLUMNS = tuple(f.name for f in fields(Track))


def save_run(run: LongRun, weights: str, folder: Path) -> None:
    """Write every number of a run; ``weights`` says which ones it is of."""
    columns = {
        f"{name}/{column}": getattr(track, column)
        for name, track in run.tracks.items()
        for column in _COLUMNS
    }
    np.savez_compressed(
        folder / FILE,
        weights=np.array(weights), ids=np.array(run.ids), rate=np.array(run.rate),
        true_area=run.true_area, known=run.known, host_bytes=run.host_bytes, **columns,
    )  # fmt: skip


def join_runs(run: LongRun, weights: str, folder: Path) -> LongRun:
    """The run with the entrants of an earlier one, cut to the shorter of both.

    Args:
        run, weights: as in :func:`save_run`.
        folder: of the earlier run, which must be of the same frames and weights.

    Raises:
        DeaotError: there is no such run, or it is of other frames or weights.
    """
    file = folder / FILE
    if not file.is_file():
        raise DeaotError(f"{file} is missing; expected the --output of an earlier run")
    with np.load(file) as content:
        earlier = {name: content[name] for name in content.files}
    count = min(len(run.known), len(earlier["known"]))
    same = (
        str(earlier["weights"]) == weights
        and tuple(earlier["ids"].tolist()) == run.ids
        and np.array_equal(earlier["true_area"][:count], run.true_area[:count])
        and float(earlier["rate"]) == run.rate
    )
    if not same:
        raise DeaotError(
            f"{file} is of other frames or weights ({earlier['weights']}, this run: {weights}); "
            "join runs whose options differ in --entrants and --output alone"
        )
    names = {name.partition("/")[0]: None for name in earlier if "/" in name}
    tracks = {n: Track(*(earlier[f"{n}/{column}"] for column in _COLUMNS)) for n in names}
    tracks |= run.tracks
    return replace(
        run,
        true_area=run.true_area[:count], known=run.known[:count],
        host_bytes=run.host_bytes[:count],
        tracks={
            name: Track(*(getattr(track, column)[:count] for column in _COLUMNS))
            for name, track in tracks.items()
        },
    )  # fmt: skip
