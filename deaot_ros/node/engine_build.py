"""Makes graphs and engines ready in the background and switches to them; tracking goes on."""

from __future__ import annotations

import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from deaot_ros.backends import SwitchingBackend
from deaot_ros.errors import DeaotError
from deaot_ros.export import Shapes
from deaot_ros.node.parameters import Parameters


class EngineBuild:
    """Builds for one tracker node. Methods may be called from any thread.

    The work is done by ``deaot build-engine`` in a process of its own, so that neither its crash
    nor its hunger for the interpreter's lock reaches the tracker.

    Attributes:
        note: what is being done, or went wrong; for people, empty when there is nothing to say.
        failed: the last build did.
    """

    def __init__(
        self,
        backend: SwitchingBackend,
        parameters: Parameters,
        weights: str,
        log: Callable[[str], object],
        turn: Callable[[], AbstractContextManager[object]],
    ) -> None:
        """Nothing is built yet.

        Args:
            backend: what switches.
            parameters: which network.
            weights: its file.
            log: takes a line for people.
            turn: gives what is held while the new graphs are tried.
        """
        self.note = ""
        self.failed = False
        self._backend = backend
        backend.wanted = None  # a warm-up is no camera
        self._parameters = parameters
        self._weights = weights
        self._log = log
        self._turn = turn
        self._expected: Shapes | None = None
        self._tried: set[Shapes] = set()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    @property
    def running(self) -> bool:
        """Whether something is being built or loaded."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def finished(self) -> bool:
        """Whether graphs run the shapes at hand, or cannot."""
        wanted = self._wanted
        return not self.running and wanted is not None and wanted in self._tried

    def follow(self, size: tuple[int, int] | None) -> None:
        """Build for the shapes that were met last, unless that was tried before.

        Args:
            size: (height, width) of the network input, on which one object or more will be
                tracked; None while it is not known.
        """
        if size is not None:
            self._expected = Shapes(*size, self._parameters.memory_slots)
        wanted = self._wanted
        if wanted is not None and wanted not in self._tried and not self.running:
            self._begin(wanted)

    def request(self) -> tuple[bool, str]:
        """Build for the shapes that were met last, again if it failed; says what is done."""
        wanted = self._wanted
        if self.running:
            return True, self.note
        if wanted is None:
            return False, (
                "no image has come yet, so the size of the network is not known; start the camera, "
                "set network_height and network_width, or run deaot build-engine"
            )
        if self._backend.adopted(wanted):
            return True, f"{self._backend.target} runs already"
        self._begin(wanted)
        return True, self.note

    def stop(self) -> None:
        """End a build that runs; what it made so far stays in the cache."""
        self._stopped = True
        process, thread = self._process, self._thread
        if process is not None and process.poll() is None:
            process.terminate()
        if thread is not None:
            thread.join()

    @property
    def _wanted(self) -> Shapes | None:
        return self._backend.wanted or self._expected

    def _begin(self, shapes: Shapes) -> None:
        self._tried.add(shapes)
        self.failed = False
        self.note = f"building for {self._backend.target}; {self._backend.name} runs meanwhile"
        self._thread = threading.Thread(
            target=self._work, args=(shapes,), name="deaot_engine", daemon=True
        )
        self._thread.start()

    def _work(self, shapes: Shapes) -> None:
        try:
            if not self._backend.ready(shapes):
                self._build(shapes)
            if self._stopped:
                return
            self._backend.adopt(shapes, self._turn)
        except Exception as error:  # whatever it is, the tracker goes on with torch
            if self._stopped:
                return
            self.failed = True
            reason = str(error) if isinstance(error, DeaotError) else traceback.format_exc()
            self.note = f"no {self._backend.target}: {reason}"
        else:
            self.note = ""
            self._log(
                f"{self._backend.target} runs from now on, network input {shapes.height}x"
                f"{shapes.width}, {shapes.groups} groups"
            )

    def _build(self, shapes: Shapes) -> None:
        command = build_command(self._backend, self._parameters, self._weights, shapes)
        self._process = process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=Path(sys.executable).parent,  # where no source folder hides the installed one
        )  # fmt: skip
        last = ""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                last = line.strip() or last
                self.note = f"building for {self._backend.target}: {last}"
                self._log(last)
        if process.wait() != 0 and not self._stopped:
            raise DeaotError(last)


def build_command(
    backend: SwitchingBackend, parameters: Parameters, weights: str, shapes: Shapes
) -> list[str]:
    """``deaot build-engine`` for what ``backend`` switches to."""
    command = [
        "nice", "-n", "5", sys.executable, "-m", "deaot_ros.cli", "build-engine",
        "--variant", backend.variant.name, "--weights", str(Path(weights).absolute()),
        "--backend", backend.target, "--device", str(backend.device),
        "--precision", backend.precision,
        "--height", str(shapes.height), "--width", str(shapes.width),
        "--max-long-side", str(max(shapes.height, shapes.width)),
        "--slots", str(shapes.slots), "--groups", str(shapes.groups),
    ]  # fmt: skip
    if parameters.engine_cache is not None:
        command += ["--cache", str(parameters.engine_cache.absolute())]
    return command
