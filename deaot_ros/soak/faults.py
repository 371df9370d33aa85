"""The faults that a soak draws from. Each alters images or does something else for some seconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

from deaot_ros.soak.rig import label_image
from deaot_ros.srv import RemoveObject, SetTargets

if TYPE_CHECKING:
    from deaot_ros.soak.session import Session

SECOND = 10**9


def _nothing(_: Session) -> None:
    pass


def _show(session: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    session.rig.show(image, truth, stamp)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to make life hard.

    Attributes:
        name: for the report.
        seconds: it lasts.
        begin, end: done once.
        show: instead of publishing the next image as it is.
        forgets: the tracker may forget its objects, or nothing could be seen for so long that the
            network may not find them again; they are marked again afterwards.
    """

    name: str
    seconds: float = 1.5
    begin: Callable[[Session], None] = _nothing
    show: Callable[[Session, np.ndarray, np.ndarray, int], None] = _show
    end: Callable[[Session], None] = _nothing
    forgets: bool = False


def _larger(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    height, width = truth.shape
    size = (3 * width, 3 * height)
    s.rig.show(
        cv2.resize(image, size), cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST), stamp
    )


def _haste(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    for later in range(4):
        s.rig.show(image, truth, stamp + later * 1000)


def _plain(value: int) -> Callable[[Session, np.ndarray, np.ndarray, int], None]:
    return lambda s, image, truth, stamp: s.rig.show(np.full_like(image, value), truth, stamp)


def _noise(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    s.rig.show(s.noise.integers(0, 256, image.shape, np.uint8), truth, stamp)


def _frozen(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    s.rig.show(image, truth, s.scratch.setdefault("stamp", stamp))


def _overtaking(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    s.scratch["odd"] = not s.scratch.get("odd", 0)
    s.rig.show(image, truth, stamp - (70_000_000 if s.scratch["odd"] else 0))


def _bad_masks(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    s.rig.show(image, truth, stamp)
    many = np.arange(truth.size, dtype=np.uint16).reshape(truth.shape) % 250
    old = label_image(truth, stamp - 3600 * SECOND)
    masks = (
        label_image(truth[:-1], stamp), label_image(image, stamp, "rgb8"),
        label_image(0 * truth, stamp), label_image(many, stamp, "16UC1"), old,
        label_image(np.uint8(255) * (truth > 0), stamp),
    )  # fmt: skip
    s.rig.operator.publish(masks[int(s.noise.integers(len(masks)))])


def _flood_of_masks(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    s.rig.show(image, truth, stamp)
    for _ in range(30):
        s.rig.operator.publish(label_image(truth, stamp))


def _late_mask(s: Session) -> None:
    stamps = list(s.rig.shown)
    stamp = stamps[max(-len(stamps), -int(s.rate))]
    s.rig.operator.publish(label_image(s.rig.shown[stamp].truth, stamp))


def _parameters(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    s.rig.show(image, truth, stamp)
    values = {"min_area": int(s.noise.integers(5, 40)), "overlay_alpha": float(s.noise.random())}
    messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    s.ask(SetParameters, "tracker/set_parameters", parameters=messages)


def _transition(wanted: int) -> Callable[[Session], None]:
    change = Transition(id=wanted)
    return lambda s: s.ask(ChangeState, "tracker/change_state", transition=change)


def _watchers_come(s: Session) -> None:
    make = s.rig.node.create_subscription
    s.scratch["watchers"] = [
        make(Image, topic, lambda _: None, 1) for topic in ("mask", "overlay") for _ in range(5)
    ]


def _watchers_go(s: Session) -> None:
    for watcher in s.scratch.pop("watchers"):
        s.rig.node.destroy_subscription(watcher)


def _second_camera(s: Session) -> None:
    s.scratch["camera"] = s.rig.node.create_publisher(Image, "image", 5)


def _two_cameras(s: Session, image: np.ndarray, truth: np.ndarray, stamp: int) -> None:
    s.rig.show(image, truth, stamp)
    other = label_image(0 * image, stamp + 1, "rgb8")
    s.rig.watch.sent(other.header, truth.shape)
    s.scratch["camera"].publish(other)


def _second_camera_goes(s: Session) -> None:
    s.rig.node.destroy_publisher(s.scratch.pop("camera"))


def _remove(s: Session) -> None:
    s.ask(RemoveObject, "tracker/remove_object", id=2)


def _add(s: Session) -> None:
    stamp, shown = next(reversed(s.rig.shown.items()))
    only = np.where(shown.truth == 2, shown.truth, 0)
    add = {"mask": label_image(only, stamp), "mode": SetTargets.Request.ADD}
    s.ask(SetTargets, "tracker/set_targets", **add)


def _send(number: signal.Signals) -> Callable[[Session], None]:
    return lambda s: os.kill(s.pid, number)


def _enable(on: bool) -> Callable[[Session], None]:
    return lambda s: s.ask(SetBool, "tracker/enable", data=on)


def _go_back(s: Session) -> None:
    s.offset -= 100 * SECOND


def all_faults() -> Sequence[Fault]:
    """Every fault, in a fixed order."""
    wait = {"show": lambda *_: None}
    return (
        Fault("camera stops", **wait),
        Fault("camera runs four times as fast", show=_haste),
        Fault("resolution jumps", show=_larger),
        Fault("encoding jumps", show=lambda s, i, t, n: s.rig.show(i[..., ::-1], t, n, "bgr8")),
        Fault("images are cut short", show=lambda s, i, t, n: s.rig.show(i, t, n, cut=99)),
        Fault("unknown encoding", show=lambda s, i, t, n: s.rig.show(i, t, n, "64FC9")),
        Fault("black images", show=_plain(0), forgets=True),
        Fault("saturated images", show=_plain(255), forgets=True),
        Fault("noise", show=_noise, forgets=True),
        Fault("no stamps", show=lambda s, i, t, n: s.rig.show(i, t, 0)),
        Fault("frozen stamps", show=_frozen),
        Fault("images overtake each other", show=_overtaking),
        Fault("masks that are refused", show=_bad_masks),
        Fault("flood of masks", show=_flood_of_masks),
        Fault("late mask", begin=_late_mask),
        Fault("parameters change at frame rate", show=_parameters),
        Fault("pause and resume", begin=_enable(False), end=_enable(True)),
        Fault("ten watchers come and go", begin=_watchers_come, end=_watchers_go),
        Fault(
            "two cameras on one topic", 1.5, _second_camera, _two_cameras, _second_camera_goes,
            forgets=True,
        ),
        Fault("remove and add an object", begin=_remove, end=_add),
        Fault("process stopped", 0.8, _send(signal.SIGSTOP), end=_send(signal.SIGCONT)),
        Fault(
            "camera restarts", 2.0, lambda s: s.rig.disconnect_camera(),
            end=lambda s: s.rig.connect_camera(), **wait,
        ),
        Fault(
            "deactivate and activate",
            begin=_transition(Transition.TRANSITION_DEACTIVATE),
            end=_transition(Transition.TRANSITION_ACTIVATE),
        ),
        Fault("reset", begin=lambda s: s.ask(Trigger, "tracker/reset"), forgets=True),
        Fault("time goes back", begin=_go_back, forgets=True),
    )  # fmt: skip
