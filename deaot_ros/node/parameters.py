"""Every parameter of the node: declaration, meaning, range and default in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from deaot_ros.backends import BACKENDS, PRECISIONS
from deaot_ros.errors import DeaotError
from deaot_ros.memory import MAX_LAG, POLICIES, MemorySettings
from deaot_ros.network import VARIANTS
from deaot_ros.tracking import StateSettings, TrackerSettings


class ParameterError(DeaotError, ValueError):
    """A parameter that the node cannot work with."""


KIND_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a parameter may be.

    Attributes:
        name: as ROS knows it.
        description: for people, with the unit.
        kind: bool, int, float, str or tuple (of str).
        choices: the only values; empty: any.
        low, high: bounds of a number, inclusive.
        read_only: fixed while the node is configured.
    """

    name: str
    description: str
    kind: type
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    read_only: bool = False

    def accept(self, value: Any) -> Any:
        """Return ``value`` as what the parameter is; whole numbers do for float.

        Raises:
            ParameterError: name, value and rule.
        """
        if self.kind is float and type(value) is int:
            value = float(value)
        if self.kind is tuple and isinstance(value, list):
            value = tuple(value)
        if type(value) is not self.kind:
            raise ParameterError(f"{self.name} is {value!r}; expected {KIND_WORDS[self.kind]}")
        if self.choices and value not in self.choices:
            raise ParameterError(
                f"{self.name} is '{value}'; expected one of {', '.join(self.choices)}"
            )
        if self.kind in (int, float) and not self.low <= value <= self.high:
            raise ParameterError(f"{self.name} is {value}; expected {self.range}")
        return value

    @property
    def range(self) -> str:
        """The rule in words."""
        if self.choices:
            return ", ".join(self.choices)
        if self.high < math.inf:
            return f"{self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low > -math.inf else ""


