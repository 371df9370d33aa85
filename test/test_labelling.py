"""Labels, probabilities, scores and shapes against the plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from deaot_ros.tracking import labelling
from deaot_ros.tracking.identities import Identities, split_groups
from deaot_ros.tracking.measuring import measure
from deaot_ros.tracking.resizing import network_size, resize_labels

SIZE = (37, 53)
LIVE = {
    1: ((1, 2, 3),),
    2: (tuple(range(1, 11)), (11, 12)),
    3: ((1, 4), (13,), ()),
}


def published(logits: torch.Tensor, live: tuple[tuple[int, ...], ...]) -> torch.Tensor:
    """Logits at SIZE as SPEC section 8 writes them, [1 + 10 G, H, W]."""
    masked = torch.full_like(logits, -1e10)
    for g, places in enumerate(live):
        for channel in (0, *(p - 10 * g for p in places)):
            masked[g, channel] = logits[g, channel]
    up = F.interpolate(masked, SIZE, mode="bilinear", align_corners=True)
    if len(live) == 1:
        return up[0]
    p = up.softmax(1)
    merged = torch.cat((p[:, 0].prod(0, keepdim=True), p[:, 1:].flatten(0, 1)))
    return torch.logit(merged.clamp(1e-5, 1 - 1e-5))


@pytest.mark.parametrize("groups", LIVE)
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_labels_and_probabilities(groups: int, spread: float) -> None:
    torch.manual_seed(groups)
    logits, live = spread * torch.randn(groups, 11, 10, 14), LIVE[groups]
    expected = published(logits, live)
    found = labelling.label(logits, live, SIZE, True, torch.uint8, with_foreground=True)
    np.testing.assert_array_equal(found.places, expected.argmax(0))
    ours = labelling.probabilities(logits, live, SIZE, True)
    torch.testing.assert_close(ours, expected.softmax(0), atol=1e-6, rtol=1e-4)
    assert found.foreground is not None
    if groups == 1:
        torch.testing.assert_close(found.foreground, 1 - expected.softmax(0)[0])


def test_first_place_wins_a_tie() -> None:
    logits = torch.zeros(1, 11, 4, 4)
    assert (labelling.label(logits, ((1, 2),), (4, 4), True, torch.uint8).places == 0).all()
    logits[:, 1:] = 1
    assert (labelling.label(logits, ((3, 5),), (4, 4), True, torch.uint8).places == 3).all()


@pytest.mark.parametrize("groups", LIVE)
def test_scores_are_mean_probabilities_of_the_cells_won(groups: int) -> None:
    torch.manual_seed(groups)
    logits, live = 3 * torch.randn(groups, 11, 10, 14), LIVE[groups]
    scores = labelling.scores(logits, live)
    masked = torch.full_like(logits, -1e10)
    for g, places in enumerate(live):
        for channel in (0, *(p - 10 * g for p in places)):
            masked[g, channel] = logits[g, channel]
    p = masked.softmax(1)
    merged = torch.cat((p[:, 0].prod(0, keepdim=True), p[:, 1:].flatten(0, 1)))
    winner = merged.argmax(0)
    for place in (place for group in live for place in group):
        cells = merged[place][winner == place]
        expected = cells.mean().item() if len(cells) else 0.0
        assert scores[place].item() == pytest.approx(expected, abs=1e-5)


def test_ids_are_sparse_wide_and_keep_their_place() -> None:
    identities = Identities()
    identities.add([300, 7, 254])
    assert identities.live_places() == ((1, 2, 3),)
    assert identities.place_ids.dtype == np.uint16
    labels = np.array([[0, 7, 254], [300, 5, 7]], np.uint16)
    places = identities.to_places(labels)
    assert places.tolist() == [[0, 1, 2], [3, 0, 1]]
    assert identities.to_ids(places.numpy()).tolist() == [[0, 7, 254], [300, 0, 7]]
    identities.remove(7)
    identities.add([1])
    assert identities.live_places() == ((2, 3, 4),)
    assert identities.to_places(labels).tolist() == [[0, 0, 2], [3, 0, 0]]
    identities.remove(300)
    assert identities.place_ids.dtype == np.uint8
    identities.compact()
    assert identities.live_places() == ((1, 2),)
    assert identities.place(254) == 1


def test_three_hundred_objects_have_places_of_their_own() -> None:
    identities = Identities()
    ids = list(range(1, 301))
    identities.add(ids)
    labels = np.array([ids], np.uint16)
    places = identities.to_places(labels)
    np.testing.assert_array_equal(identities.to_ids(places.numpy()), labels)
    groups = split_groups(places, identities.groups)
    assert groups.shape == (30, 1, 300)
    for i in range(300):
        assert groups[:, 0, i].nonzero().tolist() == [[i // 10]]
        assert groups[i // 10, 0, i] == i % 10 + 1


def test_shapes_equal_those_by_pixel_lists() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (23, 31)).astype(np.uint8)
    labels[:, 20:] = 0
    labels[3:9, 25:30] = 9
    shapes = measure(labels, (1, 2, 3, 9, 77))
    for object_id in (1, 2, 3, 9):
        y, x = np.nonzero(labels == object_id)
        box = (x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1)
        assert shapes[object_id].box == box
        assert shapes[object_id].area == len(x)
        assert shapes[object_id].centroid == pytest.approx((x.mean(), y.mean()))
    assert shapes[77] == ((0, 0, 0, 0), 0, (0.0, 0.0))


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ((480, 854), {"align_corners": True}, (481, 849)),
        ((720, 1280), {"align_corners": True}, (577, 1041)),
        ((1080, 1920), {"align_corners": True}, (577, 1041)),
        ((480, 854), {"align_corners": False}, (480, 848)),
        ((720, 1280), {"align_corners": False}, (592, 1040)),
        ((720, 1280), {"align_corners": False, "max_short_side": 624}, (576, 1040)),
        ((2, 900), {"align_corners": True}, (17, 897)),
    ],
)
def test_network_sizes_of_the_specification(
    size: tuple[int, int], options: dict, expected: tuple[int, int]
) -> None:
    assert network_size(*size, max_long_side=1040, **options) == expected


def test_labels_are_sampled_by_floor() -> None:
    labels = torch.arange(150 * 211, dtype=torch.int32).view(150, 211)
    rows = np.arange(113) * 150 // 113
    columns = np.arange(161) * 211 // 161
    np.testing.assert_array_equal(
        resize_labels(labels, (113, 161)), labels.numpy()[np.ix_(rows, columns)]
    )
