"""The rolling memory: bounded, exact as a set, the reference survives."""

from __future__ import annotations

import pytest
import torch

from deaot_ros.memory import Candidate, MemorySettings, RollingMemory
from deaot_ros.memory.bank import MemoryBank
from deaot_ros.memory.policy import Slot, slot_for_pin
from deaot_ros.network.attention import MASKED
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.variants import get_variant

TOKENS = 6


def entry(value: float, groups: int = 1, layers: int = 2) -> list[LayerMemory]:
    """A frame whose every number is ``value``."""
    value = float(value)
    return [
        LayerMemory(
            torch.full((groups, TOKENS, 128), value), torch.full((groups, TOKENS, 1024), value)
        )
        for _ in range(layers)
    ]


def memory(variant: str = "deaot-l", **settings: object) -> RollingMemory:
    return RollingMemory(MemorySettings(**settings), get_variant(variant))  # type: ignore[arg-type]


def take(m: RollingMemory, new: list[LayerMemory], frame: int, stamp: float) -> bool:
    """A predicted frame that nobody has doubts about."""
    m.follow(new, stamp)
    return m.offer(new, Candidate(frame, stamp))


def frames_in(m: RollingMemory) -> list[float]:
    """Values of the frames that long-term memory shows, in slot order."""
    layers, _ = m.long_term()
    return layers[1].keys[0, ::TOKENS, 0].tolist()


def test_fifo_keeps_the_reference_and_the_newest() -> None:
    m = memory(slots=4, policy="fifo", gap_frames=2)
    m.pin(entry(0), 0, 0.0, [1])
    for t in range(1, 30):
        take(m, entry(t), t, t / 30)
        assert m.short_term(t / 30)[0].keys[0, 0, 0] == t
    assert sorted(frames_in(m)) == [0, 24, 26, 28]


def test_reference_policy_keeps_annotated_frames_only() -> None:
    m = memory("deaot-t", slots=3, policy="reference")
    m.pin(entry(0), 0, 0.0, [1])
    for t in range(1, 20):
        take(m, entry(t), t, t / 30)
    m.pin(entry(20), 20, 1.0, [2])
    assert frames_in(m) == [0, 20]


def test_auto_of_small_variants_keeps_two_predictions_beside_all_annotations() -> None:
    m = memory("deaot-t", slots=6, gap_frames=1)
    annotated = [0, 12, 20, 28]
    for t in range(40):
        if t in annotated:
            m.pin(entry(t), t, t / 30, [1 + t])
        else:
            take(m, entry(t), t, t / 30)
        kept = set(frames_in(m))
        assert {a for a in annotated if a <= t} <= kept
        assert len(kept.difference(annotated)) == min(2, t) or t in annotated
    assert m.usage.slots_used == 6 and 39 in kept


def test_unbounded_appends_on_the_published_schedule() -> None:
    m = memory(slots=2, policy="unbounded", gap_frames=5)
    m.pin(entry(0), 0, 0.0, [1])
    for t in range(1, 18):
        take(m, entry(t), t, t / 30)
    assert frames_in(m) == [0, 5, 10, 15]
    m.pin(entry(17), 17, 0.6, [2])  # an annotation restarts the count
    for t in range(18, 23):
        take(m, entry(t), t, t / 30)
    assert frames_in(m) == [0, 5, 10, 15, 17, 22]


@pytest.mark.parametrize("fps", [10, 24, 30, 60])
def test_gap_in_seconds_follows_stamps_that_jitter(fps: int) -> None:
    m = memory(slots=1000, policy="fifo", gap=0.2)
    m.pin(entry(0), 0, 0.0, [1])
    generator = torch.Generator().manual_seed(0)
    for t in range(1, 10 * fps + 1):
        jitter = 0.1 * (torch.rand((), generator=generator).item() - 0.5)
        take(m, entry(t), t, (t + jitter) / fps)
    assert m.usage.slots_used == pytest.approx(50, abs=3)


def test_gap_that_nobody_chose() -> None:
    """A fifth of a second for every variant; the published frames for the published memory."""
    for variant in ("deaot-t", "deaot-l"):
        m = memory(variant, slots=1000, policy="log")
        m.pin(entry(0), 0, 0.0, [1])
        for t in range(1, 61):
            take(m, entry(t), t, t / 60)
        assert frames_in(m) == [0, 12, 24, 36, 48, 60]
    for variant, taken in (("deaot-t", [0]), ("deaot-l", [0, 5, 10])):
        m = memory(variant, policy="unbounded")
        m.pin(entry(0), 0, 0.0, [1])
        for t in range(1, 12):
            take(m, entry(t), t, t / 60)
        assert frames_in(m) == taken


