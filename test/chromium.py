"""A headless Chromium, driven by its DevTools protocol: real clicks, fingers, keys and pixels."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
"""None: there is none on this machine."""

PATIENCE = 30.0
"""Seconds; busy machines are slow."""

KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), " ": ("Space", 32, " ")}


class Browser:
    """A context manager; ``open`` gives a page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Browser:
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [
                PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-dev-shm-usage", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-quic",
                "--disable-renderer-backgrounding", "--disable-background-timer-throttling",
                "--disable-backgrounding-occluded-windows", "--remote-debugging-port=0",
                f"--user-data-dir={self._folder}", "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self._folder.parent / "chromium.log").open("wb"),
            start_new_session=True,
        )  # fmt: skip
        self._thread.start()
        port_file = self._folder / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not (port_file.is_file() and port_file.read_text().count("\n")):
            assert time.monotonic() < deadline, "Chromium does not start"
            assert self._process.poll() is None, "Chromium ended"
            time.sleep(0.05)
        self._root = f"http://127.0.0.1:{port_file.read_text().splitlines()[0]}"
        self._session = self.run(self._new_session())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._session.close())
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    def run(self, doing: Coroutine[Any, Any, Any], patience: float = PATIENCE) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(patience)

    def open(self, address: str, width: int = 1280, height: int = 800) -> Page:
        page = Page(self, *self.run(self._connect()))
        page.command("Page.enable")
        page.command("Runtime.enable")
        page.command("Log.enable")
        page.command("Page.bringToFront")  # a tab behind another one draws nothing
        page.view(width, height)
        page.go(address)
        return page

    async def _connect(self) -> tuple[aiohttp.ClientWebSocketResponse, str]:
        async with self._session.put(f"{self._root}/json/new?about:blank") as answer:
            target = await answer.json()
        address = target["webSocketDebuggerUrl"]
        return await self._session.ws_connect(address, max_msg_size=0), target["id"]

    async def close(self, socket: aiohttp.ClientWebSocketResponse, target: str) -> None:
        await socket.close()
        async with self._session.get(f"{self._root}/json/close/{target}") as answer:
            assert answer.status == 200


class Page:
    """One tab."""

    def __init__(
        self, browser: Browser, socket: aiohttp.ClientWebSocketResponse, target: str
    ) -> None:
        self._browser = browser
        self._target = target
        self._socket = socket
        self._numbers = count(1)
        self.faults: list[str] = []

    def go(self, address: str) -> None:
        self.command("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def close(self) -> None:
        self._browser.run(self._browser.close(self._socket, self._target))

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.run(self._command(method, parameters))

    async def _command(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = json.loads(await self._socket.receive_str())
            if message.get("method") == "Runtime.exceptionThrown":
                self.faults.append(json.dumps(message["params"]["exceptionDetails"])[:2000])
            if message.get("method") == "Log.entryAdded":
                entry = message["params"]["entry"]
                if entry["level"] == "error":
                    self.faults.append(f"{entry['text']} {entry.get('url')}")
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def evaluate(self, code: str) -> Any:
        result = self.command(
            "Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, code: str, what: str = "", patience: float = PATIENCE) -> Any:
        """Until the JavaScript ``code`` gives something true."""
        deadline = time.monotonic() + patience
        while not (value := self.evaluate(code)):
            if time.monotonic() > deadline:
                shown = self.evaluate("document.body.innerText")
                raise AssertionError(f"no {what or code}; the page shows:\n{shown}\n{self.faults}")
            time.sleep(0.05)
        return value

    def text(self, selector: str) -> str:
        return self.evaluate(f"document.querySelector({selector!r}).innerText")

    def view(self, width: int, height: int, touch: bool = False) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=touch,
        )  # fmt: skip
        self.command("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=2)

    def click(self, selector: str) -> None:
        x, y = self.evaluate(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView();"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self.drag([(x, y)])

    def drag(self, points: list[tuple[float, float]]) -> None:
        """Press the mouse at the first point, move through all, release at the last."""
        mouse = "Input.dispatchMouseEvent"
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        x, y = points[0]
        self.command(mouse, type="mouseMoved", x=x, y=y)
        self.command(mouse, type="mousePressed", x=x, y=y, **held)
        for x, y in points[1:]:
            self.command(mouse, type="mouseMoved", x=x, y=y, **held)
        self.command(mouse, type="mouseReleased", x=x, y=y, **held)

    def touch(self, paths: list[list[tuple[float, float]]]) -> None:
        """Move a finger along each path, all at once."""
        touch = "Input.dispatchTouchEvent"
        steps = [
            [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)] for points in zip(*paths)
        ]
        for number, points in enumerate(steps):
            self.command(touch, type="touchMove" if number else "touchStart", touchPoints=points)
        self.command(touch, type="touchEnd", touchPoints=[])

    def key(self, key: str, modifiers: int = 0) -> None:
        code, number, text = KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0]), key))
        fields = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        fields["modifiers"] = modifiers
        self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **fields)
        self.command("Input.dispatchKeyEvent", type="keyUp", **fields)

    def type(self, text: str) -> None:
        self.command("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Write what is on the screen as .png or .jpg."""
        kind = {"format": "jpeg", "quality": 88} if path.suffix == ".jpg" else {"format": "png"}
        shot = self.command("Page.captureScreenshot", **kind)
        path.write_bytes(base64.b64decode(shot["data"]))
