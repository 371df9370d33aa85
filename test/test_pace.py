"""The demo's choice of network size and camera rate."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deaot_ros.demo.pace import LONG_SIDES, choose_pace


def machine(milliseconds: float) -> Callable[[int], float]:
    """Seconds per frame on a machine that takes so long at 257 px; the time goes with the area."""
    return lambda side: milliseconds / 1000 * (side / 257) ** 2


@pytest.mark.parametrize(
    ("milliseconds", "side", "rate"),
    [
        (1, 641, 30),  # all that the camera has
        (20, 513, 6.27),  # 641 px would fall below 5 Hz
        (90, 257, 5.56),  # 321 px would, too
        (200, 257, 2.5),  # already the smallest does: nothing else is tried
        (5000, 257, 2),  # too slow for anything: frames will be dropped
    ],
)
def test_largest_network_that_keeps_up(milliseconds: float, side: int, rate: float) -> None:
    pace, step = choose_pace(machine(milliseconds), LONG_SIDES, 640, least=5, enough=30)
    assert pace.long_side == side
    assert pace.rate == pytest.approx(rate, rel=0.02)
    assert step == machine(milliseconds)(side)


def test_no_larger_than_the_image() -> None:
    pace, _ = choose_pace(machine(1), LONG_SIDES, 320, least=5, enough=30)
    assert pace.long_side == 321


def test_no_faster_than_asked() -> None:
    pace, _ = choose_pace(machine(1), LONG_SIDES, 640, least=5, enough=10)
    assert pace.rate == 10
