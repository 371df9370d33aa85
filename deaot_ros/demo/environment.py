"""The environment of processes that talk over ROS on this machine only."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from importlib import metadata
from pathlib import Path
from typing import IO

import deaot_ros
from deaot_ros.errors import DeaotError
from deaot_ros.shared_files import shared_file

_DISTRIBUTIONS = {"3": "humble", "7": "jazzy", "9": "kilted"}  # by rclpy's major version
_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_TAKEN: list[IO[str]] = []
"""Locks of the domains that are ours."""

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
    os.environ["ROS_DOMAIN_ID"] = str(free_domain())
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    for name in _PROFILE_VARIABLES:  # newer Fast DDS reads both and stumbles over the second
        os.environ.pop(name, None)
    profile = shm_profile()
    if profile is not None:
        os.environ[profile_variable()] = str(profile)
    else:
        os.environ["FASTDDS_BUILTIN_TRANSPORTS"] = "SHM"


def free_domain() -> int:
    """A ROS domain that is ours until this process ends: nobody else here is given the same.

    Raises:
        DeaotError: all are taken.
    """
    # 0 is everybody's; above 101 ports may collide with those that Linux gives to clients.
    for domain in random.SystemRandom().sample(range(1, 102), 101):
        try:
            lock = (Path(tempfile.gettempdir()) / f"deaot_ros_domain_{domain}.lock").open("w")
        except OSError:  # another user's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _TAKEN.append(lock)
        return domain
    raise DeaotError("all ROS domains from 1 to 101 are in use by deaot_ros on this machine")


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
