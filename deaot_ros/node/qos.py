"""Quality of service of every topic, in one place."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


def _profile(
    depth: int,
    reliability: ReliabilityPolicy = RELIABLE,
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE,
) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
    )


NEWEST = _profile(1)
"""Masks and pictures: only the newest matters, and any subscriber matches."""

OBJECTS = _profile(5)
TARGET_MASK = _profile(5)
CONFIDENCE = _profile(1, BEST_EFFORT)
LATCHED = _profile(1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
DIAGNOSTICS = _profile(1)


def camera(reliability: ReliabilityPolicy) -> QoSProfile:
    """Subscription to the camera: depth 1, for anything deeper only adds age."""
    return _profile(1, reliability)


def depth_camera(reliability: ReliabilityPolicy) -> QoSProfile:
    """Subscription to images that wait for masks: a queue, for every stamp may be the one."""
    return _profile(10, reliability)


def offered_reliability(node: Node, topic: str) -> ReliabilityPolicy | None:
    """What the publishers of ``topic`` offer: best effort if any of them does; None: nobody.

    A reliable subscription gets nothing from a best-effort publisher, while a best-effort one
    loses large images where the network could have repeated them.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return None
    best_effort = any(p.qos_profile.reliability == BEST_EFFORT for p in publishers)
    return BEST_EFFORT if best_effort else RELIABLE
