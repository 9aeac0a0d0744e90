# SPDX-License-Identifier: Apache-2.0
"""The free floor, for costmaps."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import PointCloud2, PointField

from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result, Writer
from mtl_perception.spatial.free_space import FreeSpaceOptions, free_space, traversable_ids

_FIELDS = [PointField(name=axis, offset=4 * number, datatype=PointField.FLOAT32, count=1) for number, axis in enumerate("xyz")]
_POINT_BYTES = 12


class FreeSpaceWriter(Writer):
    """``sensor_msgs/PointCloud2``: the middle of each cell of the floor that is seen and free, in the camera's optical frame.

    An empty cloud where no floor is seen. Nothing while the camera is not calibrated, or its place over the floor is not known.
    """

    topic = Topic(
        "free_space",
        PointCloud2,
        "the middle of each cell of the floor that is seen and free, to clear costmaps with",
        ("segmentation", "depth"),
        "camera",
        missing_when="the model has no class that is driven on, such as floor",
    )

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str], parameters: Mapping[str, Any]) -> None:
        super().__init__(publisher)
        self._ids = traversable_ids(labels)
        self._options = free_space_options(parameters)

    def fill(self, result: Result) -> PointCloud2 | None:
        scene, pose = result.scene, result.place.ground_pose
        if pose is None:
            self.problem = result.place.ungrounded
            return None
        if scene.depth is None or scene.segmentation is None or result.intrinsics is None:
            self.problem = ""  # of the camera's, which is told elsewhere
            return None
        found = free_space(scene.depth, scene.segmentation, self._ids, result.intrinsics, pose, self._options)
        self.problem = found.problem or ""
        count = len(found.points_m)
        return PointCloud2(
            header=result.header,
            height=1,
            width=count,
            fields=_FIELDS,
            point_step=_POINT_BYTES,
            row_step=count * _POINT_BYTES,
            data=array("B", found.points_m.astype("<f4").tobytes()),
            is_dense=True,
        )


def free_space_options(parameters: Mapping[str, Any]) -> FreeSpaceOptions:
    """The parameters ``free_space.*``. Raises ValueError where they contradict each other."""
    return FreeSpaceOptions(
        cell_m=parameters["free_space.cell"],
        max_range_m=parameters["free_space.max_range"],
        min_height_m=parameters["free_space.min_height"],
        max_height_m=parameters["free_space.max_height"],
    )
