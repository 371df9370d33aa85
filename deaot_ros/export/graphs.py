"""The functions of the network as modules of plain tensors in and out, as an exporter wants them.

Every shape is fixed by :class:`Shapes`. Tensors have names, which are those of the graphs' inputs
and outputs. G is the number of object groups, T the cells of the stride-16 grid, S = slots · T; a
trailing number is the layer's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deaot_ros.errors import ExportError
from deaot_ros.network.attention import Grid
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.model import DeAOT, Features
from deaot_ros.network.preprocessing import normalisation
from deaot_ros.network.variants import Variant

FUNCTIONS = ("encode", "propagate", "memorise", "reference")


@dataclass(frozen=True, slots=True)
class Shapes:
    """What fixes every shape of the graphs.

    Attributes:
        height, width: of the network input in pixels.
        slots: memory frames that ``propagate`` reads; empty ones are masked by ``bias``.
        groups: of ten objects.
    """

    height: int
    width: int
    slots: int = 9
    groups: int = 1


class Graph(nn.Module):
    """A function of tensors whose names are ``inputs`` and ``outputs``, in order."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __init__(self, network: DeAOT) -> None:
        super().__init__()
        self.network = network


class Encode(Graph):
    """``image`` float32 [1, 3, h, w], RGB 0..255, to ``x4``, ``x8``, ``x16`` and ``tokens``."""

    inputs = ("image",)
    outputs = ("x4", "x8", "x16", "tokens")
    mean: Tensor
    inverse_std: Tensor

    def __init__(self, network: DeAOT) -> None:
        super().__init__(network)
        # Buffers: a constant made on the way would be a copy from the host in every frame.
        device = network.encoder_projector.weight.device
        for name, value in zip(("mean", "inverse_std"), normalisation(device)):
            self.register_buffer(name, value)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = (image - self.mean) * self.inverse_std
        features = self.network.encode(x.to(self.network.encoder_projector.weight.dtype))
        return features.x4, features.x8, features.x16, features.tokens


class Propagate(Graph):
    """Read the memories and decode.

    Takes the four tensors of ``encode``, ``bias`` [G, 1, S], and per layer ``long_keys`` [G, S,
    128], ``long_values`` [G, S, 1024], ``short_keys`` [G, T, 128] and ``short_values`` [G, T,
    1024]. Gives ``logits`` [G, 11, h4, w4], ``mass`` [G, T, slots], and what ``memorise`` needs:
    per layer ``key`` [G, T, 128] and ``value`` [G, T, 512], after the first ``id_feature`` [G, T,
    256], too. A layer's ``key`` is the ``keys`` of the frame's memory entry as it is.
    """

    def __init__(self, network: DeAOT, grid: Grid) -> None:
        super().__init__(network)
        self.grid = grid
        layers = range(network.variant.layers)
        memory = ("long_keys", "long_values", "short_keys", "short_values")
        self.inputs = (*Encode.outputs, "bias", *(f"{part}_{i}" for i in layers for part in memory))
        self.outputs = ("logits", "mass", *context_names(network.variant.layers))

    def forward(
        self, x4: Tensor, x8: Tensor, x16: Tensor, tokens: Tensor, bias: Tensor, *memory: Tensor
    ) -> tuple[Tensor, ...]:
        features = Features(x4, x8, x16, tokens, self.grid)
        long = [LayerMemory(k, v) for k, v in zip(memory[::4], memory[1::4])]
        short = [LayerMemory(k, v) for k, v in zip(memory[2::4], memory[3::4])]
        found = self.network.propagate(features, long, short, bias, with_mass=True)
        assert found.mass is not None
        logits = self.network.decode(features, found.features)
        return logits.float(), found.mass.float(), *flatten_contexts(found.contexts)


