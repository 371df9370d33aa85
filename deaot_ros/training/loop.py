"""The loop of a stage: steps, saved states, and a tidy stop when it is asked to end."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from deaot_ros.errors import DeaotError

from .distributed import anywhere
from .trainer import StepReport, Trainer

log = logging.getLogger(__name__)

Watcher = Callable[[StepReport], None]


def train_to_end(
    trainer: Trainer,
    state: Path | None,
    save_every: float = 300.0,
    watchers: Sequence[Watcher] = (),
) -> bool:
    """Train to the end of the stage.

    Ctrl-C and a request to terminate end it after the step in progress, with a saved state. A
    state that cannot be written (a full disk) is said and tried again; only the last one must
    succeed.

    Args:
        state: file to save to; None: another process does.
        save_every: seconds between saved states.
        watchers: called after every step.

    Returns:
        Whether the end was reached.

    Raises:
        FloatingPointError: the loss is not finite; the last saved state is the one to go back to.
        DeaotError: a batch could not be made; the state is saved.
        OSError: the last state could not be written.
    """
    steps, saved = trainer.settings.steps, time.monotonic()
    with _stop_requested() as stop:
        # A process that stopped alone would leave the others waiting for its gradient.
        while trainer.step < steps and not anywhere(stop(), trainer.processes, trainer.device):
            try:
                report = trainer.reported_step()
            except DeaotError:
                _save(trainer, state)
                raise
            for watcher in watchers:
                watcher(report)
            if time.monotonic() - saved > save_every:
                try:
                    _save(trainer, state)
                except OSError as error:
                    log.error("%s; training goes on and will try again", error.strerror)
                saved = time.monotonic()
        _save(trainer, state)
    return trainer.step >= steps


def _save(trainer: Trainer, state: Path | None) -> None:
    if state is not None:
        trainer.save(state)


@contextmanager
def _stop_requested() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM has come; a second one acts as ever."""
    came: list[int] = []
    before = {}

    def remember(number: int, frame: FrameType | None) -> None:
        came.append(number)
        log.info("stopping after this step")
        signal.signal(number, before[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, remember)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
