# SPDX-License-Identifier: Apache-2.0
"""Masks that may overlap, to messages."""

from __future__ import annotations

from mtl_perception.ros.cdr import write_image
from mtl_perception.ros.writer import Result, Writer


class LanesWriter(Writer):
    """mono8: bit k of a pixel is set where class k is; ``lanes/label_info`` names the values 1, 2, 4 and so on."""

    tasks = ("lanes",)

    def fill(self, result: Result) -> bytes | None:
        lanes = result.scene.lanes
        return None if lanes is None else write_image(result.packed_header, "mono8", lanes.bits)
