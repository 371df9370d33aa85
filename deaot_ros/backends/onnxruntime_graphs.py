"""Exported graphs run by onnxruntime, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deaot_ros.backends.graph_backend import Graph
from deaot_ros.backends.graph_files import GraphFiles
from deaot_ros.errors import DeviceError
from deaot_ros.export import Shapes

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

_TORCH_TYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(int32)": torch.int32,
}


class OnnxRuntimeGraphs:
    """See :class:`GraphRuntime`."""

    name = "onnxruntime"
    recordable = False  # its own calls synchronise

    def __init__(self, files: GraphFiles, device: torch.device) -> None:
        """Look whether onnxruntime is there and serves ``device``.

        Raises:
            DeviceError: it does not.
        """
        try:
            import onnxruntime
        except ImportError:
            raise DeviceError(
                "backend onnxruntime needs the packages onnxruntime (onnxruntime-gpu for CUDA) and "
                "onnx; pip install 'deaot-ros[onnxruntime]', or use backend torch"
            ) from None
        self.device = device
        self.precision = files.precision
        self.variant = files.variant
        self._files = files
        self._library = onnxruntime
        self._provider = _PROVIDERS[device.type]
        offered = onnxruntime.get_available_providers()
        if self._provider not in offered:
            raise DeviceError(
                f"onnxruntime {onnxruntime.__version__} has no {self._provider}, only "
                f"{', '.join(offered)}; install onnxruntime-gpu, or use device cpu"
            )

    def ready(self, function: str, shapes: Shapes) -> bool:
        return self._files.find(function, shapes) is not None

    def load(self, function: str, shapes: Shapes) -> Graph:
        path = self._files.get(function, shapes)
        try:
            session = self._session(path)
        except Exception:  # of a file that is whole, but from another world: onnxruntime's own
            self._files.discard(function, shapes)
            session = self._session(self._files.get(function, shapes))
        used = session.get_providers()[0]
        if used != self._provider:  # it falls back with a mere warning
            raise DeviceError(f"onnxruntime runs {path.name} by {used}, not {self._provider}")
        return _CpuGraph(session) if self.device.type == "cpu" else _CudaGraph(session, self.device)

    def _session(self, path: Path) -> Any:
        options = self._library.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        # Threads that wait by spinning take the cores that torch and the node need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings = {}
        if self.device.type == "cuda":
            # Kernels queue up behind torch's, in its stream.
            stream = torch.cuda.current_stream(self.device).cuda_stream
            settings = {
                "device_id": str(self.device.index or 0), "user_compute_stream": str(stream),
            }  # fmt: skip
        return self._library.InferenceSession(
            path, options, providers=[self._provider], provider_options=[settings]
        )


class _CpuGraph:
    """Reads torch's memory and gives memory of its own: nothing is copied."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._inputs = [entry.name for entry in session.get_inputs()]

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        feed: dict[str, np.ndarray] = {
            name: tensor.numpy() for name, tensor in zip(self._inputs, inputs, strict=True)
        }
        return [torch.from_numpy(array) for array in self._session.run(None, feed)]


class _CudaGraph:
    """Reads and writes torch's memory on the device. Not verified: no GPU was at hand."""

    def __init__(self, session: Any, device: torch.device) -> None:
        self._session = session
        self._device = device
        self._inputs = session.get_inputs()
        self._outputs = session.get_outputs()

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        binding = self._session.io_binding()
        outputs = [
            torch.empty(entry.shape, dtype=_TORCH_TYPES[entry.type], device=self._device)
            for entry in self._outputs
        ]
        for bind, entries, tensors in (
            (binding.bind_input, self._inputs, inputs),
            (binding.bind_output, self._outputs, outputs),
        ):
            for entry, tensor in zip(entries, tensors, strict=True):
                kind = str(tensor.dtype).removeprefix("torch.")
                bind(
                    entry.name, "cuda", self._device.index or 0, np.dtype(kind),
                    tuple(tensor.shape), tensor.data_ptr(),
                )  # fmt: skip
        self._session.run_with_iobinding(binding)
        return outputs
