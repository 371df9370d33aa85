"""A frame as one function of tensors, and that function recorded as a CUDA graph.

From the camera's image to labels, scores and memory entry nothing waits and every shape is fixed.
Long-term memory is read where it is; it is written when the labels have been judged on the host.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deaot_ros.backends import Backend
from deaot_ros.backends.recording import CudaGraphs, Recorder, Recording
from deaot_ros.network.attention import Grid
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.variants import MAX_OBJECTS_PER_GROUP
from deaot_ros.tracking import labelling
from deaot_ros.tracking.checks import zero_if_finite
from deaot_ros.tracking.identities import split_groups
from deaot_ros.tracking.looks import keys_of_logits
from deaot_ros.tracking.resizing import resize_labels

DEAD = -1e10
"""Logit of a place that nobody has, as published."""


MOST = 16
"""Recordings that are kept: enough for the sizes that memory takes while it fills."""


class Reading(NamedTuple):
    """What a frame reads of the memory: the arguments of ``Backend.propagate``."""

    long_term: Sequence[LayerMemory]
    short_term: Sequence[LayerMemory]
    bias: Tensor | None
    with_mass: bool


class View(NamedTuple):
    """What else fixes the shapes of a frame.

    Attributes:
        network: (height, width) of the network input.
        output: (height, width) of the labels.
        dtype: of the places.
        foreground: whether the probability of being any object is asked for.
        with_mass: whether the attention that each memory frame draws is.
    """

    network: tuple[int, int]
    output: tuple[int, int]
    dtype: torch.dtype
    foreground: bool
    with_mass: bool


class Look(NamedTuple):
    """What a frame shows, and what memory would hold of it.

    Attributes:
        tokens: [1, T, C] of the encoded image.
        grid: of the tokens.
        places: [H, W], 0 background.
        scores: float32 [1 + 10 G], see ``labelling.scores``; NaN where the entry is not finite.
        extents: int64 [10 G, H + W], see ``labelling.extents``.
        foreground: float32 [H, W], None unless asked for.
        keys: float32 [10 G, C], see ``looks.keys_of_logits``.
        share: float32 [slots], attention that each slot drew; None unless asked for.
        entry: per layer.
    """

    tokens: Tensor
    grid: Grid
    places: Tensor
    scores: Tensor
    extents: Tensor
    keys: Tensor
    foreground: Tensor | None
    share: Tensor | None
    entry: list[LayerMemory]


def look(backend: Backend, view: View, reading: Reading, image: Tensor, dead: Tensor) -> Look:
    """One frame.

    Args:
        backend: runs the network.
        view: fixes the shapes.
        reading: of the memory.
        image: uint8 [H, W, 3] on the device.
        dead: bool [G, 11], places that nobody has.
    """
    features = backend.encode(image, view.network)
    propagated = backend.propagate(features, *reading)
    logits = backend.decode(features, propagated)
    # One function for every set of objects: all places are labelled, and dead ones never win.
    logits = logits.masked_fill(dead[:, :, None, None], DEAD)
    groups = logits.shape[0]
    everyone = [
        range(1 + g * MAX_OBJECTS_PER_GROUP, 1 + (g + 1) * MAX_OBJECTS_PER_GROUP)
        for g in range(groups)
    ]
    share = None
    if propagated.mass is not None:
        share = labelling.share_of(propagated.mass, logits, everyone, features.grid)
    align_corners = backend.variant.align_corners
    found = labelling.label(
        logits, everyone, view.output, align_corners, view.dtype, view.foreground
    )
    labels = split_groups(resize_labels(found.places, view.network), groups)
    entry = backend.memorise(propagated.contexts, labels)
    return Look(
        features.tokens, features.grid, found.places,
        labelling.scores(logits, everyone) + zero_if_finite(entry),
        labelling.extents(found.places, groups * MAX_OBJECTS_PER_GROUP),
        keys_of_logits(entry[0].keys, logits, everyone, features.grid), found.foreground, share,
        entry,
    )  # fmt: skip


class RecordedFrames:
    """``look``, recorded once for all frames that differ in nothing but values."""

    def __init__(self, backend: Backend, record: Recorder | None = None) -> None:
        """Record frames of one session.

        Args:
            backend: its ``recordable`` is not None when a frame is looked at.
            record: see ``Recorder``; None: as CUDA graphs.
        """
        self._backend = backend
        self._record = record or CudaGraphs(backend.device)
        self._recordings: dict[Hashable, _RecordedFrame] = {}
        self._bank: tuple[int, ...] = ()

    def look(
        self, view: View, reading: Reading, image: np.ndarray, live: Sequence[Sequence[int]]
    ) -> Look:
        """One frame of ``image``, uint8 [H, W, 3], with the ``live`` places of each group."""
        assert reading.bias is not None, "a recorded frame reads padded memory"
        bank = tuple(tensor.data_ptr() for tensor in (reading.bias, *_flat(reading.long_term)))
        if bank != self._bank:  # the bank was made anew: nobody will read the old one again
            self._recordings.clear()
            self._bank = bank
        shapes = reading.bias.shape, reading.short_term[0].keys.shape
        key = (view, image.shape, shapes, self._backend.recordable)
        dead = _dead_places(live)
        pixels = torch.from_numpy(image)
        frame = self._recordings.get(key)
        if frame is None:
            frame = _RecordedFrame(self._backend, view, reading, pixels, dead, self._record)
            if len(self._recordings) == MOST:
                del self._recordings[next(iter(self._recordings))]
            self._recordings[key] = frame
        return frame(pixels, dead, reading.short_term)


class _RecordedFrame:
    def __init__(
        self, backend: Backend, view: View, reading: Reading, image: Tensor, dead: Tensor,
        record: Recorder,
    ) -> None:  # fmt: skip
        self._view = view
        self._grid = Grid(0, 0)

        memory = reading._replace(short_term=())

        def run(inputs: Sequence[Tensor]) -> list[Tensor]:
            here = memory._replace(short_term=_pairs(inputs[2:]))
            found = look(backend, view, here, inputs[0], inputs[1])
            self._grid = found.grid
            optional = [t for t in (found.foreground, found.share) if t is not None]
            always = [found.tokens, found.places, found.scores, found.extents, found.keys]
            return [*always, *optional, *_flat(found.entry)]

        first = [image, dead, *_flat(reading.short_term)]
        self._recording = Recording(run, first, backend.device, record)

    def __call__(
        self, image: Tensor, dead: Tensor, short_term: Sequence[LayerMemory]
    ) -> Look:
        outputs = self._recording([image, dead, *_flat(short_term)])
        tokens, places, scores, extents, keys, *rest = outputs
        foreground = rest.pop(0) if self._view.foreground else None
        share = rest.pop(0) if self._view.with_mass else None
        return Look(
            tokens, self._grid, places, scores, extents, keys, foreground, share, _pairs(rest)
        )


def _dead_places(live: Sequence[Sequence[int]]) -> Tensor:
    dead = torch.ones(len(live), 1 + MAX_OBJECTS_PER_GROUP, dtype=torch.bool)
    dead[:, 0] = False
    for g, places in enumerate(live):
        for place in places:
            dead[g, place - g * MAX_OBJECTS_PER_GROUP] = False
    return dead


def _flat(entries: Sequence[LayerMemory]) -> list[Tensor]:
    return [tensor for entry in entries for tensor in entry]


def _pairs(tensors: Sequence[Tensor]) -> list[LayerMemory]:
    return [LayerMemory(k, v) for k, v in zip(tensors[::2], tensors[1::2], strict=True)]
