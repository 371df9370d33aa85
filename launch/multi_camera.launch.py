"""Trackers for several cameras in one process: ``ros2 launch deaot_ros multi_camera.launch.py``.

They share one network, on a GPU by one batch for all; ``cameras:=front,rear`` names them.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Arguments first, then what they start."""
    share = FindPackageShare("deaot_ros")
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "cameras", description="names of the cameras, with commas between them"
            ),
            DeclareLaunchArgument(
                "input_image_topic",
                default_value="/{camera}/image_raw",
                description="image topic of each camera, {camera} being its name",
            ),
            DeclareLaunchArgument(
                "namespace", default_value="deaot", description="namespace of all nodes"
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "tracker.yaml"]),
                description="YAML file; /** is for all cameras, /deaot/NAME/tracker for one",
            ),
            DeclareLaunchArgument("device", default_value="", description="auto, cpu or cuda:0"),
            DeclareLaunchArgument(
                "batch",
                default_value="auto",
                choices=["auto", "on", "off"],
                description="images of several cameras in one batch; auto: on a GPU",
            ),
            DeclareLaunchArgument(
                "use_sim_time", default_value="", description="take the time from /clock"
            ),
            DeclareLaunchArgument(
                "log_level", default_value="info", description="debug, info, warn, error or fatal"
            ),
            DeclareLaunchArgument(
                "use_respawn",
                default_value="false",
                description="start the process again when it dies",
            ),
            DeclareLaunchArgument(
                "use_fastdds_shm",
                default_value="true",
                description="Fast DDS profile for images; the cameras need it too",
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([share, "launch", "fastdds_profile.launch.py"]),
                condition=IfCondition(LaunchConfiguration("use_fastdds_shm")),
            ),
            OpaqueFunction(function=start_trackers),
        ]
    )


def start_trackers(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """One process with a node per camera."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context).strip()

    cameras = [name.strip() for name in value("cameras").split(",") if name.strip()]
    if not cameras:
        raise RuntimeError("cameras:= names no camera; expected names, for example front,rear")
    file = Path(value("params_file")).expanduser()
    if not file.is_file():
        raise RuntimeError(f"params_file:={file} is no file; give the path of a parameter YAML")
    parameters: list = [str(file)]
    for name, kind in (("device", str), ("use_sim_time", bool)):
        if value(name):
            parameters.append({name: ParameterValue(LaunchConfiguration(name), value_type=kind)})
    return [
        Node(
            package="deaot_ros",
            executable="multi_tracker_node",
            arguments=[
                "--cameras", *cameras,
                "--namespace", value("namespace"),
                "--image-topic", value("input_image_topic"),
                "--batch", value("batch"),
            ],
            parameters=parameters,
            ros_arguments=["--log-level", LaunchConfiguration("log_level")],
            respawn=LaunchConfiguration("use_respawn"),
            respawn_delay=2.0,
            output="screen",
            emulate_tty=True,
        )
    ]  # fmt: skip
