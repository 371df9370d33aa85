"""Weights in and out: published ``.pth`` checkpoints and our own safetensors.

Published checkpoints load unchanged (SPEC section 10). Anything that does not fit is refused with
every name listed, unless it is known to be harmless.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from deaot_ros.errors import CheckpointError

HARMLESS_SUFFIXES = ("num_batches_tracked",)
"""Entries that frozen batch norms and ImageNet files carry and no forward pass reads."""

HARMLESS_ENTRIES = ("LSTT.mask_token", "relative_position_index", "attn_mask")
"""Unused parameters and constants that a network rebuilds for itself."""

_LISTED = 12


def load_checkpoint(network: nn.Module, path: str | Path) -> dict[str, str]:
    """Load ``path`` into ``network``.

    Args:
        network: takes the weights; unchanged when an error is raised.
        path: ``.safetensors`` or a torch file: a state dict, bare or under ``state_dict`` or
            ``model``; a leading ``module.`` in names is dropped.

    Returns:
        The file's metadata; empty for torch files.

    Raises:
        CheckpointError: missing or unreadable file, or entries that are missing, unexpected or
            mis-shaped.
    """
    path = Path(path).expanduser()
    state, metadata = read_tensors(path)
    _check(network, state, path)
    own = network.state_dict()
    network.load_state_dict({name: state.get(name, value) for name, value in own.items()})
    return metadata


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Names and tensors of a weights file, and its metadata (none in torch files).

    Raises:
        CheckpointError: missing or unreadable file.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights file at {path}; give the path of an existing file")
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
    else:
        state, metadata = _read_torch(path), {}
    return {name.removeprefix("module."): value for name, value in state.items()}, metadata


def save_weights(network: nn.Module, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write ``network`` as safetensors so that ``path`` is either the old or the whole new file.

    Args:
        network: whose state dict is written, on any device.
        path: ends in ``.safetensors``.
        metadata: for people and programs; by convention ``variant``, ``training``, ``licence``.
    """
    path = Path(path)
    state = {name: value.detach().cpu().contiguous() for name, value in
             network.state_dict().items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(save(state, metadata=dict(metadata)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def shipped_weights(variant: str) -> Path | None:
    """Path of the weights that come with the package for ``variant``; None when there are none."""
    name = f"{variant}.safetensors"
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    candidates = [Path(__file__).resolve().parents[2] / "models" / name]
    candidates += [
        Path(prefix) / "share" / "deaot_ros" / "models" / name
        for prefix in (*prefixes, sys.prefix)
        if prefix
    ]
    return next((path for path in candidates if path.is_file()), None)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return state, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}); copy or train it again"
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make the unpickler raise anything at all
        # torch's own text would advise to load it unsafely.
        raise CheckpointError(
            f"{path} is damaged, or holds more than plain tensors ({type(error).__name__}); "
            "download it again, or save only its state dict"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds no state dict; expected names mapped to tensors")
    strange = [str(k) for k, v in content.items() if not isinstance(v, Tensor)]
    if strange:
        raise CheckpointError(
            f"{path} holds no state dict: not tensors: {_listing(strange)}; "
            "expected names mapped to tensors, bare or under 'state_dict'"
        )
    return {str(name): value for name, value in content.items()}


def _check(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    own = network.state_dict()
    harmless = (*HARMLESS_SUFFIXES, *HARMLESS_ENTRIES)
    missing = [n for n in own if n not in state and not n.endswith(harmless)]
    unexpected = [n for n in state if n not in own and not n.endswith(harmless)]
    shapes = [
        f"{n} is {list(state[n].shape)}, expected {list(own[n].shape)}"
        for n in own
        if n in state and state[n].shape != own[n].shape
    ]
    wrong = [
        f"{label}: {_listing(names)}"
        for label, names in (
            ("missing", missing), ("unexpected", unexpected), ("mis-shaped", shapes),
        )
        if names
    ]
    if wrong:
        variant = getattr(getattr(network, "variant", None), "name", type(network).__name__)
        raise CheckpointError(
            f"{path} does not fit '{variant}'; {'; '.join(wrong)}. "
            "Choose the variant that the file was trained for"
        )
    broken = [n for n, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"{path} holds values that are not finite: {_listing(broken)}; "
            "the file is damaged or its training diverged"
        )


def _listing(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
