"""A frame as one function of fixed buffers: same answers, and nothing in it waits for the host.

No CUDA graph can be recorded without a GPU. But all around the recording runs on a CPU, and torch's
device "meta", which knows shapes and no values, runs the very calls that a CUDA device would get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from deaot_ros.backends import TorchBackend
from deaot_ros.backends.graph_backend import GraphBackend
from deaot_ros.backends.torch_graphs import TorchGraphs
from deaot_ros.memory import MemorySettings
from deaot_ros.network import build_network, load_checkpoint, shipped_weights
from deaot_ros.network.layer import LayerMemory
from deaot_ros.synthetic.demo import demo_clip
from deaot_ros.tracking import Tracker, TrackerSettings, labelling
from deaot_ros.tracking.recorded import Reading, RecordedFrames, View, look

FRAMES = 121
SIZE = (65, 81)
META = torch.device("meta")
MEMORY = MemorySettings(policy="ucb", slots=4, gap_frames=5, admission=False)
SETTINGS = TrackerSettings(memory=MEMORY)


def fixed_buffers(run: Callable[[], list[Tensor]]) -> tuple[list[Tensor], Callable[[], object]]:
    """A recorder without CUDA: the same buffers every time, renewed by calling again."""
    outputs = run()

    def replay() -> None:
        for own, new in zip(outputs, run(), strict=True):
            own.copy_(new)

    return outputs, replay


def tracker_of(recordable: bool) -> Tracker:
    torch.set_num_threads(1)
    network = build_network("deaot-t")
    weights = shipped_weights("deaot-t")
    assert weights is not None
    load_checkpoint(network, weights)
    backend = TorchBackend(network, torch.device("cpu"), "fp32", recorded=True)
    if not recordable:
        backend.recordable = None  # padded memory all the same, so that sums are the same
    return Tracker(backend, SETTINGS)


def use_fixed_buffers(tracker: Tracker) -> RecordedFrames:
    frames = RecordedFrames(tracker.runner, fixed_buffers)
    tracker._started()._recorded = frames
    return frames


def test_recorded_frames_are_the_usual_ones() -> None:
    """Objects are removed and added meanwhile, memory fills and rolls over, images change size."""
    scene = demo_clip(81, 113, seconds=FRAMES / 30)
    clip = [scene.render(t) for t in range(FRAMES)]
    extra = np.zeros(clip[0][1].shape, np.uint8)
    extra[5:25, 85:110] = 7
    usual, recorded = tracker_of(False), tracker_of(True)
    for tracker in (usual, recorded):
        tracker.start(*clip[0])
    frames = use_fixed_buffers(recorded)
    for number, (image, _) in enumerate(clip[1:], 1):
        if number in (40, 80):
            for tracker in (usual, recorded):
                tracker.remove(2) if number == 40 else tracker.add(extra)
        if number > 110:
            image = np.ascontiguousarray(image[:70])
        expected = usual.step(image, confidence=number % 30 == 0)
        found = recorded.step(image, confidence=number % 30 == 0)
        np.testing.assert_array_equal(found.labels, expected.labels)
        if expected.confidence is not None:
            assert found.confidence is not None
            assert np.abs(found.confidence.astype(int) - expected.confidence).max() <= 1
        for ours, theirs in zip(found.objects, expected.objects, strict=True):
            assert (ours.id, ours.state, ours.box) == (theirs.id, theirs.state, theirs.box)
            assert ours.score == pytest.approx(theirs.score, abs=1e-6)
    assert usual.memory_usage == recorded.memory_usage
    assert usual.memory_usage.slots_used == 4
    # One for each rung of memory (1, 3, 4) with and without attention mass, and again for the other
    # image size and where confidence was asked for. Objects that come and go need none.
    assert len(frames._recordings) == 11


def test_a_recording_is_renewed_when_the_bank_moves() -> None:
    """The eleventh object makes a second group, hence a new memory bank."""
    scene = demo_clip(97, 129, seconds=1)
    clip = [scene.render(t) for t in range(5)]
    mask = np.zeros((97, 129), np.uint8)
    for i in range(10):
        mask[20 * (i // 5) : 20 * (i // 5) + 12, 24 * (i % 5) : 24 * (i % 5) + 16] = i + 1
    more = np.zeros_like(mask)
    more[60:90, 30:90] = 11
    usual, recorded = tracker_of(False), tracker_of(True)
    for tracker in (usual, recorded):
        tracker.start(clip[0][0], mask)
    frames = use_fixed_buffers(recorded)
    for number, (image, _) in enumerate(clip[1:]):
        if number == 2:
            for tracker in (usual, recorded):
                tracker.add(more)
        np.testing.assert_array_equal(recorded.step(image).labels, usual.step(image).labels)
    assert len(frames._recordings) == 1, "those of the bank that is gone are gone, too"


class NoHostTensors(TorchDispatchMode):
    """Refuses every operation that touches a tensor on the host: a recording would lack it."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, Tensor) and leaf.device != META:
                raise AssertionError(f"{func} touches a tensor on the {leaf.device}")
        return result


