"""Image encoders; each maps an image to features at strides 4, 8, 16 and a last one at 16."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from deaot_ros.network.encoders.mobilenet_v2 import MobileNetV2
from deaot_ros.network.encoders.resnet import ResNet50
from deaot_ros.network.encoders.swin import SwinB


class EncoderChannels(NamedTuple):
    """Channels of an encoder's four maps."""

    x4: int
    x8: int
    x16: int
    last: int


ENCODERS: dict[str, tuple[type[nn.Module], EncoderChannels]] = {
    "mobilenet_v2": (MobileNetV2, EncoderChannels(24, 32, 96, 1280)),
    "resnet50": (ResNet50, EncoderChannels(256, 512, 1024, 1024)),
    "swin_b": (SwinB, EncoderChannels(128, 256, 512, 512)),
}

EncoderMaps = tuple[Tensor, Tensor, Tensor, Tensor]


def build_encoder(name: str) -> tuple[nn.Module, EncoderChannels]:
    """Build encoder ``name`` (see ``Variant.encoder``) and tell its channels."""
    encoder, channels = ENCODERS[name]
    return encoder(), channels
