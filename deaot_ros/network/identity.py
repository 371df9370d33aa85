"""Identification embedding of label maps (paper section 3, equation 1; SPEC section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def identity_cover(labels: Tensor, dtype: torch.dtype, grid: tuple[int, int]) -> Tensor:
    """Part of each cell that each of the ten objects covers.

    Args:
        labels, dtype: as in :func:`one_hot`.
        grid: (height, width) in cells.

    Returns:
        [B, 10, cells].
    """
    return F.adaptive_avg_pool2d(one_hot(labels, dtype), grid)[:, 1:].flatten(2)


def embed_labels(labels: Tensor, bank: nn.Conv2d) -> Tensor:
    """What ``bank`` makes of the one-hot labels, without the convolution.

    Most patches show one label only, and what such a patch gives is the sum of the label's kernel
    over the part of it that is in the picture: one of a few sums. Only the patches that show an
    edge are multiplied, by the kernels of labels that occur in such patches.

    Args:
        labels: as in :func:`one_hot`.
        bank: the ID bank, its stride not above its kernel.

    Returns:
        [B, T, C].
    """
    kernel, stride, padding = bank.kernel_size[0], bank.stride[0], int(bank.padding[0])
    values = labels[:, None].float()
    high = F.max_pool2d(values, kernel, stride, padding)[:, 0]
    mixed = high != -F.max_pool2d(-values, kernel, stride, padding)[:, 0]
    rows, row_kind = _inside(labels.shape[1], bank)
    columns, column_kind = _inside(labels.shape[2], bank)
    # Two products of small matrices; the last label is none at all.
    sums = torch.einsum("ocyx,ry->rocx", bank.weight, rows)
    sums = torch.einsum("rocx,sx->rsco", sums, columns)
    sums = F.pad(sums, (0, 0, 0, 1))
    assert bank.bias is not None
    label = high.long().clamp_(max=ID_CHANNELS)
    tokens = sums[row_kind[:, None], column_kind, label].add_(bank.bias)
    if mixed.any():
        around = F.pad(labels, (padding,) * 4, value=255)
        patches = around.unfold(1, kernel, stride).unfold(2, kernel, stride)[mixed]
        seen = [i for i in patches.unique().tolist() if i < ID_CHANNELS]
        ids = labels.new_tensor(seen)[:, None, None]
        parts = (patches[:, None] == ids).to(bank.weight.dtype).flatten(1)
        tokens[mixed] = F.linear(parts, bank.weight[:, seen].flatten(1), bank.bias)
    return tokens.flatten(1, 2)


def _inside(side: int, bank: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Which rows of the kernel are in a picture of ``side`` rows, for each row of patches.

    Returns:
        The different answers, 0 or 1 [kinds, kernel], and the number of each row's answer.
    """
    kernel, stride, padding = bank.kernel_size[0], bank.stride[0], int(bank.padding[0])
    first = torch.arange(0, side + 2 * padding - kernel + 1, stride) - padding
    at = first[:, None] + torch.arange(kernel)
    inside = ((at >= 0) & (at < side)).to(bank.weight.dtype)
    kinds, number = inside.unique(dim=0, return_inverse=True)
    return kinds, number
