"""The network as compiled graphs of static shape, whatever runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from deaot_ros.backends.graph_files import shapes_of
from deaot_ros.backends.images import to_input
from deaot_ros.backends.rungs import rung_of
from deaot_ros.export import FUNCTIONS, Shapes
from deaot_ros.network.attention import Grid
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.model import Features, Propagated
from deaot_ros.network.variants import Variant

Graph = Callable[[Sequence[Tensor]], list[Tensor]]
"""A loaded graph: its inputs in order, contiguous and on the device, to its outputs in order."""

class GraphRuntime(Protocol):
    """Loads graphs.

    Attributes:
        name: of the backend.
        device: where tensors are.
        precision: of features and memory.
        variant: of the network.
        recordable: whether a CUDA graph can record the graphs, once they have run.
    """

    name: str
    device: torch.device
    precision: str
    variant: Variant
    recordable: bool

    def ready(self, function: str, shapes: Shapes) -> bool:
        """Whether ``load`` will be quick: all that takes long was done before."""

    def load(self, function: str, shapes: Shapes) -> Graph:
        """A graph of ``deaot_ros.export.FUNCTIONS``, made first if it is not there.

        Raises:
            DeaotError: it cannot be had.
        """


class GraphBackend:
    """See :class:`Backend`. A graph is loaded when its shapes are first met.

    A number of memory frames has a graph of its own, so memory is padded to the next power of
    three, or to its capacity.
    """

    def __init__(self, runtime: GraphRuntime, reason: str = "") -> None:
        self.name = runtime.name
        self.device = runtime.device
        self.precision = runtime.precision
        self.variant = runtime.variant
        self.reason = reason
        self._runtime = runtime
        self.recordable = True if runtime.recordable else None
        self._graphs: dict[tuple[str, Shapes], Graph] = {}

    def prepare(self, shapes: Shapes) -> None:
        """Make and load all graphs of these shapes, whatever that takes.

        Raises:
            DeaotError: one cannot be had.
        """
        for function in FUNCTIONS:
            self._graph(function, shapes)

    def ready(self, shapes: Shapes) -> bool:
        """Whether ``prepare`` will be quick."""
        needed = ((f, shapes_of(f, shapes)) for f in FUNCTIONS)
        return all(key in self._graphs or self._runtime.ready(*key) for key in needed)

    def slots(
        self, used: int, capacity: int, size: tuple[int, int], groups: int
    ) -> int | None:
        return rung_of(used, capacity)

    def encode(self, image: np.ndarray | Tensor, size: tuple[int, int]) -> Features:
        x = to_input(image, size, self.device, torch.contiguous_format)
        x4, x8, x16, tokens = self._graph("encode", Shapes(*size))([x])
        return Features(x4, x8, x16, tokens, Grid(*x16.shape[-2:]))

    def reference(self, features: Features, labels: Tensor) -> list[LayerMemory]:
        groups, height, width = labels.shape
        graph = self._graph("reference", Shapes(height, width, groups=groups))
        found = graph([features.tokens.contiguous(), labels.to(torch.int32)])
        return [LayerMemory(k, v) for k, v in zip(found[::2], found[1::2])]

    def propagate(
        self,
        features: Features,
        long_term: Sequence[LayerMemory],
        short_term: Sequence[LayerMemory],
        bias: Tensor | None,
        with_mass: bool = False,
    ) -> Propagated:
        keys = long_term[0].keys
        groups, cells = keys.shape[0], keys.shape[1]
        if bias is None:
            bias = keys.new_zeros(groups, 1, cells)
        slots = cells // features.grid.cells
        size = features.grid.pixels(self.variant.align_corners)
        graph = self._graph("propagate", Shapes(*size, slots, groups))
        memory = [t for pair in zip(long_term, short_term) for entry in pair for t in entry]
        logits, mass, *rest = graph([t.contiguous() for t in (*features[:4], bias, *memory)])
        none = keys.new_empty(0)  # gates do not leave the graph
        contexts = [LayerContext(rest[0], rest[1], None, none)]
        triples = zip(rest[2::3], rest[3::3], rest[4::3])
        contexts += [LayerContext(*triple, none) for triple in triples]
        return Propagated(logits, contexts, mass if with_mass else None)

    def decode(self, features: Features, propagated: Propagated) -> Tensor:
        return propagated.features  # the graph of propagate did it

    def memorise(self, contexts: Sequence[LayerContext], labels: Tensor) -> list[LayerMemory]:
        groups, height, width = labels.shape
        graph = self._graph("memorise", Shapes(height, width, groups=groups))
        given = [t for c in contexts for t in (c.value, c.id_feature) if t is not None]
        values = graph([labels.to(torch.int32), *(t.contiguous() for t in given)])
        return [LayerMemory(c.key, v) for c, v in zip(contexts, values, strict=True)]

    def _graph(self, function: str, shapes: Shapes) -> Graph:
        key = function, shapes_of(function, shapes)
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = self._runtime.load(*key)
        return graph
