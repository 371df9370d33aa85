"""Batch normalisation with a frozen and a trainable form."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

EPSILON = 1e-5


class BatchNorm(nn.Module):
    """Per-channel normalisation ``(x - mean) / sqrt(var + 1e-5) * weight + bias``.

    The published networks keep all four vectors as buffers (SPEC section 3: "frozen batch norm"),
    which is the form built here. ``thaw`` turns weight and bias into parameters and, in training
    mode, normalises with batch statistics while the running ones follow; ``freeze`` turns back.
    The names in the state dict are the same in both forms, so weights move freely between them.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.momentum = 0.1
        self.frozen = True
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def thaw(self) -> None:
        """Make weight and bias trainable and use batch statistics while training."""
        self.frozen = False
        for name in ("weight", "bias"):
            values = getattr(self, name).detach()
            delattr(self, name)
            self.register_parameter(name, nn.Parameter(values))

    def freeze(self) -> None:
        """Return to the published form: four constant buffers."""
        self.frozen = True
        for name in ("weight", "bias"):
            values = getattr(self, name).detach()
            delattr(self, name)
            self.register_buffer(name, values)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [B, C, H, W]."""
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training and not self.frozen,
            momentum=self.momentum,
            eps=EPSILON,
        )


def thaw_batch_norm(module: nn.Module) -> None:
    """Make every :class:`BatchNorm` below ``module`` trainable."""
    for child in module.modules():
        if isinstance(child, BatchNorm) and child.frozen:
            child.thaw()


def freeze_batch_norm(module: nn.Module) -> None:
    """Return every :class:`BatchNorm` below ``module`` to the published, constant form."""
    for child in module.modules():
        if isinstance(child, BatchNorm) and not child.frozen:
            child.freeze()


@torch.no_grad()
def fold_batch_norm(module: nn.Module) -> None:
    """Fold every :class:`BatchNorm` below ``module`` into the convolution registered before it.

    Saves one pass over each feature map; results equal the unfolded ones up to rounding. Modules
    here register a norm right after its convolution, which is what pairs the two.
    """
    previous: nn.Module | None = None
    for name, child in module.named_children():
        if isinstance(child, BatchNorm):
            if not isinstance(previous, nn.Conv2d):
                raise TypeError(f"no convolution before batch norm '{name}' to fold it into")
            previous.weight, previous.bias = fuse_conv_bn_weights(
                previous.weight,
                previous.bias,
                child.running_mean,
                child.running_var,
                EPSILON,
                child.weight,
                child.bias,
            )
            setattr(module, name, nn.Identity())
        else:
            fold_batch_norm(child)
        previous = child