def _p(default: Any, name: str, description: str, *choices: str, **rule: Any) -> Any:
    metadata = {"rule": Rule(name, description, type(default), choices, **rule)}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Parameters:
    """The values in force."""

    variant: str = _p("deaot-t", "variant", "network", *VARIANTS, read_only=True)
    weights: str = _p(
        "", "weights", "weights file: a path, or package://NAME/PATH; empty: as shipped",
        read_only=True,
    )
    device: str = _p("auto", "device", "auto, cpu, cuda or cuda:N", read_only=True)
    backend: str = _p(
        "auto", "backend",
        "what runs the network; auto: tensorrt on CUDA where it is installed, else torch",
        *BACKENDS, read_only=True,
    )
    precision: str = _p(
        "auto", "precision", "of weights and memory; auto: fp32; fp16 needs CUDA", *PRECISIONS,
        read_only=True,
    )
    engine_cache_dir: str = _p(
        "", "engine_cache_dir", "folder for graphs and engines; empty: the user's cache folder",
        read_only=True,
    )
    build_only: bool = _p(
        False, "build_only", "end as soon as the engines for the camera are built", read_only=True
    )
    max_long_side: int = _p(
        1040, "max_long_side", "limit of the network input's long side, px", low=32, high=8192,
        read_only=True,
    )
    network_height: int = _p(
        0, "network_height", "fixed height of the network input, px; 0: follows the camera",
        low=0, high=8192, read_only=True,
    )
    network_width: int = _p(
        0, "network_width", "fixed width of the network input, px; 0: follows the camera",
        low=0, high=8192, read_only=True,
    )
    max_objects: int = _p(
        254, "max_objects", "objects at a time; every ten cost another pass", low=1, high=65533,
        read_only=True,
    )
    memory_slots: int = _p(
        9, "memory.slots", "frames in long-term memory", low=1, high=1000, read_only=True
    )
    memory_policy: str = _p(
        "auto", "memory.policy", "which frames long-term memory keeps", *POLICIES, read_only=True
    )
    memory_gap: float = _p(
        0.0, "memory.gap",
        "s between frames offered to memory; 0: 0.2 s, for unbounded the published frame count",
        low=0.0, high=3600.0, read_only=True,
    )
    memory_admission: bool = _p(
        True, "memory.admission", "remember only frames whose masks can be believed",
        read_only=True,
    )
    short_term_lag: float = _p(
        0.0, "short_term.lag", "s that short-term memory lies back; 0: the previous frame",
        low=0.0, high=MAX_LAG, read_only=True,
    )
    mask_mode: str = _p(
        "merge", "mask_mode", "what a target mask does to objects it does not show",
        "merge", "replace",
    )
    mask_match: str = _p(
        "nearest", "mask_match", "how a target mask finds its frame by stamp",
        "exact", "nearest", "newest",
    )
    mask_match_tolerance: float = _p(
        0.05, "mask_match_tolerance", "s between the stamps of mask and frame for nearest",
        low=0.0, high=10.0,
    )
    frame_history: int = _p(
        90, "frame_history", "camera frames kept for masks that come late", low=1, high=3000,
        read_only=True,
    )
    catch_up: bool = _p(
        True, "catch_up", "track through the frames since a late mask before publishing on"
    )
    image_transport: str = _p(
        "raw", "image_transport", "subscribe to image or to image/compressed", "raw",
        "compressed", read_only=True,
    )
    image_reliability: str = _p(
        "auto", "image_reliability", "of the camera subscription; auto follows the publisher",
        "auto", "reliable", "best_effort", read_only=True,
    )
    image_timeout: float = _p(
        1.0, "image_timeout", "s without an image until the status is NO_IMAGE", low=0.05,
        high=3600.0,
    )
    max_rate: float = _p(
        0.0, "max_rate", "frames processed per second at most; 0: no limit", low=0.0, high=1000.0
    )
    min_area: int = _p(
        25, "min_area", "px below which an object is not visible", low=1, high=10_000_000
    )
    occluded_score: float = _p(
        0.5, "occluded_score", "score below which an object is OCCLUDED", low=0.0, high=1.0
    )
    lost_timeout: float = _p(
        2.0, "lost_timeout", "s from OCCLUDED to LOST", low=0.0, high=3600.0
    )
    remove_timeout: float = _p(
        0.0, "remove_timeout", "s from LOST to REMOVED; 0: never", low=0.0, high=86400.0
    )
    max_mask_growth: float = _p(
        4.0, "max_mask_growth", "times the largest trusted area that is a flood; 0: no limit",
        low=0.0, high=1000.0,
    )
    return_time: float = _p(
        0.1, "return_time", "s in sight without a break until an object is TRACKED again",
        low=0.0, high=60.0,
    )
    max_speed: float = _p(
        2.0, "max_speed", "image diagonals per s that an object may move; 0: no limit",
        low=0.0, high=1000.0,
    )
    time_jump_policy: str = _p(
        "reset", "time_jump_policy", "what to do when stamps go back (a bag begins anew)",
        "reset", "continue", "ignore",
    )
    publish_object_masks: bool = _p(
        True, "publish_object_masks", "put cropped masks into objects"
    )
    publish_confidence: bool = _p(
        False, "publish_confidence", "publish confidence while somebody subscribes"
    )
    overlay_alpha: float = _p(
        0.5, "overlay_alpha", "opacity of the colours in overlay", low=0.0, high=1.0
    )
    # An empty list has no type in ROS, hence the one empty name.
    object_labels: tuple[str, ...] = _p(
        ("",), "object_labels", "names of objects as ID:NAME, for example 1:cup"
    )
    autostart: bool = _p(
        True, "autostart", "configure and activate without a lifecycle manager", read_only=True
    )
    diagnostic_period: float = _p(
        1.0, "diagnostic_updater.period", "s between diagnostics", low=0.1, high=60.0,
        read_only=True,
    )

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Parameters:
        """Make parameters of values by field name.

        Raises:
            ParameterError: the first rule that is violated, of one parameter or between several.
        """
        parameters = cls(**{name: rule.accept(values[name]) for name, rule in RULES.items()})
        parameters._check_together()
        return parameters

    def _check_together(self) -> None:
        if bool(self.network_height) != bool(self.network_width):
            raise ParameterError(
                f"network_height is {self.network_height} and network_width "
                f"{self.network_width}; expected both, or 0 for both"
            )
        try:
            _ = self.tracker_settings, self.labels
        except ValueError as error:
            raise ParameterError(str(error)) from None

    @property
    def labels(self) -> dict[int, str]:
        """Names by object id.

        Raises:
            ParameterError: an entry that is not ID:NAME.
        """
        names: dict[int, str] = {}
        for entry in filter(None, self.object_labels):
            object_id, colon, name = entry.partition(":")
            if not colon or not object_id.strip().isdecimal() or not name.strip():
                raise ParameterError(
                    f"object_labels holds '{entry}'; expected ID:NAME, for example 1:cup"
                )
            names[int(object_id)] = name.strip()
        return names

    @property
    def state_settings(self) -> StateSettings:
        """Thresholds of object states."""
        return StateSettings(
            min_area=self.min_area,
            occluded_score=self.occluded_score,
            lost_timeout=self.lost_timeout,
            remove_timeout=self.remove_timeout,
            max_mask_growth=self.max_mask_growth,
            return_time=self.return_time,
            max_speed=self.max_speed,
        )

    @property
    def tracker_settings(self) -> TrackerSettings:
        """All that the tracker is told."""
        fixed = (self.network_height, self.network_width) if self.network_height else None
        return TrackerSettings(
            max_long_side=self.max_long_side,
            network_size=fixed,
            max_objects=self.max_objects,
            memory=MemorySettings(
                slots=self.memory_slots,
                policy=self.memory_policy,
                gap=self.memory_gap or None,
                admission=self.memory_admission,
                lag=self.short_term_lag,
            ),
            states=self.state_settings,
        )

    @property
    def engine_cache(self) -> Path | None:
        """Folder for graphs and engines; None: the user's cache folder."""
        return Path(self.engine_cache_dir).expanduser() if self.engine_cache_dir else None

    @property
    def weights_path(self) -> Path | None:
        """Weights file; None: those that are shipped.

        Raises:
            ParameterError: a package that is not installed.
        """
        if not self.weights.startswith("package://"):
            return Path(self.weights).expanduser() if self.weights else None
        package, _, path = self.weights.removeprefix("package://").partition("/")
        from ament_index_python.packages import (  # only ROS machines have an index
            PackageNotFoundError,
            get_package_share_directory,
        )

        try:
            return Path(get_package_share_directory(package)) / path
        except (PackageNotFoundError, ValueError):
            raise ParameterError(
                f"weights is '{self.weights}' but there is no package '{package}'; "
                "install it, or give a path"
            ) from None


