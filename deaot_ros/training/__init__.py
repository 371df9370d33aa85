"""Training of a DeAOT network from random weights on synthetic clips."""

from .settings import TrainSettings
from .trainer import Trainer

__all__ = ["TrainSettings", "Trainer"]
