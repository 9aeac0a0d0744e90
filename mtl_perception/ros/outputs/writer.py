# SPDX-License-Identifier: Apache-2.0
"""The input of writers, and what all of them share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from std_msgs.msg import Header

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Boxes3D, Scene
from mtl_perception.pipeline import FrameResult, Tracks
from mtl_perception.ros.cdr import pack_header
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.transforms import Place
from mtl_perception.spatial.frames import boxes_seen_from

EVERY_TASK = "*"
"""In a writer's ``tasks``: it shows whatever the model has."""


@dataclass(frozen=True)
class Result:
    """One frame as it is published, with the header that every message of it carries.

    Attributes:
        header: the input's.
        frame: what is published, free of ROS.
        place: where the camera was, and the output frame.
    """

    header: Header
    frame: FrameResult
    place: Place

    @property
    def scene(self) -> Scene:
        return self.frame.scene

    @property
    def image_rgb(self) -> np.ndarray:
        return self.frame.image_rgb

    @property
    def intrinsics(self) -> Intrinsics | None:
        return self.frame.intrinsics

    @property
    def tracks(self) -> Tracks | None:
        return self.frame.tracks

    @property
    def boxes_3d(self) -> Boxes3D | None:
        """Of the scene's detections, in the camera's optical frame; None without detections, depth or calibration."""
        return self.frame.boxes_3d

    @cached_property
    def packed_header(self) -> bytes:
        return pack_header(self.header)

    @cached_property
    def output_boxes_3d(self) -> Boxes3D | None:
        """The same in the output frame; None also if the camera's place in it is not known."""
        if self.boxes_3d is None or self.place.to_output is None:
            return None
        return boxes_seen_from(self.boxes_3d, self.place.to_output)


class Writer:
    """One topic. A writer has ``fill(result)``, which returns a message, or one serialised, or None for nothing to say.

    Attributes:
        topic: what it is called, its type, what it is for.
        tasks: what the topic is made of; those of ``topic``.
        helpful_tasks: what makes it better, where the model has them.
        problem: why the last frame told this topic nothing, in words for diagnostics; empty if it did, or if others say so.
    """

    topic: ClassVar[Topic]
    tasks: ClassVar[tuple[str, ...]]
    helpful_tasks: tuple[str, ...] = ()
    problem = ""

    def __init_subclass__(cls) -> None:
        if "topic" in vars(cls) and "tasks" not in vars(cls):
            cls.tasks = cls.topic.tasks

    def __init__(self, publisher: LifecyclePublisher) -> None:
        self.publisher = publisher

    @property
    def is_read(self) -> bool:
        return self.publisher.get_subscription_count() > 0


def wanted_tasks(writers: Iterable[Writer], enabled: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the enabled tasks that ``writers`` tell of."""
    wanted = {task for writer in writers for task in (*writer.tasks, *writer.helpful_tasks)}
    return tuple(task for task in enabled if task in wanted or EVERY_TASK in wanted)
