"""TensorRT engines of a network's graphs, built when they are first asked for and kept."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from deaot_ros.backends.artifacts import Artifacts, Key
from deaot_ros.backends.engine_builder import RECIPE, Capability, build_engine
from deaot_ros.backends.graph_files import GraphFiles, shapes_of
from deaot_ros.backends.tensorrt_library import Library
from deaot_ros.export import Shapes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """The GPU that engines are for.

    Attributes:
        capability: of the GPU.
        name: of the GPU that is there and built on; empty where only the capability counts.
    """

    capability: Capability
    name: str = ""

    @property
    def label(self) -> str:
        """For people and file names: sm_86."""
        return "sm_{}{}".format(*self.capability)


def target_of(library: Library, device: torch.device) -> Target:
    """The GPU ``device`` as a target.

    TensorRT tunes for one GPU; TensorRT for RTX builds for a capability and tunes when it loads,
    so its engines may be built on another machine.
    """
    capability = torch.cuda.get_device_capability(device)
    name = "" if library.rtx else torch.cuda.get_device_name(device)
    return Target(capability, name)


class EngineFiles:
    """Serialised engines, by function and shapes.

    The key has all that an engine depends on: the graph's checksum (hence weights, shapes,
    precision, export recipe), library and version, GPU and capability, CUDA, build recipe.
    """

    def __init__(self, graphs: GraphFiles, library: Library, target: Target, folder: Path) -> None:
        """Keep engines in ``folder`` / ``engines``."""
        self.library = library
        self.graphs = graphs
        self._target = target
        self._artifacts = Artifacts(folder / "engines")

    def find(self, function: str, shapes: Shapes) -> Path | None:
        """The file, if graph and engine were made before."""
        graph = self.graphs.find(function, shapes)
        return self._artifacts.find(*self._place(function, shapes, graph)) if graph else None

    def get(self, function: str, shapes: Shapes) -> Path:
        """The file, built now if it is not there, which may take minutes.

        Raises:
            DeaotError: it cannot be built.
            OSError: the cache cannot be written.
        """
        graph = self.graphs.get(function, shapes)
        place = self._place(function, shapes, graph)
        found = self._artifacts.find(*place)
        if found is not None:
            return found
        with self._artifacts.making(*place):
            found = self._artifacts.find(*place)  # another process may have made it meanwhile
            return found or self._build(place, graph)

    def discard(self, function: str, shapes: Shapes) -> None:
        """Remove a file that turned out to be unusable."""
        graph = self.graphs.find(function, shapes)
        if graph is not None:
            self._artifacts.discard(*self._place(function, shapes, graph))

    def _build(self, place: tuple[str, str, Key], graph: Path) -> Path:
        start = time.monotonic()
        timing_place = self._timing_place()
        timings = self._artifacts.find(*timing_place)
        capabilities = () if self._target.name else (self._target.capability,)
        logger.info("building %s with %s", place[0], self.library.name)
        built = build_engine(
            self.library, graph.read_bytes(), self.graphs.precision, capabilities,
            timings.read_bytes() if timings else b"", place[0],
        )  # fmt: skip
        path = self._artifacts.put(*place, built.engine)
        if built.timings:
            self._artifacts.put(*timing_place, built.timings)
        size = len(built.engine) / 1e6
        logger.info("built %s, %.1f MB, in %.1f s", path, size, time.monotonic() - start)
        return path

    def _place(self, function: str, shapes: Shapes, graph: Path) -> tuple[str, str, Key]:
        mine = shapes_of(function, shapes)
        key: Key = {
            **self._machine(),
            "graph_sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
            "function": function,
            "precision": self.graphs.precision,
            **asdict(mine),
        }
        return f"{self.graphs.stem(function, shapes)}_{self._target.label}", "plan", key

    def _timing_place(self) -> tuple[str, str, Key]:
        return f"timing_{self._target.label}", "cache", self._machine()

    def _machine(self) -> dict[str, str | int]:
        return {
            "library": self.library.name,
            "gpu": self._target.name,
            "capability": self._target.label,
            # Engines of TensorRT for RTX do not depend on the CUDA that they were built beside.
            "cuda": "" if self.library.rtx else str(torch.version.cuda),
            "recipe": RECIPE,
        }
