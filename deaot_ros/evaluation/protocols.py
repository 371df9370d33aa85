"""Which frames and objects of a video count, and what a benchmark makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deaot_ros.datasets.evaluation import EvaluationVideo
from deaot_ros.datasets.files import load_labels
from deaot_ros.datasets.vot import sequence_of
from deaot_ros.errors import DatasetError
from deaot_ros.evaluation.measures import scores
from deaot_ros.evaluation.multistart import Run, accuracy_robustness, expected_average_overlap
from deaot_ros.evaluation.statistics import last_quarter, statistics, temporal_spread

VOID = 255


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """One object of one video.

    Attributes:
        video, object_id: which.
        j, f: one score per frame that counts.
        hidden: bool per frame that counts, the object is not there.
        category: where it is known.
        sequence_length: see ``EvaluationVideo``.
    """

    video: str
    object_id: int
    j: np.ndarray
    f: np.ndarray
    hidden: np.ndarray
    category: str = ""
    sequence_length: int | None = None


def score_video(video: EvaluationVideo, results: Path, rule: str) -> list[ObjectScores]:
    """Score the results of a video.

    Args:
        video: with truth.
        results: folder with ``STEM.png``.
        rule: "inner": frames with truth, without the first and the last one, objects of the first
            mask (DAVIS, VOST, clips); "after": each object from the frame after the one in which
            it appears (YouTube-VOS); "spans": as the video says (LVOS); "whole": every frame
            (VOT, whose measures know which ones to leave out).

    Raises:
        DatasetError: a result is missing, damaged or of another size, or nothing counts.
    """
    stems = sorted(video.truth, key=[f.stem for f in video.frames].index)
    counted = _counted(video, stems, rule)
    rows: dict[int, list[tuple[float, float, bool]]] = {i: [] for i in counted}
    for stem in stems:
        ids = [i for i, frames in counted.items() if stem in frames]
        if not ids:
            continue
        truth, result = load_labels(video.truth[stem]), load_labels(results / f"{stem}.png")
        if truth.shape != result.shape:
            raise DatasetError(
                f"result {results / stem}.png is {result.shape}, truth is {truth.shape} "
                "(height, width); expected the same size"
            )
        if video.single_object:
            truth, result = _single(truth), _single(result)
        for i in ids:
            shown = truth == i
            rows[i].append((*scores(result == i, shown), not shown.any()))
    empty = [i for i, row in rows.items() if not row]
    if empty or not rows:
        raise DatasetError(f"{video.name}: no frame counts for objects {empty}; truth too short")
    categories = video.categories or {}
    objects = []
    for i, row in rows.items():
        j, f, hidden = np.array(row).T
        hidden = hidden.astype(bool)
        category, length = categories.get(i, ""), video.sequence_length
        objects.append(ObjectScores(video.name, i, j, f, hidden, category, length))
    return objects


def davis_summary(objects: Iterable[ObjectScores]) -> dict[str, float]:
    """Mean over all objects of mean, recall and decay of J and F."""
    j, f = zip(*((statistics(o.j), statistics(o.f)) for o in objects))
    summary = {"J&F": 0.0}
    for name, rows in (("J", j), ("F", f)):
        summary[name] = _mean(r.mean for r in rows)
        summary[f"{name} recall"] = _mean(r.recall for r in rows)
        summary[f"{name} decay"] = _mean(r.decay for r in rows)
    summary["J&F"] = (summary["J"] + summary["F"]) / 2
    return summary


def youtube_vos_summary(objects: Iterable[ObjectScores], seen: frozenset[str]) -> dict[str, float]:
    """J and F of seen and unseen categories, and G, the mean of the four.

    Raises:
        DatasetError: one of the two has no object.
    """
    summary = {"G": 0.0}
    listed = list(objects)
    for name, part in (
        ("seen", [o for o in listed if o.category in seen]),
        ("unseen", [o for o in listed if o.category not in seen]),
    ):
        if not part:
            raise DatasetError(f"no object of {name} categories; G needs seen and unseen ones")
        summary[f"J {name}"] = _mean(o.j.mean() for o in part)
        summary[f"F {name}"] = _mean(o.f.mean() for o in part)
    summary["G"] = sum(summary.values()) / 4
    return summary


def lvos_summary(objects: Iterable[ObjectScores]) -> dict[str, float]:
    """J, F, their mean and V, its standard deviation over time; means over objects."""
    listed = list(objects)
    j, f = _mean(o.j.mean() for o in listed), _mean(o.f.mean() for o in listed)
    spread = _mean(temporal_spread(o.j, o.f) for o in listed)
    return {"J&F": (j + f) / 2, "J": j, "F": f, "V": spread}


def vost_summary(objects: Iterable[ObjectScores]) -> dict[str, float]:
    """J and J_tr, that of the last quarter; means over objects."""
    listed = list(objects)
    return {
        "J": _mean(o.j.mean() for o in listed),
        "J_tr": _mean(last_quarter(o.j) for o in listed),
    }


def vot_summary(objects: Iterable[ObjectScores]) -> dict[str, float]:
    """EAO, accuracy and robustness of multi-start runs."""
    runs = [
        Run(sequence_of(o.video), o.sequence_length or len(o.j), o.j, o.hidden) for o in objects
    ]
    accuracy, robustness = accuracy_robustness(runs)
    return {"EAO": expected_average_overlap(runs), "A": accuracy, "R": robustness}


def _counted(video: EvaluationVideo, stems: list[str], rule: str) -> dict[int, frozenset[str]]:
    if rule == "spans":
        return {i: frozenset(span) for i, span in (video.spans or {}).items()}
    if rule == "after":
        counted: dict[int, frozenset[str]] = {}
        for number, stem in enumerate(stems):
            for i in _ids(video, stem):
                counted.setdefault(i, frozenset(stems[number + 1 :]))
        return counted
    if rule == "whole":
        return dict.fromkeys(_ids(video, stems[0]), frozenset(stems))
    inner = frozenset(stems[1:-1])
    return dict.fromkeys(_ids(video, stems[0]), inner) if stems else {}


def _ids(video: EvaluationVideo, stem: str) -> list[int]:
    labels = load_labels(video.truth[stem])
    if video.single_object:
        labels = _single(labels)
    return [int(i) for i in np.unique(labels) if i not in (0, VOID)]


def _single(labels: np.ndarray) -> np.ndarray:
    return (labels != 0).astype(np.uint8)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


Summary = Callable[[Iterable[ObjectScores]], dict[str, float]]
