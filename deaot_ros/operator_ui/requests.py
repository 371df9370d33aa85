"""What a page may ask for: every request is checked, done, and answered."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from deaot_ros.errors import DeaotError
from deaot_ros.operator_ui import frame_encoder
from deaot_ros.operator_ui.flood import flood
from deaot_ros.operator_ui.frame_store import View
from deaot_ros.operator_ui.grabcut import cut_out
from deaot_ros.operator_ui.node_calls import Answer
from deaot_ros.operator_ui.object_ids import LARGEST
from deaot_ros.operator_ui.rle import decode_runs
from deaot_ros.operator_ui.status_watch import VERDICTS
from deaot_ros.operator_ui.wire import Message, RequestError

if TYPE_CHECKING:
    from deaot_ros.operator_ui.page import Page

_LONGEST_SIDE = 16384
_MOST_PIXELS = 64 * 2**20
_LONGEST_NAME = 60
_VERDICT_PATIENCE = 1.0
"""Seconds that the verdict on ``status`` may come after the service's answer."""


class Requests:
    """Answers the requests of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._hub = page.hub
        self._tools: dict[str, Callable[..., Any]] = {
            "freeze": self._freeze,
            "grabcut": self._grabcut,
            "flood": self._flood,
            "new_object": self._new_object,
            "outcome": self._outcome,
        }
        self._actions: dict[str, Callable[..., Any]] = {
            "send": self._send,
            "remove": self._remove,
            "reset": self._reset,
            "enable": self._enable,
            "rename": self._rename,
        }

    async def answer(self, message: Message, parts: list[bytes]) -> None:
        """Do what is asked; whatever goes wrong is told to the page."""
        kind, request = str(message.get("type")), str(message.get("request", ""))[:64]
        if kind in self._actions:
            action = self._guarded(self._actions[kind](message, parts), request)
            self._page.tell(await asyncio.shield(self._hub.act(request, action)))
        elif kind in self._tools:
            self._page.tell(await self._guarded(self._tools[kind](message, request), request))
        else:
            known = ", ".join((*self._tools, *self._actions))
            text = f"the server does not know '{kind}'; expected one of {known}"
            self._page.tell({"type": "fault", "message": text})

    @staticmethod
    async def _guarded(doing: Any, request: str) -> Any:
        """Run a coroutine; errors become the answer."""
        try:
            done = await doing
        except DeaotError as error:
            done = {"ok": False, "message": str(error)}
        except Exception:  # the operator must not wait for an answer that never comes
            done = {"ok": False, "message": f"the server failed: {traceback.format_exc()}"}
        return {"type": "answer", "request": request, **done} if isinstance(done, dict) else done

    # Tools: they change nothing at the node

    async def _freeze(self, message: Message, request: str) -> bytes:
        view = self._hub.store.freeze(_stamp(message))
        if view is None:
            raise RequestError("this picture is no longer kept; freeze a newer one")
        return bytes(await self._compute(frame_encoder.frozen, view, request))

    async def _grabcut(self, message: Message, request: str) -> bytes:
        box = message.get("box")
        if not isinstance(box, list) or len(box) != 4 or any(type(v) is not int for v in box):
            raise RequestError(f"box {box!r}; expected [x, y, width, height]")
        if any(abs(v) > _LONGEST_SIDE for v in box):
            raise RequestError(f"box {box} lies far outside of any image")
        image = await self._frozen_pixels(message)
        found = await self._compute(cut_out, image, tuple(box))
        return frame_encoder.region(found, request)

    async def _flood(self, message: Message, request: str) -> bytes:
        x, y = (_integer(message, name, 0, _LONGEST_SIDE) for name in ("x", "y"))
        tolerance = _integer(message, "tolerance", 0, 255)
        image = await self._frozen_pixels(message)
        found = await self._compute(flood, image, x, y, tolerance)
        return frame_encoder.region(found, request)

    async def _new_object(self, message: Message, request: str) -> Message:
        try:
            return {"ok": True, "id": self._hub.ids.take()}
        except OverflowError as error:
            raise RequestError(str(error)) from None

    async def _outcome(self, message: Message, request: str) -> Message:
        """What became of an action whose answer got lost with the connection."""
        of = str(message.get("of", ""))
        action = self._hub.action(of)
        if action is not None:
            return await asyncio.shield(action)
        text = (
            "the connection was lost before the server took your request, or the server was "
            "started again: look at the objects, and send again if yours is missing"
        )
        return {"request": of, "ok": False, "message": text}

    async def _frozen_pixels(self, message: Message) -> np.ndarray:
        view: View | None = self._hub.store.frozen(_stamp(message))
        if view is None:
            raise RequestError(
                "the server no longer has this picture; brush, polygon and lasso still work, or "
                "freeze a newer picture"
            )
        return await self._compute(view.frame.pixels)

    async def _compute(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hub.tools, function, *arguments)

    # Actions: the node does them, and its answer is the answer

    async def _send(self, message: Message, parts: list[bytes]) -> Message:
        width, height = (_integer(message, n, 1, _LONGEST_SIDE) for n in ("width", "height"))
        if width * height > _MOST_PIXELS:
            raise RequestError(f"a mask of {width}x{height}; expected at most {_MOST_PIXELS} px")
        if len(parts) != 1:
            raise RequestError(f"a mask in {len(parts)} parts; expected 1")
        stamp, names, new = _stamp(message), _names(message), _ids(message, "new")
        labels = await self._compute(decode_runs, parts[0], height, width)
        drawn = {int(i) for i in np.unique(labels)} - {0}
        mode = self._mode(drawn, new, message.get("session"))
        view = self._hub.store.frozen(stamp)
        header = view.frame.header if view is not None else Header(stamp=_time(stamp))
        answer = await self._hub.calls.set_targets(header, labels, mode)
        verdict = await self._verdict(header.stamp, answer)
        result: Message = {"ok": answer.success, "message": answer.message, "verdict": verdict}
        who, what = f"operator {self._page.number}", ", ".join(map(str, sorted(drawn))) or "none"
        self._hub.note(f"{who} sent objects {what}: {verdict}", besides=self._page)
        wanted = {i: name for i, name in names.items() if i in drawn and name}
        if answer.success and wanted:
            named = await self._hub.calls.name(wanted)
            if not named.success:
                result["message"] += f"; but the names were refused: {named.message}"
        return result

    def _mode(self, drawn: set[int], new: set[int], session: object) -> str:
        """How the node shall take the ids; another operator's objects must not be overwritten.

        Raises:
            RequestError: they would be.
        """
        status = self._hub.status
        corrected = drawn - new
        if corrected and status is not None and session not in (None, status.session):
            raise RequestError(
                f"objects {sorted(corrected)} belong to session {session}, which has ended: the "
                "tracker has forgotten them; freeze again and draw them as new objects"
            )
        if not corrected:
            return "add" if drawn else "merge"
        if not drawn & new:
            return "correct"
        taken = sorted(drawn & new & set(status.object_ids if status else ()))
        if taken:
            raise RequestError(f"BAD_ID: objects {taken} exist already; take new ids for yours")
        return "merge"

    async def _verdict(self, stamp: Time, answer: Answer) -> str:
        """Name of the verdict that the node published on this mask."""
        if answer.success:
            return "ACCEPTED"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _VERDICT_PATIENCE
        while loop.time() < deadline:
            status = self._hub.status
            if status is not None and status.last_mask_stamp == stamp:
                return VERDICTS.get(status.last_mask_result, "refused")
            await asyncio.sleep(0.05)
        return "refused"

    async def _remove(self, message: Message, parts: list[bytes]) -> Message:
        object_id = _integer(message, "id", 1, LARGEST)
        answer = await self._hub.calls.remove(object_id)
        return self._done(answer, f"removed object {object_id}")

    async def _reset(self, message: Message, parts: list[bytes]) -> Message:
        return self._done(await self._hub.calls.reset(), "reset the tracker")

    async def _enable(self, message: Message, parts: list[bytes]) -> Message:
        on = message.get("on")
        if not isinstance(on, bool):
            raise RequestError(f"on is {on!r}; expected true or false")
        return self._done(await self._hub.calls.enable(on), "resumed" if on else "paused")

    async def _rename(self, message: Message, parts: list[bytes]) -> Message:
        names = _names(message)
        answer = await self._hub.calls.name(names)
        return self._done(answer, f"named {', '.join(f'{i} {n}' for i, n in names.items())}")

    def _done(self, answer: Answer, what: str) -> Message:
        if answer.success:
            self._hub.note(f"operator {self._page.number} {what}", besides=self._page)
        return {"ok": answer.success, "message": answer.message}


def _integer(message: Message, name: str, low: int, high: int) -> int:
    value = message.get(name)
    if type(value) is not int or not low <= value <= high:
        raise RequestError(f"{name} is {value!r}; expected a whole number from {low} to {high}")
    return value


def _stamp(message: Message) -> int:
    """Stamp in ns; pages keep it as text."""
    text = message.get("stamp")
    if not isinstance(text, str) or not text.isdecimal() or len(text) > 19:
        raise RequestError(f"stamp is {text!r}; expected nanoseconds as text")
    return int(text)


def _time(stamp: int) -> Time:
    return Time(sec=min(stamp // 10**9, 2**31 - 1), nanosec=stamp % 10**9)


def _ids(message: Message, name: str) -> set[int]:
    values = message.get(name, [])
    if not isinstance(values, list) or any(type(v) is not int for v in values):
        raise RequestError(f"{name} is {values!r}; expected a list of ids")
    return set(values)


def _names(message: Message) -> dict[int, str]:
    given = message.get("names", {})
    if not isinstance(given, dict) or not all(map(_is_name, given.items())):
        raise RequestError(
            f"names are {given!r}; expected ids with names of at most {_LONGEST_NAME} letters"
        )
    return {int(key): " ".join(name.split()) for key, name in given.items()}


def _is_name(item: tuple[str, object]) -> bool:
    key, name = item
    known = key.isdecimal() and 0 < int(key) <= LARGEST
    return known and isinstance(name, str) and len(name) <= _LONGEST_NAME
