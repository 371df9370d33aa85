"""Frames of several sessions as one batch of the network.

The network's batch is one of object groups; groups of different images are as good as those of one.
Only long-term memories differ in length: they are padded to the longest, and masked there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from deaot_ros.backends import TorchBackend
from deaot_ros.network.attention import MASKED
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.model import Features, Propagated
from deaot_ros.tracking.engine import Engine, Frame
from deaot_ros.tracking.recorded import Reading


def match_together(
    backend: TorchBackend,
    engines: Sequence[Engine],
    images: Sequence[np.ndarray],
    stamps: Sequence[float],
) -> list[tuple[Frame, Tensor]]:
    """What ``Engine.match`` gives each engine for its image, by one pass of the network.

    Args:
        backend: of all engines.
        engines: of one network size.
        images: one per engine, uint8 [H, W, 3] RGB of any size.
        stamps: seconds.
    """
    features = backend.encode_all(images, engines[0].size)
    frames = [
        engine.encoded(_rows(features, i, i + 1), stamp)
        for i, (engine, stamp) in enumerate(zip(engines, stamps, strict=True))
    ]
    readings = [engine.reading(frame) for engine, frame in zip(engines, frames)]
    groups = [reading.short_term[0].keys.shape[0] for reading in readings]
    shared = _repeated(features, groups)
    propagated = backend.propagate(shared, *_joined(readings))
    logits = backend.decode(shared, propagated)
    matched = []
    first = 0
    for engine, frame, reading, count in zip(engines, frames, readings, groups):
        own = slice(first, first + count)
        slots = reading.long_term[0].keys.shape[1] // features.grid.cells
        engine.matched(frame, _part(propagated, own, slots, reading.with_mass), logits[own])
        matched.append((frame, logits[own]))
        first += count
    return matched


def _rows(features: Features, start: int, end: int) -> Features:
    x4, x8, x16, tokens, grid = features
    rows = slice(start, end)
    return Features(x4[rows], x8[rows], x16[rows], tokens[rows], grid)


def _repeated(features: Features, groups: Sequence[int]) -> Features:
    """Each image's features as often as it has groups."""
    if max(groups) == 1:
        return features
    image = torch.arange(len(groups)).repeat_interleave(torch.tensor(groups))
    rows = image.to(features.tokens.device)
    x4, x8, x16, tokens, grid = features
    return Features(x4[rows], x8[rows], x16[rows], tokens[rows], grid)


def _joined(readings: Sequence[Reading]) -> Reading:
    """All memories side by side in the batch."""
    keys = [reading.long_term[0].keys for reading in readings]
    cells = max(k.shape[1] for k in keys)
    bias = None
    if any(k.shape[1] < cells for k in keys) or any(r.bias is not None for r in readings):
        bias = keys[0].new_full((sum(k.shape[0] for k in keys), 1, cells), MASKED)
        first = 0
        for key, reading in zip(keys, readings):
            own = bias[first : first + key.shape[0], :, : key.shape[1]]
            own.copy_(reading.bias) if reading.bias is not None else own.zero_()
            first += key.shape[0]
    return Reading(
        [_side_by_side(layer, cells) for layer in zip(*(r.long_term for r in readings))],
        [_side_by_side(layer, 0) for layer in zip(*(r.short_term for r in readings))],
        bias,
        any(reading.with_mass for reading in readings),
    )


def _side_by_side(entries: Sequence[LayerMemory], cells: int) -> LayerMemory:
    """Entries of one layer in one batch, with zeros behind those of fewer than ``cells`` tokens."""
    if all(entry.keys.shape[1] >= cells for entry in entries):
        return LayerMemory(*(torch.cat(parts) for parts in zip(*entries)))
    return LayerMemory(*(_padded(parts, cells) for parts in zip(*entries)))


def _padded(parts: Sequence[Tensor], cells: int) -> Tensor:
    total = sum(part.shape[0] for part in parts)
    joined = parts[0].new_zeros(total, cells, parts[0].shape[2])
    first = 0
    for part in parts:
        joined[first : first + part.shape[0], : part.shape[1]] = part
        first += part.shape[0]
    return joined


def _part(propagated: Propagated, own: slice, slots: int, with_mass: bool) -> Propagated:
    """What belongs to one engine."""
    mass = propagated.mass
    return Propagated(
        propagated.features[own],
        [
            LayerContext(
                c.key[own],
                c.value[own],
                None if c.id_feature is None else c.id_feature[own],
                None if c.gate is None else c.gate[own],
            )
            for c in propagated.contexts
        ],
        mass[own, :, :slots] if mass is not None and with_mass else None,
    )
