"""Likeness of masks to what was annotated, against plain loops and on pictures of two kinds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deaot_ros.network.attention import Grid
from deaot_ros.tracking import Tracker
from deaot_ros.tracking.identities import Identities
from deaot_ros.tracking.looks import MOST, Looks, keys_of_labels, keys_of_logits

CHANNELS = 6
GRID = Grid(2, 3)


def unit(vector: torch.Tensor) -> torch.Tensor:
    return vector / vector.norm()


def test_keys_of_labels_are_means_over_the_cells_that_are_covered_best() -> None:
    keys = torch.randn(1, 6, CHANNELS)
    labels = torch.zeros(1, 32, 48, dtype=torch.uint8)
    labels[:, :16, :16] = 3  # the whole of cell 0
    labels[:, :16, 16:28] = 3  # three quarters of cell 1
    labels[:, 16:20, :16] = 3  # a quarter of cell 3: below half of the best
    labels[:, 31, 47] = 10
    found = keys_of_labels(keys, labels, GRID)
    assert found.shape == (10, CHANNELS)
    expected = unit(0.5 * keys[0, 0] + 0.25 * keys[0, 1])
    assert torch.allclose(found[2], expected, atol=1e-6)
    assert torch.allclose(found[9], unit(keys[0, 5]), atol=1e-6), "one pixel is enough"
    assert not found[[0, 1, 3, 4, 5, 6, 7, 8]].any()


def test_keys_of_logits_agree_with_those_of_the_labels() -> None:
    """Sure logits of whole cells are as good as labels; a second group has its own rows."""
    keys = torch.randn(1, 6, CHANNELS)
    logits = torch.full((2, 11, 2, 3), -20.0)
    logits[:, 0] = 0
    logits[0, 1, 0, :2] = 20  # place 1
    logits[1, 2, 1, 2] = 20  # place 12
    found = keys_of_logits(keys, logits, ((1,), (2 + 10,)), GRID)
    assert torch.allclose(found[0], unit(keys[0, 0] + keys[0, 1]), atol=1e-4)
    assert torch.allclose(found[11], unit(keys[0, 5]), atol=1e-4)
    assert found.abs().sum(1).bool().sum() == 2


def test_likeness_is_that_to_the_most_similar_of_the_newest_annotations() -> None:
    identities = Identities()
    identities.add([40, 7])  # places 2 and 1
    looks = Looks()
    axes = torch.eye(CHANNELS)
    looks.note(7, axes[0])
    looks.note(40, -axes[1])
    keys = torch.zeros(10, CHANNELS)
    keys[0], keys[1] = unit(axes[0] + axes[1]), axes[1]
    assert looks.likeness(keys, identities)[:3].tolist() == pytest.approx([0, 0.5**0.5, -1])
    looks.note(7, keys[0])
    assert looks.likeness(keys, identities)[1] == pytest.approx(1)
    for _ in range(MOST):
        looks.note(7, axes[5])
    assert looks.likeness(keys, identities)[1] == 0, "old annotations are forgotten"
    looks.forget(40)
    identities.remove(40)
    assert looks.likeness(keys, identities)[2] == 0


def test_a_mask_that_moved_to_another_thing_is_unlike_its_object() -> None:
    """The object becomes something else where it is: a network that follows places is fooled."""
    tracker = Tracker.load("deaot-t", device="cpu")
    rng = np.random.default_rng(2)
    image = rng.integers(90, 110, (129, 161, 3), np.uint8)
    mask = np.zeros((129, 161), np.uint8)
    mask[40:90, 50:110] = 1
    stripes = image.copy()
    stripes[40:90, 50:110:4] = (250, 30, 30)
    spots = image.copy()
    spots[40:90:8, 50:110:8] = (20, 200, 250)
    start = tracker.start(stripes, mask)
    assert start.objects[0].likeness == 1
    likeness = []
    for picture in (stripes, spots):
        tracker.start(stripes, mask)
        (found,) = tracker.step(picture).objects
        likeness.append(found.likeness)
    assert likeness[0] > 0.99
    assert likeness[1] < 0.97
