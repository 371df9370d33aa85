"""What an exception means for a running node: a frame left out, or the end of the process."""

from __future__ import annotations

import time
from typing import NamedTuple

import cv2
import torch

from deaot_ros.errors import DeaotError

_DEVICE_ERROR = getattr(torch, "AcceleratorError", None)
_DEVICE_WORDS = ("CUDA error", "CUDNN_STATUS_EXECUTION_FAILED", "device-side assert")
_TEXTS = 10
"""Different texts per period."""

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


class Failure(NamedTuple):
    """What to tell people.

    Attributes:
        message: what happened, and what to do.
        final: this process cannot go on; a new one may.
        expected: the message says it all, a traceback adds nothing.
    """

    message: str
    final: bool = False
    expected: bool = True


class Throttle:
    """Lets each text through once per period: another one is not kept back by the one before."""

    def __init__(self, period: float) -> None:
        """``period`` in seconds."""
        self._period = period
        self._said: dict[str, float] = {}

    def allows(self, text: str) -> bool:
        """Whether ``text`` is to be said now."""
        now = time.monotonic()
        self._said = {t: when for t, when in self._said.items() if now - when < self._period}
        if text in self._said or len(self._said) >= _TEXTS:
            return False
        self._said[text] = now
        return True


def explain(error: Exception) -> Failure:
    """Judge an exception of a frame or a request."""
    if isinstance(error, DeaotError):
        return Failure(str(error))
    text = str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    short = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    short = short or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem)
    if short or (isinstance(error, RuntimeError) and any(w in text for w in _MEMORY_WORDS)):
        return Failure(
            f"out of memory, this frame or mask is left out ({first}); lower max_long_side, "
            "memory.slots or max_objects, send smaller images, or free memory for this process"
        )
    lost = _DEVICE_ERROR is not None and isinstance(error, _DEVICE_ERROR)
    if lost or (isinstance(error, RuntimeError) and any(w in text for w in _DEVICE_WORDS)):
        return Failure(
            f"the device is lost ({first}); this process ends, for none of its work there can go "
            "on. Start it again (use_respawn of the launch file does); if it happens again look "
            "at dmesg and nvidia-smi",
            final=True,
        )
    return Failure(
        f"a frame or mask failed ({type(error).__name__}: {first}); it is left out. The log has "
        "the traceback: please report it",
        expected=False,
    )
