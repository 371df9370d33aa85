"""MobileNet-V2 at output stride 16 (Sandler et al., CVPR 2018; official SPEC section 3)."""

from __future__ import annotations

from typing import NamedTuple, cast

from torch import Tensor, nn

from deaot_ros.network.batch_norm import BatchNorm
from deaot_ros.network.encoders.fused import conv_norm_relu


class ConvBNReLU6(nn.Sequential):
    """Bias-free convolution with "same" padding, batch norm and ReLU6."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1,
        dilation: int = 1,
    ) -> None:  # fmt: skip
        conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=dilation * (kernel // 2),
            dilation=dilation, groups=groups, bias=False,
        )  # fmt: skip
        super().__init__(conv, BatchNorm(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] to [B, out, H / stride, W / stride]."""
        return conv_norm_relu(x, cast(nn.Conv2d, self[0]), self[1], 6.0)


class InvertedResidual(nn.Module):
    """Expand, depth-wise 3x3, linear bottleneck; identity skip where shapes agree."""

    def __init__(self, inp: int, out: int, stride: int, expansion: int, dilation: int) -> None:
        super().__init__()
        hidden = inp * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvBNReLU6(inp, hidden, 1))
        layers += [
            ConvBNReLU6(hidden, hidden, 3, stride, groups=hidden, dilation=dilation),
            nn.Conv2d(hidden, out, 1, bias=False),
            BatchNorm(out),
        ]
        self.conv = nn.Sequential(*layers)
        self.skip = stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        """[B, inp, H, W] to [B, out, H / stride, W / stride]."""
        return x + self.conv(x) if self.skip else self.conv(x)


class Stage(NamedTuple):
    """A run of inverted residuals; stride and ``first_dilation`` belong to the first of them."""

    expansion: int
    channels: int
    blocks: int
    stride: int
    first_dilation: int
    dilation: int


# The stride of the 160-channel stage is removed; dilation starts one block later (SPEC pitfall 9).
STAGES = (
    Stage(1, 16, 1, 1, 1, 1),
    Stage(6, 24, 2, 2, 1, 1),
    Stage(6, 32, 3, 2, 1, 1),
    Stage(6, 64, 4, 2, 1, 1),
    Stage(6, 96, 3, 1, 1, 1),
    Stage(6, 160, 3, 1, 1, 2),
    Stage(6, 320, 1, 1, 2, 2),
)
TAPS = (3, 6, 13, 18)


class MobileNetV2(nn.Module):
    """Feature blocks 0 to 18; the maps are taken after blocks 3, 6, 13 and 18."""

    def __init__(self) -> None:
        super().__init__()
        features: list[nn.Module] = [ConvBNReLU6(3, 32, 3, stride=2)]
        channels = 32
        for stage in STAGES:
            for i in range(stage.blocks):
                stride = stage.stride if i == 0 else 1
                dilation = stage.first_dilation if i == 0 else stage.dilation
                features.append(
                    InvertedResidual(channels, stage.channels, stride, stage.expansion, dilation)
                )
                channels = stage.channels
        features.append(ConvBNReLU6(channels, 1280, 1))
        self.features = nn.Sequential(*features)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[B, 3, H, W] to maps of 24, 32, 96 and 1280 channels at strides 4, 8, 16 and 16."""
        maps: list[Tensor] = []
        x = image
        for i, block in enumerate(self.features):
            x = block(x)
            if i in TAPS:
                maps.append(x)
        return maps[0], maps[1], maps[2], maps[3]
