"""Exponential moving average of the trained weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """Follows every trainable parameter of a network.

    Attributes:
        values: parameter name -> averaged tensor.
    """

    def __init__(self, network: nn.Module) -> None:
        """Start from the network's present weights."""
        self.values: dict[str, Tensor] = {
            name: p.detach().clone() for name, p in network.named_parameters()
        }

    @torch.no_grad()
    def update(self, network: nn.Module, decay: float) -> None:
        """Move the average towards the network's weights."""
        for name, parameter in network.named_parameters():
            self.values[name].lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def copy_to(self, network: nn.Module) -> None:
        """Write the average into a network of the same form."""
        for name, parameter in network.named_parameters():
            parameter.copy_(self.values[name])
