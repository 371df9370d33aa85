"""A node that is shared by many faults, and a note of what was observed of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

from bench import NODE, Bench, next_domain
from robot import Robot, TrackerProcess

from deaot_ros.demo.environment import enter_private_ros

enter_private_ros()

OBSERVED = pytest.StashKey[dict[str, str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A fault is tried again before it counts: which picture of the scene it meets depends on the
    time that tests before it took, and the network does not find every object in every picture
    again. The report says which ones were."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.flaky(reruns=2))


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


# Not the whole session: a node that goes on running answers the images of other tests.
@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Iterator[Bench]:
    log = tmp_path_factory.mktemp("faults") / "tracker.log"
    with TrackerProcess(log, **NODE) as process:
        robot = Robot()
        try:
            robot.meet()
            yield Bench(process, robot, seed)
        finally:
            robot.close()
        assert process.running, process.output
        assert process.stop() == 0
        assert "Traceback" not in process.output, process.output


@pytest.fixture
def bench(shared: Bench, observe: Callable[[str], None]) -> Iterator[Bench]:
    """The shared node with both objects tracked; afterwards it lives, and broke no rule."""
    shared.observe = observe
    shared.make_ready()
    yield shared
    shared.check()


@pytest.fixture
def make_bench(
    tmp_path: Path, seed: int, observe: Callable[[str], None]
) -> Iterator[Callable[..., Bench]]:
    """Starts a node for this fault alone."""
    ends: list[Callable[[], object]] = []

    def make(process: TrackerProcess | None = None, **parameters: object) -> Bench:
        if process is None:
            log = tmp_path / f"tracker{len(ends)}.log"
            process = TrackerProcess(log, **{**NODE, **parameters})
        domain = next_domain()
        process.environment["ROS_DOMAIN_ID"] = str(domain)
        process.__enter__()
        ends.append(process.kill)
        robot = Robot(domain=domain)
        ends.append(robot.close)
        bench = Bench(process, robot, seed)
        bench.observe = observe
        return bench

    yield make
    while ends:
        ends.pop()()
