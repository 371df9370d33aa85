"""Objects in space, beside a tracker: ``ros2 launch deaot_ros depth_objects.launch.py``."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Arguments first, then what they start."""
    share = FindPackageShare("deaot_ros")
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "namespace", default_value="deaot", description="namespace of the tracker"
            ),
            DeclareLaunchArgument(
                "depth_topic",
                default_value="depth",
                description="depth image that is aligned with the tracked camera",
            ),
            DeclareLaunchArgument(
                "camera_info_topic",
                default_value="camera_info",
                description="calibration of the tracked camera",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "depth_objects.yaml"]),
                description="YAML file with every parameter of the node",
            ),
            DeclareLaunchArgument(
                "follow",
                default_value="0",
                description="id of an object to publish bearing and range of; 0: none",
            ),
            DeclareLaunchArgument(
                "use_respawn",
                default_value="false",
                description="start the nodes again when they die",
            ),
            Node(
                package="deaot_ros",
                executable="depth_objects",
                name="depth_objects",
                namespace=LaunchConfiguration("namespace"),
                parameters=[LaunchConfiguration("params_file")],
                remappings=[
                    ("depth", LaunchConfiguration("depth_topic")),
                    ("camera_info", LaunchConfiguration("camera_info_topic")),
                ],
                respawn=LaunchConfiguration("use_respawn"),
                respawn_delay=2.0,
                output="screen",
            ),
            Node(
                package="deaot_ros",
                executable="follow",
                name="follow",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    {"object_id": ParameterValue(LaunchConfiguration("follow"), value_type=int)}
                ],
                respawn=LaunchConfiguration("use_respawn"),
                respawn_delay=2.0,
                output="screen",
                condition=IfCondition(
                    PythonExpression(["'", LaunchConfiguration("follow"), "' != '0'"])
                ),
            ),
        ]
    )
