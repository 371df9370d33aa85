"""A line that shows how far a long command is, on terminals only."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_WIDTH = 30
_INTERVAL = 0.1  # seconds between updates


class Progress:
    """A progress bar on stderr; silent where stderr is no terminal. A context manager.

    Attributes:
        done: how many are done.
    """

    def __init__(self, total: int | None, done: int = 0) -> None:
        """``total`` None: unknown, only a counter is shown. ``done`` were so before."""
        self._total = total
        self._before = done
        self.done = done
        self._note = ""
        self._start = time.monotonic()
        self._shown = 0.0
        self._active = sys.stderr.isatty()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def step(self, note: str = "") -> None:
        """One more is done; ``note`` is shown behind the bar."""
        self.done += 1
        self._note = note
        now = time.monotonic()
        if self._active and (now - self._shown >= _INTERVAL or self.done == self._total):
            self._shown = now
            sys.stderr.write(f"\r{self._line()}\x1b[K")
            sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._active and self.done > self._before:
            sys.stderr.write("\n")

    def _line(self) -> str:
        rate = (self.done - self._before) / max(self.seconds, 1e-6)
        if not self._total:
            return f"{self.done} frames  {rate:.1f}/s"
        filled = min(_WIDTH, _WIDTH * self.done // self._total)
        left = max(0, self._total - self.done) / rate
        bar = "#" * filled + "." * (_WIDTH - filled)
        return f"[{bar}] {self.done}/{self._total}  {rate:.1f}/s  {left:.0f} s left  {self._note}"
