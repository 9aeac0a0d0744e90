# SPDX-License-Identifier: Apache-2.0
"""Detections to messages."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.lifecycle import LifecyclePublisher

from mtl_perception.ros.cdr import write_detections
from mtl_perception.ros.writer import Result, Writer


class DetectionsWriter(Writer):
    """``vision_msgs/Detection2DArray``: boxes in pixels of the input image, class names as class ids, ids of tracks."""

    tasks = ("detection",)

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str]) -> None:
        super().__init__(publisher)
        self._labels = labels

    def fill(self, result: Result) -> bytes | None:
        found = result.scene.detections
        if found is None:
            return None
        ids = None if result.tracks is None else result.tracks.detection_ids
        return write_detections(result.packed_header, found, self._labels, ids)
