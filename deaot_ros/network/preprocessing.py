"""What the encoder expects of pixel values."""

from __future__ import annotations

import torch
from torch import Tensor

RGB_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
"""ImageNet statistics of RGB in 0..255 (SPEC section 2)."""

RGB_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


def normalisation(device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Mean and inverse standard deviation, float32 [1, 3, 1, 1] each."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (RGB_MEAN, RGB_STD))
    return mean.to(device), (1 / std).to(device)


def normalise(image: Tensor) -> Tensor:
    """RGB 0..255 [B, 3, H, W] to the encoder's input."""
    mean, inverse_std = (v.to(image) for v in normalisation())
    return (image - mean) * inverse_std
