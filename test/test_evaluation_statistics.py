"""Mean, recall, decay, V and J_tr against loops written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from deaot_ros.evaluation.statistics import last_quarter, statistics, temporal_spread


def slow_decay(values: list[float]) -> float:
    """First quarter less last quarter; edges rounded half away from zero, shared by neighbours."""
    count = len(values)

    def edge(part: int) -> int:  # 1-based frame number
        return int(1 + (count - 1) * part / 4 + 0.5 + 1e-10)

    first = [values[i - 1] for i in range(edge(0), edge(1) + 1)]
    last = [values[i - 1] for i in range(edge(3), edge(4) + 1)]
    return sum(first) / len(first) - sum(last) / len(last)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 17, 70, 255, 256, 257, 300, 1000, 4001])
def test_statistics(count: int) -> None:
    values = np.random.default_rng(count).random(count)
    found = statistics(values)
    assert found.mean == pytest.approx(sum(values) / count, abs=1e-9)
    assert found.recall == pytest.approx(sum(v > 0.5 for v in values) / count, abs=1e-9)
    assert found.decay == pytest.approx(slow_decay(values.tolist()), abs=1e-9)


def test_decay_sees_the_end_of_long_videos() -> None:
    """A byte would wrap frame 999 to 231, where all is still well."""
    values = np.ones(1000)
    values[750:] = 0
    assert statistics(values).decay == pytest.approx(1, abs=0.01)


def test_exactly_half_is_no_recall() -> None:
    assert statistics(np.array([0.5, 0.5, 0.6, 0.4])).recall == 0.25


def test_spread_and_last_quarter() -> None:
    j, f = np.array([1.0, 0.0, 0.5, 0.5]), np.array([1.0, 0.0, 0.5, 0.7])
    middle = [(a + b) / 2 for a, b in zip(j, f)]
    mean = sum(middle) / 4
    expected = (sum((m - mean) ** 2 for m in middle) / 4) ** 0.5
    assert temporal_spread(j, f) == pytest.approx(expected, abs=1e-9)
    assert last_quarter(np.arange(8.0)) == 6.5  # frames 6 and 7
    assert last_quarter(np.arange(9.0)) == 7  # floor(6.75): 6, 7, 8
    assert last_quarter(np.array([0.3])) == 0.3


def test_nothing_to_score() -> None:
    with pytest.raises(ValueError, match="one score per frame"):
        statistics(np.zeros(0))
