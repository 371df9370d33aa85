"""Batches made ahead of time by worker processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from deaot_ros.errors import DeaotError

from .batch import Batch

_AHEAD = 2  # batches that each worker makes ahead


class BatchStream:
    """The batches of a data set from a step on, in order."""

    def __init__(self, batches: Dataset[Batch], steps: range, workers: int, pin: bool) -> None:
        """Start the workers.

        Args:
            steps: to make batches for.
            workers: number of processes, at least 1.
            pin: put batches into memory that a GPU copies from by itself.
        """
        self._batches: Iterator[Batch | DeaotError] = iter(
            DataLoader(
                _Guarded(batches),
                batch_size=None,
                sampler=steps,
                num_workers=workers,
                prefetch_factor=_AHEAD,
                pin_memory=pin,
                worker_init_fn=_set_up_worker,
            )
        )

    def next(self) -> Batch:
        """The next batch, waiting for it if need be.

        Raises:
            DeaotError: a batch cannot be made, or a worker died.
        """
        try:
            batch = next(self._batches)
        except RuntimeError as error:
            raise DeaotError(
                f"a process that makes batches died ({str(error).splitlines()[0]}); "
                "give fewer --workers or more memory, and --resume"
            ) from error
        if isinstance(batch, DeaotError):
            raise batch
        return batch


class _Guarded(Dataset[Any]):
    """Hands errors over as values: the data loader would bury their message in a traceback."""

    def __init__(self, batches: Dataset[Batch]) -> None:
        self._batches = batches

    def __getitem__(self, step: int) -> Batch | DeaotError:
        try:
            return self._batches[step]
        except DeaotError as error:
            return error


def _set_up_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends workers
    cv2.setNumThreads(0)  # every worker is one core's work
    torch.set_num_threads(1)
