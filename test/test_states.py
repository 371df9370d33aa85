"""Object states over time, from areas and scores alone."""

from __future__ import annotations

import pytest

from deaot_ros.tracking import ObjectState, StateSettings
from deaot_ros.tracking.states import ObjectLife

SETTINGS = StateSettings(lost_timeout=1.0, remove_timeout=2.0)
TRACKED, OCCLUDED, LOST = ObjectState.TRACKED, ObjectState.OCCLUDED, ObjectState.LOST
FPS = 10


def live(*seen: tuple[int, float], settings: StateSettings = SETTINGS) -> list[ObjectState]:
    """States after each (area, score) at 10 frames per second; annotated with 400 px before."""
    life = ObjectLife()
    life.confirm(400, 0.0)
    states = []
    for i, (area, score) in enumerate(seen, 1):
        life.observe(area, score, i / FPS, settings)
        states.append(life.state)
    return states


def test_an_object_in_sight_stays_tracked() -> None:
    assert live(*[(400, 0.9)] * 5) == [TRACKED] * 5


@pytest.mark.parametrize("gone", [(0, 0.0), (24, 0.9), (400, 0.4), (1601, 0.9)])
def test_out_of_sight_is_occluded_at_once_then_lost_then_removed(gone: tuple) -> None:
    states = live(*[gone] * 31)
    assert states[:9] == [OCCLUDED] * 9
    assert states[9:29] == [LOST] * 20
    assert states[29] is ObjectState.REMOVED


def test_return_takes_two_frames_in_a_row() -> None:
    away, here = (0, 0.0), (300, 0.9)
    states = live(here, away, here, away, here, here, away)
    assert states == [TRACKED, OCCLUDED, OCCLUDED, OCCLUDED, OCCLUDED, TRACKED, OCCLUDED]


def test_a_lost_object_may_return() -> None:
    states = live(*[(0, 0.0)] * 15, (300, 0.9), (300, 0.9))
    assert states[14:] == [LOST, LOST, TRACKED]


def test_a_growing_object_is_no_flood_when_it_grows_step_by_step() -> None:
    assert live((1000, 0.9), (3000, 0.9), (9000, 0.9)) == [TRACKED] * 3
    assert live((1700, 0.9)) == [OCCLUDED]
    no_limit = StateSettings(max_mask_growth=0)
    assert live((90_000, 0.9), settings=no_limit) == [TRACKED]


def test_a_frame_without_removal_never_removes() -> None:
    settings = StateSettings(lost_timeout=0.5)
    assert live(*[(0, 0.0)] * 1000, settings=settings)[-1] is LOST


def test_last_seen_is_the_last_trusted_frame() -> None:
    life = ObjectLife()
    life.confirm(400, 5.0)
    life.observe(400, 0.9, 5.1, SETTINGS)
    life.observe(0, 0.0, 5.2, SETTINGS)
    assert life.last_seen == 5.1
