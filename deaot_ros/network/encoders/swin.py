"""Swin-B without its last stage (Liu et al., ICCV 2021; official SPEC section 3)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 7
SHIFT = 3
HEAD_WIDTH = 32
OTHER_REGION = -100.0


def relative_position_index() -> Tensor:
    """Row of the bias table for each (query, key) pair of a window: int64 [49, 49]."""
    y, x = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
    y, x = y.flatten(), x.flatten()
    dy = y[:, None] - y[None, :] + WINDOW - 1
    dx = x[:, None] - x[None, :] + WINDOW - 1
    return dy * (2 * WINDOW - 1) + dx


def to_windows(x: Tensor) -> Tensor:
    """[B, H, W, C] with H and W multiples of 7 to [B * windows, 49, C]."""
    b, h, w, c = x.shape
    x = x.view(b, h // WINDOW, WINDOW, w // WINDOW, WINDOW, c)
    return x.transpose(2, 3).reshape(-1, WINDOW * WINDOW, c)


def from_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """Inverse of :func:`to_windows`."""
    x = windows.view(-1, height // WINDOW, width // WINDOW, WINDOW, WINDOW, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


@lru_cache(maxsize=32)
def shift_mask(height: int, width: int, device: torch.device) -> Tensor:
    """Additive mask [windows, 49, 49] that keeps wrapped-around regions apart after the shift."""

    def region(n: int) -> Tensor:
        i = torch.arange(n)
        return (i >= n - WINDOW).long() + (i >= n - SHIFT).long()

    regions = region(height)[:, None] * 3 + region(width)[None, :]
    flat = to_windows(regions[None, :, :, None])[..., 0]
    return ((flat[:, :, None] != flat[:, None, :]) * OTHER_REGION).to(device)


class WindowAttention(nn.Module):
    """Multi-head self-attention inside 7x7 windows with a learned relative bias."""

    relative_position_index: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // HEAD_WIDTH
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((2 * WINDOW - 1) ** 2, self.heads)
        )
        self.register_buffer("relative_position_index", relative_position_index())
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attend inside each window.

        Args:
            windows: [B * n, 49, C].
            mask: additive [n, 49, 49], or None for unshifted windows.
        """
        count, tokens, channels = windows.shape
        qkv = self.qkv(windows).view(count, tokens, 3, self.heads, HEAD_WIDTH)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            per_window = (bias[None] + mask[:, None]).expand(mask.shape[0], -1, -1, -1)
            bias = per_window.repeat(count // mask.shape[0], 1, 1, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.proj(y.transpose(1, 2).reshape(count, tokens, channels))


class Mlp(nn.Module):
    """Two linear layers with exact GELU between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] to [..., C]."""
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Window attention and MLP, each behind a LayerNorm with a residual."""

    def __init__(self, channels: int, shifted: bool) -> None:
        super().__init__()
        self.shifted = shifted
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] to the same shape."""
        _, h, w, _ = x.shape
        # Padding comes after the norm: padded tokens are zero vectors and take part unmasked.
        y = F.pad(self.norm1(x), (0, 0, 0, -w % WINDOW, 0, -h % WINDOW))
        hp, wp = y.shape[1:3]
        mask = None
        if self.shifted:
            y = y.roll((-SHIFT, -SHIFT), dims=(1, 2))
            mask = shift_mask(hp, wp, x.device)
        y = from_windows(self.attn(to_windows(y), mask), hp, wp)
        if self.shifted:
            y = y.roll((SHIFT, SHIFT), dims=(1, 2))
        x = x + y[:, :h, :w]
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """Halve the grid: four neighbours concatenated, normalised and projected to 2 C."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] to [B, ceil(H / 2), ceil(W / 2), 2 C]."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = (x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2])
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class SwinStage(nn.Module):
    """Alternating plain and shifted blocks, then an optional downsampling."""

    def __init__(self, channels: int, depth: int, downsample: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(SwinBlock(channels, i % 2 == 1) for i in range(depth)))
        self.downsample = PatchMerging(channels) if downsample else nn.Identity()


class PatchEmbedding(nn.Module):
    """4x4 patches projected to 128 channels and normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, 4, 4)
        self.norm = nn.LayerNorm(channels)

    def forward(self, image: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, ceil(H / 4), ceil(W / 4), C]."""
        image = F.pad(image, (0, -image.shape[3] % 4, 0, -image.shape[2] % 4))
        return self.norm(self.proj(image).permute(0, 2, 3, 1))


class SwinB(nn.Module):
    """Stages 0 to 2 of Swin-B; each output passes a LayerNorm of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(128)
        self.layers = nn.ModuleList(
            [SwinStage(128, 2, True), SwinStage(256, 2, True), SwinStage(512, 18, False)]
        )
        self.norm0 = nn.LayerNorm(128)
        self.norm1 = nn.LayerNorm(256)
        self.norm2 = nn.LayerNorm(512)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[B, 3, H, W] to maps of 128, 256, 512 channels at strides 4, 8, 16; the last twice."""
        x = self.patch_embed(image)
        maps: list[Tensor] = []
        for stage, norm in zip(self.layers, (self.norm0, self.norm1, self.norm2), strict=True):
            x = stage.blocks(x)
            maps.append(norm(x).permute(0, 3, 1, 2))
            x = stage.downsample(x)
        return maps[0], maps[1], maps[2], maps[2]
