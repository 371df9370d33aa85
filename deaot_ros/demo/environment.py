"""The environment of processes that talk over ROS on this machine only."""

from __future__ import annotations

import os
import random
from importlib import metadata
from pathlib import Path

import deaot_ros
from deaot_ros.shared_files import shared_file

_DISTRIBUTIONS = {"3": "humble", "7": "jazzy", "9": "kilted"}  # by rclpy's major version
_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_PROFILE = Path("config") / "fastdds_shm.xml"


def shm_profile() -> Path | None:
    """The shipped Fast DDS profile, whose shared memory holds whole images."""
    return shared_file(_PROFILE)


def distribution() -> str:
    """The ROS distribution of this environment, ``unknown`` where nothing tells."""
    if name := os.environ.get("ROS_DISTRO"):
        return name
    for package in ("ros-rclpy", "rclpy"):
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        return _DISTRIBUTIONS.get(version.split(".")[0], "unknown")
    return "unknown"


def profile_variable() -> str:
    """The variable that gives Fast DDS its profile; it changed its name after Jazzy."""
    old = distribution() in ("humble", "iron", "jazzy")
    return _PROFILE_VARIABLES[0 if old else 1]


def enter_private_ros() -> None:
    """Put this process, and those that it starts, into a ROS graph of their own on this machine.

    Call it before rclpy is imported.
    """
    # 0 is everybody's; above 101 ports may collide with those that Linux gives to clients.
    os.environ["ROS_DOMAIN_ID"] = str(random.SystemRandom().randrange(1, 102))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    for name in _PROFILE_VARIABLES:  # newer Fast DDS reads both and stumbles over the second
        os.environ.pop(name, None)
    profile = shm_profile()
    if profile is not None:
        os.environ[profile_variable()] = str(profile)
    else:
        os.environ["FASTDDS_BUILTIN_TRANSPORTS"] = "SHM"


def child_environment() -> dict[str, str]:
    """The variables of a child, which imports the deaot_ros that runs here."""
    root = str(Path(deaot_ros.__file__).absolute().parents[1])
    paths = [root, *(p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
