"""Prints how quick and how smooth the operator's page is: the figures of docs/operator.md.

``deaot-env python tools/operator_figures.py [--minutes M] [--weights W]``: the real node, the
package's own clip as its camera, and a headless Chromium, all on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))

import chromium
from operator_person import Operator
from operator_site import Site

from deaot_ros.demo.environment import enter_private_ros
from deaot_ros.network import shipped_weights
from deaot_ros.operator_ui.wire import unpack
from deaot_ros.synthetic import demo_clip

CAMERA = 15.0
PAUSE = 1.5
"""Seconds that a person looks before each step."""

_MOVES = 240
_TIMING = """(() => {
  window.moves = []; window.frames = [];
  let last = performance.now();
  const tick = (now) => {
    window.frames.push(now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  document.getElementById('picture').addEventListener('pointermove', () => {
    const start = performance.now();
    requestAnimationFrame(() => setTimeout(() => window.moves.push(performance.now() - start)));
  }, true);
})()"""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="for the frame rate (3)")
    parser.add_argument("--weights", type=Path, default=shipped_weights("deaot-t"))
    arguments = parser.parse_args()
    enter_private_ros()
    scene = demo_clip(seconds=12, fps=CAMERA)
    film = [scene.render(k) for k in range(scene.frames)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Site(
            Path(folder),
            film,
            CAMERA,
            weights=arguments.weights,
            max_long_side=321,
            frame_history=300,
        ) as site,  # fmt: skip
    ):
        with chromium.Browser(Path(folder) / "profile") as browser:
            first_picture(browser, site)
            to_tracked_object(browser, site)
            smoothness(browser, site)
        node_rate(site, arguments.minutes)
    return 0


def show(what: str, values: list[float], unit: str = "ms") -> None:
    """Median, 95th percentile and largest on one line."""
    p50, p95 = np.percentile(values, (50, 95))
    print(f"{what}: median {p50:.0f}, p95 {p95:.0f}, max {max(values):.0f} {unit}", flush=True)


def first_picture(browser: chromium.Browser, site: Site, times: int = 10) -> None:
    """From the first byte of the address to a picture on the screen, by the browser's clock."""
    taken = []
    for _ in range(times):
        person = Operator(browser, site)
        taken.append(float(person.page.evaluate("document.body.dataset.pictured")))
        person.leave()
    show(f"page to first picture ({times} times)", taken)


def to_tracked_object(browser: chromium.Browser, site: Site) -> None:
    """A person opens the page, freezes, boxes an object, sends, and sees it tracked."""
    start = time.monotonic()
    person = Operator(browser, site)
    time.sleep(PAUSE)
    person.freeze()
    time.sleep(PAUSE)
    person.use("Box")
    time.sleep(PAUSE)
    ys, xs = np.nonzero(site.truth_at(person.stamp()) == 1)
    corners = (xs.min() - 4, ys.min() - 4), (xs.max() + 4, ys.max() + 4)
    way = np.linspace(*corners, 20)
    person.page.drag(person.points(*((float(x), float(y)) for x, y in way)))
    person.page.wait("!window.operatorPage.desk.drawing.empty", "outline")
    time.sleep(PAUSE)
    person.send()
    person.wait_live()
    person.page.wait(
        "window.operatorPage.live.frame.objects?.some((o) => o.state === 'tracked')", "tracking"
    )
    taken = time.monotonic() - start
    print(f"opening the page to a tracked object: {taken:.1f} s, {4 * PAUSE:.0f} s of it looking")
    person.leave()


def smoothness(browser: chromium.Browser, site: Site) -> None:
    """Draw with the brush while the camera goes on in the corner."""
    person = Operator(browser, site)
    person.freeze()
    person.use("Brush")
    page = person.page
    page.evaluate(_TIMING)
    angles = np.linspace(0, 8 * np.pi, _MOVES)
    page.drag(
        person.points(
            *((320 + 8 * a * np.cos(a), 240 + 8 * a * np.sin(a)) for a in map(float, angles))
        )
    )
    time.sleep(0.3)
    show("pointer move to drawn", page.evaluate("window.moves"))
    show("between two screen frames", page.evaluate("window.frames.slice(2)"))
    page.evaluate("window.operatorPage.desk.close()")
    person.leave()


class Watcher:
    """A page on another machine: takes pictures and says that they are drawn."""

    def __init__(self, address: str) -> None:
        context = get_context("spawn")
        self._on, self._shown = context.Event(), context.Value("i")
        body = partial(watch, address, self._on, self._shown)
        self._process = context.Process(target=body, daemon=True)
        self._process.start()

    def __enter__(self) -> None:
        before = self._shown.value
        self._on.set()
        while self._shown.value < before + 3:
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._on.clear()

    def end(self) -> None:
        """No more pages."""
        self._process.terminate()
        self._process.join()


def watch(address: str, on: Event, shown: Any) -> None:
    """Body of the process."""
    os.nice(19)  # it stands for another machine's processor
    while on.wait():
        asyncio.run(_watch(address, on, shown))


async def _watch(address: str, on: Event, shown: Any) -> None:
    headers = {"Origin": address.rstrip("/")}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{address}socket", headers=headers) as socket,
    ):
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                shown.value += 1
                number = unpack(message.data)[0]["number"]
                await socket.send_str(json.dumps({"type": "drawn", "number": number}))
            if not on.is_set():
                return


def node_rate(site: Site, minutes: float, span: float = 6.0) -> None:
    """Masks per second without and with a page open, by turns.

    The node tracks one object and gets more images than it can do, so that every loss shows. The
    page is on no machine's screen: a browser belongs to another machine than the robot's.
    """
    alone, watched = [], []
    burden = []
    watcher = Watcher(site.server.address)
    with watcher:
        pass  # the process has started
    for _ in range(max(3, round(60 * minutes / (2 * span + 7)))):
        listen(site, 6.0)  # subscriptions outlive the last page a little
        alone.append(listen(site, span))
        with watcher:
            before = site.server.processor_time()
            watched.append(listen(site, span))
            burden.append((site.server.processor_time() - before) / span)
    watcher.end()
    for what, column in (("frames per second", 0), ("processor ms per frame", 1)):
        without, with_page = np.array(alone)[:, column], np.array(watched)[:, column]
        ratios = with_page / without
        error = ratios.std(ddof=1) / np.sqrt(len(ratios))
        print(
            f"node, {what}: {without.mean():.2f} alone, {with_page.mean():.2f} with a page; "
            f"ratio {ratios.mean():.3f} ± {error:.3f} of {len(ratios)} pairs"
        )
    print(f"the server takes {np.mean(burden):.2f} of a processor core with a page")


def listen(site: Site, span: float) -> tuple[float, float]:
    """Masks per second, and the node's processor time for each in ms."""
    masks = site.robot.masks
    masks.clear()
    start, computed = time.monotonic(), site.node.processor_time()
    site.robot.listen(span)
    computed = site.node.processor_time() - computed
    return len(masks) / (time.monotonic() - start), 1000 * computed / max(1, len(masks))


if __name__ == "__main__":
    sys.exit(main())
