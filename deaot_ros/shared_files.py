"""Files that come with the package but are no Python code."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import deaot_ros


def shared_file(relative: Path) -> Path | None:
    """A file of the package: in the source tree, or in ``share/deaot_ros`` of an installation."""
    package = Path(deaot_ros.__file__).absolute().parent
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    prefixes += [Path(sys.prefix), *package.parents[:4]]
    candidates = [package.parent, *(prefix / "share" / "deaot_ros" for prefix in prefixes)]
    return next((c / relative for c in candidates if (c / relative).is_file()), None)
