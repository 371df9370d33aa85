"""Everything that only a GPU can tell, in one command: python test/gpu/check_gpu.py

Same answers, speed, growth and the engine cache, for every backend that this machine has. Each
line says PASS, FAIL or NOT CHECKED and the figures; the exit code is 1 if one failed. Needs no ROS.
What weighs most comes first, and what has not begun after --seconds is left out. Speed is measured
on noise, and on random weights where none are shipped. With --device cpu and small numbers the
script tests itself; with --source and --mask it compares answers on a video of yours.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from deaot_ros.backends import Backend, load_backend
from deaot_ros.errors import DeaotError
from deaot_ros.memory import MemorySettings
from deaot_ros.network import build_network, load_checkpoint, shipped_weights
from deaot_ros.synthetic.demo import demo_clip
from deaot_ros.tracking import Tracker, TrackerSettings

RUNNERS = (
    ("torch", "fp32"), ("torch", "fp16"), ("torch-graph", "fp16"), ("torch-graph", "fp32"),
    ("tensorrt", "fp16"), ("tensorrt", "fp32"),
)  # fmt: skip
"""Backend and precision; the first one is the truth and the base of ratios."""

MORE_RUNNERS = (
    ("torch-compile", "fp16"), ("onnxruntime", "fp32"), ("onnxruntime", "fp16"),
    ("torch-compile", "fp32"), ("torch", "bf16"), ("tensorrt", "bf16"),
)  # fmt: skip

SAME = {"fp32": 0.999, "fp16": 0.99, "bf16": 0.9}  # IoU of labels with eager fp32
FASTEST = {"deaot-t": 300.0, "r50-deaot-l": 150.0}  # frames per second wanted at 480p
GAIN = 3.0  # of a recorded fp16 run over eager fp32
FLAT = 1.15  # most that ten objects may take over one, where frames are recorded
GROWTH = 1 << 20  # bytes between a tenth and the end of the long run
WARM_UP = 60  # frames: all nine slots are full then
GAP = 5  # frames between memory writes, as published

Clip = list[tuple[np.ndarray, np.ndarray | None]]


class Report:
    """Prints verdicts and remembers failures."""

    def __init__(self, seconds: float) -> None:
        self.failed = 0
        self._end = time.monotonic() + seconds

    def verdict(self, good: bool, what: str, figures: str) -> None:
        self.failed += not good
        print(f"{'PASS' if good else 'FAIL':11} {what}: {figures}", flush=True)

    def figures(self, what: str, figures: str) -> None:
        print(f"{'':11} {what}: {figures}", flush=True)

    def left_out(self, what: str, why: str) -> None:
        print(f"{'NOT CHECKED':11} {what}: {' '.join(why.split())}", flush=True)

    @property
    def late(self) -> bool:
        return time.monotonic() > self._end

    @contextmanager
    def checking(self, what: str) -> Iterator[None]:
        """What is not there is said; what breaks has failed, and the rest goes on."""
        try:
            yield
        except DeaotError as error:
            self.left_out(what, str(error))
        except Exception as error:
            self.verdict(False, what, f"{type(error).__name__}: {' '.join(str(error).split())}")


def main() -> int:
    """Check everything; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--height", type=int, default=480, help="of the network input (480)")
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--frames", type=int, default=120, help="of closed loops (120)")
    parser.add_argument("--timed", type=int, default=200, help="frames of speed; 0: none (200)")
    parser.add_argument("--long", type=int, default=10_000, help="of the long run; 0: none (10000)")
    parser.add_argument("--seconds", type=float, default=500, help="begin nothing after (500)")
    parser.add_argument("--variants", nargs="+", default=list(FASTEST))
    parser.add_argument("--backends", nargs="+", default=sorted({b for b, _ in RUNNERS}))
    parser.add_argument("--more", action="store_true", help="other backends and precisions, too")
    parser.add_argument("--source", help="folder of images or video instead of the demo's scene")
    parser.add_argument("--mask", help="of the source's first image")
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print(f"NOT CHECKED everything: torch {torch.__version__} sees no CUDA device")
        return 1
    name = torch.cuda.get_device_name() if given.device.startswith("cuda") else "cpu"
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda}", flush=True)
    report = Report(given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        check_all(report, given, Path(folder))
    print(f"{report.failed} failed")
    return 1 if report.failed else 0


def check_all(report: Report, given: argparse.Namespace, cache: Path) -> None:
    auto = runner_of(given.variants[0], given, "auto", "auto", cache)
    report.figures("auto", f"{auto.name} {auto.precision} ({auto.reason})")
    clip = clip_of(given)
    truth: list[np.ndarray] = []
    speeds: dict[str, dict[tuple[str, str], float]] = {v: {} for v in given.variants}
    runners = [*RUNNERS, *(MORE_RUNNERS if given.more else ())]
    for backend, precision in (r for r in runners if r[0] in given.backends):
        for variant in given.variants:
            what = f"{variant} by {backend} {precision}"
            if report.late:
                report.left_out(what, "the time of --seconds is over")
                continue
            runner: Backend | None = None
            with report.checking(what):
                start = time.perf_counter()
                runner = runner_of(variant, given, backend, precision, cache)
                # Shipped weights alone give masks that are worth comparing.
                if given.frames and shipped_weights(variant) is not None:
                    check_answers(report, what, runner, given, clip, truth)
                    report.figures(f"loading {what}", f"{time.perf_counter() - start:.1f} s")
                if given.timed:
                    with report.checking(f"speed of {what}"):
                        check_speed(report, what, runner, given, speeds[variant])
                if backend == "tensorrt":
                    check_cache(report, what, variant, given, precision, cache)
                if given.long and variant == given.variants[0] and precision == "fp16":
                    with report.checking(f"{given.long} frames of {what}"):
                        check_growth(report, what, runner, given)
            del runner
            gc.collect()
    for variant, rates in speeds.items():
        if rates and variant in FASTEST:
            best = max(rates, key=lambda key: rates[key])
            figures = f"{rates[best]:.1f}/s by {' '.join(best)}, wanted {FASTEST[variant]:.0f}/s"
            report.verdict(rates[best] >= FASTEST[variant], f"fastest {variant}", figures)


def runner_of(
    variant: str, given: argparse.Namespace, backend: str, precision: str, cache: Path
) -> Backend:
    torch.manual_seed(0)
    network = build_network(variant)
    if (weights := shipped_weights(variant)) is not None:
        load_checkpoint(network, weights)
    return load_backend(network, given.device, backend, precision, cache)


def tracker_of(runner: Backend, given: argparse.Namespace) -> Tracker:
    """A tracker whose nine slots take every frame that is due."""
    memory = MemorySettings(policy="fifo", slots=9, gap_frames=GAP, admission=False)
    size = given.height, given.width
    return Tracker(runner, TrackerSettings(network_size=size, memory=memory))


def clip_of(given: argparse.Namespace) -> Clip:
    """Images, the first one with its mask; a source that is too short goes forth and back."""
    if given.source is None:
        scene = demo_clip(given.height, given.width, seconds=max(1, given.frames / 30))
        return [scene.render(t) for t in range(given.frames)]
    from deaot_ros.video.masks import read_mask
    from deaot_ros.video.sources import open_source

    images = [f.image for f, _ in zip(open_source(given.source), range(given.frames))]
    way = [*range(len(images)), *range(len(images) - 2, 0, -1)]
    clip: Clip = [(images[way[t % len(way)]], None) for t in range(given.frames)]
    return [(clip[0][0], read_mask(given.mask)), *clip[1:]]


def check_answers(
    report: Report,
    what: str,
    runner: Backend,
    given: argparse.Namespace,
    clip: Clip,
    truth: list[np.ndarray],
) -> None:
    """Closed loop against eager fp32, which comes first."""
    tracker = tracker_of(runner, given)
    image, mask = clip[0]
    assert mask is not None
    labels = [tracker.start(image, mask).labels]
    labels += [tracker.step(image).labels for image, _ in clip[1:]]
    found = np.stack(labels)
    if not truth:
        truth.append(found)
    ious = [
        float(((found == i) & (truth[0] == i)).sum() / ((found == i) | (truth[0] == i)).sum())
        for i in np.unique(truth[0])
    ]
    equal = float((found == truth[0]).mean())
    figures = f"lowest label IoU {min(ious):.5f}, {equal:.4%} of pixels equal, {len(clip)} frames"
    report.verdict(min(ious) >= SAME[runner.precision], f"answers of {what}", figures)


def check_cache(
    report: Report, what: str, variant: str, given: argparse.Namespace, precision: str, cache: Path
) -> None:
    """Engines are built once."""
    engines = cache / "engines"
    before = {path: path.stat().st_mtime_ns for path in engines.glob("*.plan")}
    runner = runner_of(variant, given, "tensorrt", precision, cache)
    start = time.perf_counter()
    next(begin(tracker_of(runner, given), given, 1))
    spent = time.perf_counter() - start
    same = before == {path: path.stat().st_mtime_ns for path in engines.glob("*.plan")}
    figures = f"{len(before)} files, loaded again with {WARM_UP} frames in {spent:.1f} s"
    report.verdict(bool(before) and same, f"engine cache of {what}", figures)


def check_speed(
    report: Report,
    what: str,
    runner: Backend,
    given: argparse.Namespace,
    rates: dict[tuple[str, str], float],
) -> None:
    """Frames per second from image to labels and objects on the host, nine memory frames."""
    spent: dict[int, list[float]] = {}
    for objects in (1, 10):
        frames = begin(tracker_of(runner, given), given, objects)
        spent[objects] = [next(frames) for _ in range(given.timed)]
    one, ten = (len(s) / sum(s) for s in spent.values())  # memory writes count, too
    rates[runner.name, runner.precision] = one
    base = rates.get(RUNNERS[0])
    ratio = f"{one / base:.2f}x eager fp32" if base else "no base"
    p50, p99 = (1000 * float(np.percentile(spent[1], q)) for q in (50, 99))
    figures = (
        f"{one:.1f}/s with 1 object (p50 {p50:.2f} ms, p99 {p99:.2f} ms), {ten:.1f}/s with 10; "
        f"{ratio}"
    )
    if runner.recordable is None:
        report.figures(f"speed of {what}", figures)
        return
    good = one <= FLAT * ten
    if (runner.name, runner.precision) == ("torch-graph", "fp16") and base:
        good = good and one >= GAIN * base
    report.verdict(good, f"speed of {what}", figures)


def begin(tracker: Tracker, given: argparse.Namespace, objects: int) -> Iterator[float]:
    """Track noise for ever; gives the seconds of each frame once memory is full."""
    shape = (4, given.height, given.width, 3)
    images = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    columns = np.arange(given.width) * objects // given.width + 1
    tracker.start(images[0], np.repeat(columns[None], given.height, 0).astype(np.int32))
    number = 0
    while True:
        start = time.perf_counter()
        tracker.step(images[number % len(images)])  # its labels are on the host: it has waited
        if number >= WARM_UP:
            yield time.perf_counter() - start
        number += 1


def check_growth(
    report: Report, what: str, runner: Backend, given: argparse.Namespace
) -> None:
    """Memory on the device must not grow."""
    frames = begin(tracker_of(runner, given), given, 3)
    device_bytes(runner.device)
    marks = []
    for number in range(given.long):
        next(frames)
        if number in (given.long // 10, given.long - 1):
            marks.append(device_bytes(runner.device))
    growth = marks[-1] - marks[0]
    figures = f"grew by {growth} bytes, {marks[-1] / 2**20:.0f} MiB in all"
    report.verdict(growth <= GROWTH, f"memory over {given.long} frames of {what}", figures)


def device_bytes(device: torch.device) -> int:
    """What is taken of the device, by torch and by whatever else."""
    if device.type != "cuda":
        raise DeaotError("only a CUDA device tells")
    free, total = torch.cuda.mem_get_info(device)
    return total - free


if __name__ == "__main__":
    sys.exit(main())
