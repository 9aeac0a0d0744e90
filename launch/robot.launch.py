# SPDX-License-Identifier: Apache-2.0
"""The perception node on a robot, or beside a bag. `ros2 launch mtl_perception robot.launch.py --show-args` lists the arguments."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import LifecycleNode, LifecycleTransition, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

CONFIG = Path(__file__).parents[1] / "config"

ARGUMENTS = {  # name: (default, description)
    "image": ("/camera/image_raw", "topic of the raw images; compressed ones are read from <image>/compressed"),
    "camera_info": ("/camera/camera_info", "topic of the camera's calibration"),
    "transport": ("", "raw or compressed; empty: as in params_file"),
    "model": ("", "name of a shipped model, or path of a .safetensors file; empty: as in params_file"),
    "device": ("", "auto, cpu, cuda or cuda:N; empty: as in params_file"),
    "params_file": (str(CONFIG / "robot.yaml"), "YAML file with the node's parameters"),
    "namespace": ("", "namespace of the node"),
    "bag": ("", "bag to play, beginning when the node is active"),
    "use_sim_time": ("", "true: take the time from /clock; empty: true with a bag, else false"),
    "autostart": ("true", "configure and activate the node; false where a lifecycle manager does"),
    "rviz": ("false", "show the outputs in RViz (package rviz2)"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}

# Room for images in shared memory, and image buffers that malloc keeps: see config/fastdds.xml. They hold for every
# process started here; a value that the user has set stays.
ENVIRONMENT = {
    "FASTRTPS_DEFAULT_PROFILES_FILE": str(CONFIG / "fastdds.xml"),
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
}

SHOWN_IN_RVIZ = ("overlay", "segmentation/mask", "depth/image_rect", "depth/camera_info")


def start(context: LaunchContext) -> list:
    argument = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    namespace, image = argument["namespace"], argument["image"]
    use_sim_time = bool(argument["bag"])
    if argument["use_sim_time"]:
        use_sim_time = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    given = {name: ParameterValue(argument[name], value_type=str) for name in ("transport", "model", "device") if argument[name]}

    node = LifecycleNode(
        package="mtl_perception",
        executable="perception",
        name="perception",
        namespace=namespace,
        # The node could start itself; here the transitions below do it, or whoever manages lifecycles on the robot.
        parameters=[argument["params_file"], given, {"use_sim_time": use_sim_time, "autostart": False}],
        remappings=[("~/image", image), ("~/image/compressed", f"{image}/compressed"), ("~/camera_info", argument["camera_info"])],
        arguments=["--ros-args", "--log-level", argument["log_level"]],
        output="screen",
    )
    transitions = LifecycleTransition(
        lifecycle_node_names=[f"{namespace}/perception"],
        transition_ids=[Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE],
        condition=IfCondition(argument["autostart"]),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(CONFIG / "robot.rviz")],
        parameters=[{"use_sim_time": use_sim_time}],
        remappings=[("/camera/image_raw", image)] + [(f"/perception/{topic}", f"{namespace}/perception/{topic}") for topic in SHOWN_IN_RVIZ],
        condition=IfCondition(argument["rviz"]),
    )
    actions = [node, transitions, rviz]
    if argument["bag"]:
        play = ExecuteProcess(cmd=["ros2", "bag", "play", "--clock", "100", "--delay", "1", argument["bag"]], output="screen")
        actions.insert(0, RegisterEventHandler(OnStateTransition(target_lifecycle_node=node, goal_state="active", entities=[play])))
    return actions


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value=value, description=text) for name, (value, text) in ARGUMENTS.items()]
    environment = [SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=value)) for name, value in ENVIRONMENT.items()]
    return LaunchDescription([*arguments, *environment, OpaqueFunction(function=start)])
