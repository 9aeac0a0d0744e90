# SPDX-License-Identifier: Apache-2.0
"""The perception node on a robot, or beside a bag. `ros2 launch mtl_perception robot.launch.py --show-args` lists the arguments."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import (
    EnvironmentVariable,
    LaunchConfiguration,
    NotEqualsSubstitution,
    PathJoinSubstitution,
    ThisLaunchFileDir,
)
from launch_ros.actions import LifecycleNode, LifecycleTransition, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

CONFIG = PathJoinSubstitution([ThisLaunchFileDir(), "..", "config"])
HAS_BAG = NotEqualsSubstitution(LaunchConfiguration("bag"), "")

ARGUMENTS = [
    DeclareLaunchArgument("image", default_value="/camera/image_raw", description="topic of the raw images; compressed ones are read from <image>/compressed"),
    DeclareLaunchArgument("camera_info", default_value="/camera/camera_info", description="topic of the camera's calibration"),
    DeclareLaunchArgument("transport", default_value="", description="raw or compressed; empty: as in params_file"),
    DeclareLaunchArgument("model", default_value="", description="a shipped model's name or a .safetensors file; empty: as in params_file"),
    DeclareLaunchArgument("device", default_value="", description="auto, cpu, cuda or cuda:N; empty: as in params_file"),
    DeclareLaunchArgument("params_file", default_value=[CONFIG, "/robot.yaml"], description="YAML file with the node's parameters"),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
    DeclareLaunchArgument("bag", default_value="", description="bag to play once the node is active"),
    DeclareLaunchArgument("use_sim_time", default_value=HAS_BAG, description="take the time from /clock; true by itself with a bag"),
    DeclareLaunchArgument("autostart", default_value="true", description="configure and activate the node; false where a lifecycle manager does"),
    DeclareLaunchArgument("rviz", default_value="false", description="show the outputs in RViz (package rviz2)"),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
]

# Room for images in shared memory, and image buffers that malloc keeps (see config/fastdds.xml and docs). They hold for
# every process started here; a value that the user has set is left as it is.
ENVIRONMENT = [
    SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=value))
    for name, value in {
        "FASTRTPS_DEFAULT_PROFILES_FILE": [CONFIG, "/fastdds.xml"],
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
    }.items()
]

SHOWN_IN_RVIZ = ("overlay", "segmentation/mask", "depth/image_rect", "depth/camera_info")


def perception(context: LaunchContext) -> list:
    image, camera_info = LaunchConfiguration("image"), LaunchConfiguration("camera_info")
    namespace, log_level = LaunchConfiguration("namespace"), LaunchConfiguration("log_level")
    sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=str)
        for name in ("transport", "model", "device")
        if LaunchConfiguration(name).perform(context)
    }
    node = LifecycleNode(
        package="mtl_perception",
        executable="perception",
        name="perception",
        namespace=namespace,
        # The transitions below, or a lifecycle manager's, replace the node's own start.
        parameters=[LaunchConfiguration("params_file"), given, sim_time, {"autostart": False}],
        remappings=[("~/image", image), ("~/image/compressed", [image, "/compressed"]), ("~/camera_info", camera_info)],
        arguments=["--ros-args", "--log-level", log_level],
        output="screen",
    )
    play = ExecuteProcess(
        cmd=["ros2", "bag", "play", "--clock", "100", LaunchConfiguration("bag")], output="screen", condition=IfCondition(HAS_BAG)
    )
    start = LifecycleTransition(
        lifecycle_node_names=[[namespace, "/perception"]],
        transition_ids=[Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE],
        condition=IfCondition(LaunchConfiguration("autostart")),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", [CONFIG, "/robot.rviz"]],
        parameters=[sim_time],
        remappings=[("/camera/image_raw", image)]
        + [(f"/perception/{topic}", [namespace, f"/perception/{topic}"]) for topic in SHOWN_IN_RVIZ],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    when_active = RegisterEventHandler(OnStateTransition(target_lifecycle_node=node, goal_state="active", entities=[play]))
    return [when_active, node, start, rviz]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, *ENVIRONMENT, OpaqueFunction(function=perception)])
