# SPDX-License-Identifier: Apache-2.0
"""A bag through the perception node, shown in RViz. Without arguments it is the drive that comes with the package.

`ros2 launch mtl_perception replay.launch.py --show-args` lists the arguments. To record the results instead, see
`mtl-perception replay`.
"""

from pathlib import Path

import yaml
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchContext, LaunchDescription

SHARE = Path(__file__).parents[1]

ARGUMENTS = {  # name: (default, description)
    "bag": (str(SHARE / "bags" / "demo"), "rosbag2 folder with metadata.yaml"),
    "image": ("", "topic of the raw images, also where only <image>/compressed is recorded; empty: the bag's only camera"),
    "camera_info": ("", "topic of the calibration; empty: camera_info beside the images"),
    "depth_source": ("", "network, camera or fused; empty: as in params_file"),
    "depth": ("", "topic of the depth camera's images; empty: with a depth_source that needs one, the bag's only one"),
    "model": ("", "name of a shipped model, or path of a .safetensors file; empty: as in params_file"),
    "device": ("", "auto, cpu, cuda or cuda:N; empty: as in params_file"),
    "params_file": (str(SHARE / "config" / "robot.yaml"), "YAML file with the node's parameters, for one camera"),
    "rate": ("1.0", "2.0 plays twice as fast as recorded"),
    "loop": ("false", "true: begin anew at the end"),
    "rviz": ("true", "show the outputs in RViz (package rviz2)"),
}

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


def find_camera(bag: str) -> str:
    """Name of the raw images of the bag's only camera; ground truth, depth and what a node has drawn is none."""
    cameras = {
        name.removesuffix("/compressed")
        for name, kind in topics(bag).items()
        if kind in (RAW, COMPRESSED) and not any(word in name for word in ("/ground_truth/", "depth", "/perception/"))
    }
    if len(cameras) != 1:
        found = ", ".join(sorted(cameras)) or "none"
        raise RuntimeError(f"bag {bag} has the cameras: {found}; expected one, or the argument image:=TOPIC")
    return cameras.pop()


def find_depth(bag: str) -> str:
    """Name of the raw images of the bag's only depth camera."""
    found = {
        name.removesuffix("/compressedDepth")
        for name, kind in topics(bag).items()
        if "depth" in name
        and not any(word in name for word in ("/ground_truth/", "/perception/"))
        and (kind == RAW or name.endswith("/compressedDepth"))
    }
    if len(found) != 1:
        raise RuntimeError(
            f"bag {bag} has the depth cameras: {', '.join(sorted(found)) or 'none'}; expected one, or the argument depth:=TOPIC"
        )
    return found.pop()


def topics(bag: str) -> dict[str, str]:
    """Name → type."""
    index = Path(bag) / "metadata.yaml"
    if not index.is_file():
        raise RuntimeError(f"{bag} is no rosbag2 folder: it has no metadata.yaml; record one, or run 'ros2 bag reindex {bag}'")
    try:
        entries = yaml.safe_load(index.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]["topics_with_message_count"]
        return {entry["topic_metadata"]["name"]: entry["topic_metadata"]["type"] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        raise RuntimeError(f"{index} does not list the bag's topics; run 'ros2 bag reindex {bag}'") from None


def start(context: LaunchContext) -> list:
    argument = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    image = argument["image"] or find_camera(argument["bag"])
    depth = argument["depth"] or (find_depth(argument["bag"]) if argument["depth_source"] in ("camera", "fused") else "")
    options = f"--rate {argument['rate']}" + (" --loop" if argument["loop"].lower() == "true" else "")
    given = {
        **{name: argument[name] for name in ("bag", "model", "device", "params_file", "rviz", "depth_source")},
        "image": image,
        "depth": depth,
        "depth_transport": "" if not depth else "raw" if topics(argument["bag"]).get(depth) == RAW else "compressedDepth",
        "camera_info": argument["camera_info"] or f"{image.rpartition('/')[0]}/camera_info",
        "transport": "raw" if topics(argument["bag"]).get(image) == RAW else "compressed",
        "bag_options": options,
    }
    robot = PythonLaunchDescriptionSource(str(Path(__file__).with_name("robot.launch.py")))
    return [IncludeLaunchDescription(robot, launch_arguments=given.items())]


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value=value, description=text) for name, (value, text) in ARGUMENTS.items()]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
