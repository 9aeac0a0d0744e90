# SPDX-License-Identifier: Apache-2.0
"""The perception node on a robot, for one camera or several, or beside a bag.

`ros2 launch mtl_perception robot.launch.py --show-args` lists the arguments.
"""

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import LifecycleNode, LifecycleTransition, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

from launch import LaunchContext, LaunchDescription

CONFIG = Path(__file__).parents[1] / "config"

ARGUMENTS = {  # name: (default, description)
    "image": (
        "/{camera}/image_raw",
        "topic of the raw images, {camera} stands for the name of each camera; compressed ones and video are read from <image>/TRANSPORT",
    ),
    "camera_info": ("/{camera}/camera_info", "topic of the calibration, {camera} as in image"),
    "transport": ("", "raw, compressed, ffmpeg, foxglove or theora; empty: as in params_file"),
    "depth": ("", "topic of a depth camera's images, {camera} as in image; empty: ~/depth/image of the node"),
    "depth_camera_info": ("", "topic of the depth camera's calibration; empty: camera_info beside its images"),
    "depth_source": ("", "network, camera or fused; empty: as in params_file"),
    "depth_transport": ("", "raw or compressedDepth; empty: as in params_file"),
    "model": ("", "name of a shipped model, or path of a .safetensors file; empty: as in params_file"),
    "device": ("", "auto, cpu, cuda or cuda:N; empty: as in params_file"),
    "params_file": (
        str(CONFIG / "robot.yaml"),
        "YAML file with the node's parameters; the names in `cameras` become topics, one camera without a name is `camera`",
    ),
    "namespace": ("", "namespace of the node"),
    "bag": ("", "bag to play, beginning when the node is active"),
    "bag_options": ("", "for `ros2 bag play`, such as '--rate 0.5 --loop'"),
    "use_sim_time": ("", "true: take the time from /clock; empty: true with a bag, else false"),
    "autostart": ("true", "configure and activate the node; false where a lifecycle manager does"),
    "rviz": ("false", "show the outputs, of the first camera, in RViz (package rviz2)"),
    "foxglove": ("", "port, such as 8765, on which Foxglove can see the outputs of the first camera (pip install foxglove-sdk)"),
    "foxglove_host": ("127.0.0.1", "address on which Foxglove can; 0.0.0.0 for all, and whoever reaches it sees what the robot sees"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}

# Fast DDS 3, of Kilted and later, has another name for it than Jazzy's.
PROFILE_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE" if os.environ.get("ROS_DISTRO", "jazzy") == "jazzy" else "FASTDDS_DEFAULT_PROFILES_FILE"
# Room for images in shared memory, and image buffers that malloc keeps: see config/fastdds.xml. They hold for every
# process started here; a value that the user has set stays.
ENVIRONMENT = {
    PROFILE_VARIABLE: str(CONFIG / "fastdds.xml"),
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
}

SHOWN_IN_RVIZ = (
    "overlay",
    "segmentation/mask",
    "instances",
    "depth/image_rect",
    "depth/camera_info",
    "depth/source",
    "points",
    "free_space",
    "detections_3d",
    "markers",
    "tracks",
)


def cameras_of(params_file: str) -> list[str]:
    """The names in `cameras`, of whichever section of the file has them; [""] for one camera on ~/image."""
    try:
        sections = yaml.safe_load(Path(params_file).read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RuntimeError(f"params_file {params_file} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(sections, dict):
        raise _no_sections(params_file)
    named = [parameters.get("cameras") for parameters in parameters_in(sections, params_file)]
    cameras = next((names for names in named if names), [""])
    if not isinstance(cameras, list) or not all(isinstance(name, str) for name in cameras):
        raise RuntimeError(f"cameras in params_file {params_file} is {cameras!r}, expected a list of names, such as [front, left]")
    return cameras


def parameters_in(sections: dict, params_file: str) -> Iterator[dict]:
    """The parameters of each section; namespaces may be nested."""
    for section in sections.values():
        if not isinstance(section, dict):
            raise _no_sections(params_file)
        if "ros__parameters" in section:
            yield section["ros__parameters"] or {}
        else:
            yield from parameters_in(section, params_file)


def _no_sections(params_file: str) -> RuntimeError:
    return RuntimeError(f"params_file {params_file} holds no sections of the form /**: ros__parameters: ...")


def remappings(camera: str, image: str, camera_info: str, depth: str, depth_camera_info: str) -> list[tuple[str, str]]:
    """The node's inputs of one camera, the images first."""
    own = f"~/{camera}" if camera else "~"
    pairs = [
        (f"{own}/image", image),
        *((f"{own}/image/{name}", f"{image}/{name}") for name in ("compressed", "ffmpeg", "foxglove", "theora")),
    ]
    pairs.append((f"{own}/camera_info", camera_info))
    if depth:
        info = depth_camera_info or f"{depth.rpartition('/')[0]}/camera_info"
        pairs += [
            (f"{own}/depth/image", depth),
            (f"{own}/depth/image/compressedDepth", f"{depth}/compressedDepth"),
            (f"{own}/depth/image/camera_info", info),
        ]
    return [(name, topic.replace("{camera}", camera or "camera")) for name, topic in pairs]


def start(context: LaunchContext) -> list:
    argument = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    namespace, cameras = argument["namespace"], cameras_of(argument["params_file"])
    topics = [argument[name] for name in ("image", "camera_info", "depth", "depth_camera_info")]
    inputs = [pair for camera in cameras for pair in remappings(camera, *topics)]
    use_sim_time = bool(argument["bag"])
    if argument["use_sim_time"]:
        use_sim_time = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    given = {
        name.replace("depth_", "depth."): ParameterValue(argument[name], value_type=str)
        for name in ("transport", "model", "device", "depth_source", "depth_transport")
        if argument[name]
    }

    node = LifecycleNode(
        package="mtl_perception",
        executable="perception",
        name="perception",
        namespace=namespace,
        # The node could start itself; here the transitions below do it, or whoever manages lifecycles on the robot.
        parameters=[argument["params_file"], given, {"use_sim_time": use_sim_time, "autostart": False}],
        remappings=inputs,
        arguments=["--ros-args", "--log-level", argument["log_level"]],
        output="screen",
    )
    transitions = LifecycleTransition(
        lifecycle_node_names=[f"{namespace}/perception"],
        transition_ids=[Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE],
        condition=IfCondition(argument["autostart"]),
    )
    outputs = f"{namespace}/perception" + (f"/{cameras[0]}" if cameras[0] else "")
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(CONFIG / "robot.rviz")],
        parameters=[{"use_sim_time": use_sim_time}],
        remappings=[("/camera/image_raw", inputs[0][1]), ("/camera/image_raw/compressed", inputs[1][1])]
        + [(f"/perception/{topic}", f"{outputs}/{topic}") for topic in SHOWN_IN_RVIZ],
        condition=IfCondition(argument["rviz"]),
    )
    actions = [node, transitions, rviz]
    if argument["foxglove"]:
        command = [
            sys.executable,
            "-m",
            "mtl_perception.cli",
            "foxglove",
            "--port",
            argument["foxglove"],
            "--host",
            argument["foxglove_host"],
        ]
        shown = ["--node", "/" + f"{namespace}/perception".lstrip("/"), "--camera", cameras[0]]
        actions.append(ExecuteProcess(cmd=command + shown, output="screen"))
    if argument["bag"]:
        command = ["ros2", "bag", "play", "--clock", "100", "--delay", "1", *shlex.split(argument["bag_options"]), argument["bag"]]
        play = ExecuteProcess(cmd=command, output="screen")
        actions.insert(0, RegisterEventHandler(OnStateTransition(target_lifecycle_node=node, goal_state="active", entities=[play])))
    return actions


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value=value, description=text) for name, (value, text) in ARGUMENTS.items()]
    environment = [SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=value)) for name, value in ENVIRONMENT.items()]
    return LaunchDescription([*arguments, *environment, OpaqueFunction(function=start)])
