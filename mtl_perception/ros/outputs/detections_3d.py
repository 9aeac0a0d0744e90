# SPDX-License-Identifier: Apache-2.0
"""3D boxes to messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from vision_msgs.msg import Detection3DArray

from mtl_perception.core.scene import Boxes3D, Detections
from mtl_perception.ros.cdr import pack_header, write_detection_array
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result, Writer
from mtl_perception.spatial.boxes_3d import pose_covariances


class Detections3DWriter(Writer):
    """``vision_msgs/Detection3DArray`` in the output frame; detections without known depth are left out.

    Nothing while the camera is not calibrated, or while its place in the output frame is not known.
    """

    topic = Topic(
        "detections_3d",
        Detection3DArray,
        "oriented 3D boxes with covariances; detections without known depth are left out",
        ("detection", "depth"),
        "output",
    )
    helpful_tasks = ("segmentation", "instances")

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
    valid = np.flatnonzero(boxes.valid)
    poses = np.concatenate([boxes.centers_m, boxes.quaternions_xyzw], 1)
    covariances = pose_covariances(boxes).reshape(len(boxes), 36)
    values = np.concatenate([detections.scores[:, None], poses, covariances, poses, boxes.sizes_m], 1)[valid]
    names = [labels[number] for number in detections.class_ids[valid].tolist()]
    ids = None if ids is None else [ids[number] for number in valid.tolist()]  # pyright: ignore[reportAssignmentType]
    return write_detection_array(header, names, [row.tobytes() for row in values.astype("<f8")], ids)
