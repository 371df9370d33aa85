"""Tracks through a bag: ``ros2 launch deaot_ros bag.launch.py bag:=DIR mask:=FIRST.png``.

Arguments of ``tracker.launch.py`` work here, too. Time is that of the bag.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

LAST_RESULTS = 5.0
"""Seconds after the bag's end until everything is ended: the network may lie behind."""

RESULTS = ("mask", "objects", "status")
"""Topics that are recorded."""


def generate_launch_description() -> LaunchDescription:
    """Arguments first, then what they start."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="folder of the bag"),
            DeclareLaunchArgument("input_image_topic", description="image topic in the bag"),
            DeclareLaunchArgument(
                "mask",
                default_value="",
                description="PNG of the first image, pixel = object id; empty: somebody sends one",
            ),
            DeclareLaunchArgument(
                "namespace", default_value="deaot", description="namespace of the node"
            ),
            DeclareLaunchArgument("rate", default_value="1.0", description="speed of playing"),
            DeclareLaunchArgument(
                "delay",
                default_value="15.0",
                description="seconds for the tracker to load before the bag begins",
            ),
            DeclareLaunchArgument(
                "loop",
                default_value="false",
                choices=["true", "false"],
                description="play again and again; every start is a new session",
            ),
            DeclareLaunchArgument(
                "results", default_value="", description="new folder to record results into"
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution(
                    [FindPackageShare("deaot_ros"), "launch", "tracker.launch.py"]
                ),
                launch_arguments={"use_sim_time": "true"}.items(),
            ),
            OpaqueFunction(function=play),
        ]
    )


def play(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The player, and what was asked for beside it."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    player = ExecuteProcess(
        cmd=[
            "ros2", "bag", "play", value("bag"), "--clock", "--rate", value("rate"),
            "--delay", value("delay"), *(["--loop"] if value("loop") == "true" else []),
        ],
        output="screen",
    )  # fmt: skip
    end = TimerAction(period=LAST_RESULTS, actions=[Shutdown(reason="the bag has ended")])
    found: list[LaunchDescriptionEntity] = [
        RegisterEventHandler(OnProcessExit(target_action=player, on_exit=[end])),
        player,
    ]
    if value("mask"):
        found.append(
            Node(
                package="deaot_ros",
                executable="send_mask",
                namespace=value("namespace"),
                arguments=[value("mask")],
                remappings=[
                    ("image", value("input_image_topic")),
                    ("image/compressed", f"{value('input_image_topic')}/compressed"),
                ],
                output="screen",
            )
        )
    if value("results"):
        topics = [f"/{value('namespace').strip('/')}/{topic}" for topic in RESULTS]
        found.append(
            ExecuteProcess(
                cmd=["ros2", "bag", "record", "--output", value("results"), *topics],
                output="screen",
            )
        )
    return found
