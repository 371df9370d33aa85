"""The network run by torch, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from torch import Tensor

from deaot_ros.backends.images import to_input
from deaot_ros.backends.rungs import rung_of
from deaot_ros.host_memory import keep_freed_memory
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.model import DeAOT, Features, Propagated
from deaot_ros.network.preprocessing import normalisation

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TorchBackend:
    """See :class:`Backend`. Batch norms are folded, convolutions run channels-last.

    fp16 (CUDA only) and bf16 store weights and memory in 16 bits.
    """

    def __init__(
        self, network: DeAOT, device: torch.device, precision: str, reason: str = "",
        recorded: bool = False,
    ) -> None:  # fmt: skip
        """Take ``network`` over: it is folded and moved.

        ``recorded``: frames are recorded as CUDA graphs; memory is padded to few sizes then.
        """
        self.name = "torch-graph" if recorded else "torch"
        self.recordable: Hashable | None = True if recorded else None
        self._padded = recorded
        self.device = device
        self.precision = precision
        self.variant = network.variant
        self.reason = reason
        self._dtype = DTYPES[precision]
        if device.type == "cpu":
            keep_freed_memory()
        network.requires_grad_(False).eval().fold()
        network.to(device, self._dtype)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean, self._inverse_std = normalisation(device)

    def slots(
        self, used: int, capacity: int, size: tuple[int, int], groups: int
    ) -> int | None:
        return rung_of(used, capacity) if self._padded else None

    def encode(self, image: np.ndarray | Tensor, size: tuple[int, int]) -> Features:
        return self.encode_all([image], size)

    def encode_all(
        self, images: Sequence[np.ndarray | Tensor], size: tuple[int, int]
    ) -> Features:
        """Encode several images, of any sizes each, as one batch; see ``encode``."""
        inputs = [to_input(image, size, self.device, torch.channels_last) for image in images]
        x = inputs[0] if len(inputs) == 1 else torch.cat(inputs)
        x = x.sub_(self._mean).mul_(self._inverse_std)
        return self._network.encode(x.to(self._dtype))

    def reference(self, features: Features, labels: Tensor) -> list[LayerMemory]:
        return self._network.reference(features, labels)[1]

    def propagate(
        self,
        features: Features,
        long_term: Sequence[LayerMemory],
        short_term: Sequence[LayerMemory],
        bias: Tensor | None,
        with_mass: bool = False,
    ) -> Propagated:
        return self._network.propagate(features, long_term, short_term, bias, with_mass)

    def decode(self, features: Features, propagated: Propagated) -> Tensor:
        return self._network.decode(features, propagated.features).float()

    def memorise(self, contexts: Sequence[LayerContext], labels: Tensor) -> list[LayerMemory]:
        return self._network.memorise(contexts, labels)
