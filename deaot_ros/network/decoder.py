"""Mask decoder: a small feature pyramid from stride 16 to stride 4 (SPEC section 7)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from deaot_ros.network.encoders import EncoderChannels


class ConvGN(nn.Module):
    """Convolution with bias and "same" padding, then GroupNorm with eight groups."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.gn = nn.GroupNorm(8, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] to [B, out, H, W]."""
        return self.gn(self.conv(x))


class Decoder(nn.Module):
    """Propagated features and encoder shortcuts to logits at stride 4."""

    def __init__(
        self, in_channels: int, encoder: EncoderChannels, out_channels: int, align_corners: bool
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.conv_in = ConvGN(in_channels, 256, 1)
        self.conv_16x = ConvGN(256, 256, 3)
        self.conv_8x = ConvGN(256, 128, 3)
        self.conv_4x = ConvGN(128, 128, 3)
        self.adapter_16x = nn.Conv2d(encoder.x16, 256, 1)
        self.adapter_8x = nn.Conv2d(encoder.x8, 256, 1)
        self.adapter_4x = nn.Conv2d(encoder.x4, 128, 1)
        self.conv_out = nn.Conv2d(128, out_channels, 1)

    def forward(self, propagated: Tensor, x4: Tensor, x8: Tensor, x16: Tensor) -> Tensor:
        """Decode.

        Args:
            propagated: [B, 512, h, w].
            x4, x8, x16: encoder maps, [1 or B, C, ...]; one image serves a batch of groups.

        Returns:
            [B, 11, h4, w4].
        """
        x = F.relu(self.conv_in(propagated))
        x = F.relu(self.conv_16x(x + self.adapter_16x(x16)))
        x = F.relu(self.conv_8x(self._resize(x, x8) + self.adapter_8x(x8)))
        x = F.relu(self.conv_4x(self._resize(x, x4) + self.adapter_4x(x4)))
        return self.conv_out(x)

    def _resize(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(
            x, like.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )
