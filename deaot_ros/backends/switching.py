"""Torch until the graphs of the shapes at hand are there, then those; no track is lost.

Both keep features and memory in the same layout and precision, so every call may go either way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from deaot_ros.backends.graph_backend import GraphBackend
from deaot_ros.backends.rungs import rungs
from deaot_ros.backends.torch_backend import TorchBackend
from deaot_ros.errors import DeviceError
from deaot_ros.export import Shapes
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.model import Features, Propagated

_TOLERANCE = {"fp32": 0.01, "fp16": 0.05, "bf16": 0.15}
"""Of the logits of a new graph, in Frobenius norm relative to torch's."""


class SwitchingBackend:
    """See :class:`Backend`. ``adopt`` gives it graphs, from any thread.

    Attributes:
        wanted: the shapes that were met last, with all slots of the memory; None before the first
            image was tracked.
    """

    def __init__(self, eager: TorchBackend, graphs: GraphBackend, reason: str) -> None:
        """Begin with ``eager``, which has the weights and the precision of ``graphs``."""
        assert eager.precision == graphs.precision, "one memory serves both"
        self.device = eager.device
        self.precision = eager.precision
        self.variant = eager.variant
        self.reason = reason
        self.wanted: Shapes | None = None
        self._eager = eager
        self._graphs = graphs
        self._adopted: frozenset[Shapes] = frozenset()
        self._decoder: TorchBackend | GraphBackend = eager

    @property
    def name(self) -> str:
        """Of what ran last."""
        return self._decoder.name

    @property
    def recordable(self) -> Hashable | None:
        if not self._adopted or self._graphs.recordable is None:
            return None
        return self._adopted

    @property
    def target(self) -> str:
        """Name of the backend that is switched to."""
        return self._graphs.name

    def adopted(self, shapes: Shapes) -> bool:
        """Whether graphs run these shapes, however full the memory is."""
        return self._adopted.issuperset(_fillings(shapes))

    def ready(self, shapes: Shapes) -> bool:
        """Whether ``adopt`` will be quick."""
        return all(self._graphs.ready(filling) for filling in _fillings(shapes))

    def adopt(
        self, shapes: Shapes, turn: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        """Load the graphs of these shapes, compare them with torch, and use them from now on.

        Args:
            shapes: a memory's, all of its slots.
            turn: gives what is held while the network runs, if another thread tracks meanwhile.

        Raises:
            DeaotError: they cannot be had, or their answers differ from torch's; torch goes on.
        """
        for filling in _fillings(shapes):
            self._graphs.prepare(filling)
            with turn():
                self._check(filling)
                self._adopted |= {filling}

    def _check(self, shapes: Shapes) -> None:
        with torch.inference_mode():
            error = self._difference(shapes)
        if not error <= _TOLERANCE[self.precision]:
            raise DeviceError(
                f"{self._graphs.name} answers unlike torch (logits differ by {error:.2%}, at most "
                f"{_TOLERANCE[self.precision]:.0%} may be): torch goes on. Delete its files in "
                "the cache and try again"
            )

    def slots(
        self, used: int, capacity: int, size: tuple[int, int], groups: int
    ) -> int | None:
        slots = self._graphs.slots(used, capacity, size, groups)
        assert slots is not None
        self.wanted = Shapes(*size, capacity, groups)
        shapes = replace(self.wanted, slots=slots)
        return slots if self._runner(shapes) is self._graphs else None

    def encode(self, image: np.ndarray | Tensor, size: tuple[int, int]) -> Features:
        sizes = {(s.height, s.width) for s in self._adopted}
        return (self._graphs if size in sizes else self._eager).encode(image, size)

    def reference(self, features: Features, labels: Tensor) -> list[LayerMemory]:
        groups, height, width = labels.shape
        return self._runner(Shapes(height, width, 1, groups)).reference(features, labels)

    def propagate(
        self,
        features: Features,
        long_term: Sequence[LayerMemory],
        short_term: Sequence[LayerMemory],
        bias: Tensor | None,
        with_mass: bool = False,
    ) -> Propagated:
        groups, cells, _ = long_term[0].keys.shape
        size = features.grid.pixels(self.variant.align_corners)
        shapes = Shapes(*size, cells // features.grid.cells, groups)
        self._decoder = self._runner(shapes)
        return self._decoder.propagate(features, long_term, short_term, bias, with_mass)

    def decode(self, features: Features, propagated: Propagated) -> Tensor:
        return self._decoder.decode(features, propagated)

    def memorise(self, contexts: Sequence[LayerContext], labels: Tensor) -> list[LayerMemory]:
        return self._decoder.memorise(contexts, labels)

    def _runner(self, shapes: Shapes) -> TorchBackend | GraphBackend:
        return self._graphs if shapes in self._adopted else self._eager

    def _difference(self, shapes: Shapes) -> float:
        """Of the logits of one made-up frame."""
        generator = np.random.default_rng(0)
        size = (shapes.height, shapes.width)
        image = generator.integers(0, 256, (*size, 3), np.uint8)
        labels = torch.zeros((shapes.groups, *size), dtype=torch.uint8, device=self.device)
        labels[:, : shapes.height // 2] = 1
        answers = []
        for runner in (self._eager, self._graphs):
            features = runner.encode(image, size)
            entry = runner.reference(features, labels)
            long = [LayerMemory(*(t.repeat(1, shapes.slots, 1) for t in layer)) for layer in entry]
            found = runner.propagate(features, long, entry, None)
            answers.append(runner.decode(features, found))
        expected, given = answers
        return float((given - expected).norm() / expected.norm())


def _fillings(shapes: Shapes) -> list[Shapes]:
    """The shapes that a memory of ``shapes.slots`` goes through while it fills."""
    return [replace(shapes, slots=slots) for slots in rungs(shapes.slots)]
