"""Writes the table of docs/faults.md from the fault tests and from what was observed in a run.

    make test PYTEST_ARGS="test/faults --fault-record=build/faults.json"
    .venv/bin/deaot-env python tools/fault_table.py build/faults.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- faults -->\n", "<!-- end of faults -->\n"
sys.path[:0] = [str(ROOT / "test" / "faults"), str(ROOT / "test")]

from catalogue import Row, rows  # noqa: E402


def cell(text: str) -> str:
    """Text that cannot end its cell."""
    return " ".join(text.split()).replace("|", "/")


def table(observed: dict[str, str]) -> str:
    """Markdown, a table per group; ``observed`` by test."""
    lines: list[str] = []
    group = ""
    for row in rows():
        if row.group != group:
            group = row.group
            head = "| fault | injected how | expected | observed | test |"
            lines += ["", f"### {group.capitalize()}", head, "|---|---|---|---|---|"]
        seen = observed.get(row.test) or "as expected"
        cells = (row.name, row.how, row.expected, seen, f"`{row.test}`")
        lines.append(f"| {' | '.join(map(cell, cells))} |")
    return "\n".join([*lines[1:], ""])


def documented(text: str) -> list[Row]:
    """The rows of a page, without what was observed."""
    inside = text.partition(BEGIN)[2].partition(END)[0]
    found, group = [], ""
    for line in inside.splitlines():
        if line.startswith("### "):
            group = line[4:].lower()
        elif line.startswith("| ") and not line.startswith("| fault "):
            name, how, expected, seen, test = re.split(r" \| ", line.strip("| "))
            if not seen:
                raise ValueError(f"nothing is observed of '{name}'")
            found.append(Row(group, name, how, expected, test.strip("`")))
    return found


def wanted() -> list[Row]:
    """The rows that the tests ask for."""
    return [Row(row.group, *map(cell, row[1:])) for row in rows()]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    notes = json.loads(Path(sys.argv[1]).read_text()) if sys.argv[1:] else {}
    PAGE.write_text(before + BEGIN + table(notes) + END + after)
