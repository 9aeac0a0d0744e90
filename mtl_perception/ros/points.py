# SPDX-License-Identifier: Apache-2.0
"""The organised point cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import PointField

from mtl_perception.ros.cdr import LITTLE_ENDIAN, pack_header, pack_string, pack_uint32s, padded
from mtl_perception.ros.writer import Result, Writer
from mtl_perception.spatial.points import POINT, PointFilter, PointProjector

_DATATYPES = {np.dtype("<f4"): PointField.FLOAT32, np.dtype("<u4"): PointField.UINT32}


class PointsWriter(Writer):
    """``sensor_msgs/PointCloud2`` on the grid of the mask; see ``spatial.points.POINT`` for its fields.

    Nothing while the camera is not calibrated, or while its place in the output frame is not known.

    Raises:
        ValueError: a class to remove that the model doesn't know.
    """

    tasks = ("depth",)
    helpful_tasks = ("segmentation",)

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str], parameters: Mapping[str, Any]) -> None:
        super().__init__(publisher)
        self._project = PointProjector(parameters["stride"], point_filter(labels, parameters))
        self._points = np.empty((0, 0), POINT)

    def fill(self, result: Result) -> bytes | None:
        scene, place = result.scene, result.place
        if scene.depth is None or result.intrinsics is None or place.to_output is None:
            return None
        shape = self._project.shape(scene.depth)
        if self._points.shape != shape:
            self._points = np.empty(shape, POINT)
        self._project(
            scene.depth, result.intrinsics, result.image_rgb, scene.segmentation, place.to_output, out=self._points
        )
        return write_points(pack_header(place.output_header), self._points)


def point_filter(labels: Sequence[str], parameters: Mapping[str, Any]) -> PointFilter:
    """The parameters ``points.*``; 0 is no limit. Raises ValueError for a class that is not among ``labels``."""
    removed = parameters["points.remove_classes"]
    for name in removed:
        if name not in labels:
            raise ValueError(f"points.remove_classes has {name!r}, expected classes of this model: {', '.join(labels)}")
    return PointFilter(
        max_range_m=parameters["points.max_range"] or np.inf,
        min_confidence=parameters["points.min_confidence"],
        max_relative_std=parameters["points.max_uncertainty"] or np.inf,
        removed_ids=frozenset(list(labels).index(name) for name in removed),
    )


def write_points(header: bytes, points: np.ndarray) -> bytes:
    """A serialised ``sensor_msgs/PointCloud2`` of (H, W) ``POINT``; ``header`` comes from ``pack_header``.

    It is said not to be dense: some points may be NaN.
    """
    height, width = points.shape
    message = header + pack_uint32s(height, width, len(POINT.names))
    for name in POINT.names:
        dtype, offset = POINT.fields[name][:2]
        message = padded(message, 4) + pack_string(name)
        message = padded(message, 4) + pack_uint32s(offset) + bytes([_DATATYPES[dtype]])
        message = padded(message, 4) + pack_uint32s(1)
    is_bigendian = is_dense = b"\0"
    message = padded(message + is_bigendian, 4)
    message += pack_uint32s(POINT.itemsize, width * POINT.itemsize, points.nbytes)
    return b"".join((LITTLE_ENDIAN, message, points.reshape(-1).view(np.uint8).data, is_dense))
