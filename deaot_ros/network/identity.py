"""Identification embedding of label maps (paper section 3, equation 1; SPEC section 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from deaot_ros.network.variants import MAX_OBJECTS_PER_GROUP

ID_CHANNELS = MAX_OBJECTS_PER_GROUP + 1
"""Background and ten objects."""


def one_hot(labels: Tensor, dtype: torch.dtype) -> Tensor:
    """Label maps to one channel per identity.

    Args:
        labels: uint8 [B, H, W]; 0 background, 1..10 objects. Anything above is no identity at all,
            not even background.
        dtype: of the result.

    Returns:
        [B, 11, H, W] of zeros and ones.
    """
    ids = torch.arange(ID_CHANNELS, device=labels.device, dtype=labels.dtype)
    return (labels[:, None] == ids[None, :, None, None]).to(dtype)
