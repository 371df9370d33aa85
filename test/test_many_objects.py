"""Objects by the dozen that come and go in mid-session."""

from __future__ import annotations

import numpy as np
import pytest
from golden import golden_state, vectors

from deaot_ros.backends import TorchBackend, load_backend
from deaot_ros.network import build_network
from deaot_ros.tracking import MemorySettings, ObjectState, Tracker, TrackerSettings

FRAMES = vectors("inputs")["frames_97x129"]
HEIGHT, WIDTH = FRAMES.shape[1:3]
CELL = 10


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    network = build_network("deaot-t")
    network.load_state_dict(golden_state(network))
    return load_backend(network, "cpu", "torch", "fp32")


def tiles(ids: range | list[int]) -> np.ndarray:
    """Every id on its own 9x9 square of a 9x12 board; ids beyond the board start again."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint16)
    for i in ids:
        row, column = divmod((i - 1) % 108, 12)
        mask[row * CELL : row * CELL + 9, column * CELL : column * CELL + 9] = i
    return mask


@pytest.mark.parametrize("count", [11, 21, 101])
def test_more_objects_than_one_two_and_ten_groups(backend: TorchBackend, count: int) -> None:
    memory = MemorySettings(policy="log", slots=3, gap_frames=1, admission=False)
    tracker = Tracker(backend, TrackerSettings(memory=memory))
    result = tracker.start(FRAMES[0], tiles(range(1, count + 1)))
    assert [o.id for o in result.objects] == list(range(1, count + 1))
    for frame in FRAMES[1:4]:
        result = tracker.step(frame)
        assert set(np.unique(result.labels)) <= set(range(count + 1))
    groups = -(-count // 10)
    assert tracker.predict(FRAMES[4]).logits.shape[0] == groups
    tracker.memorise(result.labels)

    late = tracker.add(tiles([108]))  # in mid-session, whatever lies there
    assert (late.labels == 108).sum() == 81
    corrected = tracker.correct(tiles([5]))
    assert ((corrected.labels == 5) == (tiles([5]) == 5)).all()

    gone = list(range(2, count + 1, 2))
    for object_id in gone:
        tracker.remove(object_id)
    result = tracker.step(FRAMES[5])
    states = {o.id: o.state for o in result.objects}
    assert sorted(i for i, s in states.items() if s is ObjectState.REMOVED) == gone
    assert not np.isin(result.labels, gone).any()
    left = [i for i in range(1, count + 1) if i not in gone]
    assert tracker.object_ids == (*left, 108)
    assert tracker.memory_usage.slots_used <= 3


def test_a_slot_that_was_kept_for_a_removed_object_alone_is_given_up(
    backend: TorchBackend,
) -> None:
    """Its pin is gone; the frame that showed the others, too, was never its own."""
    memory = MemorySettings(policy="fifo", slots=3, gap_frames=1, admission=False)
    tracker = Tracker(backend, TrackerSettings(memory=memory))
    tracker.start(FRAMES[0], tiles([1]))
    tracker.add(tiles([30]))
    for object_id in (40, 50):
        tracker.step(FRAMES[1])
        tracker.add(tiles([object_id]))
    pinned = [s.annotated for s in tracker._engine._memory.slots]  # type: ignore[union-attr]
    assert pinned.count(frozenset({40})) == pinned.count(frozenset({50})) == 1
    tracker.remove(40)
    for frame in FRAMES[2:5]:
        tracker.step(frame)
    slots = tracker._engine._memory.slots  # type: ignore[union-attr]
    assert sorted(i for s in slots for i in s.annotated) == [1, 30, 50]
    assert max(s.frame for s in slots) == 5


def test_starting_anew_frees_what_removed_objects_held(backend: TorchBackend) -> None:
    """Twenty objects, eighteen removed, one added: one group is enough again."""
    tracker = Tracker(backend)
    tracker.start(FRAMES[0], tiles(range(1, 21)))
    for object_id in range(3, 21):
        tracker.remove(object_id)
    assert tracker.predict(FRAMES[1]).logits.shape[0] == 2
    tracker.memorise(tiles([1, 2]))
    tracker.annotate(tiles([1, 2, 77]))
    assert tracker.predict(FRAMES[2]).logits.shape[0] == 1
    assert tracker.memory_usage.slots_used == 1
    assert tracker.object_ids == (1, 2, 77)
