"""Run a benchmark and score it, or score masks that are there.

deaot evaluate scores RESULTS TRUTH compares two folders of mask PNGs with the same stems (an
output folder of deaot track will do as RESULTS). Objects are those of the first mask of TRUTH. As
in DAVIS, the first frame, whose mask was given, and the last one do not count.

deaot evaluate BENCHMARK --data DIR --out DIR reads the published folders, looks at every file,
tracks, writes masks and a zip for the server, and scores where ground truth is public. Started
again after an interruption it goes on where it was. docs/evaluation.md has the layouts.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from deaot_ros.commands.options import add_tracker_options, find_weights, positive
from deaot_ros.commands.progress import Progress

if TYPE_CHECKING:
    from deaot_ros.evaluation.benchmarks import Source
    from deaot_ros.evaluation.set_run import RunSettings

BENCHMARKS = (
    "davis16", "davis17", "davis17-test", "youtubevos18", "youtubevos19", "vot2020", "lvos", "vost",
    "clips",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    scores = kinds.add_parser("scores", help="score a folder of masks against another")
    scores.add_argument("results", type=Path, metavar="RESULTS", help="folder of masks")
    scores.add_argument("truth", type=Path, metavar="TRUTH", help="folder of true masks")
    for name in BENCHMARKS:
        _add_benchmark(kinds.add_parser(name, help=f"run {name}"), name)


def _add_benchmark(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="the data set")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="results")
    parser.set_defaults(resolution="480p", fps=6, truth=None, real_time=False)
    if name.startswith("davis"):
        parser.add_argument(
            "--resolution", choices=("480p", "Full-Resolution"), help="of the images"
        )
    if name.startswith("youtubevos"):
        parser.add_argument("--fps", type=int, choices=(6, 30), help="of the frames tracked")
        parser.add_argument(
            "--truth", type=Path, metavar="DIR", help="Annotations and meta.json, if you have them"
        )
    if name == "vot2020":
        parser.add_argument(
            "--real-time", action="store_true", help="miss frames that come while the tracker works"
        )
    parser.add_argument("--flip", action="store_true", help="also mirrored, averaged")
    parser.add_argument(
        "--scales", type=_scales, default=(1.0,), metavar="LIST", help="averaged, e.g. 1,1.2,1.4"
    )
    parser.add_argument(
        "--memory",
        choices=("published", "bounded"),
        help="the paper's or this package's; default: published but for lvos, vost and clips",
    )
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="processes on each device"
    )
    parser.add_argument(
        "--devices", metavar="LIST", help="several, e.g. cuda:0,cuda:1; default: --device"
    )
    add_tracker_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run, score, report."""
    if arguments.what == "scores":
        return _score_folders(arguments.results, arguments.truth)
    from deaot_ros.errors import DeaotError
    from deaot_ros.evaluation.benchmarks import BENCHMARKS as DEFINED
    from deaot_ros.evaluation.benchmarks import Source, find_videos
    from deaot_ros.evaluation.report import pack, write_report
    from deaot_ros.evaluation.set_run import Results, run_set, score_set

    benchmark = DEFINED[arguments.what]
    source = Source(
        arguments.data.expanduser(), arguments.resolution, arguments.fps, arguments.truth,
        arguments.real_time,
    )  # fmt: skip
    settings = _settings(arguments, source, benchmark.published)
    if source.resolution != "480p" and (arguments.flip or arguments.scales != (1.0,)):
        raise DeaotError("--flip and --scales work on 480p images; leave out --resolution")
    videos = find_videos(benchmark, source)
    results = Results(arguments.out, settings)
    devices = (arguments.devices or arguments.device).split(",") * arguments.workers
    done = sum(len(v.frames) for v in videos if results.of(v).is_dir())
    with Progress(sum(len(v.frames) for v in videos), done) as progress:

        def step(frames: int) -> None:
            for _ in range(frames):
                progress.step()

        run_set(videos, settings, results, devices, step)
    folder = benchmark.archive
    if benchmark.packed_as == "trajectories":
        folder = "realtime" if source.real_time else "baseline"
    archive = pack(videos, results, folder, benchmark.packed_as)
    scored = [v for v in videos if v.truth]
    objects = score_set(scored, results, benchmark.rule, len(devices)) if scored else []
    summary = benchmark.summary(objects, source) if objects else None
    print(write_report(benchmark, settings, results, videos, summary, objects))
    print(f"masks: {results.predictions}, scores: {arguments.out / 'scores.json'}")
    if summary is None and benchmark.server:
        print(f"ground truth is not public: give {archive} to {benchmark.server}")
    return 0


def _settings(arguments: argparse.Namespace, source: Source, published: bool) -> RunSettings:
    from deaot_ros.commands.options import tracker_settings
    from deaot_ros.errors import CheckpointError
    from deaot_ros.evaluation.set_run import RunSettings
    from deaot_ros.network import get_variant

    get_variant(arguments.variant)
    weights = find_weights(arguments)
    if not weights.is_file():
        raise CheckpointError(f"no weights file {weights}; models/README.md says where to get them")
    return RunSettings(
        benchmark=arguments.what,
        variant=arguments.variant,
        weights=str(weights),
        weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        resolution=source.resolution,
        fps=source.fps,
        scales=arguments.scales,
        flip=arguments.flip,
        memory=arguments.memory or ("published" if published else "bounded"),
        max_long_side=tracker_settings(arguments).max_long_side,
        precision=arguments.precision,
        backend=arguments.backend,
        real_time=source.real_time,
    )


def _scales(text: str) -> tuple[float, ...]:
    scales = tuple(float(part) for part in text.split(","))
    if not all(0.1 <= s <= 4 for s in scales):
        raise argparse.ArgumentTypeError(f"{text} holds a scale outside 0.1..4")
    return scales


def _score_folders(results: Path, truth_folder: Path) -> int:
    import numpy as np

    from deaot_ros.evaluation import sequence_scores
    from deaot_ros.video import VideoError, read_mask
    from deaot_ros.video.folder import list_images

    if (results / "masks").is_dir():
        results = results / "masks"
    truth = [f for f in list_images(truth_folder) if f.suffix.lower() == ".png"]
    if len(truth) < 3:
        raise VideoError(f"{truth_folder} has {len(truth)} masks; expected at least 3")
    missing = [f.stem for f in truth[1:-1] if not (results / f"{f.stem}.png").is_file()]
    if missing:
        raise VideoError(
            f"{results} lacks {len(missing)} of {len(truth) - 2} masks, the first is "
            f"{missing[0]}.png; stems must be those of {truth_folder}"
        )
    ids = [int(i) for i in np.unique(read_mask(truth[0])) if i not in (0, 255)]
    pairs = ((read_mask(results / f"{f.stem}.png"), read_mask(f)) for f in truth[1:-1])
    try:
        scores = sequence_scores(pairs, ids)
    except ValueError as error:
        raise VideoError(str(error)) from None
    print(f"{'object':>8}  {'J':>6}  {'F':>6}")
    for object_id, (j, f) in scores.objects.items():
        print(f"{object_id:>8}  {j:6.3f}  {f:6.3f}")
    print(f"{'mean':>8}  {scores.j_mean:6.3f}  {scores.f_mean:6.3f}   {scores.frames} frames")
    return 0
