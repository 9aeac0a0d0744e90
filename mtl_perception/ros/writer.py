# SPDX-License-Identifier: Apache-2.0
"""What a writer gets and what all of them share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from std_msgs.msg import Header

from mtl_perception.geometry import Intrinsics
from mtl_perception.ros.cdr import pack_header
from mtl_perception.ros.transforms import Place
from mtl_perception.scene import Boxes3D, Scene
from mtl_perception.spatial.boxes_3d import BoxEstimator
from mtl_perception.spatial.frames import boxes_seen_from

if TYPE_CHECKING:
    from mtl_perception.ros.tracks import Tracks

EVERY_TASK = "*"
"""In a writer's ``tasks``: it shows whatever the model has."""


@dataclass(frozen=True)
class Result:
    """One frame and what the network said of it. What several writers need is computed once, when the first asks.

    Attributes:
        header: the input's.
        image_rgb: (H, W, 3) uint8, rectified if the camera is to be.
        place: where the camera was.
        tracks: of this camera, if things are tracked.
        estimate_boxes: makes the 3D boxes.
    """

    header: Header
    image_rgb: np.ndarray
    intrinsics: Intrinsics | None
    scene: Scene
    place: Place
    tracks: Tracks | None = None
    estimate_boxes: BoxEstimator | None = None

    @cached_property
    def packed_header(self) -> bytes:
        return pack_header(self.header)

    @cached_property
    def boxes_3d(self) -> Boxes3D | None:
        """Of the scene's detections, in the camera's optical frame; None without detections, depth or calibration."""
        scene = self.scene
        if None in (self.estimate_boxes, self.intrinsics, scene.detections, scene.depth):
            return None
        return self.estimate_boxes(scene, self.intrinsics, self.place.up)

    @cached_property
    def output_boxes_3d(self) -> Boxes3D | None:
        """The same in the output frame; None also if the camera's place in it is not known."""
        if self.boxes_3d is None or self.place.to_output is None:
            return None
        return boxes_seen_from(self.boxes_3d, self.place.to_output)

    def with_tracks(self, tracks: Tracks, detections: int) -> Result:
        """The same frame with ``tracks``, and of its detections only the first so many."""
        scene = replace(self.scene, detections=self.scene.detections.first(detections))
        result = replace(self, scene=scene, tracks=tracks)
        if (boxes_3d := self.__dict__.get("boxes_3d")) is not None:  # computed already
            result.__dict__["boxes_3d"] = boxes_3d.first(detections)
        return result


class Writer:
    """One topic. A writer has ``fill(result)``, which returns a message, or one serialised, or None for nothing to say.

    Attributes:
        tasks: what the topic is made of.
        helpful_tasks: what makes it better, where the model has them.
    """

    tasks: tuple[str, ...] = ()
    helpful_tasks: tuple[str, ...] = ()

    def __init__(self, publisher: LifecyclePublisher) -> None:
        self.publisher = publisher

    @property
    def is_read(self) -> bool:
        return self.publisher.get_subscription_count() > 0


def wanted_tasks(writers: Iterable[Writer], enabled: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the enabled tasks that ``writers`` tell of."""
    wanted = {task for writer in writers for task in (*writer.tasks, *writer.helpful_tasks)}
    return tuple(task for task in enabled if task in wanted or EVERY_TASK in wanted)
