"""Rules that look at the age of frames only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deaot_ros.memory.policy import Candidate, Policy, Slot


class FifoPolicy(Policy):
    """Annotated frames stay; of the others the newest."""


class ReferencePolicy(Policy):
    """Annotated frames only, as published for T, S and B."""

    takes_predictions = False


class UnboundedPolicy(Policy):
    """Every frame stays, as published for the L variants. For parity only: memory grows."""

    grows = True
    gated = False


class LogPolicy(Policy):
    """Spacing grows geometrically with age, so that few slots span the whole session.

    Given up is the frame that is most redundant on a logarithmic scale of age: the one whose
    removal leaves the smallest ratio between the ages of its two neighbours.
    """

    def __init__(self, most_predicted: int | None = None) -> None:
        """See :class:`Policy` for the limit."""
        self.most_predicted = most_predicted

    def give_up(self, slots: Sequence[Slot], free: Sequence[int], candidate: Candidate) -> int:
        order = sorted(range(len(slots)), key=lambda i: slots[i].stamp, reverse=True)
        # Ages count from one interval after the candidate, so that none is zero.
        interval = max(candidate.stamp - slots[order[0]].stamp, 1e-6)
        ages = [interval] + [candidate.stamp - slots[i].stamp + interval for i in order]
        ages.append(ages[-1])  # nothing is older than the oldest
        ratios = {
            slot: math.log(max(ages[place + 1], interval) / max(ages[place - 1], interval))
            for place, slot in enumerate(order, 1)
        }
        return min(free, key=lambda i: (ratios[i], slots[i].frame))
