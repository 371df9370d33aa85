"""The web server: the page's files, and a WebSocket for each open page."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from deaot_ros.operator_ui.access import Access
from deaot_ros.operator_ui.hub import Hub
from deaot_ros.operator_ui.page import LARGEST_MESSAGE, Page

STATIC = Path(__file__).resolve().parent / "static"  # aiohttp serves no links of an installation

_HEARTBEAT = 10.0
"""Seconds between pings; a page that does not answer is gone."""

_GOODBYE = 2.0
"""Seconds that a page has to answer the end of its connection."""


class Server:
    """Serves pages until it is closed."""

    def __init__(self, hub: Hub, access: Access, max_rate: float) -> None:
        self._hub = hub
        self._access = access
        self._max_rate = max_rate
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Begin to serve.

        Returns:
            The port, which the system chooses where ``port`` is 0.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        app = web.Application(middlewares=[self._access.middleware()])
        app.router.add_get("/", self._index)
        app.router.add_get("/socket", self._socket)
        app.router.add_static("/static", STATIC)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """End all connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _index(self, _: web.Request) -> web.StreamResponse:
        self._hub.expect()
        return web.FileResponse(STATIC / "index.html")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if reason := self._access.foreign(request):
            raise web.HTTPForbidden(text=f"{reason}\n")
        socket = web.WebSocketResponse(
            timeout=_GOODBYE,
            heartbeat=_HEARTBEAT,
            max_msg_size=LARGEST_MESSAGE,
            compress=False,
        )
        await socket.prepare(request)
        await Page(self._hub, socket, self._max_rate).run()
        return socket
