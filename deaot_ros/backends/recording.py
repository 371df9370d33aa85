"""A function of tensors recorded as a CUDA graph: one launch instead of hundreds.

Recording itself is not verified: no GPU was at hand. All around it is, with a recorder for CPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_WARM_UP = 3  # runs before a recording, in which libraries choose kernels and take work space

Recorder = Callable[[Callable[[], list[Tensor]]], tuple[list[Tensor], Callable[[], object]]]
"""Takes a function whose inputs stay where they are. Gives the tensors of its result, and what
renews them as another call would."""


class Recording:
    """A function whose inputs and outputs are tensors of the recording's own, always the same.

    What the function reads besides its inputs must stay at its address as long as this lives.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Tensor]], list[Tensor]],
        inputs: Sequence[Tensor],
        device: torch.device,
        record: Recorder,
    ) -> None:
        """Record ``run``.

        Args:
            run: waits for nothing and makes no tensor of a shape that depends on values.
            inputs: of a first call; all later ones are shaped alike.
            device: where ``run`` reads its inputs.
            record: see ``Recorder``.
        """
        self._inputs = [tensor.to(device, copy=True) for tensor in inputs]
        self._outputs, self._replay = record(lambda: run(self._inputs))

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Inputs from wherever they are; outputs are the caller's."""
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        self._replay()
        return [tensor.clone() for tensor in self._outputs]


class CudaGraphs:
    """A ``Recorder``. Its recordings share their scratch memory, so they run one after another."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(
        self, run: Callable[[], list[Tensor]]
    ) -> tuple[list[Tensor], Callable[[], object]]:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                run()
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Another thread may load an engine meanwhile; that is no part of the recording.
        with torch.cuda.graph(
            graph, self._pool, self._stream, capture_error_mode="thread_local"
        ):
            outputs = run()
        return outputs, graph.replay
