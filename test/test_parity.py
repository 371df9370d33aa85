"""The published networks' numbers, through the public Python API.

Teacher-forced: memory is fed the labels of the vectors, so that one near tie does not spread.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from golden import DATA, golden_state, vectors

from deaot_ros.backends import load_backend
from deaot_ros.network import VARIANTS, build_network
from deaot_ros.tracking import AugmentedTracker, MemorySettings, Tracker, TrackerSettings

TOLERANCE = 3e-4
PUBLISHED = {
    "deaot-t": "DeAOTT",
    "deaot-s": "DeAOTS",
    "deaot-b": "DeAOTB",
    "deaot-l": "DeAOTL",
    "r50-deaot-l": "R50-DeAOTL",
    "swinb-deaot-l": "SwinB-DeAOTL",
    "aot-t": "AOTT",
    "aot-s": "AOTS",
    "aot-b": "AOTB",
    "aot-l": "AOTL",
    "r50-aot-l": "R50-AOTL",
    "swinb-aot-l": "SwinB-AOTL",
}


def golden_tracker(
    variant: str, gap: int, policy: str = "unbounded", **settings: object
) -> Tracker:
    network = build_network(variant)
    network.load_state_dict(golden_state(network))
    memory = MemorySettings(policy=policy, gap_frames=gap)
    return Tracker(
        load_backend(network, "cpu", "auto", "auto"),
        TrackerSettings(memory=memory, **settings),  # type: ignore[arg-type]
    )


def assert_labels_equal_but_for_ties(
    ours: np.ndarray, published: np.ndarray, probabilities: torch.Tensor
) -> None:
    """Where labels differ, the two best probabilities must be as good as equal."""
    top = probabilities.topk(2, dim=0).values
    differs = torch.from_numpy(ours != published)
    assert ((top[0] - top[1])[differs] < 1e-3).all()
    assert differs.float().mean() < 1e-3


def published_state_dict(variant: str) -> dict:
    return json.loads((DATA / "state_dicts.json").read_text())[PUBLISHED[variant]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_shapes_and_parameter_counts(variant: str) -> None:
    network, published = build_network(variant), published_state_dict(variant)
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert shapes == published["shapes"]
    assert sum(p.numel() for p in network.parameters()) == published["learnable"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_follow_the_rule(variant: str) -> None:
    digests = json.loads((DATA / "weights_digest.json").read_text())["variants"]
    state = golden_state(build_network(variant))
    digest = hashlib.sha256()
    for name in published_state_dict(variant)["shapes"]:
        if state[name].is_floating_point():
            digest.update(state[name].numpy().astype("<f4").tobytes())
    assert digest.hexdigest() == digests[PUBLISHED[variant]]["sha256"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_and_labels(variant: str) -> None:
    golden, inputs = vectors(PUBLISHED[variant]), vectors("inputs")
    size = "96x128" if variant.startswith("swinb") else "97x129"
    frames, labels = inputs[f"frames_{size}"], golden["labels"]
    tracker = golden_tracker(variant, golden["meta"]["long_term_mem_gap"])
    tracker.start(frames[0], labels[0])
    for t in range(1, len(frames)):
        prediction = tracker.predict(frames[t])
        difference = np.abs(prediction.logits[0].numpy() - golden["logits"][t - 1])
        assert difference.max() < TOLERANCE, f"frame {t}"
        assert_labels_equal_but_for_ties(
            prediction.labels, labels[t], prediction.probabilities()
        )
        tracker.memorise(labels[t])


@pytest.mark.parametrize("variant", ["deaot-t", "deaot-l"])
def test_object_that_appears_later(variant: str) -> None:
    golden, inputs = vectors(f"{PUBLISHED[variant]}_newobject"), vectors("inputs")
    frames, labels = inputs["frames_97x129"], golden["labels"]
    tracker = golden_tracker(variant, golden["meta"]["long_term_mem_gap"])
    tracker.start(frames[0], labels[0])
    for t in range(1, len(frames)):
        prediction = tracker.predict(frames[t])
        published = golden["logits"][t - 1, 0]
        assert np.abs(prediction.logits[0].numpy() - published).max() < TOLERANCE, f"frame {t}"
        if t == 3:
            assert (prediction.labels != golden["predicted_frame3_before_merge"]).mean() < 1e-3
            merged = tracker.add(golden["annotation_frame3"])
            assert (merged.labels != labels[3]).mean() < 1e-3
            tracker.annotate(labels[3])  # teacher forcing of the merged map
        else:
            tracker.memorise(labels[t])


def test_images_that_need_resizing() -> None:
    golden, inputs = vectors("DeAOTL_resize"), vectors("inputs")
    frames, labels = inputs["frames_150x211"], golden["labels"]
    tracker = golden_tracker("deaot-l", golden["meta"]["long_term_mem_gap"], max_long_side=160)
    assert tracker.network_size(150, 211) == tuple(
        golden["meta"]["network_sizes_per_augmentation"][0]
    )
    tracker.start(frames[0], labels[0])
    for t in range(1, len(frames)):
        prediction = tracker.predict(frames[t])
        probabilities = prediction.probabilities()
        assert_labels_equal_but_for_ties(prediction.labels, labels[t], probabilities)
        for name, frame in (("prob_first", 1), ("prob_last", 5)):
            if t == frame:
                assert np.abs(probabilities[:4].numpy() - golden[name]).max() < 1e-4
        tracker.memorise(labels[t])


@pytest.mark.parametrize("name", ["DeAOTL_13objects", "DeAOTT_9to12objects"])
def test_more_than_ten_objects(name: str) -> None:
    """Two groups from the start, and a second group that comes with a later annotation."""
    golden, frames = vectors(name), vectors("inputs")["frames_97x129"]
    labels, meta = golden["labels"], golden["meta"]
    tracker = golden_tracker(meta["variant"], meta["long_term_mem_gap"])
    tracker.start(frames[0], labels[0])
    for t in range(1, len(labels)):
        prediction = tracker.predict(frames[t])
        published = golden[f"logits_{t}"]
        live = np.isfinite(published)  # the vectors leave out channels nobody has
        difference = np.abs(prediction.logits.numpy() - published)[live]
        assert difference.max() < TOLERANCE, f"frame {t}"
        if f"annotation_{t}" in golden:
            merged = tracker.add(golden[f"annotation_{t}"])
            assert (merged.labels != labels[t]).mean() < 1e-3
            tracker.annotate(labels[t])
        else:
            assert_labels_equal_but_for_ties(
                prediction.labels, labels[t], prediction.probabilities()
            )
            tracker.memorise(labels[t])


def test_test_time_augmentation() -> None:
    golden, inputs = vectors("DeAOTL_tta"), vectors("inputs")
    frames, meta = inputs["frames_97x129"], golden["meta"]
    network = build_network("deaot-l")
    network.load_state_dict(golden_state(network))
    memory = MemorySettings(policy="unbounded", gap_frames=meta["long_term_mem_gap"])
    tracker = AugmentedTracker(
        load_backend(network, "cpu", "auto", "auto"),
        meta["scales"],
        meta["flip"],
        settings=TrackerSettings(memory=memory),
    )
    tracker.start(frames[0], inputs["mask_97x129_k13"])
    for t in (1, 2):
        prediction = tracker.predict(frames[t])
        published = golden[f"probabilities_{t}"]
        assert np.abs(prediction.probabilities[:14].numpy() - published).max() < 1e-4
        assert_labels_equal_but_for_ties(
            prediction.labels, golden[f"labels_{t}"], prediction.probabilities
        )
        tracker.memorise(list(golden["own_labels"][t - 1]))


def test_step_is_predict_and_memorise() -> None:
    frames, mask = vectors("inputs")["frames_97x129"], vectors("inputs")["mask_97x129_k3"]
    stepping, predicting = golden_tracker("deaot-s", 2), golden_tracker("deaot-s", 2)
    stepping.start(frames[0], mask)
    predicting.start(frames[0], mask)
    for frame in frames[1:]:
        labels = predicting.predict(frame).labels
        predicting.memorise(labels)
        np.testing.assert_array_equal(stepping.step(frame).labels, labels)


def test_bounded_memory_equals_unbounded_while_it_fits() -> None:
    frames, mask = vectors("inputs")["frames_97x129"], vectors("inputs")["mask_97x129_k3"]
    bounded, unbounded = golden_tracker("deaot-l", 1, "fifo"), golden_tracker("deaot-l", 1)
    for tracker in (bounded, unbounded):
        tracker.start(frames[0], mask)
    for frame in frames[1:]:
        ours, theirs = bounded.predict(frame), unbounded.predict(frame)
        torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-4, rtol=0)
        bounded.memorise(theirs.labels)
        unbounded.memorise(theirs.labels)
