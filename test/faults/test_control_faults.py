"""What lifecycle managers, operators' services and signals do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from bench import IDS, RECOVERY_FRAMES, Bench
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from deaot_ros.msg import TrackedObject, TrackerStatus
from deaot_ros.shared_segments import left_over
from deaot_ros.soak.resources import usage
from deaot_ros.srv import RemoveObject, SetTargets

SECOND = 10**9
CYCLES = 200

fault = partial(pytest.mark.fault, "control")


def change(bench: Bench, transition: int, label: str = "") -> bool:
    wanted = Transition(id=transition, label=label)
    answer = bench.robot.call(ChangeState, "tracker/change_state", transition=wanted)
    return bool(answer.success)


@contextmanager
def quick_change(bench: Bench) -> Iterator[Callable[[int], None]]:
    """Makes transitions that succeed, without looking for the service each time."""
    client = bench.robot.node.create_client(ChangeState, "tracker/change_state")
    bench.robot.spin_until(client.service_is_ready, "service")

    def change_now(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        future = client.call_async(request)
        bench.robot.spin_until(future.done, "transition")
        assert future.result().success

    yield change_now
    bench.robot.node.destroy_client(client)


def state(bench: Bench) -> str:
    return str(bench.robot.call(GetState, "tracker/get_state").current_state.label)


def set_parameters(bench: Bench, **values: object) -> list[str]:
    """Reasons of refusals."""
    messages = [Parameter(n, value=v).to_parameter_msg() for n, v in values.items()]
    answer = bench.robot.call(SetParameters, "tracker/set_parameters", parameters=messages)
    return [r.reason for r in answer.results if not r.successful]


@fault("services while inactive", "every service between deactivate and activate",
       "answered; objects stay")  # fmt: skip
def test_services_while_inactive(bench: Bench) -> None:
    assert change(bench, Transition.TRANSITION_DEACTIVATE)
    bench.status("not active", TrackerStatus.NO_IMAGE)
    call = bench.robot.call
    truth = next(reversed(bench.truth.values()))
    stamp = next(reversed(bench.truth))
    mask = {"mask": bench.mask(stamp, truth), "mode": SetTargets.Request.CORRECT}
    assert call(SetTargets, "tracker/set_targets", **mask).success
    assert not call(RemoveObject, "tracker/remove_object", id=99).success
    for on in (False, True):
        assert call(SetBool, "tracker/enable", data=on).success
    assert not call(Trigger, "tracker/build_engine").success
    assert change(bench, Transition.TRANSITION_ACTIVATE)
    bench.robot.spin_until(bench.robot.camera.get_subscription_count, "subscription")
    bench.robot.listen(0.3)
    bench.recover()


@fault("transitions that cannot be", "activate twice, cleanup while active, unknown ids",
       "refused; tracking goes on")  # fmt: skip
def test_impossible_transitions(bench: Bench) -> None:
    for transition in (
        Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_CLEANUP, 77,
    ):  # fmt: skip
        assert not change(bench, transition), transition
        assert state(bench) == "active"
    assert not change(bench, 0, label="banana")
    assert state(bench) == "active"
    bench.recover()


@fault("reset during catching up", "a reset while a late mask catches up", "new session, in order")
def test_reset_during_catch_up(bench: Bench) -> None:
    stamp = bench.follow()
    bench.film(1.0, 20, bench.show)
    bench.robot.operator.publish(bench.mask(stamp))
    assert bench.robot.call(Trigger, "tracker/reset").success
    bench.robot.status_where(lambda s: not s.object_ids, "no objects")
    bench.forgotten()


@fault("deactivated during catching up", "deactivate while a late mask catches up, then activate",
       "stops at once; nothing of the past is published; no track is lost")  # fmt: skip
def test_deactivated_during_catch_up(bench: Bench) -> None:
    with quick_change(bench) as change_now:
        stamp = bench.backlog()
        bench.robot.operator.publish(bench.mask(stamp))
        bench.robot.listen(0.1)
        change_now(Transition.TRANSITION_DEACTIVATE)
        change_now(Transition.TRANSITION_ACTIVATE)
    bench.robot.spin_until(bench.robot.camera.get_subscription_count, "subscription")
    bench.robot.listen(0.3)
    bench.recover()


@fault("remove while out of sight", "object 1 is removed while the picture is black",
       "REMOVED once; object 2 stays")  # fmt: skip
def test_remove_while_occluded(bench: Bench) -> None:
    for _ in range(2):
        stamp = bench.show(np.zeros_like)
        bench.answer(stamp)
    assert bench.states(stamp)[1] == TrackedObject.OCCLUDED
    assert bench.robot.call(RemoveObject, "tracker/remove_object", id=1).success
    assert bench.states(bench.follow())[1] == TrackedObject.REMOVED
    for _ in range(RECOVERY_FRAMES):  # it has to be seen for a while, however fast images come
        stamp = bench.follow()
        states = bench.states(stamp)
        assert list(states) == [2]
        if states[2] == TrackedObject.TRACKED:
            break
    assert states[2] == TrackedObject.TRACKED, bench.describe(stamp)
    assert bench.newest().session == bench.session
    bench.observe("REMOVED once; object 2 TRACKED")


@fault("remove what is not there", "id 99", "refused with the ids that are")
def test_remove_unknown(bench: Bench) -> None:
    answer = bench.robot.call(RemoveObject, "tracker/remove_object", id=99)
    assert not answer.success
    assert "id 99 is not tracked, only [1, 2]" in answer.message
    bench.observe(answer.message)
    bench.recover()


@fault("parameters change at frame rate", "three thresholds with every one of 20 images",
       "in force within two images; no track is lost")  # fmt: skip
def test_parameters_at_frame_rate(bench: Bench) -> None:
    try:
        for number in range(20):
            low = number % 2
            assert not set_parameters(
                bench, min_area=10 + low, occluded_score=0.1 + 0.1 * low, overlay_alpha=0.1 * low
            )
            bench.follow()
        assert not set_parameters(bench, min_area=5000)  # pixels; the objects have fewer
        stamp = bench.follow(2)  # in a flood of requests an image may come between
        assert TrackedObject.TRACKED not in bench.states(stamp).values()
    finally:
        assert not set_parameters(bench, min_area=25, occluded_score=0.2)
    bench.recover()


WRONG = {
    "nan": ("lost_timeout", float("nan"), "lost_timeout is nan; expected"),
    "infinite": ("max_rate", float("inf"), "max_rate is inf; expected 0 to 1000"),
    "negative": ("min_area", -1, "min_area is -1; expected"),
    "type": ("mask_mode", 7, "mask_mode is 7; expected text"),
    "fixed": ("weights", "/other.safetensors", "weights is fixed while the node is configured"),
    "labels": ("object_labels", ["²:cup"], "expected ID:NAME"),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=fault(
            f"wrong parameter: {case}", f"`{name}` = {value!r}",
            "refused with name, value and rule",
        ))
        for case, (name, value, _) in WRONG.items()
    ],
)  # fmt: skip
def test_wrong_parameter(bench: Bench, case: str) -> None:
    name, value, words = WRONG[case]
    (reason,) = set_parameters(bench, **{name: value})
    assert words in reason or "range" in reason.lower(), reason
    assert name in reason
    bench.observe(reason.split("\n")[0][:90])
    bench.recover()


@fault("flood of service calls", "60 masks by `set_targets` at once",
       "those that its queue holds are answered; refused while five wait")  # fmt: skip
def test_flood_of_services(bench: Bench) -> None:
    stamp = bench.follow()
    client = bench.robot.node.create_client(SetTargets, "tracker/set_targets")
    bench.robot.spin_until(client.service_is_ready, "service")
    request = SetTargets.Request(mask=bench.mask(stamp), mode=SetTargets.Request.CORRECT)
    answers = []
    for _ in range(60):
        answers.append(client.call_async(request))
        bench.robot.listen(0.001)
    bench.robot.spin_until(lambda: sum(a.done() for a in answers) >= 10, "answers")
    bench.robot.listen(0.5)
    done = [a.result() for a in answers if a.done()]
    bench.robot.node.destroy_client(client)
    assert any(r.success for r in done)
    assert all(r.success or "wait already" in r.message for r in done)
    bench.observe(f"{sum(not r.success for r in done)} of {len(done)} refused")
    bench.recover()


@fault("reset behind a flood", "60 masks by `set_targets` at once, and `reset` behind them",
       "the reset is done, never refused; a new session")  # fmt: skip
def test_reset_behind_a_flood(bench: Bench) -> None:
    stamp = bench.follow()
    masks = bench.robot.node.create_client(SetTargets, "tracker/set_targets")
    resets = bench.robot.node.create_client(Trigger, "tracker/reset")
    for client in (masks, resets):
        bench.robot.spin_until(client.service_is_ready, "service")
    request = SetTargets.Request(mask=bench.mask(stamp), mode=SetTargets.Request.CORRECT)
    answers = []
    for number in range(60):
        answers.append(masks.call_async(request))
        if number % 20 == 19:
            answers.append(resets.call_async(Trigger.Request()))
        bench.robot.listen(0.001)
    bench.robot.spin_until(lambda: answers[20].done() and answers[62].done(), "answers")
    for reset in answers[20::21]:
        assert reset.done() and reset.result().success, reset.result()
    for client in (masks, resets):
        bench.robot.node.destroy_client(client)
    bench.follow()
    assert bench.newest().session > bench.session
    bench.start_anew()
    bench.observe("done each time")


@fault("pause and resume", "`enable` false and true, twice each, images go on",
       "PAUSED; nothing is published; no track is lost")  # fmt: skip
def test_pause(bench: Bench) -> None:
    for on in (False, False):
        assert bench.robot.call(SetBool, "tracker/enable", data=on).success
    outputs = bench.watch.outputs
    unseen = [bench.show() for _ in range(5)]
    bench.status("", TrackerStatus.PAUSED)
    assert bench.watch.outputs == outputs and not set(unseen) & bench.robot.masks.keys()
    for on in (True, True):
        assert bench.robot.call(SetBool, "tracker/enable", data=on).success
    bench.recover()


@fault("activate and deactivate", f"{CYCLES} times while images come",
       "no file or thread is left over, memory hardly grows; objects stay")  # fmt: skip
def test_activate_and_deactivate(bench: Bench) -> None:
    def cycles(count: int, change_now: Callable[[int], None]) -> None:
        for number in range(count):
            change_now(Transition.TRANSITION_DEACTIVATE)
            change_now(Transition.TRANSITION_ACTIVATE)
            if number % 5 == 0:
                bench.show_again()  # most of these are missed; objects cannot move meanwhile

    with quick_change(bench) as change_now:
        cycles(20, change_now)
        before = usage(bench.process.pid)
        cycles(CYCLES - 20, change_now)
        after = usage(bench.process.pid)
    assert after.files <= before.files + 1
    assert after.threads <= before.threads + 1
    assert after.host - before.host < 25.0, (before, after)  # a frame's tensors would be more
    bench.observe(f"{after.host - before.host:+.1f} MB, {after.files - before.files:+d} files")
    bench.robot.spin_until(bench.robot.camera.get_subscription_count, "subscription")
    bench.robot.listen(0.3)
    bench.recover()


@fault("configure and cleanup", "12 times, weights and all", "memory is freed; works afterwards")
def test_configure_and_cleanup(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.robot.meet()
    held: list[float] = []
    for _ in range(12):
        assert change(bench, Transition.TRANSITION_DEACTIVATE)
        assert change(bench, Transition.TRANSITION_CLEANUP)
        assert change(bench, Transition.TRANSITION_CONFIGURE)
        assert change(bench, Transition.TRANSITION_ACTIVATE)
        held.append(usage(bench.process.pid).host)
    assert held[-1] - held[3] < 40.0, held  # weights alone are 30 MB each time
    bench.observe(f"{held[-1] - held[3]:+.1f} MB in eight rounds")
    bench.robot.statuses.clear()
    bench.robot.meet()
    bench.mark()
    bench.check()


@pytest.fixture
def under_load(make_bench: Callable[..., Bench]) -> Iterator[Bench]:
    """A node that tracks, with more images and a late mask on their way."""
    bench = make_bench(frame_history=200)
    bench.robot.meet()
    bench.mark()
    stamp = bench.follow()
    for _ in range(60):
        bench.show()
        bench.robot.listen(0.005)
    bench.robot.operator.publish(bench.mask(stamp))
    bench.robot.listen(0.3)
    yield bench


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=fault(
            f"{number.name} under load", "while a late mask catches up through 60 images",
            "ends by itself within seconds, exit status 0, no traceback",
        ), id=number.name)
        for number in (signal.SIGINT, signal.SIGTERM)
    ],
)  # fmt: skip
def test_signal(under_load: Bench, number: signal.Signals) -> None:
    began = time.monotonic()
    assert under_load.process.stop(number) == 0
    taken = time.monotonic() - began
    assert taken < 10.0, taken
    under_load.observe(f"exit status 0 after {taken:.1f} s")
    assert "Traceback" not in under_load.process.output, under_load.process.output[-2000:]


@fault("killed and started again", "SIGKILL in mid-frame, respawn, an operator who joins late",
       "removes the shared memory that it left; operator and camera find it; a new session")
def test_killed_and_restarted(make_bench: Callable[..., Bench]) -> None:  # fmt: skip
    bench = make_bench()
    robot = bench.robot
    robot.meet()
    bench.mark()
    for _ in range(5):
        bench.show()
    own = mapped_segments(bench.process.pid)
    bench.process.kill()
    for segment in own:  # younger ones may belong to somebody who is just starting
        os.utime(f"{segment}_el", (0, 0))
    left = own & set(left_over())
    assert left
    bench.process.__enter__()
    robot.status_where(lambda s: s.frames_received == 0, "status of the new process")
    assert not any(segment.exists() for segment in left)
    assert "MiB of shared memory that killed processes left" in bench.process.output
    robot.spin_until(lambda: robot.camera.get_subscription_count() >= 1, "camera")
    deadline = time.monotonic() + 60
    while True:  # the dead subscriber is still in the graph: ask the living one
        stamp = bench.show()
        robot.listen(0.5)
        if stamp in robot.masks:
            break
        assert time.monotonic() < deadline, bench.process.output
    assert not bench.states(stamp)
    bench.watch.__init__()  # type: ignore[misc]  # sessions count from 1 again
    bench.mark()
    assert list(robot.status_where(lambda s: s.object_ids, "objects").object_ids) == IDS
    bench.check()
    bench.observe("tracked again after a mask")


def mapped_segments(pid: int) -> set[Path]:
    """Segments of Fast DDS that a process has in its memory, its own and those that it reads."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    files = {Path(line.split(maxsplit=5)[5]) for line in lines if "/dev/shm/fastdds_" in line}
    return {file for file in files if file.with_name(f"{file.name}_el").is_file()}


@fault("finalized", "shutdown transition, then configure", "no crash; the state says so")
def test_finalized(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.robot.meet()
    assert change(bench, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state(bench) == "finalized"
    assert not change(bench, Transition.TRANSITION_CONFIGURE)
    bench.robot.listen(0.3)
    assert bench.process.running
    assert bench.process.stop() == 0
    assert "Traceback" not in bench.process.output, bench.process.output[-2000:]
    bench.observe("finalized; SIGINT ends it with 0")
