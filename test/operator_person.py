"""Somebody at the operator's page, in a real browser."""

from __future__ import annotations

import chromium
import cv2
import numpy as np
from operator_site import Site

from deaot_ros.operator_ui.rle import decode_runs


class Operator:
    """Somebody at a page; works in pixels of the camera."""

    def __init__(self, browser: chromium.Browser, site: Site, touch: bool = False) -> None:
        self.height, self.width = site.size
        self.page = browser.open("about:blank")
        self.page.view(*((820, 1180) if touch else (1280, 800)), touch)
        self.page.go(site.server.address)
        self.page.wait("document.body.dataset.pictured", "picture")

    def leave(self) -> None:
        self.page.evaluate("window.operatorPage.desk.close()")  # or it asks whether to leave
        assert self.page.faults == []
        self.page.close()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where on the screen a pixel of the camera is."""
        left, top, width, height = self.page.evaluate(
            "(() => { const b = document.getElementById('picture').getBoundingClientRect();"
            "return [b.x, b.y, b.width, b.height]; })()"
        )
        scale = min(width / self.width, height / self.height)
        return (
            left + (width - scale * self.width) / 2 + scale * x,
            top + (height - scale * self.height) / 2 + scale * y,
        )

    def points(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        return [self.at(*point) for point in points]

    def freeze(self) -> None:
        self.page.wait("!document.getElementById('freeze').disabled", "picture to freeze")
        self.page.click("#freeze")
        self.page.wait(
            "document.body.dataset.mode === 'frozen' && !!document.querySelector('.chosen')",
            "frozen picture",
        )

    def use(self, tool: str) -> None:
        number = ["Brush", "Eraser", "Polygon", "Lasso", "Box", "Fill"].index(tool) + 1
        self.page.click(f"#tools button:nth-child({number})")
        self.page.wait(f"document.querySelector('#tools [aria-checked=true]').innerText[0] === "
                       f"'{tool[0]}'")  # fmt: skip

    def outline(self, truth: np.ndarray) -> list[tuple[float, float]]:
        """Corners around an object."""
        lines, _ = cv2.findContours(
            truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        line = max(lines, key=cv2.contourArea)
        return [(float(x), float(y)) for x, y in cv2.approxPolyDP(line, 2, True)[:, 0]]

    def drawn(self) -> np.ndarray:
        """Ids on the drawing, read from what would be sent."""
        runs = self.page.evaluate(
            "import('/static/rle.js').then(({ encodeRuns }) =>"
            "Array.from(encodeRuns(window.operatorPage.desk.drawing.labels)))"
        )
        return decode_runs(bytes(runs), self.height, self.width)

    def pixel(self, x: float, y: float) -> list[int]:
        """Colour on the screen at a pixel of the camera."""
        left, top = self.at(x + 0.5, y + 0.5)
        return self.page.evaluate(
            "(() => { const c = document.getElementById('picture');"
            "const b = c.getBoundingClientRect(); const r = c.width / b.width;"
            f"return [...c.getContext('2d').getImageData(({left} - b.x) * r, ({top} - b.y) * r,"
            "1, 1).data].slice(0, 3); })()"
        )

    def stamp(self) -> int:
        """Of the frozen picture, in ns."""
        return int(self.page.evaluate("window.operatorPage.desk.frame.stamp"))

    def send(self) -> None:
        self.page.key("Enter")

    def wait_live(self) -> None:
        self.page.wait("document.body.dataset.mode === 'live'", "answer to the drawing", 90)

    def alert(self, words: str) -> str:
        box = "document.getElementById('alert')"
        self.page.wait(f"!{box}.hidden && {box}.innerText.includes({words!r})", words, 90)
        return self.page.text("#alert")

    def message(self, words: str) -> None:
        self.page.wait(f"document.getElementById('log').innerText.includes({words!r})", words, 90)

    def reset(self) -> None:
        self.page.click("#reset")
        self.page.click("#reset")
        self.message("all objects forgotten")
