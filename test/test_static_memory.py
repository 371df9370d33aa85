"""A padded bank gives the network static shapes: one graph from the first frame to the last."""

from __future__ import annotations

import pytest
import torch
from golden import golden_state, vectors
from torch import Tensor, nn

from deaot_ros.memory import Candidate, MemorySettings, RollingMemory
from deaot_ros.network import DeAOT, build_network
from deaot_ros.network.attention import Grid
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.model import Features

SLOTS = 4
FRAMES = torch.from_numpy(vectors("inputs")["frames_97x129"]).permute(0, 3, 1, 2)
MASK = torch.from_numpy(vectors("inputs")["mask_97x129_k3"]).to(torch.uint8)[None]


class ReadMemory(nn.Module):
    """Propagate and decode as a function of plain tensors, as an exporter wants it."""

    def __init__(self, network: DeAOT, grid: Grid) -> None:
        super().__init__()
        self.network = network
        self.grid = grid

    def forward(
        self, image: list[Tensor], long_term: list[Tensor], short_term: list[Tensor], bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        features = Features(*image, self.grid)
        propagated = self.network.propagate(
            features, _layers(long_term), _layers(short_term), bias, with_mass=True
        )
        assert propagated.mass is not None
        return self.network.decode(features, propagated.features), propagated.mass


def _layers(flat: list[Tensor]) -> list[LayerMemory]:
    return [LayerMemory(k, v) for k, v in zip(flat[::2], flat[1::2])]


def _flat(layers: list[LayerMemory]) -> list[Tensor]:
    return [t for layer in layers for t in layer]


@pytest.fixture(scope="module")
def session() -> tuple[ReadMemory, list[tuple]]:
    """The module, and its arguments on seven frames while a padded bank fills and rolls."""
    network = build_network("deaot-s")
    network.load_state_dict(golden_state(network))
    network.requires_grad_(False)
    settings = MemorySettings(policy="fifo", slots=SLOTS, gap_frames=1, padded=True)
    memory = RollingMemory(settings, network.variant)
    calls = []
    with torch.no_grad():
        images = [network.encode(frame[None].float() / 128 - 1) for frame in FRAMES]
        memory.pin(network.reference(images[0], MASK)[1], 0, 0.0, [1])
        for t in range(1, 8):
            features = images[t % len(images)]
            layers, bias = memory.long_term()
            short = memory.short_term(float(t))
            assert bias is not None
            arguments = (list(features[:4]), _flat(layers), _flat(short), bias)
            calls.append(tuple(
                a.clone() if isinstance(a, Tensor) else [x.clone() for x in a] for a in arguments
            ))  # fmt: skip
            contexts = network.propagate(features, layers, short, bias).contexts
            entry = network.memorise(contexts, MASK)
            memory.follow(entry, float(t))
            memory.offer(entry, Candidate(t, float(t), frozenset({1})))
    return ReadMemory(network, images[0].grid), calls


@torch.no_grad()
def test_shapes_never_change_and_the_unused_part_has_no_influence(session: tuple) -> None:
    module, calls = session
    shapes = [[t.shape for t in (*i, *long, *short, bias)] for i, long, short, bias in calls]
    assert all(s == shapes[0] for s in shapes)
    tokens = calls[0][3].shape[2] // SLOTS
    for used, (image, long, short, bias) in enumerate(calls[: SLOTS - 1], 1):
        end = used * tokens
        padded, mass = module(image, long, short, bias)
        exact, exact_mass = module(image, [t[:, :end] for t in long], short, bias[:, :, :end])
        torch.testing.assert_close(padded, exact, atol=1e-4, rtol=0)
        torch.testing.assert_close(mass[..., :used], exact_mass, atol=1e-5, rtol=0)
        assert mass[..., used:].abs().max() == 0


@torch.no_grad()
def test_the_order_of_slots_has_no_influence(session: tuple) -> None:
    module, calls = session
    image, long, short, bias = calls[1]
    tokens = bias.shape[2] // SLOTS
    order = torch.tensor([2, 0, 3, 1])
    cells = (order[:, None] * tokens + torch.arange(tokens)).flatten()
    logits, mass = module(image, long, short, bias)
    turned, turned_mass = module(image, [t[:, cells] for t in long], short, bias[:, :, cells])
    torch.testing.assert_close(turned, logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(turned_mass, mass[..., order], atol=1e-5, rtol=0)


@torch.no_grad()
def test_one_exported_graph_serves_every_fill(session: tuple) -> None:
    module, calls = session
    program = torch.export.export(module, calls[0], strict=False)
    assert not any(d for d in program.range_constraints), "a size is still dynamic"
    exported = program.module()
    for call in calls:
        for ours, theirs in zip(exported(*call), module(*call)):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@torch.no_grad()
def test_compiled_once_without_graph_breaks(session: tuple) -> None:
    """Traced by torch.compile; no C++ compiler is asked for, kernels stay eager."""
    module, calls = session
    graphs = []

    def count(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    torch._dynamo.reset()
    compiled = torch.compile(module, backend=count, fullgraph=True, dynamic=False)
    for call in calls:
        for ours, theirs in zip(compiled(*call), module(*call)):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert len(graphs) == 1


def test_padded_tensors_keep_their_addresses() -> None:
    """What a CUDA graph needs: the same tensors, whatever is written into them."""
    network = build_network("deaot-t")
    settings = MemorySettings(policy="fifo", slots=3, gap_frames=1, padded=True)
    memory = RollingMemory(settings, network.variant)
    one = [LayerMemory(torch.randn(1, 6, 128), torch.randn(1, 6, 1024))]
    memory.pin(one, 0, 0.0, [1])
    layers, bias = memory.long_term()
    assert bias is not None
    where = [t.data_ptr() for t in (*layers[0], bias)]
    assert bias[0, 0, ::6].tolist() == [0, -1e4, -1e4]
    for t in range(1, 8):
        memory.offer(one, Candidate(t, float(t), frozenset({1})))
    layers, bias = memory.long_term()
    assert bias is not None
    assert [t.data_ptr() for t in (*layers[0], bias)] == where
    assert bias.abs().max() == 0