class NoHostData(TorchFunctionMode):
    """Refuses numbers and lists that torch would copy to the device out of sight of the other."""

    MAKERS = (torch.tensor, torch.as_tensor, torch.from_numpy, Tensor.new_tensor)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        indexing = func in (Tensor.__getitem__, Tensor.__setitem__)
        parts = args[1] if indexing and isinstance(args[1], tuple) else args[1:2]
        if func in self.MAKERS or (indexing and any(isinstance(p, list) for p in parts)):
            raise AssertionError(f"{func} copies data from the host")
        return func(*args, **(kwargs or {}))


@contextmanager
def device_only() -> Iterator[None]:
    with NoHostData(), NoHostTensors():
        yield


@pytest.mark.parametrize(
    ("variant", "groups", "precision", "compiled"),
    [
        ("deaot-t", 1, "fp16", False), ("deaot-l", 2, "fp32", False),
        ("r50-deaot-l", 1, "bf16", False), ("swinb-deaot-l", 1, "fp32", False),
        ("aot-s", 1, "fp32", False), ("deaot-l", 2, "fp16", True),
    ],
)  # fmt: skip
@torch.inference_mode()
def test_a_frame_on_a_device_never_touches_the_host(
    variant: str, groups: int, precision: str, compiled: bool
) -> None:
    slots = 3
    network = build_network(variant)
    backend: TorchBackend | GraphBackend
    if compiled:
        backend = GraphBackend(_Traced(network, META, precision))
    else:
        backend = TorchBackend(network, META, precision, recorded=True)
    size = SIZE if network.variant.align_corners else (64, 80)
    gated = network.variant.propagation.module == "gpm"
    view = View(size, (90, 120), torch.uint8, foreground=True, with_mass=gated)
    image = torch.zeros(100, 130, 3, dtype=torch.uint8, device=META)
    dead = torch.zeros(groups, 11, dtype=torch.bool, device=META)
    labels = torch.zeros(groups, *size, dtype=torch.uint8, device=META)
    short = backend.reference(backend.encode(image, size), labels)
    long = [LayerMemory(*(t.repeat(1, slots, 1) for t in layer)) for layer in short]
    bias = short[0].keys.new_zeros(groups, 1, long[0].keys.shape[1])
    reading = Reading(long, short, bias, view.with_mass)
    look(backend, view, reading, image, dead)  # tables are made now, as before a recording
    with device_only():
        found = look(backend, view, reading, image, dead)
    assert found.places.shape == (90, 120)
    assert found.foreground is not None
    assert len(found.entry) == network.variant.layers


class _Traced(TorchGraphs):
    """The functions as they are compiled, without a compiler."""

    def load(self, function: str, shapes: Any) -> Any:
        from deaot_ros.export.graphs import build_graph

        module, _ = build_graph(self._network, function, shapes)
        return lambda inputs: list(module(*inputs))


def test_what_would_touch_the_host_is_noticed() -> None:
    """The check above can fail."""
    logits = torch.zeros(1, 11, 8, 8, device=META)
    host: list[Callable[[], object]] = [
        lambda: labelling.label(logits, [(1, 2, 3)], (8, 8), True, torch.uint8),  # a list indexes
        lambda: logits + torch.ones(8),
        lambda: logits.new_tensor([1.0]),
        lambda: torch.tensor(1.0, device=META),
    ]
    for touch in host:
        with pytest.raises(AssertionError, match=r"the host|on the cpu"), device_only():
            touch()
    for wait in (Tensor.item, Tensor.nonzero, Tensor.cpu):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait(logits.sum())
