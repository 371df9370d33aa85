"""Points Fast DDS at the shipped profile, unless the user has one; the other files include it."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

OLD_PROFILE_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"
PROFILE_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE"
"""Read by Fast DDS from Kilted on, where the old name draws a warning."""


def generate_launch_description() -> LaunchDescription:
    """No arguments."""
    return LaunchDescription([OpaqueFunction(function=use_profile)])


def use_profile(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Set the variable that this distribution reads."""
    for name in (PROFILE_VARIABLE, OLD_PROFILE_VARIABLE):
        if name in context.environment:
            return [LogInfo(msg=f"keeping {name}={context.environment[name]}")]
    old = context.environment.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
    profile = PathJoinSubstitution([FindPackageShare("deaot_ros"), "config", "fastdds_shm.xml"])
    return [SetEnvironmentVariable(OLD_PROFILE_VARIABLE if old else PROFILE_VARIABLE, profile)]
