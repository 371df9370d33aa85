"""The weights that come with the package follow what they are shown."""

from __future__ import annotations

import numpy as np
import pytest

from deaot_ros.backends import load_backend
from deaot_ros.network import build_network, load_checkpoint, shipped_weights
from deaot_ros.synthetic import demo_clip
from deaot_ros.tracking import Tracker, TrackerSettings
from deaot_ros.tracking.calibration import load_calibration

LONG_SIDE, RATE, FRAMES = 257, 12.0, 24


def overlap(labels: np.ndarray, truth: np.ndarray, ids: np.ndarray) -> float:
    """Mean J of the objects, by the plain formula."""
    scores = []
    for i in ids:
        union = ((labels == i) | (truth == i)).sum()
        scores.append(((labels == i) & (truth == i)).sum() / union if union else 1)
    return float(np.mean(scores))


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return Tracker.load("deaot-t", settings=TrackerSettings(max_long_side=LONG_SIDE))


def test_three_moving_objects_are_followed_under_their_names(tracker: Tracker) -> None:
    """The demo's first two seconds, before anything is hidden; a mask left in place scores 0.6."""
    assert tracker.weights == str(shipped_weights("deaot-t"))
    scene = demo_clip(480, 640, fps=RATE)
    image, mask = scene.render(0)
    ids = np.unique(mask)[1:]
    tracker.start(image, mask)
    ours, still = [], []
    for number in range(1, FRAMES):
        image, truth = scene.render(number)
        ours.append(overlap(tracker.step(image).labels, truth, ids))
        still.append(overlap(mask, truth, ids))
    assert np.mean(still) < 0.7
    assert np.mean(ours) > 0.85


def test_scores_are_calibrated_for_these_very_weights(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    """After new weights: ``deaot benchmark scores --write``."""
    weights = shipped_weights("deaot-t")
    assert weights is not None
    calibration = load_calibration(weights)
    assert calibration.evidence and not caplog.records, "none, or of other weights"
    network = build_network("deaot-t")
    load_checkpoint(network, weights)
    plain = Tracker(load_backend(network, "cpu", "auto", "auto"), tracker.settings)
    scene = demo_clip(480, 640, fps=RATE)
    for t in (tracker, plain):
        t.start(*scene.render(0))
    image, _ = scene.render(1)
    scored, raw = (t.step(image).objects for t in (tracker, plain))
    scores, means = [o.score for o in scored], [o.score for o in raw]
    assert scores == pytest.approx([calibration(o.score, o.likeness) for o in raw])
    assert scores != pytest.approx(means, abs=0.02)
