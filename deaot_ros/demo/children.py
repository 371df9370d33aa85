"""Processes that end with us, whatever happens."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType, TracebackType

from deaot_ros.demo.environment import child_environment
from deaot_ros.errors import DeaotError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PATIENCE = 8.0  # seconds from asking a process to end until it is killed


class ChildError(DeaotError):
    """A process of ours ended before its time."""


class Children:
    """Starts Python modules as processes; leaving the context ends all of them.

    The terminal's Ctrl-C comes to us alone, so that we can end them in order; should we be killed,
    the kernel interrupts them.
    """

    def __init__(self, logs: Path) -> None:
        """``logs`` is an existing folder; child NAME writes NAME.log there."""
        self._environment = child_environment()
        self._logs = logs
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, module: str, *arguments: str) -> subprocess.Popen[str]:
        """Run ``python -m module arguments`` with pipes for its input and output."""
        with (self._logs / f"{name}.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if name == "camera" else log,
                stderr=log,
                text=True,
                env=self._environment,
                cwd=self._logs,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self._running[name] = process
        return process

    def check(self) -> None:
        """Raise where a child has ended.

        Raises:
            ChildError: with the last lines of its log.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                log = self._logs / f"{name}.log"
                lines = [line for line in log.read_text(errors="replace").splitlines() if line]
                said = " | ".join(lines[-3:]) or "it said nothing"
                raise ChildError(
                    f"the {name} process ended with status {process.returncode}: {said} "
                    f"(all of it in {log})"
                )

    def __enter__(self) -> Children:
        self._handler = signal.signal(signal.SIGTERM, _as_interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A second Ctrl-C must not leave processes behind.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for process in self._running.values():
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
            for process in self._running.values():
                try:
                    process.wait(_PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()
        finally:
            signal.signal(signal.SIGINT, interrupt)
            signal.signal(signal.SIGTERM, self._handler)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # background jobs of scripts ignore it
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
