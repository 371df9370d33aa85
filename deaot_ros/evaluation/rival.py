"""Another program that is timed beside this one, frame by frame in turn.

It is started by a command line and spoken to over its standard input and output, one line each
way. First it is given the case as a line of JSON (:class:`RivalCase`). When it is ready for frames
(memory filled, caches warm) it answers ``ready NAME``. Then each line ``frame`` asks for one frame,
which it answers with the milliseconds that frame took, and optionally, after a blank, the
milliseconds of CPU time. At the end of its input it exits. It waits for the next line without
using the CPU, or it would disturb the other side.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import shlex
import subprocess
from dataclasses import asdict, dataclass
from types import TracebackType

from deaot_ros.errors import DeaotError

READY_SECONDS = 900.0
FRAME_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RivalCase:
    """What the other program is to run.

    Attributes:
        variant: name of the network.
        height, width: of the camera image and of the labels in pixels.
        network_height, network_width: of the network input.
        objects: tracked ones.
        memory_frames: in long-term memory, annotated one included; constant while frames are timed.
        threads: CPU threads.
        device: ``cpu`` or ``cuda:N``.
    """

    variant: str
    height: int
    width: int
    network_height: int
    network_width: int
    objects: int
    memory_frames: int
    threads: int
    device: str


class Rival:
    """The running program. A context: at its end the program is ended, too.

    Raises:
        DeaotError: it cannot be started, ends early, or does not speak the protocol.
    """

    def __init__(self, command: str, case: RivalCase) -> None:
        self._command = command
        try:
            self._process = subprocess.Popen(
                shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise DeaotError(f"--against: cannot start '{command}': {error}") from None
        self._buffer = b""
        try:
            self._say(json.dumps(asdict(case)))
            word, _, self.name = self._hear(READY_SECONDS).partition(" ")
            if word != "ready":
                raise self._complaint(f"said '{word}', expected 'ready NAME'")
        except BaseException:
            self.close()
            raise

    def frame(self) -> tuple[float, float | None]:
        """Have it do a frame; seconds on the clock and, where it tells them, of CPU time."""
        self._say("frame")
        answer = self._hear(FRAME_SECONDS)
        try:
            times = [float(text) / 1000 for text in answer.split()]
            return times[0], times[1] if len(times) > 1 else None
        except (ValueError, IndexError):
            raise self._complaint(
                f"answered '{answer}' to 'frame', expected milliseconds"
            ) from None

    def close(self) -> None:
        """End the program."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Rival:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._complaint("has ended") from None

    def _hear(self, seconds: float) -> str:
        pipe = self._process.stdout
        assert pipe is not None
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(seconds):
                    raise self._complaint(f"said nothing for {seconds:g} s")
                found = pipe.read1(65536)  # type: ignore[attr-defined]
                if not found:
                    raise self._complaint("has ended")
                self._buffer += found
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").strip()

    def _complaint(self, what: str) -> DeaotError:
        return DeaotError(
            f"--against: '{self._command}' {what}; docs/performance.md says how it is spoken to"
        )