RULES: dict[str, Rule] = {f.name: f.metadata["rule"] for f in fields(Parameters)}
"""Rule by field name."""

FIELDS: dict[str, str] = {rule.name: name for name, rule in RULES.items()}
"""Field name by ROS name."""


def declare(node: Node) -> None:
    """Declare every parameter with its default, description and rule.

    Raises:
        rclpy.exceptions.ParameterException: a value that was given has another type, or is out of
            range.
    """
    defaults = Parameters()
    for name, rule in RULES.items():
        fixed = "fixed while configured" if rule.read_only else ""
        descriptor = ParameterDescriptor(
            description=rule.description,
            additional_constraints="; ".join(filter(None, (rule.range, fixed))),
            dynamic_typing=True,  # types are checked here, with the parameter's name in the answer
        )
        default = getattr(defaults, name)
        if rule.high < math.inf:
            whole = isinstance(default, int)
            kind, number = (IntegerRange, int) if whole else (FloatingPointRange, float)
            limits = kind(from_value=number(rule.low), to_value=number(rule.high))
            setattr(descriptor, "integer_range" if whole else "floating_point_range", [limits])
        value = list(default) if isinstance(default, tuple) else default
        node.declare_parameter(rule.name, value, descriptor)


def read(node: Node) -> Parameters:
    """The values in force.

    Raises:
        ParameterError: one violates its rule.
    """
    values = {name: node.get_parameter(rule.name).value for name, rule in RULES.items()}
    return Parameters.checked(values)


def changed(current: Parameters, changes: list[Parameter], configured: bool) -> Parameters:
    """``current`` with ``changes``, all or none. Parameters of other owners are left alone.

    Raises:
        ParameterError: a value violates its rule, or is fixed while ``configured``.
    """
    values = {f.name: getattr(current, f.name) for f in fields(Parameters)}
    for change in changes:
        name = FIELDS.get(change.name)
        if name is None:
            continue
        if configured and RULES[name].read_only and change.value != getattr(current, name):
            raise ParameterError(
                f"{change.name} is fixed while the node is configured; clean up, set it, and "
                "configure again"
            )
        values[name] = change.value
    return Parameters.checked(values)
