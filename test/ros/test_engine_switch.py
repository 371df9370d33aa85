"""The node serves by torch while graphs are made in the background, then switches: over DDS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")
pytest.importorskip("onnx", reason="NOT CHECKED: the package onnx is not installed")
pytest.importorskip("onnxruntime", reason="NOT CHECKED: the package onnxruntime is not installed")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from robot import Robot, TrackerProcess, image_message
from std_srvs.srv import Trigger

from deaot_ros.memory import MemorySettings
from deaot_ros.msg import TrackerStatus
from deaot_ros.synthetic.demo import demo_clip
from deaot_ros.tracking import Tracker, TrackerSettings

SCENE = demo_clip(97, 129, seconds=1.0)
FRAMES, MASKS = zip(*(SCENE.render(t) for t in range(30)))
MASK = MASKS[0].astype("uint8")
TICK = 100_000_000
BEGIN = 10**18
MOST_FRAMES = 2000


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_tracks_go_on_while_graphs_are_made_and_after_the_switch(
    cache: Path, tmp_path: Path
) -> None:
    settings = {"backend": "onnxruntime", "memory__slots": 1, "engine_cache_dir": cache}
    with TrackerProcess(tmp_path / "log", **settings) as process:
        robot = Robot()
        try:
            robot.meet()
            robot.track(FRAMES[0], BEGIN)
            status = robot.mark(image_message(MASK, BEGIN, "mono8"))
            assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
            here = Tracker.load(
                device="cpu", backend="torch",
                settings=TrackerSettings(memory=MemorySettings(slots=1)),
            )  # fmt: skip
            session = status.session
            here.start(FRAMES[0], MASK, BEGIN / 1e9)
            after = 0  # frames since the switch
            seen: list[TrackerStatus] = [status]
            overlaps = []
            for number in range(1, MOST_FRAMES):
                stamp = BEGIN + number * TICK
                image = FRAMES[29 - abs(29 - number % 58)]  # forth and back
                found = robot.track(image, stamp)
                expected = here.step(image, stamp / 1e9).labels
                overlaps.append((found == expected).mean())
                assert robot.objects[stamp].session == session
                assert [o.id for o in robot.objects[stamp].objects] == [1, 2, 3]
                seen += robot.statuses
                robot.statuses[:] = robot.statuses[-1:]
                after += robot.status.backend == "onnxruntime"
                if after == 10:
                    break
            assert after == 10, process.output
            assert min(overlaps) >= 0.99, overlaps
            building = [s for s in seen if s.state == TrackerStatus.BUILDING_ENGINE]
            assert building and {s.backend for s in building} == {"torch"}
            assert any("torch runs meanwhile" in s.message for s in building)
            answer = robot.call(Trigger, "tracker/build_engine")
            assert (answer.success, answer.message) == (True, "onnxruntime runs already")
            assert "onnxruntime runs from now on, network input 97x129" in process.output
            assert "Traceback" not in process.output
        finally:
            robot.close()
    assert len(list((cache / "graphs").glob("*.onnx"))) == 4


def test_configure_does_not_wait_for_graphs(tmp_path: Path) -> None:
    """The network's size is fixed, so what is to be built is known at configure already."""
    cache = tmp_path / "cache"
    with TrackerProcess(
        tmp_path / "log", autostart=False, backend="onnxruntime", memory__slots=1,
        engine_cache_dir=cache, network_height=97, network_width=129,
    ) as process:  # fmt: skip
        robot = Robot()
        try:
            wanted = Transition(id=Transition.TRANSITION_CONFIGURE)
            robot.call(GetState, "tracker/get_state")  # importing torch is no part of it
            start, cpu = time.monotonic(), process.processor_time()
            assert robot.call(ChangeState, "tracker/change_state", transition=wanted).success
            spent, cpu = time.monotonic() - start, process.processor_time() - cpu
            graphs = cache / "graphs"
            made = len(list(graphs.glob("*.onnx")))
            assert made < 4, f"configure took {spent:.1f} s, in which all graphs were made"
            assert cpu < 2, "seconds; by the clock it is as long as what else runs lets it be"
            robot.spin_until(lambda: any(graphs.glob("*.onnx")), "graph, which was to be made")
            print(f"configure took {spent:.2f} s, {cpu:.2f} s of CPU time")
        finally:
            robot.close()
        assert "Traceback" not in process.output


def test_build_only_ends_when_everything_is_there(cache: Path, tmp_path: Path) -> None:
    """Without a camera, since the network's size is fixed; the graphs are there already or not."""
    with TrackerProcess(
        tmp_path / "log", backend="onnxruntime", memory__slots=1,
        engine_cache_dir=cache, network_height=97, network_width=129, build_only=True,
    ) as process:  # fmt: skip
        assert process.wait() == 0, process.output
        assert "onnxruntime runs from now on" in process.output
    assert len(list((cache / "graphs").glob("*.onnx"))) == 4


def test_build_only_without_anything_to_build_fails(tmp_path: Path) -> None:
    with TrackerProcess(tmp_path / "log", backend="torch", build_only=True) as process:
        assert process.wait() == 1
        assert "has nothing to build (asked for)" in process.output
