"""The tracker's public behaviour: ids, groups, annotations, states, sizes, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from golden import golden_state, vectors

from deaot_ros.backends import TorchBackend, load_backend
from deaot_ros.errors import (
    CheckpointError,
    DeviceError,
    ImageError,
    MaskError,
    MaskErrorCode,
    NotFiniteError,
    NotStartedError,
    VariantError,
)
from deaot_ros.network import VARIANTS, build_network, shipped_weights
from deaot_ros.network.layer import LayerMemory
from deaot_ros.tracking import (
    MemorySettings,
    ObjectState,
    StateSettings,
    Tracker,
    TrackerSettings,
    TrackResult,
)

INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"], INPUTS["mask_97x129_k3"]
HEIGHT, WIDTH = MASK.shape


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    network = build_network("deaot-t")
    network.load_state_dict(golden_state(network))
    return load_backend(network, "cpu", "torch", "fp32")


@pytest.fixture
def make(backend: TorchBackend) -> Callable[..., Tracker]:
    def build(**settings: object) -> Tracker:
        return Tracker(backend, TrackerSettings(**settings))  # type: ignore[arg-type]

    return build


def square(top: int, left: int, object_id: int, side: int = 20) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint16)
    mask[top : top + side, left : left + side] = object_id
    return mask


def by_id(result: TrackResult) -> dict[int, ObjectState]:
    return {o.id: o.state for o in result.objects}


def test_start_reports_the_mask_itself(make: Callable[..., Tracker]) -> None:
    result = make().start(FRAMES[0], MASK, stamp=12.5)
    np.testing.assert_array_equal(result.labels, MASK)
    assert (result.stamp, result.frame, result.session) == (12.5, 0, 1)
    assert by_id(result) == dict.fromkeys((1, 2, 3), ObjectState.TRACKED)
    for o in result.objects:
        y, x = np.nonzero(o.id == MASK)
        assert o.box == (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
        assert (o.area, o.score, o.last_seen) == (len(x), 1.0, 12.5)


def test_ids_do_not_change_what_is_tracked(make: Callable[..., Tracker]) -> None:
    """Sparse 16-bit ids give the labels of 1, 2, 3, renamed."""
    names = np.array([0, 7, 254, 40_000], np.uint16)
    plain, renamed = make(), make()
    plain.start(FRAMES[0], MASK)
    assert renamed.start(FRAMES[0], names[MASK]).labels.dtype == np.uint16
    for frame in FRAMES[1:4]:
        expected = names[plain.step(frame).labels]
        np.testing.assert_array_equal(renamed.step(frame).labels, expected)
    assert renamed.object_ids == (7, 254, 40_000)


def test_groups_as_a_batch_equal_groups_alone(make: Callable[..., Tracker]) -> None:
    """Twelve objects: the first ten are one group, whose logits others do not touch."""
    mask = INPUTS["mask_97x129_k13"]
    both, first = make(), make()
    both.start(FRAMES[0], mask)
    first.start(FRAMES[0], np.where(mask <= 10, mask, 0))
    for frame in FRAMES[1:3]:
        prediction = both.predict(frame)
        alone = first.predict(frame)
        assert prediction.logits.shape[0] == 2
        np.testing.assert_allclose(prediction.logits[0], alone.logits[0], atol=1e-4)
        both.memorise(prediction.labels)
        first.memorise(prediction.labels)


def test_add_correct_remove_reset(make: Callable[..., Tracker]) -> None:
    tracker = make()
    tracker.start(FRAMES[0], np.where(MASK == 1, 1, 0))
    before = tracker.step(FRAMES[1]).labels
    added = tracker.add(square(5, 5, 9))
    assert tracker.object_ids == (1, 9)
    marked = square(5, 5, 9) > 0
    assert (added.labels[marked] == 9).all()
    np.testing.assert_array_equal(added.labels[~marked], before[~marked])
    assert tracker.memory_usage.slots_used == 2

    corrected = tracker.correct(square(60, 60, 1)).labels
    np.testing.assert_array_equal(corrected == 1, square(60, 60, 1) == 1)
    assert (corrected == 9).sum() == (added.labels == 9).sum()
    tracker.step(FRAMES[2])

    tracker.remove(9)
    assert tracker.object_ids == (1,)
    result = tracker.step(FRAMES[3])
    assert by_id(result)[9] is ObjectState.REMOVED
    assert not (result.labels == 9).any()
    assert 9 not in by_id(tracker.step(FRAMES[4]))

    session = tracker.session
    tracker.reset()
    assert (tracker.object_ids, tracker.session) == ((), session + 1)
    idle = tracker.step(FRAMES[5])
    assert idle.objects == ()
    assert not idle.labels.any()
    assert idle.labels.shape == (HEIGHT, WIDTH)
    assert tracker.memory_usage.slots_used == 0


def test_removing_one_object_leaves_the_logits_of_others(make: Callable[..., Tracker]) -> None:
    keeping, removing = make(), make()
    for tracker in (keeping, removing):
        tracker.start(FRAMES[0], MASK)
    removing.remove(2)
    kept, left = keeping.predict(FRAMES[1]), removing.predict(FRAMES[1])
    np.testing.assert_array_equal(kept.logits, left.logits)
    assert left.live == ((1, 3),)
    assert not (left.labels == 2).any()


def test_places_of_removed_objects_are_freed_in_the_end(make: Callable[..., Tracker]) -> None:
    """An operator who adds and removes for hours does not pay for more and more groups."""
    tracker = make()
    tracker.start(FRAMES[0], square(5, 5, 1))
    for i in range(2, 25):
        tracker.add(square(60, 60, i))
        tracker.remove(i)
    assert tracker.predict(FRAMES[1]).logits.shape[0] == 1
    assert tracker.object_ids == (1,)


def test_masks_on_an_earlier_frame(make: Callable[..., Tracker]) -> None:
    """Annotating an earlier frame and stepping again equals having annotated it in time."""
    late, timely = make(), make()
    for tracker in (late, timely):
        tracker.start(FRAMES[0], np.where(MASK == 1, 1, 0))
        known = tracker.step(FRAMES[1]).labels
    timely.annotate(square(5, 5, 2))
    for frame in FRAMES[2:5]:
        late.step(frame)
    late.annotate(square(5, 5, 2), image=FRAMES[1], labels=known, stamp=1 / 30)
    for frame in FRAMES[2:5]:
        np.testing.assert_array_equal(late.step(frame).labels, timely.step(frame).labels)


def test_annotate_without_a_session_starts_one_on_a_shrunken_image(
    make: Callable[..., Tracker],
) -> None:
    tracker = make()
    mask = np.zeros((2 * HEIGHT, 2 * WIDTH), np.uint8)
    mask[50:100, 60:120] = 4
    result = tracker.annotate(mask, image=FRAMES[0], labels=np.zeros_like(mask))
    np.testing.assert_array_equal(result.labels, mask)
    assert tracker.session == 1
    assert tracker.step(FRAMES[1], output_size=mask.shape).labels.shape == mask.shape


def test_starting_again_is_a_new_session(make: Callable[..., Tracker]) -> None:
    tracker = make()
    tracker.start(FRAMES[0], MASK)
    result = tracker.start(FRAMES[1], square(5, 5, 8))
    assert (result.session, result.frame, tracker.object_ids) == (2, 0, (8,))


@pytest.mark.parametrize("size", [(480, 854), (33, 41), (1, 1), (7, 300), (301, 8)])
def test_images_of_any_size(make: Callable[..., Tracker], size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    mask = np.ones(size, np.uint8)
    mask[: size[0] // 2] = 0
    tracker = make(max_long_side=160)
    tracker.start(image, mask)
    result = tracker.step(image, confidence=True)
    assert result.labels.shape == size
    assert result.confidence is not None
    assert result.confidence.shape == size
    assert result.confidence.dtype == np.uint8


def test_resolution_may_change_in_mid_stream(make: Callable[..., Tracker]) -> None:
    tracker = make()
    tracker.start(FRAMES[0], MASK)
    small = tracker.step(FRAMES[1]).labels
    large = tracker.step(np.ascontiguousarray(FRAMES[2].repeat(3, 0).repeat(3, 1)))
    assert large.labels.shape == (3 * HEIGHT, 3 * WIDTH)
    assert small.shape == (HEIGHT, WIDTH)
    assert tracker.annotate(square(5, 5, 9).repeat(3, 0).repeat(3, 1)).labels.shape == (291, 387)


def test_memory_is_bounded(make: Callable[..., Tracker]) -> None:
    memory = MemorySettings(slots=3, policy="fifo", gap_frames=1, admission=False)
    tracker = make(memory=memory)
    tracker.start(FRAMES[0], MASK)
    usage = []
    for i in range(8):
        tracker.step(FRAMES[i % len(FRAMES)])
        usage.append(tracker.memory_usage)
    assert usage[-1] == usage[3]
    assert (usage[-1].slots_used, usage[-1].slots_capacity) == (3, 3)


def test_masks_that_flood_are_named_and_not_remembered(make: Callable[..., Tracker]) -> None:
    memory = MemorySettings(slots=3, policy="fifo", gap_frames=1)
    tracker = make(memory=memory, states=StateSettings(max_mask_growth=1.5, occluded_score=0))
    start = {o.id: o.area for o in tracker.start(FRAMES[0], MASK).objects}
    result = tracker.step(FRAMES[1])
    grown = tuple(o.id for o in result.objects if o.area > 1.5 * start[o.id])
    assert grown, "these weights flood"
    assert result.flooded == grown
    assert all(by_id(result)[i] is ObjectState.OCCLUDED for i in grown)
    assert tracker.memory_usage.slots_used == 1


def test_warm_up_leaves_no_trace(make: Callable[..., Tracker]) -> None:
    warm, cold = make(), make()
    warm.warm_up(HEIGHT, WIDTH)
    assert (warm.session, warm.object_ids) == (1, ())
    for tracker in (warm, cold):
        tracker.start(FRAMES[0], MASK)
    np.testing.assert_array_equal(warm.step(FRAMES[1]).labels, cold.step(FRAMES[1]).labels)


BAD_MASKS = {
    "other size": (np.ones((5, 5), np.uint8), MaskErrorCode.BAD_SIZE, "5x5.*129x97"),
    "three axes": (np.ones((HEIGHT, WIDTH, 3), np.uint8), MaskErrorCode.BAD_SIZE, "shape"),
    "floats": (np.ones((HEIGHT, WIDTH)), MaskErrorCode.BAD_ENCODING, "float64"),
    "nothing": (np.zeros((HEIGHT, WIDTH), np.uint8), MaskErrorCode.EMPTY, "marks no object"),
    "negative": (np.full((HEIGHT, WIDTH), -1), MaskErrorCode.BAD_ID, r"-1"),
    "unlabelled": (np.full((HEIGHT, WIDTH), 255), MaskErrorCode.BAD_ID, "255"),
    "too large": (np.full((HEIGHT, WIDTH), 65535), MaskErrorCode.BAD_ID, "65535"),
    "too many": (
        np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 6,
        MaskErrorCode.TOO_MANY_OBJECTS,
        "at most 4",
    ),
}


@pytest.mark.parametrize("case", BAD_MASKS)
def test_refused_masks_change_nothing(make: Callable[..., Tracker], case: str) -> None:
    mask, code, words = BAD_MASKS[case]
    touched, untouched = make(max_objects=4), make(max_objects=4)
    for tracker in (touched, untouched):
        tracker.start(FRAMES[0], MASK)
    for call in (touched.annotate, lambda m: touched.start(FRAMES[1], m)):
        with pytest.raises(MaskError, match=words) as error:
            call(mask)
        assert error.value.code is code
    assert touched.session == 1
    np.testing.assert_array_equal(
        touched.step(FRAMES[1]).labels, untouched.step(FRAMES[1]).labels
    )


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((HEIGHT, WIDTH), np.uint8),
        np.zeros((HEIGHT, WIDTH, 4), np.uint8),
        np.zeros((HEIGHT, WIDTH, 3), np.float32),
        np.zeros((0, WIDTH, 3), np.uint8),
    ],
    ids=["grey", "rgba", "float", "empty"],
)
def test_refused_images_change_nothing(make: Callable[..., Tracker], image: np.ndarray) -> None:
    tracker = make()
    tracker.start(FRAMES[0], MASK)
    with pytest.raises(ImageError, match="expected"):
        tracker.step(image)
    assert tracker.step(FRAMES[1]).frame == 1


def test_views_and_read_only_images_are_fine(make: Callable[..., Tracker]) -> None:
    plain, odd = make(), make()
    mirrored = np.ascontiguousarray(FRAMES[0][:, ::-1])
    frozen = FRAMES[1].copy()
    frozen.flags.writeable = False
    plain.start(mirrored, MASK)
    odd.start(FRAMES[0][:, ::-1], MASK)
    np.testing.assert_array_equal(odd.step(frozen).labels, plain.step(FRAMES[1]).labels)


def test_wrong_order_of_calls(make: Callable[..., Tracker]) -> None:
    tracker = make()
    for call in (
        lambda: tracker.annotate(MASK),
        lambda: tracker.predict(FRAMES[0]),
        lambda: tracker.memorise(MASK),
    ):
        with pytest.raises(NotStartedError, match="start"):
            call()
    tracker.start(FRAMES[0], MASK)
    with pytest.raises(NotStartedError, match="predict"):
        tracker.memorise(MASK)
    with pytest.raises(MaskError, match=r"ids \[1, 2, 3\] are tracked already"):
        tracker.add(MASK)
    with pytest.raises(MaskError, match=r"ids \[9\] are not tracked"):
        tracker.correct(square(5, 5, 9))
    with pytest.raises(MaskError, match="id 9 is not tracked"):
        tracker.remove(9)


def test_load_refuses_what_cannot_be() -> None:
    with pytest.raises(VariantError, match="unknown variant"):
        Tracker.load("deaot-xxl")
    with pytest.raises(CheckpointError, match="no weights file"):
        Tracker.load("deaot-t", "/nowhere/deaot.pth")
    unshipped = next(v for v in VARIANTS if shipped_weights(v) is None)
    with pytest.raises(CheckpointError, match="no weights come with the package"):
        Tracker.load(unshipped)


@pytest.mark.parametrize(
    ("device", "backend", "precision", "words"),
    [
        ("tpu", "auto", "auto", "unknown device 'tpu'"),
        ("cuda:99", "auto", "auto", "cuda:99 is not there"),
        ("cpu", "onnx", "auto", "unknown backend 'onnx'"),
        ("cpu", "auto", "int4", "unknown precision 'int4'"),
        ("cpu", "auto", "fp16", "needs a CUDA device"),
    ],
)
def test_devices_that_are_not_there(device: str, backend: str, precision: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        load_backend(build_network("deaot-t"), device, backend, precision)


@pytest.mark.parametrize(
    "settings",
    [
        lambda: StateSettings(min_area=0),
        lambda: StateSettings(occluded_score=1.5),
        lambda: StateSettings(lost_timeout=-1),
        lambda: StateSettings(max_mask_growth=0.5),
        lambda: TrackerSettings(max_long_side=8),
        lambda: TrackerSettings(network_size=(16, 400)),
        lambda: TrackerSettings(max_objects=0),
    ],
)
def test_settings_out_of_range(settings: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        settings()


def spoilt_logits(logits: torch.Tensor) -> torch.Tensor:
    return logits.fill_(torch.nan)


def spoilt_values(entry: list[LayerMemory]) -> list[LayerMemory]:
    entry[-1].values[0, 0, 0] = torch.inf
    return entry


@pytest.mark.parametrize(
    ("call", "spoil"), [("decode", spoilt_logits), ("memorise", spoilt_values)]
)
def test_a_frame_that_is_not_finite_changes_nothing(
    make: Callable[..., Tracker], monkeypatch: pytest.MonkeyPatch, call: str,
    spoil: Callable[[Any], Any],
) -> None:  # fmt: skip
    """One such frame in memory would make every later one NaN, too."""
    tracker, twin = make(), make()
    for each in (tracker, twin):
        each.start(FRAMES[0], MASK, 0.0)
        each.step(FRAMES[1], 0.1)
    real = getattr(TorchBackend, call)
    with monkeypatch.context() as failing:
        failing.setattr(TorchBackend, call, lambda self, *a: spoil(real(self, *a)))
        with pytest.raises(NotFiniteError, match="memory stays as it was"):
            tracker.step(FRAMES[5], 0.2)
    for number, stamp in ((2, 0.3), (3, 0.6)):
        expected = twin.step(FRAMES[number], stamp)
        np.testing.assert_array_equal(tracker.step(FRAMES[number], stamp).labels, expected.labels)


@pytest.mark.parametrize("begun", [False, True])
def test_a_mask_that_fails_half_way_leaves_no_object(
    make: Callable[..., Tracker], monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """Out of memory while a mask is remembered: the frames after it must not show or fail by it."""
    tracker = make()
    if begun:
        tracker.start(FRAMES[0], np.where(MASK == 1, 1, 0))

    def fails(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as failing:
        failing.setattr(TorchBackend, "reference", fails)
        with pytest.raises(MemoryError):
            tracker.annotate(np.where(MASK == 2, 2, 0), image=FRAMES[0])
    ids = (1,) if begun else ()
    assert tracker.object_ids == ids
    result = tracker.step(FRAMES[1])
    assert set(np.unique(result.labels)) <= {0, *ids}
    assert tracker.annotate(np.where(MASK == 2, 2, 0), image=FRAMES[1]).objects[-1].id == 2


def test_another_resolution_in_mid_stream_costs_no_track(make: Callable[..., Tracker]) -> None:
    """What is known of objects is in pixels: it follows the camera."""
    states = StateSettings(occluded_score=0.0)
    tracker, twin = make(states=states), make(states=states)
    for each in (tracker, twin):
        each.start(FRAMES[0], MASK)
    large = FRAMES[1].repeat(5, axis=0).repeat(5, axis=1)
    found = by_id(tracker.step(large))
    assert found == by_id(twin.step(FRAMES[1]))
    assert ObjectState.TRACKED in found.values()
