# SPDX-License-Identifier: Apache-2.0
"""A local costmap for Nav2: what the classes mean for driving, and obstacles from points.

Parameters and their types are those that kiwicampus/semantic_segmentation_layer and ros-navigation/navigation2
(nav2_costmap_2d's obstacle, voxel and inflation layers) declare in their sources.
"""

from __future__ import annotations

from collections.abc import Sequence

from mtl_perception.ros.names import check_cameras, topics_of
from mtl_perception.spatial.free_space import TRAVERSABLE

OVERHEAD = frozenset({"ceiling", "sky"})


def group_classes(labels: Sequence[str]) -> dict[str, list[str]]:
    """Group → its classes, each class in one: what can be driven on, what hangs above, and everything else, which is in
    the way. Empty groups are left out: the layer refuses them."""
    groups: dict[str, list[str]] = {"traversable": [], "obstacle": [], "ignored": []}
    for label in labels:
        groups["traversable" if label.lower() in TRAVERSABLE else "ignored" if label.lower() in OVERHEAD else "obstacle"].append(label)
    return {name: members for name, members in groups.items() if members}


def costmap_yaml(model: str, labels: Sequence[str], node: str = "/perception", cameras: Sequence[str] = ()) -> str:
    """The YAML to merge into Nav2's parameter file.

    Args:
        model: its name, for the comment.
        labels: the model's segmentation classes; every one of them is named, for the layer ignores what is not.
        node: full name of the perception node.
        cameras: as its parameter has them; empty for one camera.

    Raises:
        ValueError: the model has no classes, ``node`` is no full name, or ``cameras`` are not names of several.
    """
    if not labels:
        raise ValueError(f"model {model} has no segmentation classes: a costmap of classes needs the task segmentation")
    reason = check_cameras(cameras)
    if reason:
        raise ValueError(reason)
    groups = group_classes(labels)
    sources = {name: topics_of(node, name) for name in cameras} or {"camera": topics_of(node)}
    names = " ".join(sources)
    has_floor = "traversable" in groups
    observed = " ".join(f"{name} {name}_floor" for name in sources) if has_floor else names
    semantic = "".join(_semantic_source(name, topics, groups) for name, topics in sources.items())
    voxel = "".join(_voxel_source(name, topics, has_floor) for name, topics in sources.items())
    return _HEAD.format(model=model, names=names) + semantic + _VOXEL.format(names=observed) + voxel + _INFLATION


def _semantic_source(name: str, topics: str, groups: dict[str, list[str]]) -> str:
    text = _SEMANTIC_SOURCE.format(name=name, topics=topics, groups=", ".join(groups))
    return text + "".join(_GROUPS[group].format(classes=_quoted(classes)) for group, classes in groups.items())


def _voxel_source(name: str, topics: str, has_floor: bool) -> str:
    return _VOXEL_SOURCE.format(name=name, topics=topics) + (_FLOOR_SOURCE.format(name=name, topics=topics) if has_floor else "")


def _quoted(classes: Sequence[str]) -> str:
    """A YAML flow sequence; quotes keep names such as "no" and "on" from turning into booleans."""
    escaped = [name.replace("\\", "\\\\").replace('"', '\\"') for name in classes]
    return "[" + ", ".join(f'"{name}"' for name in escaped) + "]"


_HEAD = """\
# Nav2's local costmap on the topics of mtl_perception, for the model "{model}".
# Merge it into the parameter file of your navigation. It needs the plugin semantic_segmentation_layer:
# https://github.com/kiwicampus/semantic_segmentation_layer
# Start perception with stride:=2 (640x480 becomes 320x240): mask, confidence and points share that grid, and a costmap
# does not need more. The transform from the cameras' frame to the costmap's must be there at the images' stamps.
local_costmap:
  local_costmap:
    ros__parameters:
      plugins: [semantic_segmentation_layer, voxel_layer, inflation_layer]
      semantic_segmentation_layer:
        plugin: "semantic_segmentation_layer::SemanticSegmentationLayer"
        enabled: true
        # 1: the largest cost of all layers counts. 0: this layer overwrites those before it.
        combination_method: 1
        # All three messages of a frame carry its stamp, so exact synchronisation works.
        use_approximate_time_sync: false
        observation_sources: "{names}"
"""

