"""What must hold of every output of the node, whatever happens around it."""

from __future__ import annotations

import math
from collections import OrderedDict, deque

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from deaot_ros.msg import TrackedObject, TrackedObjectArray

_KEPT = 3000
"""Images whose outputs may still come."""

_OVERTAKING = 0.1
"""Seconds that stamps may go back within a session."""

_SAME_STAMP = 50
"""Outputs with one and the same stamp that are compared with each other."""

_STAMP_ROUNDING = 1e-3
"""Seconds; stamps go through a double on their way."""

_SETTLED = 20
"""Outputs after which a label map that should have come with another one has come, or is lost."""

Areas = dict[int, int]
"""Pixels by object id, of those that have any."""


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
        self._outputs_of: OrderedDict[int, _Outputs] = OrderedDict()
        self._doubtful: deque[tuple[int, int]] = deque()  # number of the output, and its stamp
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
        found: Areas = dict(zip(ids.tolist(), areas.tolist()))
        found.pop(0, None)
        self._outputs(mask.header.stamp).masks.append(found)

    def on_objects(self, array: TrackedObjectArray) -> None:
        """Check the objects of a frame; its label map usually has come before."""
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
        for o in array.objects:
            self._check_object(o, array, stamp)
        outputs = self._outputs(array.header.stamp)
        if len(outputs.arrays) == _SAME_STAMP:
            outputs.forget()
        outputs.arrays.append({o.id: o.area for o in array.objects if o.area})
        if outputs.arrays[-1] not in outputs.masks:
            self._doubtful.append((self.outputs, _key(array.header.stamp)))
        while self._doubtful and self._doubtful[0][0] <= self.outputs - _SETTLED:
            self._judge(self._doubtful.popleft()[1])

    def settle(self) -> None:
        """Judge what waits for more outputs: there will be none."""
        while self._doubtful:
            self._judge(self._doubtful.popleft()[1])

    def _outputs(self, stamp: Time) -> _Outputs:
        outputs = self._outputs_of.setdefault(_key(stamp), _Outputs())
        while len(self._outputs_of) > _KEPT:
            self._outputs_of.popitem(last=False)
        return outputs

    def _judge(self, key: int) -> None:
        outputs = self._outputs_of.get(key)
        if outputs is not None and outputs.contradict():
            self._broken(
                f"objects with stamp {key * 1e-9:.6f} have areas {outputs.arrays}, "
                f"their masks {outputs.masks}"
            )

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


class _Outputs:
    """All outputs that carry one stamp: images may share it, and a late mask corrects an output."""

    def __init__(self) -> None:
        self.masks: list[Areas] = []
        self.arrays: list[Areas] = []

    def forget(self) -> None:
        """Begin anew."""
        self.masks.clear()
        self.arrays.clear()

    def contradict(self) -> bool:
        """Whether more arrays of objects fit no label map than there are label maps missing.

        The newest label map replaces one that still waits to be sent, so some may never come.
        """
        if not self.masks:
            return False
        unmatched = sum(areas not in self.masks for areas in self.arrays)
        return unmatched > max(0, len(self.arrays) - len(self.masks))


def _key(stamp: Time) -> int:
    return int(stamp.sec * 10**9 + stamp.nanosec)


def _seconds(stamp: Time) -> float:
    return float(stamp.sec + 1e-9 * stamp.nanosec)
