"""Train a network: on still images (static), on videos (video), or on scenes made on the fly.

Every number comes from the stage's file in config/train, then from --config, then from the
options below that carry the name of a setting; docs/training.md says what each means. Several
GPUs: torchrun --nproc-per-node N -m deaot_ros.training, with the same options.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deaot_ros.commands.options import positive
from deaot_ros.commands.progress import Progress
from deaot_ros.errors import ConfigError, DeaotError

if TYPE_CHECKING:
    import torch

    from deaot_ros.training import StepReport, Trainer, TrainSettings
    from deaot_ros.training.distributed import Processes
    from deaot_ros.training.loop import Watcher

log = logging.getLogger(__name__)
_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line; every setting is an option, besides the files."""
    from deaot_ros.training.settings import STAGES
    from deaot_ros.training.stages import TYPES

    parser.add_argument("--stage", choices=STAGES, default="synthetic")
    parser.add_argument("--out", type=Path, help="folder for state and weights")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML with some settings")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of a stage before")
    parser.add_argument(
        "--encoder-weights", type=Path, metavar="FILE", help="an encoder or classifier"
    )
    parser.add_argument("--resume", action="store_true", help="continue from OUT/state.pt")
    parser.add_argument(
        "--check", action="store_true", help="train nothing, list all that is wrong in the data"
    )
    parser.add_argument(
        "--measure-data",
        type=positive,
        metavar="N",
        help="train nothing, say how fast N batches are made by --workers",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads; default: torch's")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that make batches; default: 8 for each GPU, none on a CPU",
    )
    parser.add_argument("--save-every", type=float, default=300.0, metavar="SECONDS")
    parser.add_argument("--tensorboard", action=argparse.BooleanOptionalAction, default=None)
    settings = parser.add_argument_group("settings")
    for name, kind in TYPES.items():
        option = f"--{name.replace('_', '-')}"
        if name == "stage":
            continue
        if kind is tuple:
            settings.add_argument(option, action="append", metavar="DIR", help="may come again")
        elif kind is bool:
            settings.add_argument(option, action=argparse.BooleanOptionalAction, default=None)
        else:
            settings.add_argument(option, type=kind, metavar=kind.__name__)


