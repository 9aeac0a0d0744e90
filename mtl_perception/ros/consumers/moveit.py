# SPDX-License-Identifier: Apache-2.0
"""MoveIt's octomap from our depth images.

The keys are those that moveit2's DepthImageOctomapUpdater reads, in its order: it stops at the first one that is missing
and keeps its own values for all that follow.
"""

from __future__ import annotations

from mtl_perception.ros.names import topics_of


def sensors_yaml(node: str = "/perception", camera: str = "") -> str:
    """sensors_3d.yaml for ``move_group``.

    Args:
        node: full name of the perception node.
        camera: one of its cameras, empty where it has only one.

    Raises:
        ValueError: as ``topics_of``.
    """
    return _SENSORS.format(topics=topics_of(node, camera))


_SENSORS = """\
# MoveIt's octomap from the depth of mtl_perception: config/sensors_3d.yaml of your MoveIt package. move_group also wants
# octomap_frame (a frame that does not move, such as the arm's base) and octomap_resolution (metres, such as 0.03).
# Beside the image it reads {topics}/depth/camera_info, whose name follows from the image's.
sensors:
  - perception_depth
perception_depth:
  sensor_plugin: occupancy_map_monitor/DepthImageOctomapUpdater
  # All keys are needed: the updater stops reading at the first one that is missing.
  image_topic: {topics}/depth/image_rect
  queue_size: 5
  # Metres: what is nearer or farther is left out. Depth of one camera gets worse with distance.
  near_clipping_plane_distance: 0.3
  far_clipping_plane_distance: 3.0
  # Metres that a point may lie behind the robot's own shape and still count as its shadow.
  shadow_threshold: 0.2
  # The robot's own shape is grown by this factor of the depth's error and by so many metres before it is cut out.
  padding_scale: 4.0
  padding_offset: 0.03
  # Updates per second; 0.0: every image.
  max_update_rate: 5.0
  # Pixels left out between two that count.
  skip_vertical_pixels: 4
  skip_horizontal_pixels: 4
  # Topic of what is left of the depth without the robot, under the namespace ns.
  filtered_cloud_topic: filtered_depth
  ns: perception_octomap
"""
