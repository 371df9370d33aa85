"""The exported functions compiled by torch. Compiled on CPUs; on CUDA it has not been run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from deaot_ros.backends.graph_backend import Graph
from deaot_ros.backends.torch_backend import DTYPES
from deaot_ros.export import Shapes
from deaot_ros.export.graphs import build_graph
from deaot_ros.network.model import DeAOT


class TorchGraphs:
    """See :class:`GraphRuntime`."""

    name = "torch-compile"

    def __init__(
        self, network: DeAOT, device: torch.device, precision: str, compiler: str = "inductor"
    ) -> None:
        """Take ``network`` over: it is folded and moved.

        Args:
            network: in eval mode.
            device: where it runs.
            precision: of weights and memory.
            compiler: backend of ``torch.compile``.
        """
        self.recordable = device.type == "cuda"
        self.device = device
        self.precision = precision
        self.variant = network.variant
        network.requires_grad_(False).eval().fold()
        network.to(device, DTYPES[precision])
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._compiler = compiler

    def ready(self, function: str, shapes: Shapes) -> bool:
        return True  # nothing can be made ahead; compilation happens at the first call

    def load(self, function: str, shapes: Shapes) -> Graph:
        module, _ = build_graph(self._network, function, shapes)
        module.eval()
        call: Callable[..., tuple[torch.Tensor, ...]] = torch.compile(
            module, backend=self._compiler, fullgraph=True, dynamic=False
        )

        def run(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
            return list(call(*inputs))

        return run
