"""AdamW with the paper's groups and exemptions (SPEC section 12)."""

from __future__ import annotations

import torch
from torch import nn

from .schedule import encoder_learning_rate, learning_rate
from .settings import TrainSettings

_NEVER_DECAYED = ("relative_emb_v", "relative_position_bias_table", "decoder.conv_out")


def build_optimiser(network: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """Four groups: encoder or rest, decayed or not; names under the key ``names``."""
    groups: dict[tuple[bool, bool], list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in network.named_parameters():
        decayed = parameter.ndim > 1 and not any(part in name for part in _NEVER_DECAYED)
        groups.setdefault((name.startswith("encoder."), decayed), []).append((name, parameter))
    return torch.optim.AdamW(
        [
            {
                "params": [p for _, p in members],
                "names": [n for n, _ in members],
                "encoder": encoder,
                "weight_decay": settings.decay if decayed else 0.0,
            }
            for (encoder, decayed), members in groups.items()
        ],
        lr=settings.rate,
    )


def set_rates(optimiser: torch.optim.Optimizer, step: int, settings: TrainSettings) -> None:
    """Set the learning rate of every group for a step."""
    for group in optimiser.param_groups:
        rate = encoder_learning_rate if group["encoder"] else learning_rate
        group["lr"] = rate(step, settings)
