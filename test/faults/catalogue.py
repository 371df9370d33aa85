"""Every fault that the tests inject, read from the marks of the tests."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

FOLDER = Path(__file__).parent

GROUPS = ("camera", "masks", "control", "system", "numbers")
"""In the order of the table."""


class Row(NamedTuple):
    """A fault, and the test that injects it."""

    group: str
    name: str
    how: str
    expected: str
    test: str


def rows() -> list[Row]:
    """All faults, by group, file and in the order of the tests."""
    return sorted(_unsorted(), key=lambda row: GROUPS.index(row.group))


def _unsorted() -> Iterator[Row]:
    for file in sorted(FOLDER.glob("test_*.py")):
        module = importlib.import_module(file.stem)
        for name, function in vars(module).items():
            if name.startswith("test_"):
                for mark in getattr(function, "pytestmark", ()):
                    yield from _rows(mark, f"{file.name}::{name}")


def _rows(mark: pytest.Mark, test: str) -> Iterator[Row]:
    if mark.name == "fault":
        yield Row(*mark.args, test)
    elif mark.name == "parametrize":
        for case in mark.args[1]:
            for inner in getattr(case, "marks", ()):
                if getattr(inner, "name", "") == "fault":
                    yield Row(*inner.args, f"{test}[{case.id or case.values[0]}]")
