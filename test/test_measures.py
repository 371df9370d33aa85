"""J and F against slow pixel loops written straight from the definition."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from deaot_ros.evaluation import (
    boundary_map,
    boundary_measure,
    region_similarity,
    sequence_scores,
)


def slow_j(a: list[list[bool]], b: list[list[bool]]) -> float:
    both = either = 0
    for row_a, row_b in zip(a, b):
        for x, y in zip(row_a, row_b):
            both += x and y
            either += x or y
    return both / either if either else 1.0


def slow_boundary(mask: list[list[bool]]) -> list[tuple[int, int]]:
    """Pixels that differ from their right, lower or lower right neighbour inside the image."""
    height, width = len(mask), len(mask[0])
    pixels = []
    for y in range(height):
        for x in range(width):
            neighbours = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            inside = [(v, u) for v, u in neighbours if v < height and u < width]
            if any(mask[v][u] != mask[y][x] for v, u in inside):
                pixels.append((y, x))
    return pixels


def slow_f(a: list[list[bool]], b: list[list[bool]]) -> float:
    ours, theirs = slow_boundary(a), slow_boundary(b)
    if not ours and not theirs:
        return 1.0
    if not ours or not theirs:
        return 0.0
    radius = math.ceil(0.008 * math.sqrt(len(a) ** 2 + len(a[0]) ** 2))

    def share(points: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        hits = 0
        for y, x in points:
            hits += any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in others)
        return hits / len(points)

    precision, recall = share(ours, theirs), share(theirs, ours)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def blob(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """An ellipse with a hole and some dust, often cut by the image's edge."""
    y, x = np.mgrid[:height, :width]
    cy, cx = rng.uniform(0, height), rng.uniform(0, width)
    ry, rx = rng.uniform(1, height / 2), rng.uniform(1, width / 2)
    mask = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
    mask &= ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 > rng.uniform(0, 0.3)
    return mask ^ (rng.random((height, width)) < 0.01)


@pytest.mark.parametrize("size", [(24, 31), (60, 47), (3, 90), (150, 130)])
def test_random_masks(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size)
    for _ in range(6):
        a = blob(rng, *size)
        shift = rng.integers(-3, 4, 2)
        b = np.roll(a, tuple(shift), (0, 1)) if rng.random() < 0.7 else blob(rng, *size)
        assert region_similarity(a, b) == pytest.approx(slow_j(a.tolist(), b.tolist()), abs=1e-6)
        assert boundary_measure(a, b) == pytest.approx(slow_f(a.tolist(), b.tolist()), abs=1e-6)


def edge_cases() -> list[tuple[np.ndarray, np.ndarray]]:
    empty, full = np.zeros((9, 11), bool), np.ones((9, 11), bool)
    corner, other = empty.copy(), empty.copy()
    corner[-1, -1] = True
    other[0, 0] = True
    row = empty.copy()
    row[-1] = True
    column = empty.copy()
    column[:, -1] = True
    masks = [empty, full, corner, other, row, column]
    return [(a, b) for a in masks for b in masks]


@pytest.mark.parametrize("pair", edge_cases())
def test_edges(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    assert region_similarity(a, b) == pytest.approx(slow_j(a.tolist(), b.tolist()), abs=1e-6)
    assert boundary_measure(a, b) == pytest.approx(slow_f(a.tolist(), b.tolist()), abs=1e-6)
    assert sorted(zip(*np.nonzero(boundary_map(a)))) == slow_boundary(a.tolist())


def test_conventions_for_empty_masks() -> None:
    empty, square = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    square[5:15, 5:15] = 255
    assert region_similarity(empty, empty) == boundary_measure(empty, empty) == 1
    assert region_similarity(empty, square) == boundary_measure(empty, square) == 0
    assert boundary_measure(square, empty) == 0
    assert region_similarity(square, square) == boundary_measure(square, square) == 1


def test_tolerance_grows_with_the_diagonal() -> None:
    """At 480x854 a boundary may be 8 px off, not 9."""
    truth = np.zeros((480, 854), bool)
    truth[100:300, 200:500] = True
    for shift, matched in ((8, True), (9, False)):
        result = np.zeros_like(truth)
        result[100 + shift : 300 - shift, 200 + shift : 500 - shift] = True
        assert (boundary_measure(result, truth) > 0.9) == matched


def test_void_pixels_do_not_count() -> None:
    rng = np.random.default_rng(5)
    for _ in range(8):
        a, b, void = blob(rng, 40, 52), blob(rng, 40, 52), rng.random((40, 52)) < 0.2
        known = ~void
        pairs = list(zip(a[known].tolist(), b[known].tolist()))
        j = sum(x and y for x, y in pairs) / sum(x or y for x, y in pairs)
        assert region_similarity(a, b, void) == pytest.approx(j, abs=1e-6)
        f = slow_f((a & known).tolist(), (b & known).tolist())
        assert boundary_measure(a, b, void) == pytest.approx(f, abs=1e-6)


def test_small_objects_anywhere_in_the_image() -> None:
    """Only the surroundings of the masks are looked at; their place must not matter."""
    rng = np.random.default_rng(6)
    for _ in range(60):
        a, b = np.zeros((2, 64, 150), bool)
        for mask in (a, b):
            height, width = rng.integers(1, 9, 2)
            y, x = rng.integers(-2, 64), rng.integers(-2, 150)
            mask[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True
        assert boundary_measure(a, b) == pytest.approx(slow_f(a.tolist(), b.tolist()), abs=1e-6)


def test_sequence_is_a_mean_over_objects_and_frames() -> None:
    truth = np.zeros((12, 12), np.uint8)
    truth[:6], truth[6:] = 3, 7
    wrong = truth.copy()
    wrong[wrong == 7] = 0
    scores = sequence_scores([(truth, truth), (wrong, truth)], [3, 7])
    assert scores.objects[3] == (1, 1)
    assert scores.objects[7] == (0.5, 0.5)
    assert (scores.j_mean, scores.f_mean, scores.frames) == (0.75, 0.75, 2)


def test_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="one size"):
        region_similarity(np.zeros((4, 5)), np.zeros((5, 4)))
    with pytest.raises(ValueError, match="no objects"):
        sequence_scores([], [])
    with pytest.raises(ValueError, match="no frames"):
        sequence_scores([], [1])


def test_is_fast_enough_for_a_dataset() -> None:
    rng = np.random.default_rng(0)
    a, b = blob(rng, 480, 854), blob(rng, 480, 854)
    start = time.perf_counter()
    boundary_measure(a, b)
    assert time.perf_counter() - start < 0.5
