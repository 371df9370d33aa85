"""Object states over time, from areas, places and scores alone."""

from __future__ import annotations

import numpy as np
import pytest

from deaot_ros.tracking import ObjectState, StateSettings
from deaot_ros.tracking.admission import largest_piece, worth_remembering
from deaot_ros.tracking.measuring import Shape, measure
from deaot_ros.tracking.states import ObjectLife

SETTINGS = StateSettings(lost_timeout=1.0, remove_timeout=2.0)
TRACKED, OCCLUDED, LOST = ObjectState.TRACKED, ObjectState.OCCLUDED, ObjectState.LOST
FPS = 10
DIAGONAL = 800.0


def shape(area: int, x: float = 100.0) -> Shape:
    side = max(1, round(area**0.5))
    return Shape((int(x), 100, side, side) if area else (0, 0, 0, 0), area, (x, 100.0))


def live(
    *seen: tuple[float, ...], settings: StateSettings = SETTINGS, fps: float = FPS
) -> list[ObjectState]:
    """States after each (area, score[, x]); annotated with 400 px before."""
    life = ObjectLife()
    life.confirm(shape(400), 0.0)
    states = []
    for i, (area, score, *x) in enumerate(seen, 1):
        life.observe(shape(int(area), *x), score, i / fps, DIAGONAL, settings)
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


@pytest.mark.parametrize("fps", [5, 10, 30, 100])
def test_return_takes_time_without_a_break(fps: int) -> None:
    """A tenth of a second by the clock, whatever the rate, and never just one frame."""
    away, here = (0, 0.0), (300, 0.9)
    frames = max(1, -(-fps // 10)) + 1
    states = live(away, *[here] * frames, away, fps=fps)
    assert states[:-2] == [OCCLUDED] * (len(states) - 2)
    assert states[-2:] == [TRACKED, OCCLUDED]
    broken = live(away, *[*[here] * (frames - 1), away] * 3, fps=fps)
    assert TRACKED not in broken


def test_a_score_between_the_thresholds_keeps_a_state_but_does_not_win_one() -> None:
    between = (400, 0.55)
    assert live(*[between] * 5) == [TRACKED] * 5
    assert live((0, 0.0), *[between] * 5) == [OCCLUDED] * 6
    assert live((0, 0.0), *[(400, 0.65)] * 3)[-1] is TRACKED
    never_sure = StateSettings(occluded_score=0.97)
    assert live((0, 0.0), *[(400, 0.99)] * 3, settings=never_sure)[-1] is TRACKED


def test_a_mask_that_jumps_is_believed_once_the_object_could_be_there() -> None:
    """2 diagonals per second and 10 frames per second: 160 px per frame and its own size."""
    assert live((400, 0.9, 270.0)) == [TRACKED]
    far = (400, 0.9, 600.0)
    states = live(*[far] * 8)
    assert states[:3] == [OCCLUDED] * 3
    assert states[-1] is TRACKED
    assert live(far, settings=StateSettings(max_speed=0)) == [TRACKED]


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
    life.confirm(shape(400), 5.0)
    life.observe(shape(400), 0.9, 5.1, DIAGONAL, SETTINGS)
    life.observe(shape(0), 0.0, 5.2, DIAGONAL, SETTINGS)
    assert life.last_seen == 5.1


def picture(*squares: tuple[int, int, int, int]) -> np.ndarray:
    """Label map 100x100 with squares (id, y, x, side)."""
    labels = np.zeros((100, 100), np.uint8)
    for i, y, x, side in squares:
        labels[y : y + side, x : x + side] = i
    return labels


def judge(labels: np.ndarray, score: float = 0.9, before: int = 400, objects: int = 2) -> bool:
    """Whether a frame is worth it, a second after each object was annotated with some pixels."""
    ids = tuple(range(1, objects + 1))
    shapes = measure(labels, ids)
    lives = {i: ObjectLife() for i in ids}
    for i, life in lives.items():
        life.confirm(Shape((0, 0, 1, 1), before, shapes[i].centroid), 0.0)
        life.observe(shapes[i], score if shapes[i].area else 0.0, 1.0, 141.0, StateSettings())
    return worth_remembering(lives, shapes, labels)


def test_what_is_worth_remembering() -> None:
    first, second = (1, 10, 10, 20), (2, 50, 50, 20)
    assert judge(picture(first, second))
    assert judge(picture(first)), "one is away, the other can be believed"
    assert not judge(picture()), "nothing in sight"
    assert not judge(picture(first, second), score=0.3), "unsure"
    assert not judge(picture(first, second), score=0.65), "tracked, but not to be learned from"
    assert not judge(picture(first, (2, 40, 40, 45))), "one has flooded"
    assert not judge(picture(first, (2, 50, 50, 10))), "one has shrunk to a quarter"
    assert not judge(picture(first, (2, 50, 50, 14), (2, 75, 75, 14))), "one is in two pieces"
    assert judge(picture(first, second, (2, 90, 90, 5))), "a crumb is no piece"


def test_among_dozens_one_may_be_in_doubt() -> None:
    grid = [(1 + i, 25 * (i // 4), 25 * (i % 4), 20) for i in range(12)]
    torn = [(12, 75, 75, 8), (12, 88, 88, 8)]
    assert judge(picture(*grid[:11], *torn), objects=12, before=300)
    assert not judge(picture(*grid[:5], *[(6, 75, 75, 8), (6, 88, 88, 8)]), objects=6, before=300)


def test_largest_piece_against_flood_fill() -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for _ in range(30):
        mask = rng.random((17, 23)) < rng.uniform(0.2, 0.9)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
        areas = stats[1:, cv2.CC_STAT_AREA]
        expected = areas.max() / areas.sum() if len(areas) else 0.0
        assert largest_piece(mask) == pytest.approx(expected)
    assert largest_piece(np.zeros((4, 4), bool)) == 0


def test_another_resolution_is_no_flood_and_no_jump() -> None:
    """The camera triples its resolution: nine times the area, far from where it was."""
    life = ObjectLife()
    life.confirm(shape(400), 0.0)
    life.rescale(3.0, 3.0)
    life.observe(Shape((300, 300, 60, 60), 3600, (300.0, 300.0)), 0.9, 0.1, 3 * DIAGONAL, SETTINGS)
    assert life.state is TRACKED and not life.flooded and life.steady
