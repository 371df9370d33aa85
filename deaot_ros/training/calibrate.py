"""Batch-norm statistics for inference, measured and not carried along from noisy batches."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from deaot_ros.network import DeAOT
from deaot_ros.network.batch_norm import BatchNorm


@torch.no_grad()
def calibrate_batch_norm(network: DeAOT, images: Iterable[Tensor]) -> None:
    """Replace the running statistics by the mean over batches of normalised images.

    Args:
        network: with thawed batch norm; left in eval mode.
        images: batches [B, 3, H, W]; every batch counts the same.
    """
    norms = [m for m in network.modules() if isinstance(m, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    network.train()
    for count, batch in enumerate(images, start=1):
        for norm in norms:
            norm.momentum = 1 / count  # makes the running value the plain mean so far
        network.encoder(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
