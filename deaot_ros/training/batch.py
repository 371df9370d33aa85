"""Batches of clips, each a function of the settings and the number of its step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from deaot_ros.network.variants import MAX_OBJECTS_PER_GROUP
from deaot_ros.synthetic import Clip

from .distributed import ALONE, Processes
from .merging import IGNORED
from .settings import TrainSettings
from .sources import ClipSource


@dataclass(frozen=True)
class Batch:
    """Clips as tensors.

    Attributes:
        images: uint8 RGB [T, B, 3, H, W].
        masks: uint8 [T, B, H, W].
        objects: int64 [B], objects of each clip.
        shuffle: int64 [B, 11], identity that each label is shown as; the background stays 0.
    """

    images: Tensor
    masks: Tensor
    objects: Tensor
    shuffle: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; the copy runs beside the host where memory is pinned."""
        return Batch(
            *(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self))
        )

    def pin_memory(self) -> Batch:
        """The batch in memory that a GPU copies from by itself; for PyTorch's data loader."""
        return Batch(*(getattr(self, f.name).pin_memory() for f in fields(self)))


def make_batch(clips: Sequence[Clip], shuffle: Tensor | None = None) -> Batch:
    """Stack clips of one size; without ``shuffle`` every label is shown as itself."""
    images = torch.from_numpy(np.stack([c.frames for c in clips], 1)).permute(0, 1, 4, 2, 3)
    masks = torch.from_numpy(np.stack([c.masks for c in clips], 1))
    objects = masks[0].masked_fill(masks[0] == IGNORED, 0).flatten(1).amax(1).long()
    if shuffle is None:
        shuffle = torch.arange(MAX_OBJECTS_PER_GROUP + 1).expand(len(clips), -1)
    return Batch(images.contiguous(), masks, objects, shuffle)


def draw_shuffles(count: int, rng: np.random.Generator) -> Tensor:
    """Random identities for the labels of each clip, int64 [count, 11]."""
    shuffle = np.zeros((count, MAX_OBJECTS_PER_GROUP + 1), np.int64)
    for row in shuffle:
        row[1:] = rng.permutation(MAX_OBJECTS_PER_GROUP) + 1
    return torch.from_numpy(shuffle)


class StepBatches(Dataset[Batch]):
    """The batch of every step; of several processes each gets its share of the clips."""

    def __init__(
        self, settings: TrainSettings, source: ClipSource, processes: Processes = ALONE
    ) -> None:
        """Refuse a batch that the processes cannot share evenly (ValueError)."""
        if settings.batch % processes.count:
            raise ValueError(
                f"batch {settings.batch} cannot be shared by {processes.count} processes; "
                f"expected a multiple of {processes.count}"
            )
        self._settings = settings
        self._source = source
        self._processes = processes

    def __len__(self) -> int:
        return self._settings.steps

    def __getitem__(self, step: int) -> Batch:
        s, processes = self._settings, self._processes
        frames, size = s.frames + s.rollout, s.size
        if s.alternate_size and step % 2:
            size = s.alternate_size
        share = max(1, round(s.batch * (s.size / size) ** 2 / processes.count))
        first = processes.rank * share
        clips = [
            self._source.clip(step * s.batch + i, frames, size)
            for i in range(first, first + share)
        ]
        shuffles = draw_shuffles(share * processes.count, np.random.default_rng((s.seed, step, 1)))
        return make_batch(clips, shuffles[first : first + share])
