"""A camera image as the network's input, made on the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def to_input(
    image: np.ndarray | Tensor,
    size: tuple[int, int],
    device: torch.device,
    layout: torch.memory_format,
) -> Tensor:
    """uint8 [H, W, 3] RGB to float32 [1, 3, h, w] of 0..255.

    Args:
        image: of the camera: an array, contiguous and writable, or a tensor on the device.
        size: (height, width) of the result; where it differs from the image's the float image is
            resampled bicubically without antialiasing or clipping (SPEC section 2).
        device: of the result.
        layout: of the result.
    """
    if isinstance(image, np.ndarray):
        image = torch.from_numpy(image).to(device, non_blocking=True)
    x = image.permute(2, 0, 1)[None].to(torch.float32, memory_format=layout)
    if tuple(image.shape[:2]) != size:
        x = F.interpolate(x, size, mode="bicubic", align_corners=False)
    return x
