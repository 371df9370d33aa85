"""Recent camera frames joined by stamp with what the node found in them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time

from deaot_ros.node.frame_history import CameraFrame

_BYTES = 128 * 2**20
"""Of camera messages that are kept for the node's answer, at most."""

_FROZEN = 8
"""Frames that operators draw on, kept however long they draw."""


@dataclass(slots=True, eq=False)
class View:
    """A camera frame and, once the node has answered, what is in it.

    Attributes:
        frame: of the camera.
        labels: ids [H, W]; None: no answer yet.
        objects: a dictionary for each known object; None: no answer yet.
        session: of the objects; None: no answer yet.
    """

    frame: CameraFrame
    labels: np.ndarray | None = None
    objects: list[dict[str, Any]] | None = None
    session: int | None = None
    encoded: dict[object, bytes] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> int:
        """Stamp in ns."""
        return nanoseconds(self.frame.header.stamp)

    @property
    def complete(self) -> bool:
        """Whether the node has answered."""
        return self.labels is not None and self.objects is not None


def nanoseconds(stamp: Time) -> int:
    """Stamp as one exact number."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


class FrameStore:
    """Filled by the ROS thread, read by the server's."""

    def __init__(self) -> None:
        self._recent: OrderedDict[int, View] = OrderedDict()
        self._frozen: OrderedDict[int, View] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, frame: CameraFrame) -> View:
        """Keep a frame of the camera; the oldest ones make room."""
        view = View(frame)
        with self._lock:
            self._forget(view.key)
            self._recent[view.key] = view
            self._bytes += _size(view)
            while self._bytes > _BYTES and len(self._recent) > 1:
                self._forget(next(iter(self._recent)))
        return view

    def answer(self, stamp: Time, join: Callable[[View], None]) -> View | None:
        """Let ``join`` put something of the node's into its frame.

        Returns:
            The view when that makes it complete; else None.
        """
        with self._lock:
            view = self._recent.get(nanoseconds(stamp))
        if view is None:
            return None
        join(view)
        return view if view.complete else None

    def freeze(self, key: int) -> View | None:
        """Keep the frame with this stamp until others are drawn on; None: it is gone."""
        with self._lock:
            view = self._frozen.pop(key, None) or self._recent.get(key)
            if view is not None:
                self._frozen[key] = view
                while len(self._frozen) > _FROZEN:
                    self._frozen.popitem(last=False)
            return view

    def frozen(self, key: int) -> View | None:
        """A frame that was frozen before."""
        with self._lock:
            return self._frozen.get(key)

    def clear(self) -> None:
        """Forget all but frozen frames: nobody watches."""
        with self._lock:
            self._recent.clear()
            self._bytes = 0

    def _forget(self, key: int) -> None:
        view = self._recent.pop(key, None)
        if view is not None:
            self._bytes -= _size(view)


def _size(view: View) -> int:
    message = view.frame.message
    return len(message.data) if message is not None else 0
