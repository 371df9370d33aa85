"""Everything that only a GPU can tell, in one command: python test/gpu/check_gpu.py

Same answers, speed, growth and the engine cache, for every backend that this machine has. Each
line says PASS, FAIL or NOT CHECKED and the figures; the exit code is 1 if one failed. Needs no ROS.
Speed is measured on random weights. With --device cpu and small numbers the script tests itself.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from deaot_ros.backends import load_backend
from deaot_ros.errors import DeaotError
from deaot_ros.memory import MemorySettings
from deaot_ros.network import build_network, load_checkpoint, shipped_weights
from deaot_ros.synthetic.demo import demo_clip
from deaot_ros.tracking import Tracker, TrackerSettings

RUNNERS = (
    ("torch", "fp32"), ("torch", "fp16"), ("torch", "bf16"), ("torch-graph", "fp32"),
    ("torch-graph", "fp16"), ("torch-compile", "fp16"), ("onnxruntime", "fp32"),
    ("onnxruntime", "fp16"), ("tensorrt", "fp32"), ("tensorrt", "fp16"), ("tensorrt", "bf16"),
)  # fmt: skip
"""Backend and precision; the first one is the truth and the base of ratios."""

SAME = {"fp32": 0.999, "fp16": 0.99, "bf16": 0.9}  # IoU of labels with eager fp32
FASTEST = {"deaot-t": 300.0, "r50-deaot-l": 150.0}  # frames per second wanted at 480p
GAIN = 3.0  # of a recorded fp16 run over eager fp32
FLAT = 1.15  # most that ten objects may take over one
GROWTH = 1 << 20  # bytes between two thirds of the long run


@dataclass
class Report:
    """Prints verdicts and remembers failures."""

    failed: int = 0

    def verdict(self, good: bool, what: str, figures: str) -> None:
        self.failed += not good
        print(f"{'PASS' if good else 'FAIL':11} {what}: {figures}", flush=True)

    def left_out(self, what: str, why: object) -> None:
        print(f"{'NOT CHECKED':11} {what}: {' '.join(str(why).split())}", flush=True)


def main() -> int:
    """Check everything; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--frames", type=int, default=120, help="of closed loops (120)")
    parser.add_argument("--timed", type=int, default=200, help="frames of speed (200)")
    parser.add_argument("--long", type=int, default=10_000, help="frames of the long run (10000)")
    parser.add_argument("--variants", nargs="+", default=list(FASTEST))
    parser.add_argument("--backends", nargs="+", default=sorted({b for b, _ in RUNNERS}))
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("NOT CHECKED everything: torch sees no CUDA device")
        return 1
    name = torch.cuda.get_device_name() if given.device != "cpu" else "cpu"
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda}", flush=True)
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        check_answers(report, given, Path(folder))
        for variant in given.variants:
            check_speed(report, given, variant, Path(folder))
        check_growth(report, given, Path(folder))
    print(f"{report.failed} failed")
    return 1 if report.failed else 0


def wanted(given: argparse.Namespace) -> list[tuple[str, str]]:
    return [(b, p) for b, p in RUNNERS if b in given.backends]


def tracker_of(
    variant: str, given: argparse.Namespace, backend: str, precision: str, cache: Path
) -> Tracker:
    """A tracker with nine slots that fill at once; shipped weights where there are some."""
    torch.manual_seed(0)
    network = build_network(variant)
    if (weights := shipped_weights(variant)) is not None:
        load_checkpoint(network, weights)
    memory = MemorySettings(policy="fifo", slots=9, gap_frames=2, admission=False)
    runner = load_backend(network, given.device, backend, precision, cache)
    return Tracker(runner, TrackerSettings(memory=memory))


