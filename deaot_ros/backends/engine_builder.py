"""Builds a TensorRT engine of an ONNX graph: TensorRT 8.6, 10 and 11, and TensorRT for RTX."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from deaot_ros.backends.tensorrt_library import Library
from deaot_ros.errors import DeviceError, ExportError

RECIPE = 1
"""Grows with every change of how engines are built."""

PROGRESS_PERIOD = 5.0
"""Seconds between two signs of life."""

Capability = tuple[int, int]
"""Major and minor compute capability of a GPU: (8, 6) is sm_86."""

logger = logging.getLogger(__name__)


class Built(NamedTuple):
    """What a build gives.

    Attributes:
        engine: serialised.
        timings: the timing cache, empty where the library keeps none.
    """

    engine: bytes
    timings: bytes


def build_engine(
    library: Library,
    graph: bytes,
    precision: str,
    capabilities: Sequence[Capability] = (),
    timings: bytes = b"",
    what: str = "engine",
) -> Built:
    """Build an engine; says every five seconds that it still does.

    Args:
        library: see ``find_library``.
        graph: ONNX with weights inside.
        precision: of the graph; only TensorRT that knows no strongly typed networks is told it.
        capabilities: GPUs to build for; TensorRT for RTX can do that without one. Empty: the GPU
            that is there.
        timings: timing cache of an earlier build.
        what: for people.

    Raises:
        DeviceError: ``capabilities`` are given to a library that cannot build for another GPU, or
            ``precision`` to one that does not know it.
        ExportError: TensorRT refuses the graph; the message has its reasons.
    """
    trt = library.module
    log = logger_of(trt)
    builder = trt.Builder(log)
    network = builder.create_network(_flags(trt))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph):
        reasons = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        raise ExportError(f"{library.name} cannot read {what}: {'; '.join(reasons)}")
    config = builder.create_builder_config()
    if capabilities:
        _aim(library, config, capabilities)
    if not hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        _ask_for(trt, config, network, precision)
    cache = None
    if not library.rtx:  # which keeps none
        cache = config.create_timing_cache(timings)
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            cache = config.create_timing_cache(b"")  # of another GPU or version
            config.set_timing_cache(cache, ignore_mismatch=False)
    log.errors.clear()
    with _signs_of_life(what):
        engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportError(f"{library.name} cannot build {what}: {'; '.join(log.errors)}")
    return Built(bytes(engine), bytes(cache.serialize()) if cache else b"")


def _flags(trt: Any) -> int:
    """Types as the graph says them (from TensorRT 9 on); batch explicit where one can choose."""
    kinds = trt.NetworkDefinitionCreationFlag
    wanted = (getattr(kinds, name, None) for name in ("STRONGLY_TYPED", "EXPLICIT_BATCH"))
    return sum(1 << int(kind) for kind in wanted if kind is not None)


def _aim(library: Library, config: Any, capabilities: Sequence[Capability]) -> None:
    if not library.rtx:
        raise DeviceError(
            f"{library.name} builds for the GPU that is there only; build on the target, or "
            "install TensorRT for RTX"
        )
    config.num_compute_capabilities = len(capabilities)
    for i, (major, minor) in enumerate(capabilities):
        kind = getattr(library.module.ComputeCapability, f"SM{major}{minor}", None)
        if kind is None:
            raise DeviceError(f"{library.name} does not know sm_{major}{minor}")
        config.set_compute_capability(kind, i)


def _ask_for(trt: Any, config: Any, network: Any, precision: str) -> None:
    """TensorRT 8.6: let it use half precision, but not where the graph says fp32."""
    if precision == "fp32":
        return
    flag = getattr(trt.BuilderFlag, precision.upper(), None)
    if flag is None:
        raise DeviceError(f"tensorrt {trt.__version__} knows no {precision}; use fp16 or fp32")
    config.set_flag(flag)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    kinds = {trt.LayerType.NORMALIZATION, trt.LayerType.SOFTMAX}
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        if layer.type in kinds:
            layer.precision = trt.float32
            layer.set_output_type(0, trt.float32)


@contextmanager
def _signs_of_life(what: str) -> Iterator[None]:
    done = threading.Event()
    start = time.monotonic()

    def tell() -> None:
        while not done.wait(PROGRESS_PERIOD):
            logger.info("building %s: %.0f s", what, time.monotonic() - start)

    teller = threading.Thread(target=tell, name="deaot_progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def logger_of(trt: Any) -> Any:
    """A logger for ``trt`` that passes complaints on to Python's; keeps errors in ``errors``."""

    class Log(trt.ILogger):
        """Passes on what TensorRT complains about, and keeps errors for the message."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message)
            if severity <= trt.ILogger.WARNING:
                logger.debug("TensorRT: %s", message)

    return Log()
