"""Resumable training state on disk. A reader finds the old file or the new one, never half."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch

from deaot_ros.errors import CheckpointError


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write next to the target, flush to the disk, then rename over it.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name for all: what a kill leaves behind is overwritten by the next write.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            _save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {path}: {error.strerror}; the state before is untouched"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def _save(state: dict[str, Any], file: BinaryIO) -> None:
    """``torch.save``, whose own errors hide the one of the operating system."""
    try:
        torch.save(state, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote.

    Raises:
        CheckpointError: the file is missing or is no training state.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no training state at {path}; start without --resume") from error
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is not a readable training state ({type(error).__name__}); "
            "delete it and start again, or resume from a copy"
        ) from error
    expected = {"step", "network", "average", "optimiser", "settings"}
    if not isinstance(state, dict) or not expected <= state.keys():
        raise CheckpointError(
            f"{path} is not a training state: expected the entries {', '.join(sorted(expected))}"
        )
    return state
