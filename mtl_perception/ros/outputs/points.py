# SPDX-License-Identifier: Apache-2.0
"""The organised point cloud."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import PointCloud2, PointField

from mtl_perception.core.foreign_text import cut
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result, Writer
from mtl_perception.spatial.points import POINT, PointFilter, PointProjector

_DATATYPES = {np.dtype("<f4"): PointField.FLOAT32, np.dtype("<u4"): PointField.UINT32}


class PointsWriter(Writer):
    """``sensor_msgs/PointCloud2`` on the grid of the mask; see ``spatial.points.POINT`` for its fields.

    Nothing while the camera is not calibrated, or while its place in the output frame is not known.
    """

    topic = Topic("points", PointCloud2, "organised cloud with colour, class and confidence", ("depth",), "output", is_recorded=False)
    helpful_tasks = ("segmentation",)

    def __init__(self, publisher: LifecyclePublisher, stride: int, filter: PointFilter) -> None:
        super().__init__(publisher)
        self._project = PointProjector(stride, filter)
        self._cloud: Cloud | None = None

    def fill(self, result: Result) -> PointCloud2 | None:
        scene, place = result.scene, result.place
        if scene.depth is None or result.intrinsics is None or place.to_output is None:
            return None
        shape = self._project.shape(scene.depth)
        if self._cloud is None or self._cloud.points.shape != shape:
            self._cloud = Cloud(*shape)
        self._project(scene.depth, result.intrinsics, result.image_rgb, scene.segmentation, place.to_output, out=self._cloud.points)
        self._cloud.message.header = place.output_header
        return self._cloud.message


def point_filter(labels: Sequence[str], parameters: Mapping[str, Any]) -> PointFilter:
    """The parameters ``points.*``; 0 is no limit. Raises ValueError for a class that is not among ``labels``."""
    removed = parameters["points.remove_classes"]
    for name in removed:
        if name not in labels:
            raise ValueError(f"points.remove_classes has {cut(name)!r}, expected classes of this model: {', '.join(labels)}")
    return PointFilter(
        max_range_m=parameters["points.max_range"] or np.inf,
        min_confidence=parameters["points.min_confidence"],
        max_relative_std=parameters["points.max_uncertainty"] or np.inf,
        removed_ids=frozenset(list(labels).index(name) for name in removed),
    )


class Cloud:
    """One ``sensor_msgs/PointCloud2`` of (H, W) ``POINT``, to be filled again for every frame.

    Attributes:
        points: (H, W) ``POINT``, the data of ``message`` in place.
        message: said not to be dense, for some points may be NaN.
    """

    def __init__(self, height: int, width: int) -> None:
        fields = [
            PointField(name=name, offset=offset, datatype=_DATATYPES[dtype], count=1)
            for name, (dtype, offset) in ((name, POINT.fields[name][:2]) for name in POINT.names)
        ]
        self.message = PointCloud2(
            height=height,
            width=width,
            fields=fields,
            point_step=POINT.itemsize,
            row_step=width * POINT.itemsize,
            data=array("B", bytes(height * width * POINT.itemsize)),  # bytes would be taken one by one
            is_dense=False,
        )
        self.points = np.frombuffer(self.message.data, POINT).reshape(height, width)
