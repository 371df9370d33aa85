"""All videos of a benchmark: what is done stays done, several processes share the rest."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing.queues import Queue
from pathlib import Path

from deaot_ros.backends import load_backend
from deaot_ros.datasets.evaluation import EvaluationVideo
from deaot_ros.errors import DeaotError
from deaot_ros.evaluation.protocols import ObjectScores, score_video
from deaot_ros.evaluation.video_run import AugmentedRun, PlainRun, Timing, run_video
from deaot_ros.network import build_network, get_variant, load_checkpoint
from deaot_ros.tracking import AugmentedTracker, MemorySettings, Tracker, TrackerSettings
from deaot_ros.tracking.calibration import load_calibration

_PUBLISHED_GAP = 5


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What results depend on.

    Attributes:
        benchmark, variant, weights: weights as a file.
        weights_sha256: of that file, for a file may change.
        resolution, fps: see ``benchmarks.Source``.
        scales, flip: test-time augmentation.
        memory: "published" (T, S and B the first frame, L every fifth frame, unbounded) or
            "bounded" (the default of this package).
        max_long_side: of the network input, px.
        precision, backend: of the network.
        real_time: see ``benchmarks.Source``.
    """

    benchmark: str
    variant: str
    weights: str
    weights_sha256: str
    resolution: str
    fps: int
    scales: tuple[float, ...]
    flip: bool
    memory: str
    max_long_side: int
    precision: str
    backend: str
    real_time: bool = False

    def load(self, device: str) -> PlainRun | AugmentedRun:
        """The tracker on a device.

        Raises:
            DeaotError: it cannot be had.
        """
        network = build_network(self.variant)
        load_checkpoint(network, Path(self.weights))
        backend = load_backend(network, device, self.backend, self.precision)
        memory = MemorySettings()
        if self.memory == "published":
            never = get_variant(self.variant).remembers_references_only
            memory = MemorySettings(
                policy="reference" if never else "unbounded", gap_frames=_PUBLISHED_GAP
            )
        settings = TrackerSettings(max_long_side=self.max_long_side, memory=memory)
        if self.scales == (1.0,) and not self.flip:
            calibration = load_calibration(Path(self.weights))
            return PlainRun(Tracker(backend, settings, self.weights, calibration))
        return AugmentedRun(AugmentedTracker(backend, self.scales, self.flip, settings=settings))


class Results:
    """The folder of a run: ``predictions/VIDEO/STEM.png``, ``timing/VIDEO.json``, settings."""

    def __init__(self, folder: Path, settings: RunSettings) -> None:
        """Make or continue a run.

        Raises:
            DeaotError: the folder holds results of other settings, or cannot be written.
        """
        self.folder = folder
        self.predictions = folder / "predictions"
        self._timing = folder / "timing"
        wanted = json.loads(json.dumps(asdict(settings)))
        file = folder / "settings.json"
        if file.is_file():
            found = json.loads(file.read_text())
            other = [k for k in wanted if found.get(k) != wanted[k]]
            if other:
                k = other[0]
                raise DeaotError(
                    f"{folder} holds results of other settings ({k}: {found.get(k)}, now "
                    f"{wanted[k]}); choose another --out or remove the folder"
                )
        self.predictions.mkdir(parents=True, exist_ok=True)
        self._timing.mkdir(exist_ok=True)
        file.write_text(json.dumps(wanted, indent=1) + "\n")

    def of(self, video: EvaluationVideo) -> Path:
        """Folder of a video's masks; exists when the video is done."""
        return self.predictions / video.name

    def note(self, video: EvaluationVideo, timing: Timing) -> None:
        """Keep how long a video took."""
        (self._timing / f"{video.name}.json").write_text(json.dumps(asdict(timing)) + "\n")

    def timings(self) -> list[Timing]:
        """Of all videos that are done."""
        return [Timing(**json.loads(f.read_text())) for f in sorted(self._timing.glob("*.json"))]


def run_set(
    videos: list[EvaluationVideo],
    settings: RunSettings,
    results: Results,
    devices: list[str],
    each: Callable[[int], None] = lambda frames: None,
) -> None:
    """Run the videos that are not done yet.

    Args:
        devices: one process each; a single one runs here.
        each: called with a number of frames that are done.

    Raises:
        DeaotError: a video failed; those that are done stay.
    """
    left = [v for v in videos if not results.of(v).is_dir()]
    if not left:
        return
    if len(devices) == 1:
        runner = settings.load(devices[0])
        for video in left:
            results.note(video, run_video(video, runner, results.of(video), lambda: each(1)))
        return
    context = multiprocessing.get_context("spawn")
    free = context.Queue()
    for device in devices:
        free.put(device)
    left.sort(key=lambda v: -len(v.frames))  # the longest first, or one process ends late
    with ProcessPoolExecutor(len(devices), context, _load, (settings, free)) as pool:
        under_way = {pool.submit(_run, v, results.of(v)): v for v in left}
        for done in _finished(under_way, pool):
            results.note(under_way[done], done.result())
            each(len(under_way[done].frames))


def score_set(
    videos: list[EvaluationVideo], results: Results, rule: str, processes: int
) -> list[ObjectScores]:
    """Score all videos, in their order.

    Raises:
        DatasetError: see ``score_video``.
    """
    work = [(v, results.of(v), rule) for v in videos]
    if processes == 1:
        found = [score_video(*w) for w in work]
    else:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(score_video, *zip(*work)))
    return [scores for video in found for scores in video]


def _finished(
    under_way: dict[Future[Timing], EvaluationVideo], pool: ProcessPoolExecutor
) -> Iterator[Future[Timing]]:
    waiting = set(under_way)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            try:
                future.result()
            except BrokenProcessPool:
                raise DeaotError(
                    "a worker process ended: out of memory, or its device or weights could not be "
                    "had; videos that are done stay, run again with fewer --workers"
                ) from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            yield future


_runner: PlainRun | AugmentedRun | None = None


def _load(settings: RunSettings, free: Queue[str]) -> None:
    import cv2
    import torch

    global _runner
    device = free.get()
    if device.startswith("cpu"):
        torch.set_num_threads(1)  # processes share the cores
    cv2.setNumThreads(1)
    _runner = settings.load(device)


def _run(video: EvaluationVideo, folder: Path) -> Timing:
    assert _runner is not None, "the initialiser has run"
    return run_video(video, _runner, folder)
