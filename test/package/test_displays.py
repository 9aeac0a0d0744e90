# SPDX-License-Identifier: Apache-2.0
"""RViz and Foxglove show topics that the node has."""

import json
from pathlib import Path

import yaml

CONFIG = Path(__file__).parents[2] / "config"
TOPICS = {"overlay", "points", "free_space", "markers", "depth/image_rect", "depth/camera_info", "segmentation/mask", "status"}


def own(topics) -> set[str]:
    return {topic.removeprefix("/perception/") for topic in topics if topic.startswith("/perception/")}


def test_rviz_shows_images_points_and_markers():
    displays = yaml.safe_load((CONFIG / "robot.rviz").read_text())["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"]: display["Class"] for display in displays if "Topic" in display}
    assert own(topics) == {"overlay", "segmentation/mask", "instances", "depth/source", "points", "free_space", "markers"}
    assert topics["/perception/points"].endswith("PointCloud2") and topics["/perception/markers"].endswith("MarkerArray")
    (cloud,) = [display for display in displays if display["Class"].endswith("DepthCloud")]
    assert own([cloud["Depth Map Topic"], cloud["Color Image Topic"]]) == {"depth/image_rect", "overlay"}


def test_foxglove_layout_places_every_panel_once_and_names_our_topics():
    layout = json.loads((CONFIG / "foxglove_layout.json").read_text())
    panels = layout["configById"]

    def placed(part) -> list[str]:
        if isinstance(part, str):  # the panels of a tab are read only while it is looked at
            return [part, *(name for tab in panels[part].get("tabs", ()) for name in placed(tab["layout"]))]
        return placed(part["first"]) + placed(part["second"])

    assert sorted(placed(layout["layout"])) == sorted(panels)
    shown = set(panels["3D!scene"]["topics"])
    for name, panel in panels.items():
        if name.startswith("Image!"):
            shown |= {value for key, value in panel["imageMode"].items() if key.endswith("Topic")}
            shown |= set(panel["imageMode"].get("annotations", {}))
    assert own(shown | {panels["RawMessages!status"]["topicPath"]}) == TOPICS | {
        "image",
        "detections",
        "depth/source",
        "normals/image",
        "instances",
        "instances/masks",
    }
