"""Which frame each policy gives up, against slow and independent ways to say it."""

from __future__ import annotations

import gc
import math
import tracemalloc

import numpy as np
import pytest
import torch
from golden import golden_state, vectors

from deaot_ros.backends import TorchBackend, load_backend
from deaot_ros.memory import Candidate, MemorySettings, RollingMemory, view_of
from deaot_ros.memory.bank import MemoryBank
from deaot_ros.memory.policies import make_policy
from deaot_ros.memory.policy import Slot, free_slots
from deaot_ros.network import build_network
from deaot_ros.network.attention import Grid
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.variants import get_variant
from deaot_ros.tracking import Tracker, TrackerSettings

INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"], INPUTS["mask_97x129_k3"]
BOUNDED = ("reference", "fifo", "ucb", "similarity", "log")
L = get_variant("deaot-l")


def entry(value: float) -> list[LayerMemory]:
    return [LayerMemory(torch.full((1, 4, 128), value), torch.full((1, 4, 1024), value))]


def run_policy(
    name: str,
    updates: int,
    slots: int = 9,
    shares: dict[int, list[float]] | None = None,
    views: dict[int, torch.Tensor] | None = None,
    **settings: object,
) -> list[list[int]]:
    """Frames in memory, sorted, after each update, one frame per second."""
    m = RollingMemory(
        MemorySettings(slots=slots, policy=name, gap_frames=1, **settings), L  # type: ignore[arg-type]
    )
    view = None if views is None else views[0]
    m.pin(entry(0.0), 0, 0.0, [1], [1], view)
    history = []
    for t in range(1, updates + 1):
        stored = [s.frame for s in m.slots]
        share = None
        if shares is not None:
            drawn = np.array([shares[t][f] for f in stored])
            share = tuple((drawn / drawn.sum()).tolist())
        view = None if views is None else views[t]
        m.offer(entry(float(t)), Candidate(t, float(t), frozenset({1}), share=share, view=view))
        keys = m.long_term()[0][0].keys[0, ::4, 0].int().tolist()
        assert keys == [s.frame for s in m.slots], "tensors and bookkeeping disagree"
        history.append(sorted(keys))
    return history


def published_ucb(shares: dict[int, list[float]], updates: int, bank: int) -> list[list[int]]:
    """RMem's rule as its paper and code state it, on a growing list that drops one entry.

    Everything in float32 tensors, nothing shared with the package.
    """
    stored, relevance, stays = [0], {}, {}
    history = []
    for now in range(1, updates + 1):
        drawn = torch.tensor([shares[now][f] for f in stored], dtype=torch.float32)
        drawn = drawn / drawn.sum()
        stored.append(now)
        if len(stored) > bank:
            relevance = {
                f: 0.2 * relevance[f] + 0.8 * a if f in relevance else a
                for f, a in zip(stored, drawn)
            }
            stays = {f: stays.get(f, 0) + 1 for f in stored}
            times = torch.tensor([stays[f] for f in stored[:-1]], dtype=torch.float32)
            times[0] = len(times)
            bound = torch.stack([relevance[f] for f in stored[:-1]])
            bound = bound + 1.5 * torch.sqrt(torch.log(times.sum()) / (times + 8))
            del stored[1 + int(bound[1:].argmin())]
        history.append(sorted(stored))
    return history


@pytest.mark.parametrize("bank", [3, 9])
@pytest.mark.parametrize("seed", range(3))
def test_ucb_is_the_published_rule(seed: int, bank: int) -> None:
    """On a recorded sequence of attention shares: a few frames draw far more than others."""
    rng = np.random.default_rng(seed)
    updates = 120
    worth = np.exp(rng.normal(0, 1.5, updates + 1))
    shares = {
        now: (worth * np.exp(rng.normal(0, 0.5, updates + 1))).tolist()
        for now in range(1, updates + 1)
    }
    ours = run_policy("ucb", updates, bank, shares)
    assert ours == published_ucb(shares, updates, bank)
    assert ours != run_policy("fifo", updates, bank), "the sequence does not tell it from fifo"


def test_ucb_with_equal_shares_is_fifo() -> None:
    shares = {now: [1.0] * 60 for now in range(60)}
    assert run_policy("ucb", 50, 9, shares) == run_policy("fifo", 50, 9)


def test_log_spacing_grows_geometrically() -> None:
    frames = run_policy("log", 3000)[-1]
    ages = 3000 - np.array(frames[1:])[::-1]
    assert ages[0] == 0
    ratios = (ages[1:] + 1) / (ages[:-1] + 1)
    assert ages[-1] > 500, "minutes, where the newest eight frames would span seconds"
    assert ratios.max() < 4
    assert all(b > a for a, b in zip(np.diff(ages), np.diff(ages)[1:])), "gaps grow with age"


