"""Identities that a network can tell apart from its first step (ours).

From the published initial weights (SPEC section 12: an ID bank of tiny orthogonal kernels) the ten
identities drift together long before the network learns to tell them apart: every identity
means "object" first. With few steps they never part again, and objects swap names. So the codes
are made far apart here and are not trained, and the decoder begins with a path of its own for each
identity.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from deaot_ros.network import DeAOT
from deaot_ros.network.decoder import ConvGN, Decoder
from deaot_ros.network.variants import MAX_OBJECTS_PER_GROUP as IDENTITIES
from deaot_ros.synthetic import Clip

from .clip_step import normalise

_OBJECT, _OWN, _SLOPE = 24.0, 25.0, 0.8  # lengths of the parts of a code summed over its patch
_RIDGE = 100.0
_GAIN = 2.0
_LOGIT = 1.5


@torch.no_grad()
def separate_identities(network: DeAOT, clips: Iterable[Clip], seed: int) -> None:
    """Give each identity a code of its own and a way through the decoder, in place.

    Args:
        clips: two frames with one object, 1. They show what propagated codes look like.
        seed: of the codes.
    """
    write_codes(network.patch_wise_id_bank.weight, torch.Generator().manual_seed(seed))
    was_training = network.training
    network.eval()
    features, identities = propagated_codes(network, clips)
    network.train(was_training)
    open_path(network.decoder, *fit_probe(features, identities))


def write_codes(bank: Tensor, generator: torch.Generator) -> None:
    """Fill an ID bank [C, 1 + identities, k, k] with codes that share little.

    A code is what all objects have in common plus, at right angles to it and to all others, a
    constant and two slopes over the patch, which tell where in the patch the object is.
    """
    channels, count, side, _ = bank.shape
    own = count - 1
    basis = torch.linalg.qr(torch.randn(channels, 2 + 3 * own, generator=generator))[0].T
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    flat = torch.ones(side, side)
    bank[:, 0] = _OBJECT * basis[0, :, None, None] * flat
    for i in range(own):
        constant, along_x, along_y = basis[2 + i :: own][:3]
        pattern = constant[:, None, None] * flat
        pattern = pattern + _SLOPE * (along_x[:, None, None] * x + along_y[:, None, None] * y)
        bank[:, 1 + i] = _OBJECT * basis[1, :, None, None] * flat + _OWN * pattern
    bank /= side * side


def propagated_codes(network: DeAOT, clips: Iterable[Clip]) -> tuple[Tensor, Tensor]:
    """What each identity looks like behind the propagation, where the object is.

    Returns:
        Features [N, C] and the identity 0..9 of each, int64 [N].
    """
    features, identities = [], []
    for clip in clips:
        images = normalise(torch.from_numpy(clip.frames).permute(0, 3, 1, 2))
        masks = torch.from_numpy(clip.masks)
        before, now = network.encode(images[:1]), network.encode(images[1:])
        inside = F.adaptive_avg_pool2d(masks[1:].float(), now.grid)[0] > 0.5
        for identity in range(IDENTITIES):
            _, memory = network.reference(before, masks[:1] * (identity + 1))
            found = network.propagate(now, memory, memory).features[0][:, inside].T
            features.append(found)
            identities.append(torch.full((len(found),), identity))
    return torch.cat(features), torch.cat(identities)


def fit_probe(features: Tensor, identities: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression of the identity: weight [10, C] and bias [10] with outputs of variance 1."""
    mean = features.mean(0)
    centred = features - mean
    target = F.one_hot(identities, IDENTITIES).float() - 1 / IDENTITIES
    ridge = _RIDGE * centred.var() * torch.eye(features.shape[1])
    weight = torch.linalg.solve(centred.T @ centred + ridge, centred.T @ target).T
    weight = weight / (centred @ weight.T).std()
    return weight, -weight @ mean


def open_path(decoder: Decoder, weight: Tensor, bias: Tensor) -> None:
    """Let the outputs of a probe [10, C], [10] pass every layer of the decoder to the logits.

    One group of every GroupNorm is taken for it: in a group with other channels the codes would be
    lost in their mean and scale.
    """
    read = _take_group(decoder.conv_in)
    for i, channel in enumerate(read):
        if i < _copies(read):
            decoder.conv_in.conv.weight[channel, :, 0, 0] = weight[i % IDENTITIES]
            decoder.conv_in.conv.bias[channel] = bias[i % IDENTITIES]
    layers = (
        (decoder.conv_16x, decoder.adapter_16x),
        (decoder.conv_8x, decoder.adapter_8x),
        (decoder.conv_4x, decoder.adapter_4x),
    )
    for layer, shortcut in layers:
        shortcut.weight[read] = 0
        shortcut.bias[read] = 0
        write = _take_group(layer)
        for i in range(_copies(write)):
            for j in range(i % IDENTITIES, _copies(read), IDENTITIES):
                share = _GAIN * IDENTITIES / _copies(read)
                layer.conv.weight[write[i], read[j], 1, 1] = share
        read = write
    rows = decoder.conv_out.weight
    rows[1:] = rows[1:].mean(0, keepdim=True)
    decoder.conv_out.bias[1:] = decoder.conv_out.bias[1:].mean()
    rows[:, read] = 0
    for i in range(IDENTITIES):
        rows[1 + i, read[i], 0, 0] = _LOGIT


def _take_group(layer: ConvGN) -> list[int]:
    """Channels of the group that is taken, the last, now without any input."""
    channels = layer.conv.out_channels
    taken = list(range(channels - channels // layer.gn.num_groups, channels))
    layer.conv.weight[taken] = 0
    layer.conv.bias[taken] = 0
    layer.gn.weight[taken] = 1
    layer.gn.bias[taken] = 0
    return taken


def _copies(group: list[int]) -> int:
    """How many channels of a group carry codes: as many full sets as fit."""
    return len(group) // IDENTITIES * IDENTITIES
