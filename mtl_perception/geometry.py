# SPDX-License-Identifier: Apache-2.0
"""Pinhole camera geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole intrinsics in pixels of an image of ``width`` × ``height``.

    Pixel centres lie at integer coordinates, as in CameraInfo's K: the first pixel's centre is (0, 0).

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


@dataclass(frozen=True)
class View:
    """How an original image was laid into the network's input: scaled by one factor, then padded right and below.

    Attributes:
        width, height: the original image, pixels.
        scale: pixels of the input per pixel of the original.
        content_width, content_height: the part of the input that the image fills, pixels.
        input_width, input_height: the whole input, multiples of 32, pixels.
    """

    width: int
    height: int
    scale: float
    content_width: int
    content_height: int
    input_width: int
    input_height: int

    @classmethod
    def fit(cls, width: int, height: int, max_width: int, max_height: int, multiple: int) -> View:
        """The view that shows all of a ``width`` × ``height`` image within ``max_width`` × ``max_height``."""
        scale = min(max_width / width, max_height / height)
        content_width, content_height = max(1, round(width * scale)), max(1, round(height * scale))
        return cls(
            width,
            height,
            scale,
            content_width,
            content_height,
            math.ceil(content_width / multiple) * multiple,
            math.ceil(content_height / multiple) * multiple,
        )
