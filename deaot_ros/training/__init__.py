"""Training of a DeAOT network: on still images, on videos, and on synthetic clips."""

from .loop import train_to_end
from .settings import TrainSettings
from .stages import stage_settings
from .trainer import StepReport, Trainer

__all__ = ["StepReport", "TrainSettings", "Trainer", "stage_settings", "train_to_end"]