_SEMANTIC_SOURCE = """\
        {name}:
          segmentation_topic: "{topics}/segmentation/mask"
          confidence_topic: "{topics}/segmentation/confidence"
          labels_topic: "{topics}/segmentation/label_info"
          pointcloud_topic: "{topics}/points"
          observation_persistence: 0.0
          expected_update_rate: 0.0
          # Metres from the camera (from the robot, where output_frame is set). Depth of one camera gets worse with distance.
          max_obstacle_distance: 4.0
          min_obstacle_distance: 0.3
          # Seconds after which what was seen in a cell is forgotten.
          tile_map_decay_time: 5.0
          visualize_tile_map: false
          # Of several pixels in one cell the costliest counts.
          use_cost_selection: true
          # Every class of the model stands in one group: move them as your robot needs it.
          class_types: [{groups}]
"""

_GROUPS = {
    "traversable": """\
          # What it may drive on.
          traversable:
            classes: {classes}
            base_cost: 0
            max_cost: 0
            mark_confidence: 0
            samples_to_max_cost: 0
            dominant_priority: false
""",
    "obstacle": """\
          # What it must not touch: costly when first seen, lethal (254) when seen three times with a mean confidence above
          # 128 of 255. Once seen it outweighs the floor until it is forgotten.
          obstacle:
            classes: {classes}
            base_cost: 100
            max_cost: 254
            mark_confidence: 128
            samples_to_max_cost: 3
            dominant_priority: true
""",
    "ignored": """\
          # What hangs above the robot: the layer looks straight down, so it must cost nothing. Named all the same: a class
          # that stands nowhere is reported as an error.
          ignored:
            classes: {classes}
            base_cost: 0
            max_cost: 0
            mark_confidence: 0
            samples_to_max_cost: 0
            dominant_priority: false
""",
}

_VOXEL = """\
      voxel_layer:
        plugin: "nav2_costmap_2d::VoxelLayer"
        enabled: true
        footprint_clearing_enabled: true
        min_obstacle_height: 0.0
        max_obstacle_height: 2.0
        # 16 voxels of 0.125 m: at most 16 fit, up to the height of 2 m.
        z_voxels: 16
        z_resolution: 0.125
        origin_z: 0.0
        unknown_threshold: 15
        # Voxels of a column that may be marked before it counts as an obstacle: lone wrong points do no harm.
        mark_threshold: 1
        combination_method: 1
        publish_voxel_map: false
        observation_sources: "{names}"
"""

_VOXEL_SOURCE = """\
        {name}:
          topic: "{topics}/points"
          data_type: "PointCloud2"
          # Empty: rays start at the frame of the points. Where output_frame is set, name the camera's optical frame here.
          sensor_frame: ""
          observation_persistence: 0.0
          expected_update_rate: 0.0
          # Above the floor, with room for the error of its depth.
          min_obstacle_height: 0.15
          max_obstacle_height: 2.0
          marking: true
          clearing: true
          inf_is_valid: false
          obstacle_max_range: 3.0
          obstacle_min_range: 0.2
          raytrace_max_range: 3.5
          raytrace_min_range: 0.2
"""

_FLOOR_SOURCE = """\
        # The floor that is seen free. It marks nothing; what stood between the camera and it is cleared, also where there is nothing
        # behind that a ray to an obstacle could end at.
        {name}_floor:
          topic: "{topics}/free_space"
          data_type: "PointCloud2"
          # Empty: rays start at the camera, whose frame these points are in.
          sensor_frame: ""
          observation_persistence: 0.0
          expected_update_rate: 0.0
          # The floor, with room for the robot's pitch.
          min_obstacle_height: -0.3
          max_obstacle_height: 0.3
          marking: false
          clearing: true
          inf_is_valid: false
          obstacle_max_range: 3.0
          obstacle_min_range: 0.2
          raytrace_max_range: 5.0
          raytrace_min_range: 0.2
"""

_INFLATION = """\
      inflation_layer:
        plugin: "nav2_costmap_2d::InflationLayer"
        # Metres around obstacles, and how fast the cost falls there: fit both to your robot.
        inflation_radius: 0.55
        cost_scaling_factor: 3.0
"""
