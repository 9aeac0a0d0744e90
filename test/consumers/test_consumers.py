# SPDX-License-Identifier: Apache-2.0
"""Generated configurations against what the consumers declare in their sources."""

import pytest
import yaml
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.ros.consumers.moveit import sensors_yaml
from mtl_perception.ros.consumers.nav2 import costmap_yaml, group_classes

LABELS = ["floor", "wall", "ceiling", "door", "table", "no", "on", "it's", 'a "b"']

# What each consumer declares: name → type. An int given to a double parameter is refused, and the other way round.
SEMANTIC_LAYER = {
    "plugin": str,
    "enabled": bool,
    "combination_method": int,
    "use_approximate_time_sync": bool,
    "observation_sources": str,
}
SEMANTIC_SOURCE = {
    "segmentation_topic": str,
    "confidence_topic": str,
    "labels_topic": str,
    "pointcloud_topic": str,
    "observation_persistence": float,
    "expected_update_rate": float,
    "class_types": list,
    "max_obstacle_distance": float,
    "min_obstacle_distance": float,
    "tile_map_decay_time": float,
    "visualize_tile_map": bool,
    "use_cost_selection": bool,
}
CLASS_TYPE = {
    "classes": list,
    "base_cost": int,
    "max_cost": int,
    "mark_confidence": int,
    "samples_to_max_cost": int,
    "dominant_priority": bool,
}
VOXEL_LAYER = {
    "plugin": str,
    "enabled": bool,
    "footprint_clearing_enabled": bool,
    "min_obstacle_height": float,
    "max_obstacle_height": float,
    "z_voxels": int,
    "origin_z": float,
    "z_resolution": float,
    "unknown_threshold": int,
    "mark_threshold": int,
    "combination_method": int,
    "publish_voxel_map": bool,
    "observation_sources": str,
}
VOXEL_SOURCE = {
    "topic": str,
    "sensor_frame": str,
    "observation_persistence": float,
    "expected_update_rate": float,
    "data_type": str,
    "min_obstacle_height": float,
    "max_obstacle_height": float,
    "inf_is_valid": bool,
    "marking": bool,
    "clearing": bool,
    "obstacle_max_range": float,
    "obstacle_min_range": float,
    "raytrace_max_range": float,
    "raytrace_min_range": float,
}
OCTOMAP_UPDATER = {
    "sensor_plugin": str,
    "image_topic": str,
    "queue_size": int,
    "near_clipping_plane_distance": float,
    "far_clipping_plane_distance": float,
    "shadow_threshold": float,
    "padding_scale": float,
    "padding_offset": float,
    "max_update_rate": float,
    "skip_vertical_pixels": int,
    "skip_horizontal_pixels": int,
    "filtered_cloud_topic": str,
    "ns": str,
}


def types(section: dict) -> dict:
    return {name: type(value) for name, value in section.items() if not isinstance(value, dict)}


def layers(text: str) -> dict:
    return yaml.safe_load(text)["local_costmap"]["local_costmap"]["ros__parameters"]


@pytest.mark.parametrize("cameras", [(), ("front", "left")])
def test_costmap_has_what_the_layers_declare_in_their_types(cameras):
    found = layers(costmap_yaml("lite", LABELS, "/robot/perception", cameras))
    assert set(found["plugins"]) == set(found) - {"plugins"}
    semantic, voxel = found["semantic_segmentation_layer"], found["voxel_layer"]
    assert types(semantic) == SEMANTIC_LAYER and types(voxel) == VOXEL_LAYER
    expected = {name: f"/robot/perception/{name}" for name in cameras} or {"camera": "/robot/perception"}
    sources = {"semantic": list(expected), "voxel": [name for camera in expected for name in (camera, f"{camera}_floor")]}
    for layer, named, source_types in ((semantic, sources["semantic"], SEMANTIC_SOURCE), (voxel, sources["voxel"], VOXEL_SOURCE)):
        assert layer["observation_sources"].split() == named
        for name in named:
            assert types(layer[name]) == source_types
    for name, topics in expected.items():
        assert semantic[name]["segmentation_topic"] == f"{topics}/segmentation/mask"
        assert semantic[name]["labels_topic"] == f"{topics}/segmentation/label_info"
        assert semantic[name]["pointcloud_topic"] == voxel[name]["topic"] == f"{topics}/points"
        floor = voxel[f"{name}_floor"]
        assert floor["topic"] == f"{topics}/free_space" and (floor["marking"], floor["clearing"]) == (False, True)
        # The layer leaves out points beyond these heights, and the floor's are at zero.
        assert floor["min_obstacle_height"] < 0 < floor["max_obstacle_height"] and voxel[name]["min_obstacle_height"] > 0


