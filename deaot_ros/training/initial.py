"""Initial weights: random ones, and those of an encoder that was trained before."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from deaot_ros.errors import CheckpointError
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


def load_encoder(network: DeAOT, path: Path) -> None:
    """Load the encoder's weights from a safetensors file with the encoder's own names.

    Raises:
        CheckpointError: the file is missing, unreadable or of another encoder.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read encoder weights {path}: {error}") from error
    try:
        network.encoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} does not fit the encoder of this variant: {str(error).splitlines()[1].strip()}"
        ) from error
