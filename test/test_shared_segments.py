"""Which shared memory counts as left over, and that nothing else is touched."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from deaot_ros import shared_segments


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shared_segments, "FOLDER", tmp_path)
    return tmp_path


def make(folder: Path, name: str, age: float = 3600.0) -> Path:
    """A segment of 8 KiB and its lock, as Fast DDS names them."""
    segment, lock = folder / name, folder / f"{name}_el"
    segment.write_bytes(bytes(8192))
    lock.touch()
    then = lock.stat().st_mtime - age
    os.utime(lock, (then, then))
    return segment


def test_only_what_nobody_holds_is_removed(folder: Path) -> None:
    dead = make(folder, "fastdds_00a2daaddf812539")
    living = make(folder, "fastdds_01665ade40620e64")
    port = make(folder, "fastdds_port7411")
    young = make(folder, "fastdds_016ab9ac4adbfc82", age=5.0)
    (folder / "fastdds_02600efcc33f52a7").touch()  # no lock: somebody else's rules
    with (folder / f"{living.name}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert shared_segments.left_over() == [dead]
        assert shared_segments.remove_left_over() == 8192
    assert not dead.exists() and not (folder / f"{dead.name}_el").exists()
    assert living.exists() and port.exists() and young.exists()
    assert shared_segments.left_over() == [living]


def test_a_lock_whose_segment_is_gone_is_removed(folder: Path) -> None:
    make(folder, "fastdds_00a2daaddf812539").unlink()
    assert shared_segments.remove_left_over() == 0
    assert list(folder.iterdir()) == []


def test_no_shared_memory_at_all(folder: Path) -> None:
    folder.rmdir()
    assert shared_segments.left_over() == [] and shared_segments.remove_left_over() == 0
