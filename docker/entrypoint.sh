#!/bin/bash
# Runs a command with ROS and deaot_ros sourced.
set -e
# shellcheck disable=SC1090
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /opt/deaot/ws/install/setup.bash
exec "$@"
