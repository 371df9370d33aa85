"""Objects in space, against loops over single pixels that do it the slow way."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from deaot_ros.depth.back_projection import DepthSettings, Pinhole, inner, locate
from deaot_ros.depth.matching import ExactMatcher

CAMERA = Pinhole(fx=61.5, fy=60.0, cx=31.2, cy=23.7)


def slow_inner(mask: np.ndarray, margin: int) -> set[tuple[int, int]]:
    """(x, y) of pixels whose every neighbour at city-block distance up to margin is inside."""
    height, width = mask.shape
    inside = {(x, y) for y in range(height) for x in range(width) if mask[y, x]}
    steps = [
        (dx, dy)
        for dx in range(-margin, margin + 1)
        for dy in range(-margin, margin + 1)
        if abs(dx) + abs(dy) <= margin
    ]
    return {(x, y) for x, y in inside if all((x + dx, y + dy) in inside for dx, dy in steps)}


def slow_percentile(values: list[float], percent: float) -> float:
    """Linear between the two nearest ranks."""
    values = sorted(values)
    place = (len(values) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def slow_locate(
    mask: np.ndarray, depth: np.ndarray, corner: tuple[int, int], settings: DepthSettings
) -> tuple[list[tuple[float, ...]], tuple[float, ...], tuple[float, ...]]:
    def usable(x: int, y: int) -> bool:
        z = float(depth[y, x])
        return math.isfinite(z) and settings.nearest <= z <= settings.farthest

    pixels = [p for p in slow_inner(mask, settings.edge_margin) if usable(*p)]
    if not pixels:
        pixels = [p for p in slow_inner(mask, 0) if usable(*p)]
    if not pixels:
        return [], (0.0,) * 3, (0.0,) * 3
    middle = statistics.median(float(depth[y, x]) for x, y in pixels)
    spread = statistics.median(abs(float(depth[y, x]) - middle) for x, y in pixels)
    limit = max(settings.outlier_floor, settings.outlier_sigmas * 1.4826 * spread)
    points = []
    for x, y in pixels:
        z = float(depth[y, x])
        if settings.outlier_sigmas and abs(z - middle) > limit:
            continue
        u, v = x + corner[0], y + corner[1]
        points.append(((u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z))
    axes = [list(axis) for axis in zip(*points)]
    position = tuple(statistics.median(axis) for axis in axes)
    size = tuple(slow_percentile(axis, 98) - slow_percentile(axis, 2) for axis in axes)
    return points, position, size


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_the_slow_way(seed: int) -> None:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:24, :30]
    mask = (x - 14) ** 2 / 150 + (y - 11) ** 2 / 80 < 1
    mask &= random.random(mask.shape) > 0.02
    depth = (1.5 + 0.01 * x + 0.02 * random.standard_normal(mask.shape)).astype(np.float32)
    depth[random.random(mask.shape) < 0.1] = 0.0
    depth[random.random(mask.shape) < 0.05] = np.nan
    depth[random.random(mask.shape) < 0.05] = np.inf
    depth[random.random(mask.shape) < 0.05] = 6.0  # flying pixels
    settings = DepthSettings(edge_margin=seed % 3, outlier_sigmas=0.0 if seed == 5 else 4.0)
    corner = (5 * seed, 3)
    points, position, size = slow_locate(mask, depth, corner, settings)
    found = locate(mask, depth, corner, CAMERA, settings)
    assert len(points) > 20
    np.testing.assert_allclose(sorted(map(tuple, found.points)), sorted(points), atol=1e-5)
    assert found.position == pytest.approx(position, abs=1e-5)
    assert found.size == pytest.approx(size, abs=1e-5)
    assert found.coverage == pytest.approx(len(points) / mask.sum())


def test_a_box_in_front_of_a_wall_has_its_own_size_and_place() -> None:
    """Truth from geometry: a plate of 0.4 m by 0.2 m at 2 m, its depth blurred into the wall."""
    camera = Pinhole(500.0, 500.0, 320.0, 240.0)
    depth = np.full((480, 640), 4.0, np.float32)
    mask = np.zeros((480, 640), bool)
    mask[215:265, 370:470] = True  # 100 px and 50 px wide: 0.4 m and 0.2 m at 2 m
    depth[mask] = 2.0
    depth[213:217, 368:472] = 3.0
    found = locate(mask, depth, (0, 0), camera, DepthSettings(edge_margin=0))
    x = (np.arange(370, 470).mean() - 320) / 500 * 2
    assert found.position == pytest.approx((x, 0.0, 2.0), abs=0.01)
    assert found.size == pytest.approx((0.4, 0.2, 0.0), abs=0.02)
    assert found.coverage == pytest.approx(48 / 50)  # without the two blurred rows


@pytest.mark.parametrize("unknown", [0.0, np.nan, np.inf, -1.0, 50.0])
def test_no_depth_is_no_position(unknown: float) -> None:
    mask = np.ones((5, 6), bool)
    found = locate(
        mask, np.full((5, 6), unknown, np.float32), (0, 0), CAMERA, DepthSettings()
    )
    assert found.points.shape == (0, 3)
    assert found.position == found.size == (0.0, 0.0, 0.0)
    assert found.coverage == 0.0


def test_no_pixels_is_no_position() -> None:
    empty = np.zeros((0, 0))
    assert locate(empty > 0, empty, (0, 0), CAMERA, DepthSettings()).coverage == 0.0


def test_an_object_as_thin_as_a_wire_is_used_whole() -> None:
    mask = np.zeros((9, 9), bool)
    mask[4] = True
    depth = np.full((9, 9), 1.25, np.float32)
    assert not inner(mask, 1).any()
    assert len(locate(mask, depth, (0, 0), CAMERA, DepthSettings()).points) == 9


def test_messages_meet_by_exact_stamp_whatever_their_order() -> None:
    matcher = ExactMatcher(("depth", "mask"), 3)
    assert matcher.put("depth", (1, 0), "d1") is None
    assert matcher.put("depth", (1, 1), "d2") is None
    assert matcher.missing() == ["mask"]
    assert matcher.put("mask", (1, 1), "m2") == {"depth": "d2", "mask": "m2"}
    assert matcher.put("mask", (1, 0), "m1") == {"depth": "d1", "mask": "m1"}
    assert matcher.put("mask", (1, 2), "m3") is None  # a nanosecond off is another image


def test_what_waits_is_bounded_and_the_oldest_goes() -> None:
    matcher = ExactMatcher(("depth", "mask"), 3)
    for second in range(5):
        matcher.put("depth", (second, 0), second)
    assert matcher.given_up == 2
    assert matcher.put("mask", (1, 0), "late") is None
    assert matcher.put("mask", (4, 0), "in time") == {"depth": 4, "mask": "in time"}
