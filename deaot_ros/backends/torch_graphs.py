"""The exported functions run by torch itself: compiled, and on CUDA recorded as CUDA graphs.

Running on CUDA is not verified, for want of a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from deaot_ros.backends.captured_graph import CapturedGraph, in_place_inputs
from deaot_ros.backends.graph_backend import Graph
from deaot_ros.backends.torch_backend import DTYPES
from deaot_ros.errors import DeviceError
from deaot_ros.export import Shapes
from deaot_ros.export.graphs import build_graph
from deaot_ros.network.model import DeAOT


class TorchGraphs:
    """See :class:`GraphRuntime`."""

    def __init__(
        self, network: DeAOT, device: torch.device, precision: str, compiler: str | None
    ) -> None:
        """Take ``network`` over: it is folded and moved.

        Args:
            network: in eval mode.
            device: where it runs.
            precision: of weights and memory.
            compiler: backend of ``torch.compile``; None: the kernels stay eager's, which makes
                sense on CUDA only.

        Raises:
            DeviceError: nothing would be gained.
        """
        self.name = "torch-compile" if compiler else "torch-graph"
        if compiler is None and device.type != "cuda":
            raise DeviceError(
                f"backend torch-graph records CUDA graphs and cannot run on {device}; use backend "
                "torch or torch-compile"
            )
        self.device = device
        self.precision = precision
        self.variant = network.variant
        network.requires_grad_(False).eval().fold()
        network.to(device, DTYPES[precision])
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._compiler = compiler
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def ready(self, function: str, shapes: Shapes) -> bool:
        return True  # nothing can be made ahead; compilation happens at the first call

    def load(self, function: str, shapes: Shapes) -> Graph:
        module, _ = build_graph(self._network, function, shapes)
        module.eval()
        call: Callable[..., tuple[torch.Tensor, ...]] = module
        if self._compiler is not None:
            call = torch.compile(module, backend=self._compiler, fullgraph=True, dynamic=False)

        def run(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
            return list(call(*inputs))

        if self._stream is None:
            return run
        return CapturedGraph(run, in_place_inputs(module.inputs), self.device, self._stream)
