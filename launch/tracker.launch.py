"""Starts the tracker node: ``ros2 launch deaot_ros tracker.launch.py``.

An argument that is left empty keeps the value of the parameter file.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

TEXT_PARAMETERS = ("variant", "weights", "device", "backend", "image_transport")
SWITCH_PARAMETERS = ("autostart", "use_sim_time", "build_only")
NUMBER_PARAMETERS = ("frame_history",)
"""Node parameters that have an argument of the same name."""

OPERATOR_HISTORY = 600
"""Images that the node keeps with operator:=true: 20 s of drawing at 30 Hz."""


def generate_launch_description() -> LaunchDescription:
    """Arguments first, then what they start."""
    share = FindPackageShare("deaot_ros")
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "namespace", default_value="deaot", description="namespace of the node"
            ),
            DeclareLaunchArgument(
                "input_image_topic",
                default_value="image",
                description="the camera's image topic, without /compressed",
            ),
            DeclareLaunchArgument(
                "target_mask_topic", default_value="target_mask", description="target masks"
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "tracker.yaml"]),
                description="YAML file with every node parameter",
            ),
            DeclareLaunchArgument(
                "variant",
                default_value="",
                description="network: deaot-t, -s, -b, -l, r50-deaot-l, swinb-deaot-l",
            ),
            DeclareLaunchArgument("weights", default_value="", description="weights file"),
            DeclareLaunchArgument("device", default_value="", description="auto, cpu or cuda:0"),
            DeclareLaunchArgument(
                "backend",
                default_value="",
                description="what runs the network: auto, torch, onnxruntime, tensorrt",
            ),
            DeclareLaunchArgument(
                "image_transport",
                default_value="",
                choices=["", "raw", "compressed"],
                description="raw or compressed images",
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                description="configure and activate by itself",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="",
                description="take the time from /clock",
            ),
            DeclareLaunchArgument(
                "log_level", default_value="info", description="debug, info, warn, error or fatal"
            ),
            DeclareLaunchArgument(
                "use_respawn",
                default_value="false",
                description="start the node again when it dies",
            ),
            DeclareLaunchArgument(
                "use_fastdds_shm",
                default_value="true",
                description="Fast DDS profile for images; the camera needs it too",
            ),
            DeclareLaunchArgument(
                "use_rviz",
                default_value="false",
                description="show the overlay in RViz",
            ),
            DeclareLaunchArgument(
                "operator",
                default_value="false",
                description="serve the operator's page",
            ),
            DeclareLaunchArgument(
                "operator_host",
                default_value="127.0.0.1",
                description="address of the page; 0.0.0.0: all of this machine",
            ),
            DeclareLaunchArgument(
                "operator_port", default_value="8642", description="port of the page"
            ),
            DeclareLaunchArgument(
                "operator_token",
                default_value="",
                description="what browsers must know; beyond this machine one is made up",
            ),
            DeclareLaunchArgument(
                "frame_history",
                default_value="",
                description="images kept for masks that come late; with operator:=true 600",
            ),
            DeclareLaunchArgument(
                "build_only",
                default_value="",
                description="build the engines for the camera's images, then end the node",
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([share, "launch", "fastdds_profile.launch.py"]),
                condition=IfCondition(LaunchConfiguration("use_fastdds_shm")),
            ),
            # Before the tracker: where rviz2 is not installed nothing is left running.
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", PathJoinSubstitution([share, "config", "tracker.rviz"])],
                remappings=[
                    (f"/deaot/{topic}", ["/", LaunchConfiguration("namespace"), f"/{topic}"])
                    for topic in ("overlay", "mask", "object_cloud", "target")
                ],
                condition=IfCondition(LaunchConfiguration("use_rviz")),
            ),
            OpaqueFunction(function=start_tracker),
            OpaqueFunction(
                function=start_operator_page, condition=IfCondition(LaunchConfiguration("operator"))
            ),
        ]
    )


def value(context: LaunchContext, name: str) -> str:
    """What the launch argument ``name`` was set to."""
    return LaunchConfiguration(name).perform(context)


def start_tracker(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node, with the parameter file and, above it, the arguments that were given."""
    file = Path(value(context, "params_file")).expanduser()
    if not file.is_file():
        raise RuntimeError(f"params_file:={file} is no file; give the path of a parameter YAML")
    parameters: list = [str(file)]
    if IfCondition(LaunchConfiguration("operator")).evaluate(context):
        parameters.append({"frame_history": OPERATOR_HISTORY})
    for names, kind in (
        (TEXT_PARAMETERS, str), (SWITCH_PARAMETERS, bool), (NUMBER_PARAMETERS, int)
    ):  # fmt: skip
        given = [name for name in names if value(context, name)]
        parameters += [
            {name: ParameterValue(LaunchConfiguration(name), value_type=kind)} for name in given
        ]
    return [
        LifecycleNode(
            package="deaot_ros",
            executable="tracker_node",
            name="tracker",
            namespace=LaunchConfiguration("namespace"),
            parameters=parameters,
            remappings=[
                *camera_remappings(context),
                ("target_mask", LaunchConfiguration("target_mask_topic")),
            ],
            ros_arguments=["--log-level", LaunchConfiguration("log_level")],
            respawn=LaunchConfiguration("use_respawn"),
            respawn_delay=2.0,
            output="screen",
            emulate_tty=True,
        )
    ]


def start_operator_page(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The page's server, beside the node."""
    token = value(context, "operator_token")
    return [
        Node(
            package="deaot_ros",
            executable="operator_page",
            namespace=LaunchConfiguration("namespace"),
            remappings=camera_remappings(context),
            arguments=[
                "--host", LaunchConfiguration("operator_host"),
                "--port", LaunchConfiguration("operator_port"),
                "--image-transport", value(context, "image_transport") or "auto",
            ],
            # Not an argument: everybody on the machine can read those.
            additional_env={"DEAOT_OPERATOR_TOKEN": token} if token else {},
            respawn=LaunchConfiguration("use_respawn"),
            respawn_delay=2.0,
            output="screen",
        )
    ]  # fmt: skip


def camera_remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """Where images come from."""
    image = value(context, "input_image_topic")
    return [("image", image), ("image/compressed", f"{image}/compressed")]
