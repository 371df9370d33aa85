"""What callbacks hand to the worker: the newest frame, and requests in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Frame = TypeVar("Frame")
Request = Callable[[], None]


IN_A_ROW = 5
"""Requests after which a waiting frame has its turn: a flood of masks must not stop outputs, and
several masks are caught up with at once."""


class Mailbox(Generic[Frame]):
    """One slot for the newest frame and a queue of requests, which go first.

    Putting never waits. ``replaced`` counts frames that a newer one pushed out.
    """

    def __init__(self) -> None:
        self.replaced = 0
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._requests: deque[Request] = deque()
        self._in_a_row = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether ``take`` gives no more frames."""
        return self._closed

    @property
    def waiting(self) -> int:
        """Requests that nobody has taken yet."""
        return len(self._requests)

    def put_frame(self, frame: Frame) -> None:
        """Replace the frame in the slot."""
        with self._changed:
            self.replaced += self._frame is not None
            self._frame = frame
            self._changed.notify()

    def put_request(self, request: Request) -> None:
        """Queue a request."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify()

    def close(self) -> None:
        """Make ``take`` return None once no request is left: somebody waits for their answers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> Frame | Request | None:
        """Wait for the next request, else frame; None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._requests or self._frame)
            turn = self._frame is not None and self._in_a_row >= IN_A_ROW and not self._closed
            if self._requests and not turn:
                self._in_a_row += 1
                return self._requests.popleft()
            if self._closed:
                return None
            self._in_a_row = 0
            frame, self._frame = self._frame, None
            return frame
