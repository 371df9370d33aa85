"""What clocks of cameras and bags do."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from bench import Bench
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter

from deaot_ros.msg import TrackedObject

SECOND = 10**9

fault = partial(pytest.mark.fault, "camera")


def set_parameter(bench: Bench, name: str, value: object) -> None:
    parameters = [Parameter(name, value=value).to_parameter_msg()]
    answer = bench.robot.call(
        SetParametersAtomically, "tracker/set_parameters_atomically", parameters=parameters
    )
    assert answer.result.successful, answer.result.reason


@fault("stamps stand still", "20 images with one stamp",
       "time of arrival stands in; told once; objects go on moving, hiding and returning")
def test_frozen_stamps(bench: Bench) -> None:  # fmt: skip
    stamp = bench.follow()
    memory = bench.robot.status_where(bool, "status").memory_bytes
    for number in range(20):
        hide = 8 <= number < 11
        bench.robot.masks.pop(stamp, None)
        bench.robot.objects.pop(stamp, None)
        bench.show(np.zeros_like if hide else None, stamp=stamp)
        bench.answer(stamp)
        if hide:
            assert TrackedObject.TRACKED not in bench.states(stamp).values()
        if number in (7, 19):
            assert bench.states(stamp)[2] == TrackedObject.TRACKED, bench.describe(stamp)
    bench.said("have the same stamp")
    bench.diagnosed("input", "have the same stamp")
    status = bench.status("have the same stamp")
    assert status.memory_bytes < 3 * memory  # not twenty entries of short-term memory
    stamp = bench.follow()
    assert bench.newest().session == bench.session


@fault("images without a stamp", "ten images with stamp 0", "time of arrival; told once")
def test_no_stamps(bench: Bench) -> None:
    for _ in range(10):
        bench.robot.masks.pop(0, None)
        bench.robot.objects.pop(0, None)
        bench.show(stamp=0)
        bench.answer(0)
    bench.said("have no stamp; taking the time of arrival")
    bench.recover()


@fault("one image of a recording has no stamp", "stamps of 1970, one of them 0",
       "no jump to today and back; no track is lost")  # fmt: skip
def test_one_image_without_a_stamp(bench: Bench) -> None:
    bench.go_to(1000 * SECOND)
    bench.forgotten()
    bench.robot.masks.pop(0, None)
    bench.robot.objects.pop(0, None)
    bench.show(stamp=0)
    bench.answer(0)
    bench.recover()
    bench.offset = 0
    bench.recover()


@fault("images overtake each other", "every other image is stamped 70 ms back",
       "within a session's tolerance; no track is lost")  # fmt: skip
def test_overtaking(bench: Bench) -> None:
    for number in range(8):
        bench.answer(bench.show(stamp=bench.now() - 70_000_000 * (number % 2)))
    bench.recover()


@fault("stamps run backwards", "ten images, each half a second before the last",
       "each is a new session; told, throttled")  # fmt: skip
def test_backward_stamps(bench: Bench) -> None:
    bench.let_speak()
    start = bench.follow()
    for number in range(1, 11):
        bench.answer(bench.show(stamp=start - number * SECOND // 2))
    bench.said("stamps went back to")
    assert bench.newest().session == bench.session + 10
    bench.forgotten()


@fault("a bag loops", "stamps go back by 30 s", "a new session, told with the remedy")
def test_bag_loop(bench: Bench) -> None:
    bench.let_speak()
    bench.go_to(bench.now() - 30 * SECOND)
    bench.forgotten()
    bench.said("stamps went back to .*forgot 2 objects.*continue would keep them")
    bench.offset = 0


@fault("a bag loops while a late mask is caught up", "a mask 1.4 s late, then 30 s back",
       "a new session with the first image of the new round; no session goes back in time")
def test_bag_loop_during_catch_up(bench: Bench) -> None:  # fmt: skip
    stamp = bench.backlog()
    bench.robot.operator.publish(bench.mask(stamp))
    bench.robot.listen(0.15)
    bench.go_to(bench.now() - 30 * SECOND)
    bench.film(0.5, 40, bench.show)
    bench.answer(bench.show())
    bench.forgotten()
    bench.offset = 0


@fault("a bag loops, objects are to be kept", "the same with `time_jump_policy: continue`",
       "told; no track is lost")  # fmt: skip
def test_bag_loop_continue(bench: Bench) -> None:
    set_parameter(bench, "time_jump_policy", "continue")
    try:
        bench.go_to(bench.now() - 30 * SECOND)
        stamp = bench.follow()
        assert bench.tracks_well(stamp), bench.describe(stamp)
        assert bench.robot.objects[stamp].session == bench.session
        bench.said("stamps went back to .*: tracking goes on")
        bench.offset = 0
        bench.follow()
        bench.watch.violations.clear()  # outputs go back in time with the bag, as asked for
        bench.recover()
    finally:
        set_parameter(bench, "time_jump_policy", "reset")


@fault("an image from tomorrow", "one stamp a day ahead, then back", "a new session, told")
def test_stamp_from_tomorrow(bench: Bench) -> None:
    bench.let_speak()
    bench.answer(bench.show(stamp=bench.now() + 86400 * SECOND))
    bench.forgotten()
    bench.said("stamps went back to")


@fault("the last stamp there is", "2147483647.999999999 s, then back", "no overflow; a new session")
def test_last_stamp(bench: Bench) -> None:
    end = (2**31 - 1) * SECOND + SECOND - 1
    bench.answer(bench.show(stamp=end - 1000))
    bench.answer(bench.show(stamp=end))
    bench.forgotten()


@fault("two publishers with different clocks", "stamps of today and of 1970 by turns",
       "told, throttled; the process lives")  # fmt: skip
def test_two_clocks(bench: Bench) -> None:
    bench.let_speak()
    for number in range(12):
        early = 10**12 + number * SECOND // 10
        bench.answer(bench.show(stamp=early if number % 2 else None))
    bench.said("stamps went back to")
    bench.forgotten()