def test_similarity_gives_up_the_frame_least_like_the_newest() -> None:
    """Oracle: numpy cosines over the objects both frames show."""
    rng = np.random.default_rng(1)
    updates, slots = 40, 5
    raw = rng.normal(size=(updates + 1, 1, 10, 640)).astype(np.float32)
    raw[..., 3:, :] = 0  # three objects
    raw[rng.random((updates + 1, 1, 10)) < 0.2] = 0  # sometimes one is not there
    for part in (slice(0, 128), slice(128, 640)):
        length = np.linalg.norm(raw[..., part], axis=-1, keepdims=True)
        raw[..., part] /= np.maximum(length, 1e-12)
    ours = run_policy("similarity", updates, slots, views={
        t: torch.from_numpy(raw[t]) for t in range(updates + 1)
    })  # fmt: skip

    def cosine(a: int, b: int) -> float:
        both = [o for o in range(10) if raw[a, 0, o].any() and raw[b, 0, o].any()]
        total = [float(raw[a, 0, o] @ raw[b, 0, o]) for o in both]
        return sum(total) / len(total) if total else -math.inf

    stored, slow = [0], []
    for now in range(1, updates + 1):
        if len(stored) == slots:
            stored.remove(min(stored[1:], key=lambda f: cosine(f, now)))
        stored = sorted([*stored, now])
        slow.append(stored.copy())
    assert ours == slow


def test_view_is_the_mean_over_the_cells_of_each_object() -> None:
    grid, generator = Grid(2, 3), torch.Generator().manual_seed(0)
    one = LayerMemory(
        torch.randn(1, 6, 128, generator=generator), torch.randn(1, 6, 1024, generator=generator)
    )
    labels = torch.zeros(1, 32, 48, dtype=torch.uint8)
    labels[:, :16, :16] = 4  # cell 0
    labels[:, 16:, 32:40] = 4  # half of cell 5
    view = view_of(one, labels, grid)
    mean = (one.keys[0, 0] + 0.5 * one.keys[0, 5]) / 1.5
    torch.testing.assert_close(view[0, 3, :128], mean / mean.norm())
    mean = (one.values[0, 0, :512] + 0.5 * one.values[0, 5, :512]) / 1.5
    torch.testing.assert_close(view[0, 3, 128:], mean / mean.norm())
    assert view[0, [0, 1, 2, 4, 5, 6, 7, 8, 9]].abs().max() == 0


@pytest.mark.parametrize("name", BOUNDED)
def test_the_reference_survives_everything(name: str) -> None:
    rng = np.random.default_rng(2)
    shares = {now: rng.random(400).tolist() for now in range(400)}
    for now in shares:
        shares[now][0] = 1e-9  # nothing ever looks at it
    views = {t: torch.randn(1, 10, 640) for t in range(400)}
    history = run_policy(
        name, 300, 4,
        shares if name == "ucb" else None, views if name == "similarity" else None,
    )  # fmt: skip
    assert all(0 in frames for frames in history)
    assert all(len(frames) <= 4 for frames in history)


def test_masks_that_cannot_be_believed_are_not_remembered() -> None:
    m = RollingMemory(MemorySettings(slots=3, policy="fifo", gap_frames=1), L)
    m.pin(entry(0.0), 0, 0.0, [1], [1])
    assert m.offer(entry(1.0), Candidate(1, 1.0, frozenset({1})))
    assert not m.offer(entry(2.0), Candidate(2, 2.0, frozenset({1}), worthy=False))
    assert [s.frame for s in m.slots] == [0, 1]
    for policy, admission in (("unbounded", True), ("fifo", False)):
        m = RollingMemory(
            MemorySettings(slots=3, policy=policy, gap_frames=1, admission=admission), L
        )
        m.pin(entry(0.0), 0, 0.0, [1], [1])
        assert m.offer(entry(1.0), Candidate(1, 1.0, worthy=False)), policy


def test_views_of_an_object_that_is_away_are_kept() -> None:
    """Two objects; the second is away for a hundred updates, the first goes on."""
    m = RollingMemory(MemorySettings(slots=9, policy="fifo", gap_frames=1), L)
    m.pin(entry(0.0), 0, 0.0, [1, 2], [1, 2])
    both, first, second = frozenset({1, 2}), frozenset({1}), frozenset({2})
    for t in range(1, 20):
        m.offer(entry(float(t)), Candidate(t, float(t), both))
    for t in range(20, 120):
        m.offer(entry(float(t)), Candidate(t, float(t), first, second))
    kept = sorted(s.frame for s in m.slots if 2 in s.shows)
    assert kept == [0, 17, 18, 19]  # half of the slots, the newest views
    assert sorted(s.frame for s in m.slots if 2 not in s.shows) == [115, 116, 117, 118, 119]
    m.forget(2)  # removed: nothing is kept for it any more
    for t in range(120, 140):
        m.offer(entry(float(t)), Candidate(t, float(t), first))
    assert sorted(s.frame for s in m.slots) == [0, *range(132, 140)]


def test_a_bank_whose_every_slot_is_kept_takes_nothing() -> None:
    shown, marked = frozenset({2}), frozenset({1})
    slots = [Slot(0, reference=True), Slot(1, shows=shown), Slot(2, annotated=marked)]
    assert free_slots(slots, 3, away=[2]) == []
    assert free_slots(slots, 3, away=[]) == [1]


