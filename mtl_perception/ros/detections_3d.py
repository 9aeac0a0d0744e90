# SPDX-License-Identifier: Apache-2.0
"""3D boxes to messages, serialised like the 2D ones in ``cdr.py``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rclpy.lifecycle import LifecyclePublisher

from mtl_perception.ros.cdr import LITTLE_ENDIAN, pack_header, pack_string, pack_uint32s, padded
from mtl_perception.ros.writer import Result, Writer
from mtl_perception.scene import Boxes3D, Detections
from mtl_perception.spatial.boxes_3d import pose_covariances


class Detections3DWriter(Writer):
    """``vision_msgs/Detection3DArray`` in the output frame; detections without known depth are left out.

    Nothing while the camera is not calibrated, or while its place in the output frame is not known.
    """

    tasks = ("detection", "depth")
    helpful_tasks = ("segmentation",)

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str]) -> None:
        super().__init__(publisher)
        self._labels = labels

    def fill(self, result: Result) -> bytes | None:
        boxes = result.output_boxes_3d
        if boxes is None:
            return None
        ids = None if result.tracks is None else result.tracks.detection_ids
        header = pack_header(result.place.output_header)
        return write_detections_3d(header, result.scene.detections, boxes, self._labels, ids)


def write_detections_3d(
    header: bytes,
    detections: Detections,
    boxes: Boxes3D,
    labels: Sequence[str],
    ids: Sequence[str] | None = None,
) -> bytes:
    """A serialised ``vision_msgs/Detection3DArray`` of the detections with a valid box, in their order.

    The pose of a detection's only result is that of its box, with the covariance. ``header`` comes from
    ``pack_header``; ``ids`` has one for each detection, and without it they are empty.
    """
    names = [padded(pack_string(label), 4) for label in labels]
    poses = np.concatenate([boxes.centers_m, boxes.quaternions_xyzw], 1)
    covariances = pose_covariances(boxes).reshape(len(boxes), 36)
    values = np.concatenate([detections.scores[:, None], poses, covariances, poses, boxes.sizes_m], 1).astype("<f8")
    numbers = np.flatnonzero(boxes.valid).tolist()
    message = bytearray(LITTLE_ENDIAN + header + pack_uint32s(len(numbers)))
    for number in numbers:
        message += header + pack_uint32s(1)  # one result to follow
        message += names[detections.class_ids[number]]
        message += bytes(-(len(message) - len(LITTLE_ENDIAN)) % 8)
        message += values[number].tobytes()
        message += padded(pack_string("" if ids is None else ids[number]), 4)
    return bytes(message)
