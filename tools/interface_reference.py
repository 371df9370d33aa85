"""Writes docs/reference.md: what the nodes offer, asked of the running nodes themselves.

``deaot-env python tools/interface_reference.py`` after a change of topics, services, parameters,
messages or launch arguments; a test fails until it was run. Needs ROS and the shipped weights.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from deaot_ros.demo.environment import enter_private_ros
from deaot_ros.depth.node import DepthObjects
from deaot_ros.examples.follow import Follow
from deaot_ros.node.tracker_node import TrackerNode

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference.md"

HEAD = """# Interface reference

Made by `tools/interface_reference.py` from the running nodes, the message files and the launch
files; do not edit. [interfaces.md](interfaces.md) explains what it all means.

Names are as in namespace `deaot`. Topics of vision_msgs exist where it is installed: `detections`
and `label_info` of the tracker, `detections_3d` of depth_objects. Subscriptions to cameras take the
reliability that the publisher offers; listed is what they ask for before there is one.
"""

EVERY_NODE = ("/rosout", "/parameter_events", "/transition_event", "parameter", "type_description")
"""Parts of what every ROS 2 node has."""


def reference() -> str:
    """The whole page."""
    enter_private_ros()
    rclpy.init(args=[])
    try:
        parts = [HEAD, *_nodes()]
    finally:
        rclpy.try_shutdown()
    for folder, title in (("msg", "Message"), ("srv", "Service")):
        for file in sorted((ROOT / folder).iterdir()):
            text = file.read_text().strip()
            parts.append(f"## {title} `deaot_ros/{file.stem}`\n```\n{text}\n```\n")
    parts += [_launch_arguments(file) for file in sorted((ROOT / "launch").glob("*.launch.py"))]
    return "\n".join(part for part in parts if part)


def _nodes() -> Iterator[str]:
    tracker = TrackerNode(
        namespace="deaot", parameter_overrides=[Parameter("device", value="cpu")]
    )
    tracker.trigger_configure()
    tracker.trigger_activate()
    yield _node(tracker, "tracker_node")
    tracker.close()
    tracker.destroy_node()
    for kind, executable in ((DepthObjects, "depth_objects"), (Follow, "follow")):
        node = kind(namespace="deaot")
        yield _node(node, executable)
        node.destroy_node()


def _node(node: Node, executable: str) -> str:
    name, namespace = node.get_name(), node.get_namespace()
    lines = [f"## Node `{name}` (executable `{executable}`)\n"]
    for title, topics, ends_of in (
        (
            "Published", node.get_publisher_names_and_types_by_node,
            node.get_publishers_info_by_topic,
        ),
        (
            "Subscribed", node.get_subscriber_names_and_types_by_node,
            node.get_subscriptions_info_by_topic,
        ),
    ):  # fmt: skip
        lines.append(f"### {title} topics\n| topic | type | QoS |\n|---|---|---|")
        for topic, types in sorted(topics(name, namespace)):
            if _of_interest(topic, types):
                end = next(end for end in ends_of(topic) if end.node_name == name)
                lines.append(f"| `{topic}` | {_type(types)} | {_qos(end)} |")
        lines.append("")
    rows = [
        f"| `{service}` | {_type(types)} |"
        for service, types in sorted(node.get_service_names_and_types_by_node(name, namespace))
        if _of_interest(service, types)
    ]
    if rows:
        lines += ["### Services\n| service | type |\n|---|---|", *rows, ""]
    lines += ["### Parameters\n| parameter | default | values | meaning |\n|---|---|---|---|"]
    names = sorted(p for p in node._parameters if _of_interest(p, []) and p != "use_sim_time")
    for parameter in names:
        described = node.describe_parameter(parameter)
        limits = [*described.integer_range, *described.floating_point_range]
        values = f"{limits[0].from_value:g} to {limits[0].to_value:g}" if limits else ""
        values = described.additional_constraints or values
        value = node.get_parameter(parameter).value
        default = "auto" if parameter == "device" else value
        lines.append(f"| `{parameter}` | `{default!r}` | {values} | {described.description} |")
    return "\n".join(lines) + "\n"


def _of_interest(name: str, types: list[str]) -> bool:
    own = not any(part in name for part in EVERY_NODE) and not name.startswith("qos_overrides")
    return own and not any("vision_msgs" in kind for kind in types)


def _type(types: list[str]) -> str:
    return ", ".join(kind.replace("/msg/", "/").replace("/srv/", "/") for kind in types)


def _qos(end: object) -> str:
    profile = end.qos_profile
    words = ["reliable" if profile.reliability == ReliabilityPolicy.RELIABLE else "best effort"]
    if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        words.append("latched")
    return ", ".join(words)


def _launch_arguments(file: Path) -> str:
    rows = []
    for call in ast.walk(ast.parse(file.read_text())):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "DeclareLaunchArgument":
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            default = given.get("default_value")
            text = "must be given" if default is None else "a file of the package"
            if isinstance(default, ast.Constant):
                text = f"`{default.value}`" if default.value else ""
            name, meaning = call.args[0].value, given["description"].value
            rows.append(f"| `{name}` | {text} | {meaning} |")
    if not rows:
        return ""
    head = f"## Launch file `{file.name}`\n| argument | default | meaning |\n|---|---|---|"
    return "\n".join([head, *rows, ""])


if __name__ == "__main__":
    text = reference()
    if sys.argv[1:] == ["--check"]:
        current = REFERENCE.read_text() == text
        print("current" if current else "docs/reference.md is not what the code says; run me")
        sys.exit(not current)
    REFERENCE.write_text(text)
