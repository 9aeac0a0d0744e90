# SPDX-License-Identifier: Apache-2.0
"""Pinhole camera geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass

_FIELD_OF_VIEW_DEG = 5.0, 175.0
_FX_TO_FY = 0.5, 2.0
_CENTRE_OUTSIDE = 0.5
"""How far beyond the image's edge the principal point may lie, as a share of the longer side: regions of a sensor have it there."""
ASSUMED_FIELD_OF_VIEW_DEG = 65.0
"""Along the longer side of an image whose camera is not known: between a phone's main camera (67°) and a RealSense D435's colour (69° or 55°)."""


def assumed_focal_px(width: int, height: int) -> float:
    """Focal length in pixels of an image whose camera is not known."""
    return max(width, height) / 2 / math.tan(math.radians(ASSUMED_FIELD_OF_VIEW_DEG) / 2)


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

    def require_lens(self) -> Intrinsics:
        """This camera, of a whole sensor, if a lens can have made its image.

        Raises:
            ValueError: a field of view (of the wider side) outside of 5° to 175°, fx / fy outside of 0.5 to 2, or a principal
                point more than half of the longer side beyond the image. Depth would be off by as much.
        """
        least, most = _FIELD_OF_VIEW_DEG
        field_of_view_deg = math.degrees(2 * math.atan(max(self.width / self.fx, self.height / self.fy) / 2))
        if not least <= field_of_view_deg <= most:
            raise ValueError(
                f"camera intrinsics: fx = {self.fx:g} and fy = {self.fy:g} at {self.width}x{self.height} pixels are a field of view of "
                f"{field_of_view_deg:.1f}°, expected {least:g}° to {most:g}°; are they in pixels? Calibrate the camera"
            )
        least, most = _FX_TO_FY
        if not least <= self.fx / self.fy <= most:
            raise ValueError(
                f"camera intrinsics: fx = {self.fx:g} is {self.fx / self.fy:.3g} times fy = {self.fy:g}, expected {least:g} to {most:g} times; "
                "calibrate the camera"
            )
        margin = _CENTRE_OUTSIDE * max(self.width, self.height)
        for name, value, size in (("cx", self.cx, self.width), ("cy", self.cy, self.height)):
            if not -margin <= value <= size + margin:
                raise ValueError(
                    f"camera intrinsics: {name} = {value:g} lies outside of an image of {self.width}x{self.height} pixels, "
                    f"expected {-margin:g} to {size + margin:g}; calibrate the camera"
                )
        return self

    def scaled(self, width: int, height: int) -> Intrinsics:
        """The same camera after its image was resized to ``width`` × ``height``."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(width, height, self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5)


LETTERBOX_GREY = 116
"""Of the padding beside an image that does not fill the network's input: about the mean of the pictures networks are trained on, so
that it normalises to about zero."""


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