def test_annotating_a_remembered_frame_replaces_it() -> None:
    m = memory(slots=5, policy="fifo", gap_frames=1)
    m.pin(entry(0), 0, 0.0, [1])
    take(m, entry(1), 1, 0.1)
    m.pin(entry(1.5), 1, 0.1, [2])
    m.pin(entry(1.7), 1, 0.1, [1])
    assert frames_in(m) == [0, pytest.approx(1.7)]


def test_tensors_stay_where_they_are() -> None:
    m = memory(slots=3, policy="fifo", gap_frames=1)
    m.pin(entry(0), 0, 0.0, [1])
    for t in range(1, 3):
        take(m, entry(t), t, t / 30)
    layers, _ = m.long_term()
    where, size = [x.data_ptr() for layer in layers for x in layer], m.usage.bytes
    for t in range(3, 100):
        take(m, entry(t), t, t / 30)
    layers, _ = m.long_term()
    assert [x.data_ptr() for layer in layers for x in layer] == where
    assert m.usage.bytes == size
    assert m.usage.slots_used == m.usage.slots_capacity == 3


def test_a_group_that_came_later_does_not_see_earlier_frames() -> None:
    m = memory(slots=4, policy="fifo", gap_frames=1)
    m.pin(entry(0), 0, 0.0, [1])
    assert m.long_term()[1] is None
    m.pin(entry(1, groups=2), 1, 0.1, [11])
    take(m, entry(2, groups=2), 2, 0.2)
    layers, bias = m.long_term()
    assert bias is not None
    assert layers[0].keys.shape == (2, 3 * TOKENS, 128)
    assert bias[:, 0, ::TOKENS].tolist() == [[0, 0, 0], [MASKED, 0, 0]]
    for t in range(3, 9):  # the reference stays, so it stays masked for the second group
        take(m, entry(t, groups=2), t, t / 10)
    assert m.long_term()[1] is not None
    assert layers[0].keys.isfinite().all()


def marked(frame: int, *ids: int) -> Slot:
    return Slot(frame, annotated=frozenset(ids), reference=frame == 0)


@pytest.mark.parametrize(
    ("slots", "given_up"),
    [
        ([marked(0, 1), marked(3), marked(2)], 2),
        ([marked(0, 1), marked(3, 2), marked(5, 2)], 1),
        ([marked(0, 1), marked(3, 2), marked(5, 3)], 1),
        ([marked(9, 3), marked(0, 1), marked(5, 3)], 2),
        ([marked(0, 1)], 0),
    ],
    ids=["oldest prediction", "covered elsewhere", "oldest after the first", "by age", "only one"],
)
def test_which_slot_an_annotated_frame_takes(slots: list[Slot], given_up: int) -> None:
    assert slot_for_pin(slots, len(slots)) == given_up
    assert slot_for_pin(slots, len(slots) + 1) == len(slots)


@pytest.mark.parametrize("fps", [10, 30, 60])
def test_lag_of_short_term_memory_in_seconds(fps: int) -> None:
    m = memory("deaot-t", lag=0.2)
    m.pin(entry(0), 0, 0.0, [1])
    for t in range(1, 3 * fps):
        seen = m.short_term(t / fps)[0].keys[0, 0, 0].item()
        assert seen == max(0, t - 0.2 * fps)
        take(m, entry(t), t, t / fps)
    assert m.short_term(60.0)[0].keys[0, 0, 0] == 3 * fps - 1  # after a pause the newest there is


def test_lag_of_short_term_memory_in_frames() -> None:
    """As published: the oldest of the last ``skip`` entries; an annotation begins anew."""
    m = memory("deaot-t", lag_frames=4)
    m.pin(entry(0), 0, 0.0, [1])
    seen = []
    for t in range(1, 9):
        seen.append(m.short_term(t / 30)[0].keys[0, 0, 0].item())
        take(m, entry(t), t, t / 30)
    assert seen == [0, 0, 0, 0, 1, 2, 3, 4]
    m.pin(entry(8), 8, 8 / 30, [1])
    assert m.short_term(9 / 30)[0].keys[0, 0, 0] == 8


def test_bank_refuses_slots_that_leave_a_hole() -> None:
    bank = MemoryBank(3, entry(0))
    with pytest.raises(IndexError):
        bank.write(1, entry(0))


@pytest.mark.parametrize(
    "settings",
    [
        {"slots": 0},
        {"policy": "lru"},
        {"gap": 0.0},
        {"gap_frames": 0},
        {"gap": 1.0, "gap_frames": 2},
        {"lag": 0.1, "lag_frames": 2},
        {"lag": -0.1},
        {"lag": 60.0},
        {"lag_frames": 0},
    ],
)
def test_settings_out_of_range(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"memory|gap"):
        MemorySettings(**settings)
