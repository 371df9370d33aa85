"""RMem's rule: keep what attention reads, but give new frames a chance.

Zhou, Pang, Zhou, Yang, Wang: "RMem: Restricted Memory Banks Improve Video Object Segmentation"
(CVPR 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from deaot_ros.memory.policy import Candidate, Policy, Slot

_NEWEST_WEIGHT = 0.8
_EXPLORATION = 1.5
_PATIENCE = 8


class UcbPolicy(Policy):
    """Upper confidence bound of each frame's relevance, as published.

    Relevance is a moving mean of the share of attention that a frame draws from the foreground.
    A frame that stayed for t updates scores ``relevance + 1.5 sqrt(ln(sum of t) / (t + 8))``,
    where the reference counts as if it had stayed once per frame there is. The lowest score is
    given up. Counting begins when memory is full for the first time.
    """

    wants_share = True

    def __init__(self) -> None:
        self._relevance: dict[int, float] = {}
        self._stays: dict[int, int] = {}

    def give_up(self, slots: Sequence[Slot], free: Sequence[int], candidate: Candidate) -> int:
        assert candidate.share is not None, "this rule needs the attention that slots drew"
        relevance, stays = self._relevance, self._stays
        frames = [slot.frame for slot in slots]
        self._relevance = {
            frame: _NEWEST_WEIGHT * share + (1 - _NEWEST_WEIGHT) * relevance.get(frame, share)
            for frame, share in zip(frames, candidate.share, strict=True)
        }
        self._stays = {frame: stays.get(frame, 0) + 1 for frame in (*frames, candidate.frame)}
        counts = [
            len(slots) if slot.reference else self._stays[slot.frame] for slot in slots
        ]
        log_total = math.log(sum(counts))

        def score(i: int) -> float:
            bonus = _EXPLORATION * math.sqrt(log_total / (counts[i] + _PATIENCE))
            return self._relevance[frames[i]] + bonus

        return min(free, key=lambda i: (score(i), frames[i]))
