"""A convolution, its norm and its ReLU in one pass over the map where that is possible."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network.eager_cpu import eager_cpu

_ONE_PASS = torch.backends.mkldnn.is_available() and hasattr(
    torch.ops.mkldnn, "_convolution_pointwise"
)


def conv_norm_relu(
    x: Tensor, conv: nn.Conv2d, norm: nn.Module, ceiling: float | None = None
) -> Tensor:
    """[B, C, H, W] to what ``conv``, ``norm`` and a ReLU (up to ``ceiling``) make of it.

    oneDNN applies the ReLU while it writes the map. That spares a CPU, which waits for its memory
    here, a second pass; the norm must have been folded away.
    """
    folded = isinstance(norm, nn.Identity) and x.dtype is torch.float32
    if _ONE_PASS and folded and eager_cpu(x):
        relu = ("relu", []) if ceiling is None else ("hardtanh", [0.0, ceiling])
        return torch.ops.mkldnn._convolution_pointwise(
            x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups,
            *relu, "",
        )  # fmt: skip
    y = norm(conv(x))
    if ceiling is None:
        return F.relu(y, inplace=True)
    return F.hardtanh(y, 0.0, ceiling, inplace=True)