@pytest.fixture(scope="module")
def network() -> TorchBackend:
    network = build_network("deaot-s")
    network.load_state_dict(golden_state(network))
    return load_backend(network, "cpu", "torch", "fp32")


def tracker(network: TorchBackend, **memory: object) -> Tracker:
    settings = MemorySettings(gap_frames=1, **memory)  # type: ignore[arg-type]
    return Tracker(network, TrackerSettings(memory=settings))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", ["fifo", "ucb", "similarity", "log"])
def test_equals_unbounded_while_there_is_room(
    network: TorchBackend, name: str, padded: bool
) -> None:
    ours = tracker(network, policy=name, slots=9, padded=padded)
    theirs = tracker(network, policy="unbounded")
    for t in (ours, theirs):
        t.start(FRAMES[0], MASK)
    for frame in FRAMES[1:]:
        a, b = ours.predict(frame), theirs.predict(frame)
        torch.testing.assert_close(a.logits, b.logits, atol=1e-4, rtol=0)
        ours.memorise(b.labels)
        theirs.memorise(b.labels)
    assert ours.memory_usage.slots_used == theirs.memory_usage.slots_used == len(FRAMES)


def test_attention_shares_are_those_of_explicit_attention(network: TorchBackend) -> None:
    """Gathered on the way, against a second attention in float64."""
    t = tracker(network, policy="ucb", slots=3)
    t.start(FRAMES[0], MASK)
    for frame in FRAMES[1:3]:
        t.memorise(t.predict(frame).labels)
    engine = t._engine
    assert engine is not None
    layers, _ = engine._memory.long_term()
    prediction = t.predict(FRAMES[3])
    frame = engine.frame
    assert frame is not None and frame.contexts is not None and frame.share is not None
    query, keys = frame.contexts[0].key[0].double(), layers[0].keys[0].double()
    attention = torch.softmax(query @ keys.T / 128**0.5, dim=-1)
    coarse = torch.nn.functional.interpolate(
        prediction.logits[:, :4], tuple(frame.features.grid), mode="bilinear", align_corners=True
    )
    foreground = 1 - coarse[0].double().softmax(0)[0].flatten()
    drawn = foreground @ attention.unflatten(1, (3, -1)).sum(-1)
    torch.testing.assert_close(frame.share.double(), drawn / drawn.sum(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", BOUNDED)
def test_every_policy_tracks_within_its_slots(network: TorchBackend, name: str) -> None:
    t = tracker(network, policy=name, slots=3, admission=False)
    t.start(FRAMES[0], MASK)
    usage = [
        (t.step(FRAMES[i % len(FRAMES)]), t.memory_usage)[1] for i in range(1, 9)
    ]
    assert usage[-1].slots_used == (1 if name == "reference" else 3)
    assert usage[-1] == usage[4]
    t.add(np.where(MASK == 1, 9, 0))
    assert t.step(FRAMES[1]).labels.shape == MASK.shape


def test_names_and_classes_agree() -> None:
    from deaot_ros.memory import POLICIES

    for name in POLICIES:
        make_policy(name, L)


def bytes_of_memory() -> int:
    """Allocated by our code; threads of other tests allocate, too."""
    ours = tracemalloc.Filter(True, "*/deaot_ros/memory/*")
    return sum(t.size for t in tracemalloc.take_snapshot().filter_traces([ours]).traces)


@pytest.mark.parametrize("name", ["fifo", "ucb", "similarity", "log"])
def test_ten_thousand_updates_cost_nothing_more(name: str) -> None:
    """Neither tensors nor bookkeeping grow; the test of the tensors' addresses is elsewhere."""
    m = RollingMemory(MemorySettings(slots=4, policy=name, gap=0.2), L)
    view = torch.randn(1, 10, 640)
    m.pin(entry(0.0), 0, 0.0, [1], [1], view)
    one, marks = entry(1.0), {}
    tracemalloc.start()
    for t in range(1, 10_001):
        share = tuple([1 / len(m.slots)] * len(m.slots))
        m.follow(one, t / 5)
        m.offer(one, Candidate(t, t / 5, frozenset({1}), share=share, view=view))
        if t in (2_000, 10_000):
            gc.collect()
            marks[t] = (m.usage, bytes_of_memory())
    tracemalloc.stop()
    assert marks[2_000][0] == marks[10_000][0]
    assert marks[10_000][1] - marks[2_000][1] < 4096
    assert m.slots[0].reference


def test_nine_slots_of_the_largest_variant_fit_into_100_mib() -> None:
    """DeAOT-L, 480x854 camera, half precision: 31x54 cells, three layers."""
    cells = 31 * 54
    like = [
        LayerMemory(
            torch.empty(1, cells, 128, dtype=torch.half, device="meta"),
            torch.empty(1, cells, 1024, dtype=torch.half, device="meta"),
        )
    ] * L.layers
    assert 99 < MemoryBank(9, like).bytes / 2**20 < 100
