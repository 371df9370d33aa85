"""What must hold of every output of the node, whatever happens around it."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from deaot_ros.msg import TrackedObject, TrackedObjectArray

_KEPT = 3000
"""Images whose outputs may still come."""

_OVERTAKING = 0.1
"""Seconds that stamps may go back within a session."""

_STAMP_ROUNDING = 1e-3
"""Seconds; stamps go through a double on their way."""


class Watch:
    """Is told of every image that is sent, and looks at every output that comes.

    Attributes:
        violations: a line per rule that was broken.
        outputs: arrays of objects that were looked at.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.outputs = 0
        self._sent: OrderedDict[int, list[tuple[str, tuple[int, int]]]] = OrderedDict()
        self._areas: OrderedDict[int, dict[int, int]] = OrderedDict()
        self._session = -1
        self._stamp = -math.inf

    def sent(self, header: Header, size: tuple[int, int]) -> None:
        """An image of (height, width) ``size`` is on its way."""
        self._sent.setdefault(_key(header.stamp), []).append((header.frame_id, size))
        while len(self._sent) > _KEPT:
            self._sent.popitem(last=False)

    def on_mask(self, mask: Image) -> None:
        """Check a label map."""
        self._check_source("mask", mask.header, (mask.height, mask.width))
        dtype = {"mono8": np.uint8, "16UC1": np.uint16}.get(mask.encoding)
        if dtype is None:
            self._broken(f"mask has encoding {mask.encoding}")
            return
        labels = np.frombuffer(mask.data, dtype)
        row = mask.width * labels.itemsize
        if mask.step != row or labels.size != mask.height * mask.width:
            self._broken(f"mask of {mask.width}x{mask.height} has step {mask.step}")
            return
        ids, areas = np.unique(labels, return_counts=True)
        found = dict(zip(ids.tolist(), areas.tolist()))
        found.pop(0, None)
        self._areas[_key(mask.header.stamp)] = found
        while len(self._areas) > _KEPT:
            self._areas.popitem(last=False)

    def on_objects(self, array: TrackedObjectArray) -> None:
        """Check the objects of a frame; its label map has come before."""
        self.outputs += 1
        self._check_source("objects", array.header, (array.height, array.width))
        stamp = _seconds(array.header.stamp)
        if array.session < self._session:
            self._broken(f"session went back from {self._session} to {array.session}")
        if array.session != self._session:
            self._session, self._stamp = array.session, -math.inf
        if stamp > 0:
            if stamp < self._stamp - _OVERTAKING:
                back = self._stamp - stamp
                self._broken(f"outputs went back in time by {back:.3f} s in a session")
            self._stamp = stamp
        ids = [o.id for o in array.objects]
        if ids != sorted(set(ids)):
            self._broken(f"object ids {ids} are not ascending")
        areas = self._areas.get(_key(array.header.stamp))
        for o in array.objects:
            self._check_object(o, array, stamp)
            if areas is not None and areas.get(o.id, 0) != o.area:
                self._broken(f"object {o.id} has area {o.area}, {areas.get(o.id, 0)} in the mask")
        if areas is not None and not areas.keys() <= set(ids):
            self._broken(f"the mask shows {sorted(areas)}, objects are {ids}")

    def _check_object(self, o: TrackedObject, array: TrackedObjectArray, stamp: float) -> None:
        roi = o.roi
        inside = roi.x_offset + roi.width <= array.width
        if not inside or roi.y_offset + roi.height > array.height:
            self._broken(f"the box of object {o.id} leaves the image")
        if not 0.0 <= o.score <= 1.0:
            self._broken(f"object {o.id} has score {o.score}")
        if o.state != TrackedObject.TRACKED:
            return
        if not o.area:
            self._broken(f"object {o.id} is TRACKED without a pixel")
        age = stamp - _seconds(o.last_seen)
        if stamp > 0 and abs(age) > _STAMP_ROUNDING and not self._stands_still(array.header):
            self._broken(f"object {o.id} is TRACKED but was last seen {age:.3f} s before")

    def _stands_still(self, header: Header) -> bool:
        """Whether stamps say nothing: several images had this one."""
        return len(self._sent.get(_key(header.stamp), ())) > 1

    def _check_source(self, what: str, header: Header, size: tuple[int, int]) -> None:
        images = self._sent.get(_key(header.stamp))
        if images is None:
            self._broken(f"{what} with stamp {_seconds(header.stamp):.6f}, which no image had")
        elif (header.frame_id, size) not in images:
            self._broken(f"{what} is {header.frame_id} {size}, its image was {images[-1]}")

    def _broken(self, rule: str) -> None:
        if not self.violations or self.violations[-1] != rule:
            self.violations.append(rule)


def _key(stamp: Time) -> int:
    return int(stamp.sec * 10**9 + stamp.nanosec)


def _seconds(stamp: Time) -> float:
    return float(stamp.sec + 1e-9 * stamp.nanosec)
