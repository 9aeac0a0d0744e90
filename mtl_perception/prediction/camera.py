# SPDX-License-Identifier: Apache-2.0
"""The focal length of a picture whose camera nobody calibrated."""

from __future__ import annotations

import math

from mtl_perception.core.geometry import Intrinsics

_FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)


def intrinsics_for(
    width: int, height: int, *, focal_px: float | None = None, fov_deg: float | None = None, focal_35mm: float | None = None
) -> Intrinsics | None:
    """Pinhole intrinsics with the principal point in the middle.

    Args:
        width, height: of the image, pixels.
        focal_px: focal length in pixels of this image.
        fov_deg: horizontal field of view.
        focal_35mm: focal length in millimetres of a 35 mm camera with the same diagonal field of view, as EXIF has it.

    Returns:
        The first that is given decides; None if nothing is.

    Raises:
        ValueError: the value is of no lens.
    """
    if focal_px is None and fov_deg is not None:
        if not 5 <= fov_deg <= 175:
            raise ValueError(f"the field of view is {fov_deg:g}°, expected 5 to 175, horizontally")
        focal_px = width / 2 / math.tan(math.radians(fov_deg) / 2)
    if focal_px is None and focal_35mm is not None:
        focal_px = focal_35mm / _FILM_DIAGONAL_MM * math.hypot(width, height)
    if focal_px is None:
        return None
    return Intrinsics(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2).require_lens()
