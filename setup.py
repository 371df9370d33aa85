"""Installs the ROS-free core with pip; ROS builds the same sources with CMake."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def shared(folder: str, pattern: str) -> tuple[str, list[str]]:
    """Files of ``folder`` that belong under ``share/deaot_ros`` of the Python prefix."""
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob(pattern))
    return f"share/deaot_ros/{folder}", files


setup(
    packages=find_packages(include=["deaot_ros", "deaot_ros.*"]),
    package_data={"deaot_ros": ["**/*.html", "**/*.js", "**/*.css", "**/*.yaml"]},
    data_files=[
        shared("models", "*.safetensors"),
        shared("models", "*.calibration.json"),
        shared("config", "*.*"),
        shared("config/train", "*.yaml"),
        shared("msg", "*.msg"),
        ("share/deaot_ros", ["package.xml"]),
    ],
)
