# SPDX-License-Identifier: Apache-2.0
"""Masks that may overlap, to messages."""

from __future__ import annotations

from sensor_msgs.msg import Image

from mtl_perception.ros.outputs.images import ImageWriter
from mtl_perception.ros.outputs.writer import Result


class LanesWriter(ImageWriter):
    """mono8: bit k of a pixel is set where class k is; ``lanes/label_info`` names the values 1, 2, 4 and so on."""

    tasks = ("lanes",)

    def fill(self, result: Result) -> Image | None:
        lanes = result.scene.lanes
        return None if lanes is None else self.image(result.header, "mono8", lanes.bits)
