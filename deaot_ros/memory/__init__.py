"""The rolling memory: fixed slots, which frame to admit, which slot to give up."""

from deaot_ros.memory.policy import Candidate
from deaot_ros.memory.rolling import RollingMemory
from deaot_ros.memory.settings import MAX_LAG, POLICIES, MemorySettings, MemoryUsage
from deaot_ros.memory.similarity import view_of

__all__ = [
    "MAX_LAG",
    "POLICIES",
    "Candidate",
    "MemorySettings",
    "MemoryUsage",
    "RollingMemory",
    "view_of",
]
