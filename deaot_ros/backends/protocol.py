"""What the tracker asks of whatever runs the network."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.model import Features, Propagated
from deaot_ros.network.variants import Variant


class Backend(Protocol):
    """The five functions of the network on one device, without gradients.

    Tensors in and out are torch's, on ``device``, of one layout for all backends: what one of them
    encoded or remembered another one of the same precision can read. G is the number of object
    groups. Nothing is kept between calls that a caller could notice.

    Attributes:
        device: where tensors are.
        precision: of features and memory, one of ``PRECISIONS`` without ``auto``.
        variant: of the network.
        reason: why this backend runs, for people.
    """

    device: torch.device
    precision: str
    variant: Variant
    reason: str

    @property
    def name(self) -> str:
        """One of ``BACKENDS`` without ``auto``: what runs now."""

    @property
    def recordable(self) -> Hashable | None:
        """None where a frame must not be recorded as a CUDA graph, for it does work on the host.

        Else what decides, besides shapes and addresses, about what is run: a recording is good for
        as long as this stays equal.
        """

    def slots(
        self, used: int, capacity: int, size: tuple[int, int], groups: int
    ) -> int | None:
        """Memory frames that ``propagate`` is to be given when ``used`` of ``capacity`` are used.

        None: the used ones; else their number, at least ``used``, the empty ones masked by bias.
        ``size`` (height, width) is that of the network input.
        """

    def encode(self, image: np.ndarray | Tensor, size: tuple[int, int]) -> Features:
        """Resize, normalise and encode.

        Args:
            image: uint8 [H, W, 3] RGB: an array, contiguous and writable, or on the device.
            size: (height, width) of the network input. Where it differs from the image's the
                float image is resampled bicubically without antialiasing or clipping.
        """

    def reference(self, features: Features, labels: Tensor) -> list[LayerMemory]:
        """Memory entry of a frame whose labels, uint8 [G, h, w] at network size, are given."""

    def propagate(
        self,
        features: Features,
        long_term: Sequence[LayerMemory],
        short_term: Sequence[LayerMemory],
        bias: Tensor | None,
        with_mass: bool = False,
    ) -> Propagated:
        """See :meth:`DeAOT.propagate`; ``Propagated.features`` is for ``decode`` alone."""

    def decode(self, features: Features, propagated: Propagated) -> Tensor:
        """Raw logits, float32 [G, 11, h4, w4]."""

    def memorise(self, contexts: Sequence[LayerContext], labels: Tensor) -> list[LayerMemory]:
        """Memory entry per layer of a propagated frame with its labels, uint8 [G, h, w]."""