class Memorise(Graph):
    """``labels`` int32 [G, h, w] and what ``propagate`` gave, to ``values`` of each layer."""

    def __init__(self, network: DeAOT) -> None:
        super().__init__(network)
        layers = network.variant.layers
        self.inputs = ("labels", *(n for n in context_names(layers) if not n.startswith("key")))
        self.outputs = tuple(f"values_{i}" for i in range(layers))

    def forward(self, labels: Tensor, *contexts: Tensor) -> tuple[Tensor, ...]:
        rest = list(contexts)
        # Key and gate have no part in the values.
        none = labels.new_empty(0, dtype=rest[0].dtype)
        layers = []
        for i in range(self.network.variant.layers):
            value = rest.pop(0)
            layers.append(LayerContext(none, value, rest.pop(0) if i else None, none))
        return tuple(entry.values for entry in self.network.memorise(layers, labels))


class Reference(Graph):
    """``tokens`` and ``labels`` int32 [G, h, w] to ``keys`` and ``values`` of each layer."""

    def __init__(self, network: DeAOT, grid: Grid) -> None:
        super().__init__(network)
        self.grid = grid
        self.inputs = ("tokens", "labels")
        layers = range(network.variant.layers)
        self.outputs = tuple(f"{part}_{i}" for i in layers for part in ("keys", "values"))

    def forward(self, tokens: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        # A reference is not decoded here, so the shortcuts have no part in it.
        none = tokens.new_empty(0)
        features = Features(none, none, none, tokens, self.grid)
        _, entries = self.network.reference(features, labels)
        return tuple(tensor for entry in entries for tensor in entry)


def context_names(layers: int) -> tuple[str, ...]:
    """Names of what ``propagate`` gives for ``memorise``, in order."""
    return tuple(
        f"{part}_{i}"
        for i in range(layers)
        for part in (("key", "value", "id_feature") if i else ("key", "value"))
    )


def flatten_contexts(contexts: list[LayerContext]) -> list[Tensor]:
    """Tensors of the contexts in the order of :func:`context_names`."""
    return [t for c in contexts for t in (c.key, c.value, c.id_feature) if t is not None]


def exportable(variant: Variant) -> bool:
    """Whether there are graphs for it: it has the visual and the ID branch of DeAOT."""
    return variant.propagation.module == "gpm"


@torch.no_grad()
def build_graph(network: DeAOT, function: str, shapes: Shapes) -> tuple[Graph, tuple[Tensor, ...]]:
    """One of ``FUNCTIONS`` with arguments that show its shapes; their values are zeros.

    They are on the network's device, and all but the image of its precision.

    Raises:
        ExportError: the network has no visual and ID branch, for which the graphs are.
    """
    propagation, groups = network.variant.propagation, shapes.groups
    if not exportable(network.variant):
        raise ExportError(
            f"'{network.variant.name}' cannot be exported: it propagates in another way than "
            "DeAOT; use the backend torch"
        )
    weight = network.encoder_projector.weight
    image = weight.new_zeros((1, 3, shapes.height, shapes.width))
    if function == "encode":
        return Encode(network), (image.float(),)
    labels = torch.zeros(groups, shapes.height, shapes.width, dtype=torch.int32).to(weight.device)
    found = network.encode(image)
    cells, layers = found.grid.cells, range(network.variant.layers)
    if function == "reference":
        return Reference(network, found.grid), (torch.zeros_like(found.tokens), labels)
    if function == "memorise":
        memorise = Memorise(network)
        width = {"value": propagation.branch_values, "id_feature": propagation.channels}
        parts = [name.rpartition("_")[0] for name in memorise.inputs[1:]]
        return memorise, (
            labels,
            *(weight.new_zeros((groups, cells, width[part])) for part in parts),
        )
    assert function == "propagate", function
    lengths = (shapes.slots * cells,) * 2 + (cells,) * 2
    widths = (propagation.key_channels, propagation.branches * propagation.branch_values) * 2
    memory = [weight.new_zeros((groups, n, c)) for _ in layers for n, c in zip(lengths, widths)]
    bias = weight.new_zeros((groups, 1, shapes.slots * cells))
    features = (torch.zeros_like(t) for t in found[:4])
    return Propagate(network, found.grid), (*features, bias, *memory)
