"""The rolling memory: fixed slots, which frame to admit, which slot to give up."""

from deaot_ros.memory.rolling import RollingMemory
from deaot_ros.memory.settings import POLICIES, MemorySettings, MemoryUsage

__all__ = ["POLICIES", "MemorySettings", "MemoryUsage", "RollingMemory"]
