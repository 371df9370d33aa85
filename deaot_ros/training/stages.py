"""The settings of a stage: from its YAML file, then from whoever asks for other ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from deaot_ros.errors import ConfigError
from deaot_ros.network.variants import get_variant
from deaot_ros.shared_files import shared_file

from .settings import STAGES, TrainSettings

BY_ENCODER = "by_encoder"
"""Key of a mapping from encoder to the numbers that are other ones with it."""

TYPES = {f.name: type(f.default) for f in fields(TrainSettings)}
"""Type of every setting."""


def stage_settings(
    stage: str, file: Path | None = None, given: Mapping[str, Any] | None = None
) -> TrainSettings:
    """The settings of a stage.

    Args:
        stage: one of ``STAGES``; its own file in ``config/train`` comes first.
        file: YAML with some of the settings; overrides the stage's own.
        given: settings that override both.

    Raises:
        ConfigError: a file is missing or unreadable, or a key or value is wrong.
        VariantError: the variant is unknown.
    """
    if stage not in STAGES:
        raise ConfigError(f"unknown stage '{stage}'; expected {', '.join(STAGES)}")
    own = shared_file(Path("config") / "train" / f"{stage}.yaml")
    if own is None:
        raise ConfigError(f"config/train/{stage}.yaml is not installed; install deaot_ros again")
    layers = [read_settings(path) for path in (own, file) if path is not None]
    variant = TrainSettings.variant
    for layer in (*layers, given or {}):
        variant = layer.get("variant", variant)
    encoder = get_variant(variant).encoder
    values: dict[str, Any] = {}
    for layer in layers:
        by_encoder = layer.pop(BY_ENCODER, {}).get(encoder, {})
        values |= layer | by_encoder
    values |= dict(given or {})
    try:
        return TrainSettings(**(values | {"stage": stage}))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def read_settings(file: Path) -> dict[str, Any]:
    """Settings in a YAML file, each of its type.

    Raises:
        ConfigError: the file is missing or no YAML mapping; unknown keys and values of a wrong
            type are named.
    """
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {file}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file} is no mapping; expected lines like 'steps: 100000'")
    by_encoder = content.pop(BY_ENCODER, None) or {}
    if not isinstance(by_encoder, dict) or not all(
        isinstance(v, dict) for v in by_encoder.values()
    ):
        raise ConfigError(f"{BY_ENCODER} in {file}: expected 'ENCODER: {{setting: value}}'")
    settings = _checked(content, file)
    settings[BY_ENCODER] = {name: _checked(part, file) for name, part in by_encoder.items()}
    return settings


def _checked(content: Mapping[Any, Any], file: Path) -> dict[str, Any]:
    unknown = [str(key) for key in content if key not in TYPES]
    if unknown:
        raise ConfigError(
            f"{file}: unknown setting {', '.join(unknown)}; expected some of "
            f"{', '.join(sorted(TYPES))}"
        )
    return {key: _typed(key, value, file) for key, value in content.items()}


def _typed(key: str, value: Any, file: Path) -> Any:
    kind = TYPES[key]
    if kind is tuple and isinstance(value, list):
        return tuple(map(str, value))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 takes 4e-4, without a dot, for text
        except ValueError:
            pass
    if type(value) is not kind:
        raise ConfigError(
            f"{file}: {key} is {value!r}; expected {'a list' if kind is tuple else kind.__name__}"
        )
    return value
