"""Several trackers in one batch of the network: each as if it were alone."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from golden import golden_state, vectors

from deaot_ros.backends import TorchBackend, load_backend
from deaot_ros.errors import ImageError
from deaot_ros.memory import MemorySettings
from deaot_ros.network import build_network
from deaot_ros.node.batches import Batches
from deaot_ros.tracking import Step, Tracker, TrackerSettings

INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"], INPUTS["mask_97x129_k3"]
MANY = np.zeros_like(MASK)
for _i in range(12):  # two groups of the network
    MANY[8 * (_i % 6) : 8 * (_i % 6) + 8, 60 * (_i // 6) : 60 * (_i // 6) + 40] = _i + 1


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    network = build_network("deaot-s")
    network.load_state_dict(golden_state(network))
    found = load_backend(network, "cpu", "torch", "fp32")
    assert isinstance(found, TorchBackend)
    return found


def trackers(backend: TorchBackend) -> list[Tracker]:
    """With different numbers of objects, groups and memory frames, and different policies."""
    found = []
    for mask, before, memory in (
        (MASK, 3, MemorySettings(policy="fifo", gap_frames=1, admission=False)),
        (MANY, 1, MemorySettings(policy="fifo", gap_frames=1, admission=False)),
        (MASK[:, ::-1], 0, MemorySettings(policy="ucb", slots=2, gap_frames=1, admission=False)),
    ):
        tracker = Tracker(backend, TrackerSettings(memory=memory))
        tracker.start(FRAMES[0], np.ascontiguousarray(mask))
        for frame in FRAMES[1 : 1 + before]:
            tracker.step(frame)
        found.append(tracker)
    return found


def test_together_is_as_alone(backend: TorchBackend) -> None:
    one, other = trackers(backend), trackers(backend)
    larger = np.ascontiguousarray(np.kron(FRAMES[2], np.ones((2, 2, 1), np.uint8)))
    for turn in range(3):
        images = [FRAMES[turn + 1], FRAMES[turn + 2], larger]  # of any size
        steps = [
            Step(t, image, confidence=t is one[0]) for t, image in zip(one, images, strict=True)
        ]
        found = Tracker.step_together(steps)
        for i, (tracker, image, ours) in enumerate(zip(other, images, found)):
            alone = tracker.step(image, confidence=i == 0)
            assert ours.labels.shape == alone.labels.shape
            assert (ours.labels != alone.labels).mean() < 2e-3
            assert (ours.frame, ours.stamp, ours.session) == (
                alone.frame, alone.stamp, alone.session
            )  # fmt: skip
            assert [(o.id, o.state) for o in ours.objects] == [
                (o.id, o.state) for o in alone.objects
            ]
            for a, b in zip(ours.objects, alone.objects):
                assert a.score == pytest.approx(b.score, abs=1e-3)
            assert (ours.confidence is None) == (alone.confidence is None)
    for a, b in zip(one, other):
        assert a.memory_usage == b.memory_usage
    assert len({t.memory_usage.slots_used for t in one}) > 1, "memories differ in length"


def test_logits_agree_to_rounding(backend: TorchBackend) -> None:
    from deaot_ros.tracking.together import match_together

    one, other = trackers(backend), trackers(backend)
    with torch.inference_mode():
        found = match_together(
            backend, [t._started() for t in one], [FRAMES[4]] * 3, [1.0] * 3
        )
        for tracker, (frame, logits) in zip(other, found):
            alone, expected = tracker._started().match(FRAMES[4], 1.0)
            torch.testing.assert_close(logits, expected, atol=2e-3, rtol=1e-4)
            assert (frame.share is None) == (alone.share is None)
            if alone.share is not None and frame.share is not None:
                torch.testing.assert_close(frame.share, alone.share, atol=1e-4, rtol=0)


def test_only_what_fits_goes_together(backend: TorchBackend) -> None:
    first, second, _ = trackers(backend)
    small = Tracker(backend, TrackerSettings(max_long_side=65))
    small.start(FRAMES[0], MASK)
    idle = Tracker(backend)
    assert first.batch_key == second.batch_key
    assert idle.batch_key is None
    for wrong in (small, idle, first):
        with pytest.raises(ValueError, match="different trackers of one batch_key"):
            Tracker.step_together([Step(first, FRAMES[1]), Step(wrong, FRAMES[1])])
    frames = first.step(FRAMES[1]).frame
    with pytest.raises(ImageError):
        Tracker.step_together([Step(first, FRAMES[1]), Step(second, FRAMES[1][..., 0])])
    assert first.step(FRAMES[2]).frame == frames + 1  # nothing was changed


def test_threads_meet_and_a_bad_image_harms_nobody_else(
    backend: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    together = Tracker.step_together

    def counted(steps: list[Step]) -> object:
        sizes.append(len(steps))
        return together(steps)

    monkeypatch.setattr(Tracker, "step_together", staticmethod(counted))
    batches = Batches("on")
    crew, alone = trackers(backend), trackers(backend)
    found: dict[int, list[np.ndarray]] = {}
    errors: list[str] = []

    def work(number: int) -> None:
        labels = []
        for turn in range(6):
            if number == 1 and turn == 4:
                try:
                    batches.step(Step(crew[number], FRAMES[1][..., :2]))
                except ImageError as error:
                    errors.append(str(error))
            if number == 0 and turn == 2:
                with batches.turn():  # as for a mask that is applied
                    time.sleep(0.01)
            labels.append(batches.step(Step(crew[number], FRAMES[turn % 5])).labels)
        found[number] = labels

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(found) == [0, 1, 2] and len(errors) == 1
    for number, tracker in enumerate(alone):
        for turn in range(6):
            expected = tracker.step(FRAMES[turn % 5]).labels
            assert (found[number][turn] != expected).mean() < 5e-3, (number, turn)
    assert sizes and max(sizes) > 1, sizes


def test_a_failure_of_the_network_reaches_all_of_its_batch_and_no_more(
    backend: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Batches()
    tracker = trackers(backend)[0]

    def broken(self: Tracker, *_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "step", broken)
        with pytest.raises(RuntimeError, match="out of memory"):
            batches.step(Step(tracker, FRAMES[1]))
    assert batches.step(Step(tracker, FRAMES[1])).labels.any()  # the turn was given back