def check_answers(report: Report, given: argparse.Namespace, cache: Path) -> None:
    """Closed loops over the demo's scene against eager fp32."""
    scene = demo_clip(given.height, given.width, seconds=given.frames / 30)
    clip = [scene.render(t) for t in range(given.frames)]
    truth: np.ndarray | None = None
    for backend, precision in wanted(given):
        what = f"answers of {backend} {precision}"
        try:
            tracker = tracker_of("deaot-t", given, backend, precision, cache)
            start = time.perf_counter()
            labels = [tracker.start(*clip[0]).labels]
            labels += [tracker.step(image).labels for image, _ in clip[1:]]
        except DeaotError as error:
            report.left_out(what, error)
            continue
        found = np.stack(labels)
        if truth is None:
            truth = found
        ious = [
            float(((found == i) & (truth == i)).sum() / ((found == i) | (truth == i)).sum())
            for i in np.unique(truth)
        ]
        spent = time.perf_counter() - start
        figures = f"lowest label IoU {min(ious):.5f} over {len(clip)} frames, {spent:.1f} s in all"
        report.verdict(min(ious) >= SAME[precision], what, figures)
        del tracker
        gc.collect()


def check_speed(report: Report, given: argparse.Namespace, variant: str, cache: Path) -> None:
    """Frames per second from image to label map, with nine memory frames."""
    base = best = 0.0
    for backend, precision in wanted(given):
        what = f"speed of {variant} by {backend} {precision}"
        try:
            rates = {}
            for objects in (1, 10):
                tracker = tracker_of(variant, given, backend, precision, cache)
                rates[objects] = rate_of(tracker, given, objects)
                del tracker
                gc.collect()
        except DeaotError as error:
            report.left_out(what, error)
            continue
        base = base or rates[1]
        best = max(best, rates[1])
        ratio = rates[1] / base
        figures = f"{rates[1]:.1f}/s with 1 object, {rates[10]:.1f}/s with 10; {ratio:.2f}x base"
        good = rates[1] <= FLAT * rates[10]
        if backend == "torch-graph" and precision == "fp16":
            good = good and ratio >= GAIN
        report.verdict(good, what, figures)
    if variant in FASTEST:
        figures = f"{best:.1f}/s, wanted {FASTEST[variant]:.0f}/s"
        report.verdict(best >= FASTEST[variant], f"fastest {variant}", figures)


def images_of(given: argparse.Namespace) -> list[np.ndarray]:
    shape = (4, given.height, given.width, 3)
    return list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def begin(tracker: Tracker, given: argparse.Namespace, objects: int) -> Iterator[float]:
    """Track noise for ever; gives the seconds of each frame, of which thirty warm up."""
    images = images_of(given)
    columns = np.arange(given.width) * objects // given.width + 1
    tracker.start(images[0], np.repeat(columns[None], given.height, 0).astype(np.int32))
    number = 0
    while True:
        start = time.perf_counter()
        tracker.step(images[number % len(images)])  # its labels are on the host: it has waited
        if number >= 30 or given.timed < 30:
            yield time.perf_counter() - start
        number += 1


def rate_of(tracker: Tracker, given: argparse.Namespace, objects: int) -> float:
    frames = begin(tracker, given, objects)
    seconds = [next(frames) for _ in range(given.timed)]
    return 1 / float(np.median(seconds))


def check_growth(report: Report, given: argparse.Namespace, cache: Path) -> None:
    """Memory on the device must not grow."""
    for backend, precision in (("torch", "fp16"), ("torch-graph", "fp16"), ("tensorrt", "fp16")):
        what = f"{given.long} frames of deaot-t by {backend} {precision}"
        try:
            frames = begin(tracker_of("deaot-t", given, backend, precision, cache), given, 3)
            marks = []
            for number in range(given.long):
                next(frames)
                if number in (given.long // 3, given.long - 1):
                    marks.append(torch.cuda.memory_reserved())
        except DeaotError as error:
            report.left_out(what, error)
            continue
        growth = marks[-1] - marks[0]
        report.verdict(growth <= GROWTH, what, f"reserved memory grew by {growth} bytes")


if __name__ == "__main__":
    sys.exit(main())
