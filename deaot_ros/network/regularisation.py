"""What training drops at random so that no path is relied upon (SPEC section 12)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def drop_samples(update: Tensor, share: float) -> Tensor:
    """Drop path: the update [B, ...] of each sample is left out with probability ``share``."""
    return _drop(update, share, (update.shape[0], *[1] * (update.ndim - 1)))


def drop_channels(tokens: Tensor, share: float) -> Tensor:
    """Channel dropout: each channel of [B, T, C] is zero in a sample with that probability."""
    return _drop(tokens, share, (tokens.shape[0], 1, tokens.shape[2]))


def _drop(values: Tensor, share: float, shape: tuple[int, ...]) -> Tensor:
    """Zero with a probability, scale the rest so that the mean stays."""
    kept = torch.rand(shape, device=values.device) >= share
    return values * (kept / (1 - share)).to(values.dtype)


def set_regularisation(network: nn.Module, drop_path: float, channel_dropout: float) -> None:
    """Set both probabilities, 0..1, in every module below that has them; 0 changes nothing."""
    shares = {"drop_path": drop_path, "channel_dropout": channel_dropout}
    for module in network.modules():
        for name, share in shares.items():
            if hasattr(module, name):
                setattr(module, name, share)
