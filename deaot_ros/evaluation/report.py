"""What an evaluation found: JSON, a table beside the paper's figures, a zip for the server."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path

from deaot_ros.datasets.encoded_mask import encode_mask
from deaot_ros.datasets.evaluation import EvaluationVideo
from deaot_ros.datasets.files import load_labels
from deaot_ros.datasets.vot import sequence_of
from deaot_ros.evaluation.benchmarks import Benchmark
from deaot_ros.evaluation.paper import paper_figures
from deaot_ros.evaluation.protocols import ObjectScores
from deaot_ros.evaluation.set_run import Results, RunSettings


def pack(
    videos: list[EvaluationVideo], results: Results, archive: str, packed_as: str = "masks"
) -> Path:
    """Zip the predictions as the servers take them, ``[ARCHIVE/]VIDEO/STEM.png``.

    Or, as "trajectories", as the VOT toolkit finds them in ``WORKSPACE/results/TRACKER``:
    ``EXPERIMENT/SEQUENCE/RUN.txt`` with ``archive`` for the experiment.

    Returns:
        The file, ``submission.zip``. It replaces an older one only when it is complete.
    """
    file = results.folder / "submission.zip"
    partial = file.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as packed:  # PNGs are compressed
        for video in videos:
            if packed_as == "trajectories":
                name = Path(archive) / sequence_of(video.name) / f"{video.name}.txt"
                packed.writestr(str(name), _trajectory(video, results), zipfile.ZIP_DEFLATED)
                continue
            for mask in sorted(results.of(video).glob("*.png")):
                packed.write(mask, Path(archive) / video.name / mask.name)
    partial.replace(file)
    return file


def _trajectory(video: EvaluationVideo, results: Results) -> str:
    masks = (load_labels(results.of(video) / f"{f.stem}.png") for f in video.frames[1:])
    return "\n".join(["1", *(encode_mask(mask) for mask in masks)]) + "\n"


def write_report(
    benchmark: Benchmark,
    settings: RunSettings,
    results: Results,
    videos: list[EvaluationVideo],
    summary: dict[str, float] | None,
    objects: list[ObjectScores],
) -> str:
    """Write ``scores.json`` and ``table.md``.

    Args:
        summary: measure to 0..1; None where ground truth is not public.

    Returns:
        The table.
    """
    timings = results.timings()
    frames = sum(t.frames for t in timings)
    tracking = sum(t.tracking for t in timings)
    total = sum(t.total for t in timings)
    paper = paper_figures(settings.benchmark, settings.variant, settings.real_time)
    rate, overhead = (frames / tracking, total / tracking - 1) if tracking else (0.0, 0.0)
    report = {
        "benchmark": benchmark.title,
        "settings": asdict(settings),
        "videos": len(videos),
        "measures": summary,
        "paper": paper,
        "speed": {"frames": frames, "frames per second": rate, "runner's overhead": overhead},
        "objects": [
            {
                "video": o.video,
                "id": o.object_id,
                "J": float(o.j.mean()),
                "F": float(o.f.mean()),
                "frames": len(o.j),
            }
            for o in objects
        ],
    }
    (results.folder / "scores.json").write_text(json.dumps(report, indent=1) + "\n")
    table = _table(benchmark, settings, len(videos), summary, paper)
    table += (
        f"\n{frames} frames, {rate:.2f} per second of the tracker; reading and writing added "
        f"{100 * overhead:.1f} %.\n"
    )
    (results.folder / "table.md").write_text(table)
    return table


def _table(
    benchmark: Benchmark,
    settings: RunSettings,
    videos: int,
    summary: dict[str, float] | None,
    paper: dict[str, float],
) -> str:
    title = f"{settings.variant} on {benchmark.title}, {videos} videos\n\n"
    names = list(summary if summary is not None else paper)
    if not names:
        return f"{title}Not scored: no ground truth.\n"
    rows = [["", *names], ["---"] * (len(names) + 1)]
    ours = summary or {}
    rows.append(["here", *(f"{100 * ours[n]:.1f}" if n in ours else "server" for n in names)])
    if paper:
        rows.append(["paper", *(f"{paper[n]:.1f}" if n in paper else "" for n in names)])
    return title + "".join(f"| {' | '.join(row)} |\n" for row in rows)
