"""What the network says about a frame, before memory hears of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deaot_ros.tracking import labelling


@dataclass(frozen=True, slots=True)
class Prediction:
    """Labels, and the raw logits behind them.

    Attributes:
        labels: [H, W] object ids at camera size, as in ``TrackResult``.
        logits: raw decoder output, float32 [G, 11, h4, w4] at stride 4; channel 0 of each group is
            its background. Group g holds the places 10 g + 1 .. 10 g + 10. Objects take places in
            order of first appearance, within one mask by ascending id.
        place_ids: [1 + 10 G], the object id of each place, 0 where it has none.
        live: per group the places that have an object; other channels of ``logits`` have no
            meaning (published code overwrites them with -1e10).
        align_corners: of the variant, for upsampling.
    """

    labels: np.ndarray
    logits: Tensor
    place_ids: np.ndarray
    live: tuple[tuple[int, ...], ...]
    align_corners: bool

    def probabilities(self) -> Tensor:
        """Probability of background and of every place at camera size, float32 [1 + 10 G, H, W]."""
        height, width = self.labels.shape
        with torch.inference_mode():
            return labelling.probabilities(
                self.logits, self.live, (height, width), self.align_corners
            )
