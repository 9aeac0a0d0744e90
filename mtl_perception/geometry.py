# SPDX-License-Identifier: Apache-2.0
"""Pinhole camera geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole intrinsics in pixels of an image of ``width`` × ``height``.

    Pixel centres are at integer coordinates plus one half is *not* added: (cx, cy) is what CameraInfo's K holds.

    Raises:
        ValueError: a value is not finite, or a size or focal length is not positive.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        for name in ("width", "height", "fx", "fy"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise ValueError(f"camera intrinsics: {name} is {value}, expected a positive number; calibrate the camera")
        for name in ("cx", "cy"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"camera intrinsics: {name} is {getattr(self, name)}, expected a finite number; calibrate the camera")

    def scaled(self, width: int, height: int) -> Intrinsics:
        """The same camera after its image was resized to ``width`` × ``height``."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(width, height, self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5)
