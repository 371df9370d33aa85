"""Encoder stages that training leaves as they are (SPEC section 12)."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from deaot_ros.network.encoders.mobilenet_v2 import TAPS, MobileNetV2
from deaot_ros.network.encoders.resnet import ResNet50
from deaot_ros.network.encoders.swin import SwinB


def freeze_stages(encoder: nn.Module, stages: int) -> None:
    """Keep the first stages out of the optimiser's reach.

    Args:
        stages: 0 none, 1 up to the map at stride 4, 2 up to stride 8, 3 up to stride 16, 4 all.
    """
    if stages == 4:
        encoder.requires_grad_(False)
        return
    for module in _modules(encoder)[:stages]:
        for part in module:
            part.requires_grad_(False)


def _modules(encoder: nn.Module) -> list[list[nn.Module]]:
    """What makes the maps at strides 4, 8 and 16."""
    if isinstance(encoder, MobileNetV2):
        first = [0, *(tap + 1 for tap in TAPS)]
        return [list(encoder.features[a:b]) for a, b in pairwise(first[:4])]
    if isinstance(encoder, ResNet50):
        stem = [encoder.conv1, encoder.bn1, encoder.layer1]
        return [stem, [encoder.layer2], [encoder.layer3]]
    if isinstance(encoder, SwinB):
        first, second, third = encoder.layers
        return [
            [encoder.patch_embed, first.blocks],  # but for its downsampling
            [first.downsample, encoder.norm0, second.blocks],
            [second.downsample, encoder.norm1, third.blocks, encoder.norm2],
        ]
    raise TypeError(f"unknown encoder {type(encoder).__name__}")
