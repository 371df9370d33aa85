"""Exported graphs run by TensorRT or TensorRT for RTX.

Building is tested on machines without a GPU; running is not verified, for want of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deaot_ros.backends.engine_builder import logger_of
from deaot_ros.backends.engine_files import EngineFiles
from deaot_ros.backends.graph_backend import Graph
from deaot_ros.errors import DeviceError
from deaot_ros.export import Shapes


class TensorRTGraphs:
    """See :class:`GraphRuntime`. Engines run in a stream of their own; frames are recorded."""

    name = "tensorrt"
    recordable = True

    def __init__(self, files: EngineFiles, device: torch.device) -> None:
        self.device = device
        self.precision = files.graphs.precision
        self.variant = files.graphs.variant
        self._files = files
        self._trt = files.library.module
        self._runtime = self._trt.Runtime(logger_of(self._trt))
        self._stream = torch.cuda.Stream(device)

    def ready(self, function: str, shapes: Shapes) -> bool:
        return self._files.find(function, shapes) is not None

    def load(self, function: str, shapes: Shapes) -> Graph:
        engine = self._deserialize(self._files.get(function, shapes).read_bytes())
        if engine is None:  # whole, but from another world: the key cannot know everything
            self._files.discard(function, shapes)
            engine = self._deserialize(self._files.get(function, shapes).read_bytes())
        if engine is None:
            raise DeviceError(
                f"{self._files.library.name} cannot load the engine that it just built for "
                f"{function}; see its messages with logging at DEBUG"
            )
        return _Engine(self._trt, engine, self.device, self._stream)

    def _deserialize(self, content: bytes) -> Any:
        return self._runtime.deserialize_cuda_engine(content)


class _Engine:
    """An engine as a function of tensors.

    It runs in ``stream``, for which torch's current one waits, or is recorded with that one.
    """

    def __init__(
        self, trt: Any, engine: Any, device: torch.device, stream: torch.cuda.Stream
    ) -> None:
        types = {
            trt.float32: torch.float32,
            trt.float16: torch.float16,
            trt.int32: torch.int32,
        }
        if hasattr(trt, "bfloat16"):
            types[trt.bfloat16] = torch.bfloat16
        self._device = device
        self._stream = stream
        self._context = engine.create_execution_context()
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        modes = {name: engine.get_tensor_mode(name) for name in names}
        self._inputs = [n for n in names if modes[n] == trt.TensorIOMode.INPUT]
        self._outputs = [
            (n, tuple(engine.get_tensor_shape(n)), types[engine.get_tensor_dtype(n)])
            for n in names
            if modes[n] == trt.TensorIOMode.OUTPUT
        ]
        self._engine = engine  # the context does not keep it alive

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        outputs = [
            torch.empty(shape, dtype=dtype, device=self._device)
            for _, shape, dtype in self._outputs
        ]
        for name, tensor in zip(self._inputs, inputs, strict=True):
            self._context.set_input_shape(name, tuple(tensor.shape))
            self._context.set_tensor_address(name, tensor.data_ptr())
        for (name, _, _), tensor in zip(self._outputs, outputs, strict=True):
            self._context.set_tensor_address(name, tensor.data_ptr())
        caller = torch.cuda.current_stream(self._device)
        stream = caller if torch.cuda.is_current_stream_capturing() else self._stream
        if stream is not caller:  # TensorRT would synchronise in the default stream
            stream.wait_stream(caller)
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise DeviceError("TensorRT could not run an engine; see its messages at DEBUG")
        if stream is not caller:
            for tensor in (*inputs, *outputs):
                tensor.record_stream(stream)
            caller.wait_stream(stream)
        return outputs
