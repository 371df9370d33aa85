"""Where forms of the network that suit a CPU alone may run."""

from __future__ import annotations

import torch
from torch import Tensor


def eager_cpu(x: Tensor) -> bool:
    """Whether ``x`` is on the CPU and nobody records what is done to it.

    Exporters, compilers and autograd get the plain forms: one graph for every machine.
    """
    recorded = (
        torch.is_grad_enabled() or torch.jit.is_tracing() or torch.compiler.is_compiling()
    )
    return x.device.type == "cpu" and not recorded
