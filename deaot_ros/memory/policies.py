"""The rules by name."""

from __future__ import annotations

from deaot_ros.memory.age_policies import (
    FifoPolicy,
    LogPolicy,
    ReferencePolicy,
    UnboundedPolicy,
)
from deaot_ros.memory.policy import Policy
from deaot_ros.memory.similarity import SimilarityPolicy
from deaot_ros.memory.ucb import UcbPolicy
from deaot_ros.network.variants import Variant

_CLASSES: dict[str, type[Policy]] = {
    "reference": ReferencePolicy,
    "fifo": FifoPolicy,
    "ucb": UcbPolicy,
    "similarity": SimilarityPolicy,
    "log": LogPolicy,
    "unbounded": UnboundedPolicy,
}


_FEW = 2
"""Predicted frames beside the annotated ones: attention that learned with one frame of memory finds
no more in eight, and every frame costs as much as the first."""


def make_policy(name: str, variant: Variant) -> Policy:
    """A fresh rule; ``auto`` is the one that suits the variant best (docs/memory.md)."""
    if name == "auto":
        return LogPolicy(_FEW) if variant.remembers_references_only else UcbPolicy()
    return _CLASSES[name]()
