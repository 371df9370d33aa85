"""What the network and its device do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from bench import IDS, NODE, Bench, running
from robot import TrackerProcess
from std_srvs.srv import Trigger

from deaot_ros.demo.environment import child_environment
from deaot_ros.msg import TrackerStatus

SECOND = 10**9

fault = partial(pytest.mark.fault, "system")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Iterator[Bench]:
    """A node whose network fails on request."""
    folder = tmp_path_factory.mktemp("failing")
    process = TrackerProcess(folder / "log", **NODE)
    process.module = "faulty_node"
    here = str(Path(__file__).parent)
    process.environment |= {
        "DEAOT_FAULT": str(folder / "fault"),
        "PYTHONPATH": os.pathsep.join([here, child_environment()["PYTHONPATH"]]),
    }
    with running(folder / "log", seed, process) as bench:
        bench.robot.meet()
        yield bench


@pytest.fixture
def faulty(failing: Bench, observe: Callable[[str], None]) -> Iterator[Bench]:
    """The same, with both objects tracked."""
    trigger(failing, "")
    failing.begin()
    failing.observe = observe
    yield failing
    failing.watch.settle()
    assert failing.watch.violations == []


def trigger(faulty: Bench, name: str) -> None:
    (faulty.process.log.parent / "fault").write_text(name)


NETWORK = {
    "nan": ("numbers", "NaN in activations", "values that are not finite"),
    "inf": ("numbers", "Inf in activations", "values that are not finite"),
    "nan-memory": ("numbers", "NaN in the memory of an image", "values that are not finite"),
    "oom": ("system", "out of memory on the device", "out of memory, this frame or mask is left"),
    "bug": (
        "system", "any exception in the network",
        r"a frame or mask failed \(IndexError: list index out of range\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.fault(
            group, name, "a wrapper of the network's call does it for five images",
            "left out; ERROR with the remedy; memory is not spoilt: tracked with the next image",
        ))
        for case, (group, name, _) in NETWORK.items()
    ],
)  # fmt: skip
def test_network_fails(faulty: Bench, case: str) -> None:
    _, _, words = NETWORK[case]
    trigger(faulty, case)
    for _ in range(5):
        stamp = faulty.show()
        faulty.status(words, TrackerStatus.ERROR)
        assert stamp not in faulty.robot.masks
        faulty.robot.statuses.clear()
    faulty.diagnosed("tracker", words)
    faulty.said(words)
    trigger(faulty, "")
    faulty.recover()


MASKS = {
    "nan-mask": ("numbers", "NaN in the memory of a mask", "not finite .* for this mask"),
    "oom": ("system", "out of memory for a mask", "out of memory, this frame or mask is left out"),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.fault(
            group, name, "a wrapper of the network's call does it while a mask adds an object",
            "the mask is left out, ERROR with the remedy; the others are tracked on",
        ))
        for case, (group, name, _) in MASKS.items()
    ],
)  # fmt: skip
def test_network_fails_for_a_mask(faulty: Bench, case: str) -> None:
    _, _, words = MASKS[case]
    stamp = faulty.follow()
    trigger(faulty, case)
    new = np.where(faulty.truth[stamp] == 0, np.uint8(7), np.uint8(0))
    faulty.robot.operator.publish(faulty.mask(stamp, new))
    faulty.status(words, TrackerStatus.ERROR)
    faulty.said(words)
    trigger(faulty, "")
    faulty.recover()
    assert list(faulty.states(next(reversed(faulty.robot.objects)))) == IDS


@fault("out of memory at the first mask", "the network's call fails while a session begins",
       "told; outputs go on without objects; the next mask is accepted")  # fmt: skip
def test_first_mask_out_of_memory(faulty: Bench) -> None:
    assert faulty.robot.call(Trigger, "tracker/reset").success
    stamp = faulty.follow()
    trigger(faulty, "oom")
    faulty.robot.operator.publish(faulty.mask(stamp))
    faulty.status("out of memory", TrackerStatus.ERROR)
    trigger(faulty, "")
    assert faulty.states(faulty.follow()) == {}
    faulty.mark()
    faulty.observe("accepted at the second try")


@fault("device lost in mid-frame", "the network's call raises CUDA's unspecified launch failure",
       "ends with 1 and the reason: no work of this process could go on")  # fmt: skip
def test_device_lost(faulty: Bench) -> None:
    before = len(faulty.process.output)
    trigger(faulty, "lost")
    faulty.show()
    faulty.status("the device is lost")
    assert faulty.process.wait() == 1
    last = faulty.process.output.strip().splitlines()[-1]
    assert "the device is lost" in last and "Start it again" in last, faulty.process.output
    assert "Traceback" not in faulty.process.output[before:]
    faulty.observe("exit status 1")
