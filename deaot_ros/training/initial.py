"""Random initial weights, for training without an encoder trained before."""

from __future__ import annotations

import torch
from torch import nn

from deaot_ros.network import DeAOT


@torch.no_grad()
def initialise(network: DeAOT, seed: int) -> None:
    """Draw all weights: He-normal encoder, Xavier-uniform rest, orthogonal ID bank (SPEC 12)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, parameter in network.named_parameters():
            if parameter.ndim < 2:
                continue  # norms and biases: set by their modules, biases below
            if name.startswith("encoder."):
                nn.init.kaiming_normal_(parameter, mode="fan_out")
            elif name == "patch_wise_id_bank.weight":
                side = parameter.shape[-1]
                nn.init.orthogonal_(parameter.view(parameter.shape[0], -1), gain=side**-2)
            else:
                nn.init.xavier_uniform_(parameter)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
