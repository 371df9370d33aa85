"""One open page: its outbox, which never waits for a slow browser, and what it asks for."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque

from aiohttp import WSCloseCode, WSMsgType, web

from deaot_ros.errors import DeaotError
from deaot_ros.operator_ui import frame_encoder
from deaot_ros.operator_ui.frame_store import View
from deaot_ros.operator_ui.hub import Hub
from deaot_ros.operator_ui.link import Link
from deaot_ros.operator_ui.requests import Requests
from deaot_ros.operator_ui.wire import Message, RequestError, parse, unpack
from deaot_ros.video.colours import distinct_colours

LARGEST_MESSAGE = 16 * 2**20
"""Bytes of one message of a page."""

_NEWS = {"status", "health", "operators"}
"""Messages of which only the newest matters."""

_MOST_WAITING = 100
"""Messages that a page may be behind before it is closed; it connects anew by itself."""

_STUCK = 20.0
"""Seconds that one message may take to leave."""

_BUSY = 8
"""Requests of one page at a time."""

_log = logging.getLogger(__name__)


class Page:
    """Runs until the page is gone."""

    def __init__(self, hub: Hub, socket: web.WebSocketResponse, max_rate: float) -> None:
        self.hub = hub
        self._socket = socket
        self._link = Link(max_rate)
        self._news: dict[str, Message] = {}
        self._outbox: deque[str | bytes] = deque()
        self._view: View | None = None
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests = Requests(self)
        self._fault = ""
        self.number = 0

    def tell(self, message: Message | bytes) -> None:
        """Queue a message."""
        if isinstance(message, bytes):
            self._outbox.append(message)
        elif message["type"] in _NEWS:
            self._news[message["type"]] = message
        else:
            self._outbox.append(json.dumps(message))
        self._wake.set()

    def show(self, view: View) -> None:
        """Replace the picture that waits."""
        self._view = view
        self._wake.set()

    async def close(self) -> None:
        """Say goodbye."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")

    async def run(self) -> None:
        """Send and receive until the connection ends."""
        self.number = self.hub.enter(self)
        palette = distinct_colours().reshape(-1).tolist()
        hello = {"type": "hello", "operator": self.number, "palette": palette}
        sender = asyncio.create_task(self._send_all(hello))
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._receive(message.data)
        finally:
            self.hub.leave(self)
            for task in (sender, *self._tasks):
                task.cancel()

    # Out

    async def _send_all(self, hello: Message) -> None:
        try:
            await self._send(json.dumps(hello))  # first: objects need the colours in it
            while len(self._outbox) <= _MOST_WAITING:
                await self._send_messages()
                if not await self._send_picture():
                    await self._rest()
            _log.warning("page %d is too far behind: closed", self.number)
        except (asyncio.TimeoutError, ConnectionError, RuntimeError) as error:
            _log.info("page %d is lost: %s", self.number, error or type(error).__name__)
        await self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow")

    async def _send_messages(self) -> None:
        while self._news or self._outbox:
            for name in list(self._news):
                await self._send(json.dumps(self._news.pop(name)))
            if self._outbox:
                await self._send(self._outbox.popleft())

    async def _send_picture(self) -> bool:
        """Send the waiting picture if the link allows it now."""
        view, loop = self._view, asyncio.get_running_loop()
        if view is None or self._link.wait(loop.time()) > 0:
            return False
        self._view = None
        number = self._link.sent(loop.time())
        try:
            picture = await loop.run_in_executor(
                self.hub.encoder, frame_encoder.live, view, self._link.level, number
            )
        except DeaotError as error:
            self._link.drawn(number, loop.time())
            if str(error) != self._fault:
                self._fault = str(error)
                self.tell({"type": "note", "text": f"no picture: {error}"})
            return True
        await self._send(picture)
        return True

    async def _rest(self) -> None:
        """Wait for something to send."""
        wait = self._link.wait(asyncio.get_running_loop().time())
        timeout = wait if self._view is not None and wait < float("inf") else None
        try:
            await asyncio.wait_for(self._wake.wait(), timeout)
        except asyncio.TimeoutError:
            return
        self._wake.clear()

    async def _send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            sending = self._socket.send_str(message)
        else:
            sending = self._socket.send_bytes(message)
        await asyncio.wait_for(sending, _STUCK)

    # In

    def _receive(self, data: str | bytes) -> None:
        try:
            message, parts = (parse(data), []) if isinstance(data, str) else unpack(data)
            if message.get("type") == "drawn":
                number = message.get("number")
                if type(number) is not int:
                    raise RequestError(f"picture number {number!r}")
                self._link.drawn(number, asyncio.get_running_loop().time())
                self._wake.set()
                return
            if len(self._tasks) >= _BUSY:
                raise RequestError(f"{_BUSY} requests are under way; wait for their answers")
        except RequestError as error:
            self.tell({"type": "fault", "message": f"the server did not understand: {error}"})
            return
        task = asyncio.create_task(self._requests.answer(message, parts))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
