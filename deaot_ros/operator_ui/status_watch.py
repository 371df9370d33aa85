"""What the node's status says, for pages; and what changed that an operator must notice."""

from __future__ import annotations

from typing import Any

from deaot_ros.msg import TrackerStatus

STATES = {
    TrackerStatus.NO_IMAGE: "no image",
    TrackerStatus.IDLE: "idle",
    TrackerStatus.TRACKING: "tracking",
    TrackerStatus.PAUSED: "paused",
    TrackerStatus.BUILDING_ENGINE: "building engine",
    TrackerStatus.ERROR: "error",
}

VERDICTS = {
    getattr(TrackerStatus, name): name
    for name in (
        "NONE", "ACCEPTED", "BAD_SIZE", "BAD_ENCODING", "EMPTY", "TOO_MANY_OBJECTS",
        "FRAME_NOT_FOUND", "BAD_ID",
    )
}  # fmt: skip


def describe(status: TrackerStatus) -> dict[str, Any]:
    """The status as a page gets it."""
    return {
        "state": STATES.get(status.state, str(status.state)),
        "message": status.message,
        "runs": f"{status.variant} on {status.device} by {status.backend}",
        "session": status.session,
        "ids": list(status.object_ids),
        "verdict": VERDICTS.get(status.last_mask_result, str(status.last_mask_result)),
        "fps": round(status.fps, 1),
        "latency_p50": round(status.latency_p50_ms),
        "latency_p95": round(status.latency_p95_ms),
        "dropped": status.frames_dropped,
        "received": status.frames_received,
    }


def news(before: TrackerStatus | None, now: TrackerStatus) -> list[str]:
    """What an operator must hear of: a node that began anew, objects whose identity is gone."""
    if before is None:
        return []
    lost = sorted(set(before.object_ids) - set(now.object_ids))
    objects = f"objects {', '.join(map(str, lost))} are forgotten" if lost else ""
    said = []
    if now.frames_received < before.frames_received:
        said.append("the tracker node was started again" + (f": {objects}" if objects else ""))
    elif now.session != before.session:
        said.append(f"session {now.session} began" + (f": {objects}" if objects else ""))
    return said
