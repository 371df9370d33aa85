"""The interface reference is what the nodes say of themselves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS in this environment")

from deaot_ros.demo.environment import child_environment

ROOT = Path(__file__).resolve().parents[2]


def test_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "interface_reference.py"), "--check"],
        env=child_environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def known_topics() -> set[str]:
    text = (ROOT / "docs" / "reference.md").read_text()
    return set(re.findall(r"^\| `(/[\w/]+)`", text, re.M))


@pytest.mark.parametrize("name", ["tracker.rviz", "foxglove.json", "tracker.perspective"])
def test_layouts_show_topics_that_exist(name: str) -> None:
    text = (ROOT / "config" / name).read_text()
    (yaml.safe_load if name.endswith("rviz") else json.loads)(text)
    shown = set(re.findall(r"/(?:deaot/[\w/]+|diagnostics)", text))
    assert "/deaot/mask" in shown
    assert shown <= known_topics()


def test_foxglove_panels_are_those_that_are_configured() -> None:
    layout = json.loads((ROOT / "config" / "foxglove.json").read_text())

    def panels(tree: object) -> set[str]:
        if isinstance(tree, str):
            return {tree}
        assert isinstance(tree, dict)
        return panels(tree["first"]) | panels(tree["second"])

    assert panels(layout["layout"]) == set(layout["configById"])
