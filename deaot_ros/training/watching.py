"""What can be seen of a training: lines, and TensorBoard's curves and pictures."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from deaot_ros.errors import DeaotError
from deaot_ros.video.colours import draw_overlay

from .trainer import StepReport, Trainer
from .validate import track_clip

log = logging.getLogger(__name__)


class Lines:
    """A line in the log every so many steps."""

    def __init__(self, steps: int, every: int = 20) -> None:
        self._steps = steps
        self._every = every
        self._reports: list[StepReport] = []

    def __call__(self, report: StepReport) -> None:
        self._reports.append(report)
        if report.step % self._every and report.step != self._steps:
            return
        mean = means(self._reports)
        log.info(
            "step %d/%d loss %.4f %.2f s/step, %.0f %% of it waiting for data",
            report.step, self._steps, mean["loss"], mean["seconds"], mean["waiting"],
        )
        self._reports.clear()


class Curves:
    """TensorBoard's files: loss, learning rate, gradient and waiting, and sample pictures."""

    def __init__(self, folder: Path, trainer: Trainer, every: int = 20, pictures: int = 500):
        """Open the files.

        Args:
            every: steps per point of the curves.
            pictures: steps between pictures.

        Raises:
            DeaotError: TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise DeaotError(
                f"TensorBoard is not installed ({error}): pip install tensorboard, "
                "or --no-tensorboard"
            ) from None
        # Points after the step that is resumed from are those of a run that was cut off.
        self._writer: Any = SummaryWriter(str(folder), purge_step=trainer.step)
        self._trainer = trainer
        self._every = every
        self._pictures = pictures
        self._reports: list[StepReport] = []

    def __call__(self, report: StepReport) -> None:
        self._reports.append(report)
        if report.step % self._every == 0:
            for name, value in means(self._reports).items():
                self._writer.add_scalar(f"training/{name}", value, report.step)
            self._reports.clear()
        if report.step % self._pictures == 0:
            picture = sample_picture(self._trainer)
            self._writer.add_image("sample", picture, report.step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still to be written."""
        self._writer.close()


def means(reports: list[StepReport]) -> dict[str, float]:
    """Means over some steps; "waiting" is the share of the time without a batch, in percent."""
    seconds = sum(r.seconds for r in reports)
    return {
        "loss": float(np.mean([r.loss for r in reports])),
        "rate": reports[-1].rate,
        "gradient": float(np.mean([r.gradient for r in reports])),
        "seconds": seconds / len(reports),
        "waiting": 100 * sum(r.waited for r in reports) / max(seconds, 1e-9),
    }


def sample_picture(trainer: Trainer) -> np.ndarray:
    """The next clip, truth above and prediction from the first mask below, uint8 [H, W, 3]."""
    settings = trainer.settings
    number = trainer.step * settings.batch
    clip = trainer.source.clip(number, settings.frames + settings.rollout, settings.size)
    rows = (clip.masks, track_clip(trainer.network.eval(), clip))
    return np.concatenate(
        [np.concatenate(list(map(draw_overlay, clip.frames, masks)), 1) for masks in rows]
    )