def run(arguments: argparse.Namespace) -> int:
    """Train, or check the data."""
    from deaot_ros.training import stage_settings

    given = _given(arguments)
    if arguments.check:
        settings = stage_settings(arguments.stage, arguments.config, given)
        return _check(settings.stage, settings.data, settings.frames)
    if arguments.measure_data:
        settings = stage_settings(arguments.stage, arguments.config, given)
        return _measure_data(settings, arguments.measure_data, arguments.workers or 0)
    if arguments.out is None:
        raise ConfigError("--out DIR is missing: the folder for state and weights")
    try:
        return _train(arguments, given)
    except (FloatingPointError, ValueError) as error:
        if isinstance(error, DeaotError):
            raise
        raise DeaotError(f"training stopped: {error}") from error


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that options ask for."""
    from deaot_ros.training.stages import TYPES

    found = {name: getattr(arguments, name) for name in TYPES if name != "stage"}
    if found["data"] is not None:
        found["data"] = tuple(found["data"])
    return {name: value for name, value in found.items() if value is not None}


def _train(arguments: argparse.Namespace, given: dict[str, Any]) -> int:
    import cv2
    import torch

    from deaot_ros.training import train_to_end
    from deaot_ros.training.distributed import choose_device, join_processes, leave_processes

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)  # pictures are small; the network needs the cores
    device = choose_device(arguments.device)
    arguments.out.mkdir(parents=True, exist_ok=True)  # not after minutes of work
    processes = join_processes(device)
    try:
        trainer = _trainer(arguments, given, device, processes)
        state = arguments.out / "state.pt" if processes.rank == 0 else None
        with _Watching(arguments, trainer, processes.rank == 0) as watchers:
            done = train_to_end(trainer, state, arguments.save_every, watchers)
        if not done:
            log.info("stopped at step %d; continue with --resume", trainer.step)
            return _INTERRUPTED
        if processes.rank == 0:
            path = arguments.out / f"{trainer.settings.variant}.safetensors"
            trainer.export(path, {"training": str(trainer.settings.as_metadata())})
            log.info("wrote %s", path)
    finally:
        leave_processes()
    return 0


def _trainer(
    arguments: argparse.Namespace,
    given: dict[str, Any],
    device: torch.device,
    processes: Processes,
) -> Trainer:
    from deaot_ros.training import Trainer, stage_settings

    state = arguments.out / "state.pt"
    workers = arguments.workers
    if workers is None:
        cores = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        workers = max(1, min(8, cores)) if device.type == "cuda" else 0
    place: dict[str, Any] = {"device": device, "processes": processes, "workers": workers}
    if arguments.resume:
        return Trainer.resume(state, given, **place)
    if state.exists():
        raise ConfigError(
            f"{state} is of a training before: continue it with --resume, or give another --out"
        )
    settings = stage_settings(arguments.stage, arguments.config, given)
    before = arguments.weights or arguments.encoder_weights
    if before is None and not settings.live_batch_norm:
        raise ConfigError(
            f"the stage {settings.stage} starts from an encoder that was trained before: give "
            "--weights or --encoder-weights, or train all of it with --live-batch-norm "
            "--encoder-rate 1 --frozen-stages 0"
        )
    return Trainer(settings, arguments.weights, arguments.encoder_weights, **place)


class _Watching:
    """The watchers of a run: a bar on terminals, else lines; TensorBoard where it is installed."""

    def __init__(self, arguments: argparse.Namespace, trainer: Trainer, first: bool) -> None:
        from deaot_ros.training.watching import Curves, Lines

        self._bar = Progress(trainer.settings.steps, trainer.step)
        self._curves: Curves | None = None
        self._watchers: list[Watcher] = []
        if not first:
            return
        if sys.stderr.isatty():
            self._watchers.append(self._show)
        else:
            self._watchers.append(Lines(trainer.settings.steps))
        if arguments.tensorboard is not False:
            try:
                self._curves = Curves(arguments.out / "tensorboard", trainer)
                self._watchers.append(self._curves)
            except DeaotError as error:
                if arguments.tensorboard:
                    raise
                log.info("no curves: %s", error)

    def _show(self, report: StepReport) -> None:
        self._bar.step(f"loss {report.loss:.3f}")

    def __enter__(self) -> Sequence[Watcher]:
        self._bar.__enter__()
        return self._watchers

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)
        if self._curves is not None:
            self._curves.close()


def _measure_data(settings: TrainSettings, count: int, workers: int) -> int:
    """Say how many frames a second the workers, or this process, make without any training."""
    import time

    import cv2

    from deaot_ros.training.batch import StepBatches
    from deaot_ros.training.sources import build_source
    from deaot_ros.training.stream import BatchStream

    cv2.setNumThreads(1)
    batches = StepBatches(settings, build_source(settings))
    frames = settings.batch * (settings.frames + settings.rollout)
    if workers:
        stream = BatchStream(batches, range(count + 2 * workers), workers, pin=False)
        for _ in range(2 * workers):  # they start by filling their queues
            stream.next()
    else:
        batches[0]  # reads photographs, which happens once
    wall, own = time.monotonic(), time.process_time()
    for step in range(count):
        _ = stream.next() if workers else batches[step + 1]
    wall, own = time.monotonic() - wall, time.process_time() - own
    line = f"{count * frames / wall:.0f} frames/s at {settings.size} px"
    if not workers:
        line += f", {count * frames / own:.0f} per second of this process's CPU time"
    print(f"{line}; {workers or 'no'} workers")
    return 0


def _check(stage: str, folders: Sequence[str], frames: int) -> int:
    """List what is wrong; exit code 1 where anything is."""
    from concurrent.futures import ThreadPoolExecutor

    from deaot_ros.datasets.check import check_unit, find_units

    if stage == "synthetic" or not folders:
        raise ConfigError("--check needs --stage static or video, and --data DIR")
    found = 0
    for folder in folders:
        units, problems = find_units(Path(folder).expanduser(), stage)
        for problem in problems:
            print(problem)
        found += len(problems)
        with ThreadPoolExecutor() as pool, Progress(len(units)) as progress:
            for lines in pool.map(lambda unit: list(check_unit(unit, frames)), units):
                progress.step()
                found += len(lines)
                for line in lines:
                    print(line)
        what = "images" if stage == "static" else "videos"
        print(f"{folder}: {len(units)} {what} checked")
    print(f"{found} problems" if found else "no problem found")
    return 1 if found else 0
