"""What a process holds, as Linux counts it, and how that grows."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deaot_ros.evaluation.statistics import line_fit

_SHM = Path("/dev/shm")
_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Of one process at one moment.

    Attributes:
        host: private and shared resident memory without shared segments, MB (RssAnon).
        device: on all GPUs, MB; 0 without one.
        shared: shared-memory segments that it maps, MB.
        files: open file descriptors.
        threads: of the process.
    """

    host: float
    device: float
    shared: float
    files: int
    threads: int


def usage(pid: int, with_device: bool = False) -> Usage:
    """Measure process ``pid``; asking for the device costs the start of nvidia-smi.

    Raises:
        OSError: it has ended.
    """
    status = _status(pid)
    return Usage(
        host=int(status["RssAnon"].split()[0]) / 1024,
        device=_device_memory(pid) if with_device else 0.0,
        shared=int(status["RssShmem"].split()[0]) / 1024,
        files=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=int(status["Threads"]),
    )


class Processors:
    """How busy the machine's processors are, and with whom."""

    def __init__(self, *pids: int) -> None:
        """Count the time of ``pids`` as ours."""
        self._pids = pids
        self._before = self._now()

    def others(self) -> float:
        """Processors that other processes kept busy since the last call, on average.

        Raises:
            OSError: one of ours has ended.
        """
        now = self._now()
        wall, busy, ours = (b - a for a, b in zip(self._before, now, strict=True))
        self._before = now
        return max(0.0, busy - ours) / wall if wall else 0.0

    def _now(self) -> tuple[float, float, float]:
        """Clock, time that all processors were busy, and our part of it, s."""
        first = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
        busy = sum(map(int, first[:3])) + sum(map(int, first[5:8]))  # without idle and iowait
        ours = sum(map(processor_time, self._pids))
        return time.monotonic(), busy / _TICKS, ours


def processor_time(pid: int) -> float:
    """Seconds that a process has computed since it began.

    Raises:
        OSError: it has ended.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def shared_segments() -> int:
    """Files of Fast DDS in this machine's shared memory."""
    return sum(1 for _ in _SHM.glob("fastdds_*")) + sum(1 for _ in _SHM.glob("fastrtps_*"))


class Slope(NamedTuple):
    """Growth per hour by least squares, and its standard error where values are independent."""

    per_hour: float
    error: float


def slope(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """Growth of ``values``; 0 for fewer than three of them."""
    if len(values) < 3:
        return Slope(0.0, 0.0)
    return Slope(*line_fit(np.asarray(seconds) / 3600, np.asarray(values)))


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _device_memory(pid: int) -> float:
    if shutil.which("nvidia-smi") is None:
        return 0.0
    asked = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
    rows = (line.split(",") for line in done.stdout.splitlines() if line.count(",") == 1)
    return float(sum(int(used) for owner, used in rows if int(owner) == pid))
