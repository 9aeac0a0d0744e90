# SPDX-License-Identifier: Apache-2.0
"""What a writer gets and what all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from std_msgs.msg import Header

from mtl_perception.geometry import Intrinsics
from mtl_perception.ros.cdr import pack_header
from mtl_perception.ros.transforms import Place
from mtl_perception.scene import Scene

EVERY_TASK = "*"
"""In a writer's ``tasks``: it shows whatever the model has."""


@dataclass(frozen=True)
class Result:
    """One frame and what the network said of it. What several writers need is computed once, when the first asks.

    Attributes:
        header: the input's.
        image_rgb: (H, W, 3) uint8, rectified if the camera is to be.
        place: where the camera was.
    """

    header: Header
    image_rgb: np.ndarray
    intrinsics: Intrinsics | None
    scene: Scene
    place: Place

    @cached_property
    def packed_header(self) -> bytes:
        return pack_header(self.header)


class Writer:
    """One topic. A writer has ``fill(result)``, which returns a message, or one serialised, or None for nothing to say.

    Attributes:
        tasks: what the topic is made of.
    """

    tasks: tuple[str, ...] = ()

    def __init__(self, publisher: LifecyclePublisher) -> None:
        self.publisher = publisher

    @property
    def is_read(self) -> bool:
        return self.publisher.get_subscription_count() > 0
