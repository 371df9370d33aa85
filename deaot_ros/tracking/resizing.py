"""Sizes: what the network sees of an image, and label maps at that size (SPEC section 2)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

_STRIDE = 16


def align(side: int, align_corners: bool) -> int:
    """The nearest side the network takes: ``16 k + 1`` or ``16 k``; halves go to even k."""
    offset = 1 if align_corners else 0
    return max(_STRIDE, _STRIDE * round((side - offset) / _STRIDE)) + offset


def network_size(
    height: int,
    width: int,
    *,
    align_corners: bool,
    max_long_side: float | None,
    max_short_side: float | None = None,
    scale: float = 1.0,
) -> tuple[int, int]:
    """Size of the network input for an image.

    The order of operations is the published one; it decides borderline roundings. Images are never
    enlarged except by alignment or by ``scale``.

    Args:
        height, width: of the image.
        align_corners: of the variant.
        max_long_side: limit in pixels; None: no limit.
        max_short_side: limit in pixels, applied first; None: no limit.
        scale: of test-time augmentation.

    Returns:
        (height, width).
    """
    h, w = float(height), float(width)
    if max_short_side is not None and min(h, w) > max_short_side:
        factor = max_short_side / min(h, w)
        h, w = h * factor, w * factor
    if max_long_side is not None and max(h, w) > max_long_side:
        factor = max_long_side / max(h, w)
        h, w = h * factor, w * factor
    return align(int(h * scale), align_corners), align(int(w * scale), align_corners)


def resize_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Integer labels [H, W] to ``size`` by floor-nearest sampling, ``src = floor(dst * in / out)``.

    The quotient is torch's own, because published results depend on its rounding.
    """
    if tuple(labels.shape) == size:
        return labels
    resized = F.interpolate(labels[None, None].float(), size, mode="nearest")
    return resized[0, 0].to(labels.dtype)


def upsample_logits(logits: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """[B, C, h, w] to [B, C, *size], bilinear."""
    return F.interpolate(logits, size, mode="bilinear", align_corners=align_corners)

