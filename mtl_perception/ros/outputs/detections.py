# SPDX-License-Identifier: Apache-2.0
"""Detections to messages."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from rclpy.lifecycle import LifecyclePublisher
from vision_msgs.msg import Detection2DArray

from mtl_perception.core.scene import Detections
from mtl_perception.ros.cdr import write_detection_array
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result, Writer

_NO_POSE = struct.pack("<7d", 0, 0, 0, 0, 0, 0, 1) + bytes(36 * 8)  # position, orientation, covariance
_NUMBERS = struct.Struct("<d344s5d")  # score, pose, centre x and y, theta, size x and y


class DetectionsWriter(Writer):
    """``vision_msgs/Detection2DArray``: boxes in pixels of the input image, class names as class ids, ids of tracks."""

    topic = Topic(
        "detections", Detection2DArray, "boxes in pixels of the input image, with class names and ids of tracks", ("detection",), "camera"
    )

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str]) -> None:
        super().__init__(publisher)
        self._labels = labels

    def fill(self, result: Result) -> bytes | None:
        found = result.scene.detections
        if found is None:
            return None
        ids = None if result.tracks is None else result.tracks.detection_ids
        return write_detections(result.packed_header, found, self._labels, ids)


def write_detections(header: bytes, detections: Detections, labels: Sequence[str], ids: Sequence[str] | None = None) -> bytes:
    """A serialised ``vision_msgs/Detection2DArray``; a class's name is its ``class_id``.

    ``header`` comes from ``pack_header``; ``ids`` has one for each detection, and without it they are empty.
    """
    rows = zip(detections.boxes_xyxy.tolist(), detections.scores.tolist())
    numbers = [_NUMBERS.pack(score, _NO_POSE, (x1 + x2) / 2, (y1 + y2) / 2, 0.0, x2 - x1, y2 - y1) for (x1, y1, x2, y2), score in rows]
    return write_detection_array(header, [labels[number] for number in detections.class_ids.tolist()], numbers, ids)
