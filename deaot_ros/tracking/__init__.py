"""The public Python API: a tracker, its settings and its results."""

from deaot_ros.memory import MemorySettings, MemoryUsage
from deaot_ros.tracking.augmentation import AugmentedTracker
from deaot_ros.tracking.checks import AnnotationMode
from deaot_ros.tracking.prediction import Prediction
from deaot_ros.tracking.result import ObjectState, TrackedObject, TrackResult
from deaot_ros.tracking.settings import StateSettings, TrackerSettings
from deaot_ros.tracking.tracker import Step, Tracker

__all__ = [
    "AnnotationMode",
    "AugmentedTracker",
    "MemorySettings",
    "MemoryUsage",
    "ObjectState",
    "Prediction",
    "StateSettings",
    "Step",
    "TrackResult",
    "TrackedObject",
    "Tracker",
    "TrackerSettings",
]
