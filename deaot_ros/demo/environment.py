"""The environment of processes that talk over ROS on this machine only."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import deaot_ros

_PROFILE = Path("config") / "fastdds_shm.xml"


def shared_file(relative: Path) -> Path | None:
    """A file of the package: in the source tree, or in ``share/deaot_ros`` of an installation."""
    package = Path(deaot_ros.__file__).absolute().parent
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    prefixes += [Path(sys.prefix), *package.parents[:4]]
    candidates = [package.parent, *(prefix / "share" / "deaot_ros" for prefix in prefixes)]
    return next((c / relative for c in candidates if (c / relative).is_file()), None)


def shm_profile() -> Path | None:
    """The shipped Fast DDS profile, whose shared memory holds whole images."""
    return shared_file(_PROFILE)


def private_ros() -> dict[str, str]:
    """Variables for a ROS graph of our own: a domain nobody uses, this machine only."""
    variables = {
        # 0 is everybody's; above 101 ports may collide with those that Linux gives to clients.
        "ROS_DOMAIN_ID": str(random.SystemRandom().randrange(1, 102)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOCALHOST_ONLY": "0",
    }
    profile = shm_profile()
    if profile is not None:
        variables["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile)
        variables["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(profile)  # its name up to Jazzy
    else:
        variables["FASTDDS_BUILTIN_TRANSPORTS"] = "SHM"
    return variables


def child_environment(extra: dict[str, str]) -> dict[str, str]:
    """This process's variables and ``extra``; the child imports the deaot_ros that runs here."""
    root = str(Path(deaot_ros.__file__).absolute().parents[1])
    paths = [root, *(p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)]
    return {
        **os.environ,
        **extra,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
