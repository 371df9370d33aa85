"""One table of parameters: the declarations, the shipped YAML and the documentation agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS in this environment")

import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from deaot_ros.node import parameters
from deaot_ros.node.parameters import RULES, ParameterError, Parameters

ROOT = Path(__file__).resolve().parents[1]
DEFAULTS = {rule.name: getattr(Parameters(), field) for field, rule in RULES.items()}


def flat(tree: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, tuple(value) if isinstance(value, list) else value


def test_shipped_yaml_holds_every_default() -> None:
    tree = yaml.safe_load((ROOT / "config" / "tracker.yaml").read_text())
    shipped = dict(flat(tree["/**"]["ros__parameters"]))
    assert shipped == DEFAULTS
    assert {k: type(v) for k, v in shipped.items()} == {k: type(v) for k, v in DEFAULTS.items()}


def test_documented_table_is_the_declared_one() -> None:
    text = (ROOT / "docs" / "interfaces.md").read_text()
    section = text.partition("## Parameters")[2].partition("\n## ")[0]
    rows = {
        cells[0].strip("` "): [cell.strip() for cell in cells[1:5]]
        for cells in (
            line.removeprefix("| ").split(" | ")
            for line in section.splitlines()
            if line.startswith("| `")
        )
        if len(cells) > 4
    }
    assert set(rows) == set(DEFAULTS)
    kinds = {str: "string", bool: "bool", int: "int", float: "double", tuple: "string[]"}
    for rule in RULES.values():
        kind, default, values, fixed = rows[rule.name]
        value = DEFAULTS[rule.name]
        shown = list(value) if isinstance(value, tuple) else value
        assert kind == kinds[type(value)], rule.name
        assert yaml.safe_load(default.strip("`")) == shown, rule.name
        expected = rule.range.replace(", ", " ") if rule.choices else rule.range
        assert values.replace("`", "") == expected, rule.name
        assert (fixed == "R") == rule.read_only, rule.name


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("parameters", context=context)
    parameters.declare(node)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_every_parameter_is_described_and_every_number_ranged(node: Node) -> None:
    for name, default in DEFAULTS.items():
        descriptor = node.describe_parameter(name)
        assert descriptor.description, name
        assert len(descriptor.integer_range) == (type(default) is int), name
        assert len(descriptor.floating_point_range) == (type(default) is float), name


def test_defaults_are_read_back(node: Node) -> None:
    values = vars(parameters.read(node))
    as_read = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    assert as_read == vars(Parameters())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("mask_mode", "both", "mask_mode is 'both'; expected one of merge, replace"),
        ("variant", "deaot-x", "variant is 'deaot-x'; expected one of deaot-t"),
        ("occluded_score", 1.5, "occluded_score is 1.5; expected 0 to 1"),
        ("occluded_score", float("nan"), "occluded_score is nan; expected 0 to 1"),
        ("min_area", 0, "min_area is 0; expected 1 to"),
        ("network_height", 320, "network_height is 320 and network_width 0; expected both"),
        ("object_labels", ["cup"], "object_labels holds 'cup'; expected ID:NAME"),
        ("object_labels", ["1:"], "object_labels holds '1:'; expected ID:NAME"),
    ],
)
def test_bad_value(name: str, value: object, words: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(words)):
        parameters.changed(Parameters(), [Parameter(name, value=value)], configured=False)


def test_changes_are_all_or_nothing() -> None:
    changes = [Parameter("min_area", value=7), Parameter("overlay_alpha", value=2.0)]
    with pytest.raises(ParameterError, match=r"overlay_alpha is 2\.0"):
        parameters.changed(Parameters(), changes, configured=True)
    changed = parameters.changed(Parameters(), changes[:1], configured=True)
    assert changed.state_settings.min_area == 7


def test_fixed_while_configured() -> None:
    change = [Parameter("variant", value="deaot-s")]
    with pytest.raises(ParameterError, match="variant is fixed while the node is configured"):
        parameters.changed(Parameters(), change, configured=True)
    assert parameters.changed(Parameters(), change, configured=False).variant == "deaot-s"
    same = [Parameter("variant", value="deaot-t")]
    assert parameters.changed(Parameters(), same, configured=True) == Parameters()


def test_parameters_of_others_are_left_alone() -> None:
    change = [Parameter("use_sim_time", value=True)]
    assert parameters.changed(Parameters(), change, configured=True) == Parameters()


def test_labels_weights_and_settings() -> None:
    given = Parameters(
        object_labels=("1:cup", "300: red ball"), weights="~/w.pth", network_height=320,
        network_width=512, memory_gap=0.5, max_objects=3,
    )  # fmt: skip
    assert given.labels == {1: "cup", 300: "red ball"}
    assert given.weights_path == Path.home() / "w.pth"
    assert given.tracker_settings.network_size == (320, 512)
    assert given.tracker_settings.memory.gap == 0.5
    assert given.tracker_settings.max_objects == 3
    default = Parameters()
    assert default.weights_path is None and default.tracker_settings.network_size is None
    assert default.tracker_settings.memory.gap is None


def test_weights_of_a_package_that_is_not_there() -> None:
    with pytest.raises(ParameterError, match="there is no package 'no_such_package'"):
        _ = Parameters(weights="package://no_such_package/w.pth").weights_path
