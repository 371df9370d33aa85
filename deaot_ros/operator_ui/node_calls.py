"""The node's services as coroutines: each answers, or says in time why there is no answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

import numpy as np
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from deaot_ros.node.image_codec import encode_labels
from deaot_ros.operator_ui.node_health import NodeHealth
from deaot_ros.operator_ui.wire import RequestError
from deaot_ros.srv import RemoveObject, SetTargets

_TRACKER = "tracker"
_LOOK = 0.5
"""Seconds between looks at whether the node is still there to answer."""

_MEETING = 5.0
"""Seconds that DDS may take until this server, just started, has met the node's services."""

_PATIENCE = 120.0
"""Seconds; catching up with a long drawing takes a slow machine a while."""

_LABELS = "object_labels"

MODES = {
    "add": SetTargets.Request.ADD,
    "correct": SetTargets.Request.CORRECT,
    "merge": SetTargets.Request.MERGE,
}


class Answer(NamedTuple):
    """What the node said."""

    success: bool
    message: str


class NodeCalls:
    """Clients of the node's services. Coroutines are for the server's event loop."""

    def __init__(self, node: Node, health: NodeHealth) -> None:
        """Create the clients.

        Args:
            node: asks.
            health: of the tracker node.
        """
        self._health = health
        self._naming = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._clients: dict[str, Any] = {
            name: node.create_client(kind, f"{_TRACKER}/{name}")
            for name, kind in (
                ("set_targets", SetTargets),
                ("remove_object", RemoveObject),
                ("reset", Trigger),
                ("enable", SetBool),
                ("get_parameters", GetParameters),
                ("set_parameters", SetParameters),
            )
        }

    async def set_targets(self, header: Header, labels: np.ndarray, mode: str) -> Answer:
        """Send a mask, drawn on the image with ``header``; ids uint16 [H, W]."""
        if labels.max(initial=0) <= np.iinfo(np.uint8).max:
            labels = labels.astype(np.uint8)
        request = SetTargets.Request(mask=encode_labels(labels, header), mode=MODES[mode])
        return _answer(await self._call("set_targets", request))

    async def remove(self, object_id: int) -> Answer:
        """Stop tracking one object."""
        return _answer(await self._call("remove_object", RemoveObject.Request(id=object_id)))

    async def reset(self) -> Answer:
        """Forget everything."""
        return _answer(await self._call("reset", Trigger.Request()))

    async def enable(self, on: bool) -> Answer:
        """Pause or resume."""
        return _answer(await self._call("enable", SetBool.Request(data=on)))

    async def name(self, names: dict[int, str]) -> Answer:
        """Give objects names, by the parameter ``object_labels``; the others keep theirs."""
        async with self._naming:  # two pages must not undo each other's names
            known = await self._call("get_parameters", GetParameters.Request(names=[_LABELS]))
            labels = {}
            for entry in known.values[0].string_array_value:
                key, colon, name = entry.partition(":")
                if colon:
                    labels[key.strip()] = name
            labels.update({str(key): name for key, name in names.items()})
            # ROS has no type for an empty list; the node takes [""] for it.
            entries = [f"{key}:{name}" for key, name in labels.items() if name] or [""]
            value = Parameter(_LABELS, Parameter.Type.STRING_ARRAY, entries).to_parameter_msg()
            done = await self._call("set_parameters", SetParameters.Request(parameters=[value]))
        result = done.results[0]
        return Answer(result.successful, result.reason)

    async def _call(self, name: str, request: Any) -> Any:
        """Ask the node and wait for its answer.

        Raises:
            RequestError: there is no node, it ended meanwhile, or it says nothing.
        """
        # What several operators ask for at once is done in the order in which it came.
        async with self._turn:
            return await self._call_now(self._clients[name], request)

    async def _meet(self, client: Any) -> None:
        """Wait for a service, unless the node was there and is silent now."""
        deadline = time.monotonic() + _MEETING
        while not client.service_is_ready() and time.monotonic() < deadline:
            if self._health.status is not None and not self._health.alive:
                return
            await asyncio.sleep(0.05)

    async def _call_now(self, client: Any, request: Any) -> Any:
        await self._meet(client)
        if not client.service_is_ready():
            raise RequestError(
                f"nobody answers {client.srv_name}: the tracker node does not run, or in another "
                "namespace; nothing was changed"
            )
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def hand_over(done: Any) -> None:
            def set_result() -> None:
                if not answered.done():
                    answered.set_result(done.result())

            loop.call_soon_threadsafe(set_result)

        future = client.call_async(request)
        future.add_done_callback(hand_over)
        deadline, starts = time.monotonic() + _PATIENCE, self._health.starts
        try:
            while not answered.done():
                await asyncio.wait([answered], timeout=_LOOK)
                health = self._health
                gone = health.gone or health.starts != starts or not client.service_is_ready()
                if not answered.done() and (gone or time.monotonic() > deadline):
                    why = "ended, or hangs," if gone else f"said nothing for {_PATIENCE:.0f} s"
                    raise RequestError(
                        f"the tracker node {why} before it answered {client.srv_name}; whether it "
                        "did it is unknown: look at the objects"
                    )
        finally:
            client.remove_pending_request(future)
        return answered.result()


def _answer(response: Any) -> Answer:
    return Answer(bool(response.success), str(response.message))
