"""What the process holds of memory that was freed, as Linux counts it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deaot_ros import host_memory
from deaot_ros.soak.resources import usage

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def held() -> float:
    """Resident memory of this process, MB."""
    return usage(os.getpid()).host


def test_freed_memory_is_given_back() -> None:
    host_memory.give_back()
    blocks = [np.ones(100_000, np.uint8) for _ in range(600)]
    full = held()
    del blocks[::2]  # what is left keeps the heap from shrinking by itself
    fragmented = held()
    host_memory.give_back()
    assert full - fragmented < 5.0
    assert fragmented - held() > 15.0
    assert len(blocks) == 300


def test_memory_is_given_back_when_something_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    spare = host_memory.Spare()
    looks = [spare.look(*state) for state in ((1, None), (1, None), (2, None), (2, (9, 9)))]
    assert looks == [True, False, True, True]
    monkeypatch.setattr(host_memory, "LONGEST", 0.0)
    assert spare.look(2, (9, 9))


_THREAD = """
import threading

import numpy as np

from deaot_ros import host_memory
from test_host_memory import held

host_memory.keep_freed_memory()
host_memory.share_one_heap()

def work():
    blocks = [np.ones(100_000, np.uint8) for _ in range(600)]
    before = held()
    del blocks
    host_memory.give_back()
    print(before - held())

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_what_a_thread_freed_is_given_back() -> None:
    """Two thirds of it are where the thread has a heap of its own."""
    found = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", _THREAD],
        capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": found},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 50 < float(done.stdout) < 70
