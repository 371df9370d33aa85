"""A folder of things that take long to make: exported graphs, engines, timing caches."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

Key = Mapping[str, str | int]
"""Everything that an artifact depends on."""


def default_folder() -> Path:
    """``deaot_ros`` in the user's cache folder (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "deaot_ros"


def write_atomically(path: Path, content: bytes) -> None:
    """Write so that a reader finds the old content or the new one, never a part.

    Raises:
        OSError: it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Artifacts:
    """Files by key. Each has a JSON beside it with its key and checksum; what does not fit is
    left out of account, so that whoever asks makes it anew."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made when something is put into it."""
        self.folder = folder

    def path(self, stem: str, suffix: str, key: Key) -> Path:
        """Where an artifact is or would be; ``stem`` and ``suffix`` are for people."""
        digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()
        return self.folder / f"{stem}-{digest[:16]}.{suffix}"

    def find(self, stem: str, suffix: str, key: Key) -> Path | None:
        """The artifact, if it is there and undamaged."""
        path = self.path(stem, suffix, key)
        note = _note_of(path)
        if not path.exists():
            return None
        try:
            said = json.loads(note.read_text())
            same = said["key"] == dict(key)
            intact = said["sha256"] == _sha256(path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            logger.warning("%s is made anew: %s cannot be read (%r)", path, note.name, error)
            return None
        if not (same and intact):
            what = "it is damaged" if same else f"{note.name} belongs to something else"
            logger.warning("%s is made anew: %s", path, what)
            return None
        return path

    def put(self, stem: str, suffix: str, key: Key, content: bytes) -> Path:
        """Keep an artifact, in place of the one that was there.

        Raises:
            OSError: the folder cannot be written.
        """
        path = self.path(stem, suffix, key)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        said = {"key": dict(key), "sha256": _sha256(content), "bytes": len(content)}
        write_atomically(_note_of(path), (json.dumps(said, indent=2) + "\n").encode())
        return path

    def discard(self, stem: str, suffix: str, key: Key) -> None:
        """Remove an artifact that turned out to be unusable."""
        path = self.path(stem, suffix, key)
        path.unlink(missing_ok=True)
        _note_of(path).unlink(missing_ok=True)

    @contextmanager
    def making(self, stem: str, suffix: str, key: Key) -> Iterator[None]:
        """Held while an artifact is made: another process that wants it waits and then finds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(stem, suffix, key)
        with path.with_name(f"{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
