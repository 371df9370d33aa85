"""Initial weights: random ones, and those of an encoder that was trained before."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from deaot_ros.errors import CheckpointError
from deaot_ros.network import DeAOT
from deaot_ros.network.checkpoint import HARMLESS_ENTRIES, HARMLESS_SUFFIXES, read_tensors

_CLASSIFIER_PARTS = (
    "classifier.", "fc.", "layer4.", "head.", "norm.", "layers.3.", "layers.2.downsample.",
)
_NOT_IN_CLASSIFIERS = ("norm0.", "norm1.", "norm2.")  # Swin's, of the maps that a decoder reads
_HARMLESS = (*HARMLESS_SUFFIXES, *HARMLESS_ENTRIES)


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
    """Load the encoder's weights, its own or those of a classifier with the same names.

    Torchvision's MobileNet-V2 and ResNet-50 and the published Swin-B name their parts as the
    encoders here do; their last stages and heads, which these have not, are left out.

    Args:
        path: safetensors or torch file: a state dict, bare or under ``state_dict`` or ``model``.

    Raises:
        CheckpointError: the file is missing, unreadable or of another encoder.
    """
    tensors, _ = read_tensors(path.expanduser())
    tensors = {name.removeprefix("encoder."): value for name, value in tensors.items()}
    own = network.encoder.state_dict()
    left_out = [n for n in tensors if n not in own and not n.startswith(_CLASSIFIER_PARTS)]
    missing = [n for n in own if n not in tensors and not n.startswith(_NOT_IN_CLASSIFIERS)]
    wrong = [n for n in own if n in tensors and tensors[n].shape != own[n].shape]
    for what, names in (("lacks", missing), ("has unknown", left_out), ("has mis-shaped", wrong)):
        names = [n for n in names if not n.endswith(_HARMLESS)]
        if names:
            raise CheckpointError(
                f"{path} does not fit the encoder of this variant: it {what} {names[0]}"
                + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            )
    network.encoder.load_state_dict({n: tensors.get(n, value) for n, value in own.items()})
