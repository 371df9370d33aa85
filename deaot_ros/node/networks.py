"""Networks that the nodes of one process share: loaded once, run for one batch at a time."""

from __future__ import annotations

from weakref import WeakSet

from deaot_ros.node.batches import Batches
from deaot_ros.node.parameters import Parameters
from deaot_ros.tracking import Tracker


class Networks:
    """Makes trackers; those that ask for the same network share it.

    A network is freed with its last tracker. Memory and objects are each tracker's own.

    Attributes:
        batches: by which trackers run their networks.
    """

    def __init__(self, batch: str = "auto") -> None:
        """``batch`` is one of ``batches.BATCHING``."""
        self.batches = Batches(batch)
        self._trackers: dict[tuple[str, ...], WeakSet[Tracker]] = {}

    def tracker(self, parameters: Parameters) -> Tracker:
        """A tracker as the parameters want it.

        Raises:
            DeaotError: it cannot be had.
        """
        weights = parameters.weights_path
        key = (
            parameters.variant, str(weights), parameters.device, parameters.backend,
            parameters.precision, parameters.engine_cache_dir,
        )  # fmt: skip
        users = self._trackers.setdefault(key, WeakSet())
        other = next(iter(users), None)
        if other is not None:
            tracker = other.sibling(parameters.tracker_settings)
        else:
            tracker = Tracker.load(
                parameters.variant,
                weights,
                parameters.device,
                parameters.backend,
                parameters.precision,
                parameters.tracker_settings,
                parameters.engine_cache,
                in_background=True,
            )
        users.add(tracker)
        return tracker
