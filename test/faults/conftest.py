"""A node that is shared by many faults, and a note of what was observed of each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

from bench import Bench, running
from robot import TrackerProcess

from deaot_ros.demo.environment import enter_private_ros

enter_private_ros()

OBSERVED = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fault-seed"))


@pytest.fixture
def observe(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note what was seen; the table in docs/faults.md is made of these notes."""
    notes = request.config.stash.setdefault(OBSERVED, {})
    name = f"{request.path.name}::{request.node.name}"

    def note(text: str) -> None:
        known = notes[name].split("; ") if name in notes else []
        notes[name] = "; ".join(dict.fromkeys([*known, text]))

    return note


def pytest_sessionfinish(session: pytest.Session) -> None:
    file = session.config.getoption("--fault-record")
    if file:
        Path(file).write_text(json.dumps(session.config.stash.get(OBSERVED, {}), indent=1))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Iterator[Bench]:
    """One node for most faults: what one of them spoils, the next ones find."""
    with running(tmp_path_factory.mktemp("faults") / "tracker.log", seed) as bench:
        bench.robot.meet()
        yield bench
        assert bench.process.running, bench.process.output[-3000:]
        assert bench.process.stop() == 0
        assert "Traceback" not in bench.process.output, bench.process.output[-3000:]


@pytest.fixture
def bench(shared: Bench, observe: Callable[[str], None]) -> Iterator[Bench]:
    """The shared node with both objects tracked; afterwards it lives, and broke no rule."""
    shared.begin()
    shared.observe = observe
    yield shared
    shared.check()


@pytest.fixture
def make_bench(
    tmp_path: Path, seed: int, observe: Callable[[str], None]
) -> Iterator[Callable[..., Bench]]:
    """Starts a node for this fault alone."""
    with ExitStack() as stack:

        def make(process: TrackerProcess | None = None, **parameters: object) -> Bench:
            log = tmp_path / f"tracker{next(numbers)}.log"
            bench = stack.enter_context(running(log, seed, process, **parameters))
            bench.observe = observe
            return bench

        numbers = itertools.count()
        yield make
