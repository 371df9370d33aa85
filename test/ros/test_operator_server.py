"""The operator's page without a browser: its WebSocket against the real node, over real DDS."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

from operator_site import SIZE, PageServer, Site, overlap
from robot import PATIENCE

from deaot_ros.operator_ui.link import IN_FLIGHT
from deaot_ros.operator_ui.rle import decode_runs, encode_runs
from deaot_ros.operator_ui.wire import pack, unpack

HEIGHT, WIDTH = SIZE


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("operator")) as running:
        yield running


@pytest.fixture
def site(running: Site) -> Site:
    """With a tracker that has forgotten everything."""

    async def reset() -> None:
        async with visit(running) as page:
            deadline = time.monotonic() + PATIENCE  # the server may not have met the node yet
            while not (answer := await page.ask({"type": "reset"}))["ok"]:
                assert time.monotonic() < deadline, answer
                await asyncio.sleep(0.2)

    asyncio.run(reset())
    return running


class Visitor:
    """What a page does, without a screen."""

    def __init__(self, socket: Any, draws: bool = True) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []
        self._draws = draws
        self._numbers = 0
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.seen.append(json.loads(message.data))
                continue
            header, parts = unpack(message.data)
            if header["type"] != "region":
                inner, pieces = unpack(parts[0])
                header, parts = {**header, **inner}, pieces
            self.seen.append({**header, "parts": parts})
            if header["type"] == "live" and self._draws:
                with suppress(ConnectionError):  # of a page that is closing
                    await self.socket.send_json({"type": "drawn", "number": header["number"]})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.seen if m["type"] == kind]

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < deadline, f"no {what}: {[m['type'] for m in self.seen][-30:]}"
            await asyncio.sleep(0.02)
        return value

    async def next(self, kind: str, where: Callable[[dict[str, Any]], Any] = bool) -> Any:
        """The first such message from now on."""
        start = len(self.seen)
        return (
            await self.until(
                lambda: [m for m in self.seen[start:] if m["type"] == kind and where(m)], kind
            )
        )[0]

    async def request(self, message: dict[str, Any], *parts: bytes) -> str:
        self._numbers += 1
        request = f"{id(self)}-{self._numbers}"
        full = {**message, "request": request}
        if parts:
            await self.socket.send_bytes(pack(full, *parts))
        else:
            await self.socket.send_json(full)
        return request

    async def answer(self, request: str) -> dict[str, Any]:
        return (
            await self.until(
                lambda: [m for m in self.seen if m.get("request") == request], "answer"
            )
        )[0]

    async def ask(self, message: dict[str, Any], *parts: bytes) -> dict[str, Any]:
        return await self.answer(await self.request(message, *parts))

    async def freeze(self) -> dict[str, Any]:
        frame = await self.next("live")
        return await self.ask({"type": "freeze", "stamp": frame["stamp"]})

    def sending(self, frame: dict[str, Any], labels: np.ndarray, new: list[int]) -> dict[str, Any]:
        height, width = labels.shape
        return {
            "type": "send", "stamp": frame["stamp"], "session": frame["session"], "new": new,
            "width": width, "height": height, "names": {str(i): f"thing {i}" for i in new},
        }  # fmt: skip

    async def send(
        self, frame: dict[str, Any], labels: np.ndarray, new: list[int]
    ) -> dict[str, Any]:
        return await self.ask(self.sending(frame, labels, new), encode_runs(labels))


@asynccontextmanager
async def visit(site: Site, draws: bool = True) -> AsyncIterator[Visitor]:
    origin = {"Origin": site.server.address.rstrip("/")}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{site.server.address}socket", headers=origin) as socket,
    ):
        yield Visitor(socket, draws)


def labels_of(frame: dict[str, Any]) -> np.ndarray:
    width, height = frame["shown"]
    return decode_runs(frame["parts"][1], height, width)


def test_draw_send_and_see_it_tracked(site: Site) -> None:
    async def operate() -> None:
        async with visit(site) as page:
            await page.until(lambda: page.of("hello") and page.of("status"), "greeting")
            assert page.seen[0]["type"] == "hello"  # with the colours that all else needs
            frame = await page.freeze()
            assert (frame["width"], frame["height"]) == (WIDTH, HEIGHT)
            assert int(frame["stamp"]) > time.time_ns() - 20e9
            picture = cv2.imdecode(np.frombuffer(frame["parts"][0], np.uint8), cv2.IMREAD_COLOR)
            difference = np.abs(picture[..., ::-1].astype(int) - site.image)
            assert np.median(difference) < 6  # JPEG
            assert not labels_of(frame).any() and frame["objects"] == []
            ids = [(await page.ask({"type": "new_object"}))["id"] for _ in range(2)]
            assert ids == [1, 2]
            drawn = np.where(site.truth < 3, site.truth, 0).astype(np.uint16)
            answer = await page.send(frame, drawn, ids)
            assert answer["ok"] and answer["verdict"] == "ACCEPTED", answer
            tracked = await page.next("live", lambda m: len(m["objects"] or ()) == 2)
            found = labels_of(tracked)
            for i in ids:
                assert overlap(found == i, drawn == i) > 0.35  # a small network, small pictures
            named = await page.next(
                "live", lambda m: m["objects"] and all(o["name"] for o in m["objects"])
            )
            assert [o["name"] for o in named["objects"]] == ["thing 1", "thing 2"]
            x, y, width, height = tracked["objects"][0]["box"]
            ys, xs = np.nonzero(found == 1)
            assert (x, y) == (xs.min(), ys.min())
            assert (x + width, y + height) == (xs.max() + 1, ys.max() + 1)
            await page.ask({"type": "remove", "id": 1})
            await page.next("status", lambda m: m["ids"] == [2])
            await page.ask({"type": "enable", "on": False})
            await page.next("status", lambda m: m["state"] == "paused")
            await page.next("live", lambda m: m["objects"] is None)  # the camera goes on
            assert (await page.ask({"type": "enable", "on": True}))["ok"]
            corrected = await page.freeze()
            only = np.where(site.truth == 2, 2, 0).astype(np.uint16)
            assert (await page.send(corrected, only, []))["ok"]

    asyncio.run(operate())


def test_refusals_give_the_nodes_reason_and_verdict(site: Site) -> None:
    async def operate() -> None:
        async with visit(site) as page:
            frame = await page.freeze()
            mask = (site.truth == 1).astype(np.uint16)
            for wrong, verdict, reason in (
                ({**frame, "stamp": "1000000000"}, "FRAME_NOT_FOUND", "no image with stamp"),
                (frame, "BAD_SIZE", "full size"),
                (frame, "EMPTY", "no object"),
                (frame, "BAD_ID", "255"),
                (frame, "TOO_MANY_OBJECTS", "max_objects"),
            ):
                labels = {
                    "BAD_SIZE": mask[:-1], "EMPTY": 0 * mask, "BAD_ID": 255 * mask,
                    "TOO_MANY_OBJECTS": np.arange(mask.size, dtype=np.uint16).reshape(SIZE) % 9,
                }.get(verdict, mask)  # fmt: skip
                new = [int(i) for i in np.unique(labels) if i]
                answer = await page.send(wrong, labels, new)
                assert not answer["ok"]
                assert answer["verdict"] == verdict, answer
                assert reason in answer["message"], answer
            assert (await page.ask({"type": "remove", "id": 7}))["ok"] is False

    asyncio.run(operate())


def test_tools_of_the_server(site: Site) -> None:
    async def operate() -> None:
        async with visit(site) as page:
            frame = await page.freeze()
            ys, xs = np.nonzero(site.truth == 2)
            box = [int(v) for v in (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1)]
            found = await page.ask({"type": "grabcut", "stamp": frame["stamp"], "box": box})
            region = decode_runs(found["parts"][0], HEIGHT, WIDTH) > 0
            assert overlap(region, site.truth == 2) > 0.5
            point = {"x": int(xs.mean()), "y": int(ys.mean()), "tolerance": 255}
            found = await page.ask({"type": "flood", "stamp": frame["stamp"], **point})
            assert decode_runs(found["parts"][0], HEIGHT, WIDTH).all()
            gone = await page.ask({"type": "freeze", "stamp": "5"})
            assert not gone["ok"] and "no longer kept" in gone["message"]

    asyncio.run(operate())


def test_two_operators_do_not_overwrite_each_other(site: Site) -> None:
    async def operate() -> None:
        async with visit(site) as one, visit(site) as two:
            await one.until(lambda: any(m["count"] == 2 for m in one.of("operators")), "two pages")
            frames = [await page.freeze() for page in (one, two)]
            ids = [(await page.ask({"type": "new_object"}))["id"] for page in (one, two)]
            assert ids == [1, 2]
            drawn = [(ids[k] * (site.truth == ids[k])).astype(np.uint16) for k in range(2)]
            answers = await asyncio.gather(
                one.send(frames[0], drawn[0], ids[:1]), two.send(frames[1], drawn[1], ids[1:])
            )
            assert all(a["ok"] for a in answers), answers
            await two.next("status", lambda m: m["ids"] == [1, 2])
            heard = [m["text"] for m in two.of("note")]
            assert any("operator" in t and "sent objects 1: ACCEPTED" in t for t in heard), heard
            stolen = await two.send(await two.freeze(), drawn[0], [1])  # object 1 is not theirs
            assert not stolen["ok"] and stolen["verdict"] == "BAD_ID"
            both = drawn[0] + drawn[1]
            mixed = await two.send(await two.freeze(), both, [1])
            assert not mixed["ok"] and "exist already" in mixed["message"]
            await one.ask({"type": "reset"})
            await two.until(
                lambda: [m for m in two.of("note") if "objects 1, 2 are forgotten" in m["text"]],
                "word that the objects are forgotten",
            )
            late = await two.send(frames[1], drawn[1], [])  # corrects what is forgotten
            assert not late["ok"] and "has ended" in late["message"]

    asyncio.run(operate())


def test_answer_survives_a_lost_connection(site: Site) -> None:
    async def operate() -> None:
        async with visit(site) as page:
            frame = await page.freeze()
            mask = (site.truth == 1).astype(np.uint16)
            request = await page.request(page.sending(frame, mask, [1]), encode_runs(mask))
            await page.socket.send_json({"type": "drawn", "number": 1})  # in order: send is there
            await asyncio.sleep(0.1)
        async with visit(site) as page:
            await page.socket.send_json({"type": "outcome", "of": request, "request": request})
            answer = await page.answer(request)
            assert answer["ok"], answer
            await page.request({"type": "outcome", "of": "never"})
            unknown = await page.answer("never")
            assert not unknown["ok"] and "connection was lost" in unknown["message"]

    asyncio.run(operate())


def test_malformed_messages_are_answered_and_harm_nobody(site: Site) -> None:
    async def operate() -> None:
        async with visit(site) as page:
            frame = await page.freeze()
            stamp = frame["stamp"]
            for text in ("{", "[]", '{"type":"fly"}', '{"type":["x"]}', '{"type":"drawn"}'):
                await page.socket.send_str(text)
                await page.until(lambda: page.of("fault"), f"fault for {text}")
                page.seen.clear()
            await page.socket.send_bytes(b"\xff" * 9)
            await page.until(lambda: page.of("fault"), "fault for bytes")
            for message in (
                {"type": "freeze"}, {"type": "freeze", "stamp": "1e99"},
                {"type": "freeze", "stamp": 7}, {"type": "flood", "stamp": stamp, "x": -1},
                {"type": "grabcut", "stamp": stamp, "box": [0, 0, 1]},
                {"type": "grabcut", "stamp": stamp, "box": [10**9, 0, 1, 1]},
                {"type": "remove", "id": "1"}, {"type": "remove", "id": 70000},
                {"type": "enable", "on": "yes"}, {"type": "rename", "names": {"x": "y"}},
                {"type": "rename", "names": ["cup"]}, {"type": "rename", "names": {"1": "y" * 99}},
                {"type": "send", "stamp": stamp, "width": 10**5, "height": 10**5},
                {"type": "send", "stamp": stamp, "width": 4, "height": 4},
            ):  # fmt: skip
                answer = await page.ask(message)
                assert answer["ok"] is False and "server failed" not in answer["message"], answer
            size = {"stamp": stamp, "width": 4, "height": 4}
            answer = await page.ask({"type": "send", **size}, b"\xff" * 12)
            assert not answer["ok"] and "runs fill" in answer["message"]
            async with visit(site) as other:
                with suppress(ConnectionError):  # it may close before it has read all
                    await page.socket.send_bytes(bytes(17 * 2**20))
                await page.until(lambda: page.socket.closed, "end of the connection")
                await other.next("live")

    asyncio.run(operate())


def test_page_that_draws_nothing_is_sent_no_more_pictures(site: Site) -> None:
    async def operate() -> None:
        async with visit(site, draws=False) as stuck, visit(site) as page:
            await page.until(lambda: len(page.of("live")) > 4, "pictures for the other")
            assert len(stuck.of("live")) == IN_FLIGHT
            assert stuck.of("health") and stuck.of("status")
            assert (await stuck.ask({"type": "new_object"}))["ok"]
            await stuck.socket.send_json({"type": "drawn", "number": IN_FLIGHT})
            newest = await stuck.next("live")
            assert int(newest["stamp"]) > int(stuck.of("live")[1]["stamp"]) + 500_000_000

    asyncio.run(operate())


def test_other_origins_and_names_are_refused(site: Site) -> None:
    async def operate() -> None:
        address = site.server.address
        async with aiohttp.ClientSession() as session:
            for headers in (
                {}, {"Origin": "http://evil.example"}, {"Origin": "http://["}, {"Origin": "null"},
            ):  # fmt: skip
                async with session.get(f"{address}socket", headers=headers) as answer:
                    assert answer.status == 403
            async with session.get(address, headers={"Host": "evil.example"}) as answer:
                assert answer.status == 403
            async with session.get(address) as answer:
                assert answer.status == 200
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
                page = await answer.text()
            assert "http://" not in page.replace(address, "") and "https://" not in page
            for name in ("main.js", "style.css", "tools/brush.js"):
                async with session.get(f"{address}static/{name}") as answer:
                    assert answer.status == 200
            async with session.get(f"{address}static/../command.py") as answer:
                assert answer.status == 404

    asyncio.run(operate())


def test_token_is_asked_for(tmp_path: Path) -> None:
    server = PageServer(tmp_path / "page.log", "--host", "0.0.0.0")
    root = f"http://127.0.0.1:{server.port}/"
    token = server.address.partition("token=")[2]
    assert len(token) >= 20

    async def operate() -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            for path in ("", "?token=", f"?token={token[:-1]}", "static/main.js", "socket"):
                async with session.get(root + path) as answer:
                    assert answer.status == 403, path
            async with session.get(f"{root}?token={token}") as answer:
                assert answer.status == 200
                cookie = answer.headers["Set-Cookie"]
                assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
            async with session.get(f"{root}static/main.js") as answer:  # by the cookie
                assert answer.status == 200
            headers = {"Origin": root.rstrip("/")}
            async with session.ws_connect(f"{root}socket", headers=headers) as socket:
                assert json.loads((await socket.receive()).data)["type"]

    try:
        asyncio.run(operate())
    finally:
        assert server.stop() == 0
