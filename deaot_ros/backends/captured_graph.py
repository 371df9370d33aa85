"""A function of tensors recorded as a CUDA graph: one launch instead of hundreds.

Not verified: no GPU was at hand. What can be tested without one is which addresses force a new
recording.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from deaot_ros.backends.graph_backend import Graph

_WARM_UP = 3  # runs before a recording, in which libraries choose kernels and take work space


class CapturedGraph:
    """Records ``run`` at the first call and replays it.

    A recording holds addresses. Inputs in ``in_place`` are read where they are (the memory bank is
    large and stays), and a new address means a new recording; all others are copied into inputs
    that are the recording's own. Outputs are copied out, since the next replay overwrites them.
    """

    def __init__(
        self, run: Graph, in_place: Collection[int], device: torch.device, stream: torch.cuda.Stream
    ) -> None:
        """Nothing is run yet.

        Args:
            run: the function; its shapes never change.
            in_place: indices of inputs.
            device: of all tensors.
            stream: to record and replay in; the caller's own stream is waited for and waits.
        """
        self._run = run
        self._in_place = frozenset(in_place)
        self._device = device
        self._stream = stream
        self._recording: torch.cuda.CUDAGraph | None = None
        self._recorded_at: tuple[int, ...] = ()
        self._inputs: list[Tensor] = []
        self._outputs: list[Tensor] = []

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        caller = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(caller)
        with torch.cuda.stream(self._stream):
            if self._recording is None or self._recorded_at != self.addresses(inputs):
                self._record(inputs)
            assert self._recording is not None
            for i, tensor in enumerate(inputs):
                if i not in self._in_place:
                    self._inputs[i].copy_(tensor)
            self._recording.replay()
            outputs = [tensor.clone() for tensor in self._outputs]
        caller.wait_stream(self._stream)
        for tensor in (*inputs, *outputs):
            tensor.record_stream(self._stream)
        return outputs

    def addresses(self, inputs: Sequence[Tensor]) -> tuple[int, ...]:
        """Of the inputs that are read where they are."""
        return tuple(inputs[i].data_ptr() for i in sorted(self._in_place))

    def _record(self, inputs: Sequence[Tensor]) -> None:
        self._inputs = [t if i in self._in_place else t.clone() for i, t in enumerate(inputs)]
        for _ in range(_WARM_UP):
            self._run(self._inputs)
        self._stream.synchronize()
        recording = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recording, stream=self._stream):
            self._outputs = self._run(self._inputs)
        self._recording = recording
        self._recorded_at = self.addresses(inputs)


def in_place_inputs(names: Sequence[str]) -> list[int]:
    """Indices of the inputs that are the memory bank, by their names in the graphs."""
    return [i for i, name in enumerate(names) if name.startswith("long_") or name == "bias"]
