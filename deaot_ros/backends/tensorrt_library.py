"""Finds TensorRT, or TensorRT for RTX, whose interface is the same."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deaot_ros.errors import DeviceError

_RTX_PARTS = ("libcudart.so.*", "libtensorrt_rtx.so.*", "libtensorrt_onnxparser_rtx.so.*")
"""Libraries of TensorRT for RTX, in the order in which they need each other."""

HOW_TO_GET = (
    "JetPack and NVIDIA's apt repository have TensorRT; on x86-64 "
    "pip install 'deaot-ros[tensorrt-rtx]' brings TensorRT for RTX"
)


@dataclass(frozen=True)
class Library:
    """An importable TensorRT.

    Attributes:
        module: the Python module.
        rtx: it is TensorRT for RTX, which builds for the capabilities that it is told.
        name: for people and cache keys, with the version.
    """

    module: Any
    rtx: bool
    name: str


@cache
def find_library() -> Library:
    """TensorRT if it is there, else TensorRT for RTX.

    Raises:
        DeviceError: neither is.
    """
    failures = []
    for name, load in (
        ("tensorrt", lambda: importlib.import_module("tensorrt")),
        ("tensorrt_rtx", _load_rtx),
    ):
        try:
            module = load()
            return Library(module, name == "tensorrt_rtx", f"{name} {module.__version__}")
        except (ImportError, OSError, AttributeError) as error:
            failures.append(f"{name}: {error}")
    raise DeviceError(f"there is no TensorRT here ({'; '.join(failures)}). {HOW_TO_GET}")


def _load_rtx() -> Any:
    if importlib.util.find_spec("tensorrt_rtx"):  # NVIDIA's own wheel
        return importlib.import_module("tensorrt_rtx")
    # On PyPI the bindings come alone, and the libraries inside onnxruntime's plugin.
    plugin = importlib.util.find_spec("onnxruntime_ep_nv_tensorrt_rtx")
    if plugin is None or not plugin.submodule_search_locations:
        raise ImportError("its libraries are not installed")
    folder = Path(next(iter(plugin.submodule_search_locations)))
    for pattern in _RTX_PARTS:
        found = sorted(folder.glob(pattern))
        if not found:
            raise ImportError(f"{folder} has no {pattern}")
        ctypes.CDLL(str(found[-1]), ctypes.RTLD_GLOBAL)
    return importlib.import_module("tensorrt_rtx_bindings")
