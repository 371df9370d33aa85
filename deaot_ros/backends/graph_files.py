"""Exported graphs of one network, made when they are first asked for and kept in the cache."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import asdict, replace
from pathlib import Path

from deaot_ros.backends.artifacts import Artifacts, Key
from deaot_ros.export import RECIPE, Shapes, export_graph
from deaot_ros.network.attention import ShortTermAttention
from deaot_ros.network.model import DeAOT

logger = logging.getLogger(__name__)


class GraphFiles:
    """ONNX files of the functions of a network, by function and shapes."""

    def __init__(
        self, network: DeAOT, precision: str, folder: Path, device_type: str = "cuda"
    ) -> None:
        """Take ``network``, in eval mode and on the CPU, over: its batch norms are folded.

        Args:
            network: with its weights.
            precision: of the graphs, see ``deaot_ros.export.export_graph``.
            folder: of the cache.
            device_type: of what will run them. For a ``cpu`` the short-term attention skips what is
                far from the window: less arithmetic, in many small products.
        """
        by_tiles = device_type == "cpu"
        self._attention = "tiles" if by_tiles else "dense"
        for module in network.modules():
            if isinstance(module, ShortTermAttention):
                module.by_tiles = by_tiles
        network.requires_grad_(False).eval().fold()
        self.variant = network.variant
        self.precision = precision
        self._network = network
        self._artifacts = Artifacts(folder / "graphs")
        self._weights = _digest(network)

    def find(self, function: str, shapes: Shapes) -> Path | None:
        """The file, if it was made before."""
        return self._artifacts.find(*self._place(function, shapes))

    def get(self, function: str, shapes: Shapes) -> Path:
        """The file, made now if it is not there.

        Raises:
            ExportError: it cannot be made.
            OSError: the cache cannot be written.
        """
        place = self._place(function, shapes)
        found = self._artifacts.find(*place)
        if found is not None:
            return found
        with self._artifacts.making(*place):
            found = self._artifacts.find(*place)  # another process may have made it meanwhile
            if found is not None:
                return found
            start = time.monotonic()
            metadata = {name: str(value) for name, value in place[2].items()}
            content = export_graph(
                self._network, function, shapes_of(function, shapes), self.precision, metadata
            )
            path = self._artifacts.put(*place, content)
        logger.info("exported %s in %.1f s", path, time.monotonic() - start)
        return path

    def discard(self, function: str, shapes: Shapes) -> None:
        """Remove a file that turned out to be unusable."""
        self._artifacts.discard(*self._place(function, shapes))

    def stem(self, function: str, shapes: Shapes) -> str:
        """Beginning of the names of files; for people."""
        mine = shapes_of(function, shapes)
        size = f"{mine.height}x{mine.width}_s{mine.slots}_g{mine.groups}"
        return f"{self.variant.name}_{function}_{size}_{self.precision}"

    def _place(self, function: str, shapes: Shapes) -> tuple[str, str, Key]:
        mine = shapes_of(function, shapes)
        key: Key = {
            "variant": self.variant.name,
            "weights": self._weights,
            "function": function,
            "precision": self.precision,
            "attention": self._attention,
            "recipe": RECIPE,
            **asdict(mine),
        }
        return self.stem(function, shapes), "onnx", key


def shapes_of(function: str, shapes: Shapes) -> Shapes:
    """Shapes with 1 in place of what ``function`` does not depend on."""
    if function == "propagate":
        return shapes
    return replace(shapes, slots=1, groups=1 if function == "encode" else shapes.groups)


def _digest(network: DeAOT) -> str:
    sha = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        sha.update(name.encode())
        sha.update(value.detach().contiguous().numpy().tobytes())
    return sha.hexdigest()
