"""How long each stage of a frame takes, beside the machine's matrix product and other programs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deaot_ros.backends import Backend, load_backend
from deaot_ros.evaluation.arithmetic import MatrixProducts, frame_flop
from deaot_ros.evaluation.rival import Rival, RivalCase
from deaot_ros.memory import MemorySettings
from deaot_ros.network import build_network
from deaot_ros.tracking import Tracker, TrackerSettings
from deaot_ros.tracking.identities import groups_of

STAGES = ("encode", "propagate", "decode", "memorise")
WARM_UP = 2
_FRAME = 1 / 30
_GAP = 5 * _FRAME  # between memory writes, as published for the L variants


@dataclass(frozen=True, slots=True)
class Case:
    """What is timed.

    Attributes:
        variant, backend, precision: see ``deaot_ros.backends.load_backend``.
        height, width: of the camera image in pixels.
        objects: tracked ones, 1..254.
        slots: memory frames; all are full when frames are timed.
    """

    variant: str
    backend: str
    precision: str
    height: int
    width: int
    objects: int
    slots: int


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured of a case. All samples are in milliseconds, one a frame.

    Attributes:
        case: with the backend and precision that were chosen.
        device: type of the device, ``cpu`` or ``cuda``.
        size: (height, width) of the network input.
        stages: stage to samples; ``label`` is what a frame takes besides the network: labels,
            scores, boxes, memory.
        total: of a whole ``Tracker.step``.
        cpu: CPU time of all threads in a whole step.
        gflop: arithmetic that a frame needs, see :func:`frame_flop`.
        floor, floor_cpu: what the machine's matrix product takes for it.
        rival, rival_cpu: of the other program; empty without one.
        rival_name: what it calls itself.
        build: seconds to make the network and the backend.
        warm_up: seconds of the first mask and two frames; includes graphs that are built then.
        peak: bytes: of the process (CPU) or allocated by torch (CUDA), at most.
    """

    case: Case
    device: str
    size: tuple[int, int]
    stages: dict[str, list[float]]
    total: list[float]
    cpu: list[float]
    gflop: float
    floor: list[float]
    floor_cpu: list[float]
    rival: list[float]
    rival_cpu: list[float]
    rival_name: str
    build: float
    warm_up: float
    peak: int


def measure_speed(
    case: Case, device: str, frames: int, max_long_side: int | None = None, against: str = ""
) -> Speed:
    """Track noise, and time it. Whatever is compared takes turns, so that all meet the same load.

    Args:
        case: what to time.
        device: see ``load_backend``.
        frames: timed ones.
        max_long_side: limit of the network input; None: the default.
        against: command line of another program, see :mod:`deaot_ros.evaluation.rival`.

    Raises:
        DeaotError: what was asked for cannot be had here.
    """
    start = time.perf_counter()
    # Speed does not depend on weights, so none are loaded.
    backend = load_backend(build_network(case.variant), device, case.backend, case.precision)
    build = time.perf_counter() - start
    _forget_peak(backend.device)
    subject = _Subject(backend, case, max_long_side)
    height, width = subject.size
    flop = sum(
        frame_flop(case.variant, subject.size, groups_of(case.objects), case.slots).values()
    )
    dtype = torch.float16 if backend.precision == "fp16" else torch.float32
    products = MatrixProducts(flop, backend.device, dtype)
    products.run()
    rival = None
    if against:
        rival = Rival(against, RivalCase(
            case.variant, case.height, case.width, height, width, case.objects, case.slots,
            torch.get_num_threads(), str(backend.device),
        ))  # fmt: skip
    ours: list[dict[str, float]] = []
    floor: list[tuple[float, float]] = []
    theirs: list[tuple[float, float | None]] = []
    try:
        for _ in range(frames):
            ours.append(subject.frame())
            floor.append(products.run())
            if rival is not None:
                theirs.append(rival.frame())
    finally:
        if rival is not None:
            rival.close()
    chosen = Case(
        case.variant, backend.name, backend.precision, case.height, case.width, case.objects,
        case.slots,
    )  # fmt: skip
    return Speed(
        chosen, backend.device.type, subject.size,
        {name: _ms([o[name] for o in ours]) for name in (*STAGES, "label")},
        _ms([o["total"] for o in ours]), _ms([o["cpu"] for o in ours]), flop / 1e9,
        _ms([wall for wall, _ in floor]), _ms([cpu for _, cpu in floor]),
        _ms([wall for wall, _ in theirs]), _ms([cpu for _, cpu in theirs if cpu is not None]),
        rival.name if rival else "", build, subject.warm_up, _peak(backend.device),
    )  # fmt: skip


class _Subject:
    """A tracker with a full memory, fed with noise."""

    def __init__(self, backend: Backend, case: Case, max_long_side: int | None) -> None:
        self._clock = _Clock(backend)
        # Every due frame is remembered, whatever it shows, until the memory is full.
        memory = MemorySettings(
            slots=case.slots, policy="fifo" if case.slots > 1 else "reference", gap=_GAP,
            admission=False,
        )  # fmt: skip
        limit = {} if max_long_side is None else {"max_long_side": max_long_side}
        settings = TrackerSettings(memory=memory, **limit)
        self._tracker = Tracker(self._clock, settings)  # type: ignore[arg-type]
        self.size = self._tracker.network_size(case.height, case.width)
        rng = np.random.default_rng(0)
        self._images = rng.integers(0, 256, (4, case.height, case.width, 3), np.uint8)
        self._number, self._stamp = 0, 0.0
        columns = np.arange(case.width) * case.objects // case.width + 1
        mask = np.repeat(columns[None], case.height, 0).astype(np.int32)
        start = self._clock.now()
        self._tracker.start(self._images[0], mask, self._stamp)
        for _ in range(WARM_UP):
            self._step(_FRAME)
        self.warm_up = self._clock.now() - start
        while self._tracker.memory_usage.slots_used < case.slots:
            self._step(_GAP)

    def frame(self) -> dict[str, float]:
        """Seconds of each stage, of all that is not the network's, in total, and of the CPUs."""
        self._clock.spent = dict.fromkeys(STAGES, 0.0)
        cpu, start = time.process_time(), self._clock.now()
        self._step(_FRAME)
        total, cpu = self._clock.now() - start, time.process_time() - cpu
        spent = self._clock.spent
        return {**spent, "label": total - sum(spent.values()), "total": total, "cpu": cpu}

    def _step(self, seconds: float) -> None:
        self._number += 1
        self._stamp += seconds
        self._tracker.step(self._images[self._number % len(self._images)], self._stamp)


class _Clock:
    """A backend that notes how long its stages take."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.spent = dict.fromkeys(STAGES, 0.0)

    def now(self) -> float:
        if self._backend.device.type == "cuda":
            torch.cuda.synchronize(self._backend.device)
        return time.perf_counter()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backend, name)
        return self._timed(name, value) if name in STAGES else value

    def _timed(self, name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = self.now()
            result = stage(*args, **kwargs)
            self.spent[name] += self.now() - start
            return result

        return run


def _ms(seconds: Sequence[float]) -> list[float]:
    return [1000 * s for s in seconds]


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    # Where the kernel refuses, the peak is that of the process's whole life.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 0
