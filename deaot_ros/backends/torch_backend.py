"""The network run by torch, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deaot_ros.errors import DeviceError
from deaot_ros.network.gpm import LayerContext, LayerMemory
from deaot_ros.network.model import DeAOT, Features, Propagated
from deaot_ros.network.preprocessing import RGB_MEAN, RGB_STD

BACKENDS = ("auto", "torch")
PRECISIONS = ("auto", "fp32", "fp16")


class TorchBackend:
    """The functions of the network on one device, without gradients.

    Batch norms are folded, convolutions run channels-last. fp16 stores weights and memory in half
    precision (CUDA only); logits are returned in fp32 always.
    """

    name = "torch"

    def __init__(self, network: DeAOT, device: torch.device, precision: str) -> None:
        """Take ``network`` over: it is folded and moved."""
        self.device = device
        self.precision = precision
        self.variant = network.variant
        self._dtype = torch.float16 if precision == "fp16" else torch.float32
        network.requires_grad_(False).eval().fold()
        network.to(device, self._dtype)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        mean, std = torch.tensor(RGB_MEAN), torch.tensor(RGB_STD)
        self._mean = mean.view(1, 3, 1, 1).to(device)
        self._inverse_std = (1 / std).view(1, 3, 1, 1).to(device)

    def encode(self, image: np.ndarray, size: tuple[int, int]) -> Features:
        """Resize, normalise and encode.

        Args:
            image: uint8 [H, W, 3] RGB, contiguous and writable.
            size: (height, width) of the network input. Where it differs from the image's the
                float image is resampled bicubically without antialiasing or clipping.
        """
        x = torch.from_numpy(image).to(self.device, non_blocking=True)
        x = x.permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.channels_last)
        if image.shape[:2] != size:
            x = F.interpolate(x, size, mode="bicubic", align_corners=False)
        x = x.sub_(self._mean).mul_(self._inverse_std)
        return self._network.encode(x.to(self._dtype))

    def reference(self, features: Features, labels: Tensor) -> list[LayerMemory]:
        """Memory entry of a frame whose labels, uint8 [G, h, w] at network size, are given."""
        return self._network.reference(features, labels)[1]

    def propagate(
        self,
        features: Features,
        long_term: Sequence[LayerMemory],
        short_term: Sequence[LayerMemory],
        bias: Tensor | None,
        with_mass: bool = False,
    ) -> Propagated:
        """See :meth:`DeAOT.propagate`."""
        return self._network.propagate(features, long_term, short_term, bias, with_mass)

    def decode(self, features: Features, propagated: Propagated) -> Tensor:
        """Raw logits, float32 [G, 11, h4, w4]."""
        return self._network.decode(features, propagated.features).float()

    def memorise(self, contexts: Sequence[LayerContext], labels: Tensor) -> list[LayerMemory]:
        """See :meth:`DeAOT.memorise`."""
        return self._network.memorise(contexts, labels)


def load_backend(network: DeAOT, device: str, backend: str, precision: str) -> TorchBackend:
    """Choose where and how ``network`` runs.

    Args:
        network: in eval mode, on the CPU.
        device: ``auto`` (CUDA where it works, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.
        backend: one of ``BACKENDS``; ``auto`` is torch.
        precision: one of ``PRECISIONS``; ``auto`` is fp32.

    Raises:
        DeviceError: what was asked for cannot be had here.
    """
    if backend not in BACKENDS:
        raise DeviceError(f"unknown backend '{backend}'; expected one of {', '.join(BACKENDS)}")
    if precision not in PRECISIONS:
        raise DeviceError(
            f"unknown precision '{precision}'; expected one of {', '.join(PRECISIONS)}"
        )
    resolved = _resolve_device(device)
    if precision == "auto":
        precision = "fp32"
    if precision == "fp16" and resolved.type != "cuda":
        raise DeviceError(
            f"precision fp16 needs a CUDA device, not {resolved}; use precision fp32 or auto"
        )
    return TorchBackend(network, resolved, precision)


def _resolve_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        resolved = None
    if resolved is None or resolved.type not in ("cpu", "cuda"):
        raise DeviceError(f"unknown device '{device}'; expected auto, cpu, cuda or cuda:N")
    if resolved.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (resolved.index or 0) >= count:
            raise DeviceError(
                f"device {device} is not there: torch {torch.__version__} sees {count} CUDA "
                "device(s); use device cpu or auto, or install a CUDA build of torch"
            )
    return resolved
