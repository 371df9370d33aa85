"""The deterministic weights and inputs behind the vectors in ``data/`` (see data/README.md)."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

DATA = Path(__file__).parent / "data"

ENCODER_GAINS = {".conv3.": 0.4, ".downsample.": 1.0}
GAINS = {"encoder_projector.": 0.5, "decoder.adapter_": 0.1, "decoder.conv_out.": 6.0}


@cache
def golden_value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Value of the state-dict entry ``name``: seeded by the crc32 of the name."""
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    leaf = name.rpartition(".")[2]
    if leaf == "running_var":
        value = 1 + 0.1 * np.abs(noise)
    elif name == "decoder.conv_4x.gn.bias":
        value = -1 + 0.1 * noise
    elif len(shape) == 1:
        value = 1 + 0.1 * noise if leaf == "weight" else 0.1 * noise
    elif name == "patch_wise_id_bank.weight":
        value = 3 * noise / shape[-1]
    elif leaf in ("relative_emb_v", "relative_position_bias_table"):
        value = 0.5 * noise
    else:
        value = golden_gain(name, len(shape)) * noise / np.sqrt(int(np.prod(shape[1:])))
    return value.astype(np.float32)


def golden_gain(name: str, rank: int) -> float:
    """Multiplier of 1 / sqrt(fan in)."""
    if name.startswith("encoder.") and rank == 4:
        return next((g for part, g in ENCODER_GAINS.items() if part in name), 2**0.5)
    if name.startswith("LSTT.") and "_attn.projection." in name:
        return 4.0
    return next((g for prefix, g in GAINS.items() if name.startswith(prefix)), 1.0)


def golden_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """A state dict for ``network`` by the rule; integer buffers keep their value."""
    return {
        name: torch.from_numpy(golden_value(name, tuple(value.shape)))
        if value.is_floating_point()
        else value
        for name, value in network.state_dict().items()
    }


def vectors(name: str) -> dict[str, np.ndarray]:
    """All arrays of ``data/NAME.npz``; its JSON ``meta`` is parsed."""
    with np.load(DATA / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    if "meta" in arrays:
        arrays["meta"] = json.loads(str(arrays["meta"]))
    return arrays
