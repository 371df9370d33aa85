"""docs/faults.md lists the faults that the tests inject, and no other."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

from catalogue import GROUPS

ROOT = Path(__file__).resolve().parents[1]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fault_table", ROOT / "tools" / "fault_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_lists_the_faults_of_the_tests() -> None:
    fault_table = tool()
    page = (ROOT / "docs" / "faults.md").read_text()
    assert fault_table.documented(page) == fault_table.wanted()


def test_there_are_enough_faults_and_each_is_named_once() -> None:
    rows = tool().wanted()
    names = [row.name for row in rows]
    assert len(names) == len(set(names)) >= 60
    assert {row.group for row in rows} == set(GROUPS)
