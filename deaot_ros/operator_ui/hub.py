"""Between ROS's thread and the pages: hands pictures and news on, keeps answers for lost pages."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from deaot_ros.msg import TrackerStatus
from deaot_ros.operator_ui.frame_store import FrameStore, View
from deaot_ros.operator_ui.node_calls import NodeCalls
from deaot_ros.operator_ui.object_ids import ObjectIds
from deaot_ros.operator_ui.ros_bridge import RosBridge
from deaot_ros.operator_ui.status_watch import describe, news
from deaot_ros.operator_ui.wire import Message

if TYPE_CHECKING:
    from deaot_ros.operator_ui.page import Page

_ANSWERS = 64
"""Answers kept for pages that lost their connection while waiting."""

_LINGER = 5.0
"""Seconds that subscriptions outlive the last page: a reload must not begin from nothing."""


class Hub:
    """Owned by the server's event loop; the ``on_`` methods are called by ROS's thread."""

    def __init__(self, store: FrameStore, bridge: RosBridge) -> None:
        self.store = store
        self.ids = ObjectIds()
        self.status: TrackerStatus | None = None
        self.encoder = ThreadPoolExecutor(1, "encoder")
        self.tools = ThreadPoolExecutor(1, "tools")
        self._bridge = bridge
        self._pages: set[Page] = set()
        self._operators = 0
        self._health: Message = {"type": "health", "alive": False, "trouble": ""}
        self._newest: View | None = None
        self._actions: OrderedDict[str, asyncio.Task[Message]] = OrderedDict()
        self._leaving: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to listen to ROS; needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._bridge.start(self)

    async def stop(self) -> None:
        """Close all pages and leave ROS."""
        goodbyes = (page.close() for page in list(self._pages))
        await asyncio.gather(*goodbyes, return_exceptions=True)
        await asyncio.to_thread(self._bridge.stop)
        self.encoder.shutdown(cancel_futures=True)
        self.tools.shutdown(cancel_futures=True)

    @property
    def calls(self) -> NodeCalls:
        """The node's services."""
        return self._bridge.calls

    # Pages

    def expect(self) -> None:
        """A page is being loaded: subscribe meanwhile, so that its picture comes sooner."""
        self._bridge.watch(True)
        self._rest_later()

    def enter(self, page: Page) -> int:
        """A page was opened; gives the operator's number."""
        self._operators += 1
        self._pages.add(page)
        self._bridge.watch(True)
        page.tell(self._health)
        if self.status is not None:
            page.tell({"type": "status", **describe(self.status)})
        self._count()
        return self._operators

    def leave(self, page: Page) -> None:
        """A page is gone."""
        self._pages.discard(page)
        self._count()
        self._rest_later()

    def note(self, text: str, besides: Page | None = None) -> None:
        """Tell all pages, ``besides`` one, what happened."""
        for page in self._pages:
            if page is not besides:
                page.tell({"type": "note", "text": text})

    def act(self, request: str, action: Coroutine[Any, Any, Message]) -> asyncio.Task[Message]:
        """Run what must be finished and answered even when its page is gone meanwhile."""
        task = self._loop.create_task(action)
        self._actions[request] = task
        while len(self._actions) > _ANSWERS and next(iter(self._actions.values())).done():
            self._actions.popitem(last=False)
        return task

    def action(self, request: str) -> asyncio.Task[Message] | None:
        """What was begun by ``act`` under this name."""
        return self._actions.get(request)

    def _rest_later(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        self._leaving = self._loop.call_later(_LINGER, self._rest)

    def _rest(self) -> None:
        if not self._pages:
            self._bridge.watch(False)

    def _count(self) -> None:
        for page in self._pages:
            page.tell({"type": "operators", "count": len(self._pages)})

    # ROS

    def on_view(self, view: View) -> None:
        waiting, self._newest = self._newest, view
        if waiting is None:
            self._loop.call_soon_threadsafe(self._show)

    def on_status(self, status: TrackerStatus) -> None:
        self._loop.call_soon_threadsafe(self._take_status, status)

    def on_health(self, alive: bool, trouble: str) -> None:
        self._loop.call_soon_threadsafe(self._take_health, alive, trouble)

    def _show(self) -> None:
        view, self._newest = self._newest, None
        if view is not None:
            for page in self._pages:
                page.show(view)

    def _take_status(self, status: TrackerStatus) -> None:
        before, self.status = self.status, status
        if before is not None and before.session != status.session:
            self.ids.restart()
        self.ids.seen(status.object_ids)
        for page in self._pages:
            page.tell({"type": "status", **describe(status)})
        for text in news(before, status):
            self.note(text)

    def _take_health(self, alive: bool, trouble: str) -> None:
        """Hand on, changed or not: a page that hears nothing knows that its link is dead."""
        went = self._health["alive"] and not alive
        self._health = health = {"type": "health", "alive": alive, "trouble": trouble}
        for page in self._pages:
            page.tell(health)
        if went:
            self.note("the tracker node fell silent; drawings stay here until it is back")
