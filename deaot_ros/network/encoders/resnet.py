"""ResNet-50 without its last stage (He et al., CVPR 2016; official SPEC section 3)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network.batch_norm import BatchNorm
from deaot_ros.network.encoders.fused import conv_norm_relu

EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3 (carries the stride), 1x1, with identity or projected shortcut."""

    def __init__(self, inp: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * EXPANSION
        self.conv1 = nn.Conv2d(inp, width, 1, bias=False)
        self.bn1 = BatchNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = BatchNorm(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = BatchNorm(out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inp != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(inp, out, 1, stride, bias=False), BatchNorm(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[B, inp, H, W] to [B, 4 width, H / stride, W / stride]."""
        y = conv_norm_relu(x, self.conv1, self.bn1)
        y = conv_norm_relu(y, self.conv2, self.bn2)
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x), inplace=True)


def _stage(inp: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    rest = [Bottleneck(width * EXPANSION, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Bottleneck(inp, width, stride), *rest)


class ResNet50(nn.Module):
    """Stem and layers 1 to 3; there is no dilation and no layer 4."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = BatchNorm(64)
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[B, 3, H, W] to maps of 256, 512, 1024 channels at strides 4, 8, 16; the last twice."""
        x = conv_norm_relu(image, self.conv1, self.bn1)
        x4 = self.layer1(F.max_pool2d(x, 3, 2, padding=1))
        x8 = self.layer2(x4)
        x16 = self.layer3(x8)
        return x4, x8, x16, x16