def test_every_class_stands_in_one_group_under_its_own_name():
    source = layers(costmap_yaml("lite", LABELS))["semantic_segmentation_layer"]["camera"]
    groups = {name: source[name] for name in source["class_types"]}
    assert all(types(group) == CLASS_TYPE for group in groups.values())
    assert sorted(name for group in groups.values() for name in group["classes"]) == sorted(LABELS)
    assert groups["traversable"]["classes"] == ["floor"] and groups["ignored"]["classes"] == ["ceiling"]
    assert groups["obstacle"]["max_cost"] == 254 > groups["traversable"]["max_cost"]


def test_groups_without_a_class_are_left_out():
    """The layer ends the process over a source without classes, and complains of an empty group."""
    assert set(group_classes(["wall", "table"])) == {"obstacle"}
    assert group_classes(["Road", "Sky"]) == {"traversable": ["Road"], "ignored": ["Sky"]}
    found = layers(costmap_yaml("walls", ["wall"]))
    assert found["semantic_segmentation_layer"]["camera"]["class_types"] == ["obstacle"]
    assert found["voxel_layer"]["observation_sources"] == "camera", "a model without a floor has no free space"


def test_voxels_fit_and_reach_the_height_of_obstacles():
    voxel = layers(costmap_yaml("lite", LABELS))["voxel_layer"]
    assert voxel["z_voxels"] <= 16
    assert voxel["z_voxels"] * voxel["z_resolution"] >= voxel["max_obstacle_height"]
    assert voxel["camera"]["raytrace_max_range"] > voxel["camera"]["obstacle_max_range"]


@pytest.mark.parametrize(("camera", "topics"), [("", "/perception"), ("wrist", "/perception/wrist")])
def test_moveit_gets_every_key_in_the_order_in_which_it_reads(camera, topics):
    found = yaml.safe_load(sensors_yaml("/perception", camera))
    (name,) = found["sensors"]
    assert types(found[name]) == OCTOMAP_UPDATER
    assert list(found[name]) == list(OCTOMAP_UPDATER)
    assert found[name]["image_topic"] == f"{topics}/depth/image_rect"


def test_what_cannot_be_is_refused_with_its_name():
    with pytest.raises(ValueError, match="no segmentation classes"):
        costmap_yaml("boxes", [])
    for generate in (lambda: costmap_yaml("lite", LABELS, "perception"), lambda: sensors_yaml("perception")):
        with pytest.raises(ValueError, match="'perception', expected its full name"):
            generate()


def test_commands_print_yaml_alone():
    runner = CliRunner()
    found = runner.invoke(app, ["nav2", "lite", "--camera", "front"])
    assert found.exit_code == 0, found.output
    source = layers(found.stdout)["semantic_segmentation_layer"]["front"]
    assert "floor" in source["traversable"]["classes"]
    assert yaml.safe_load(runner.invoke(app, ["moveit"]).stdout)["sensors"]
    wrong = runner.invoke(app, ["nav2", "no_such_model"])
    assert wrong.exit_code != 0 and not wrong.stdout.strip().startswith("local_costmap")
