# SPDX-License-Identifier: Apache-2.0
"""The meaning of a CameraInfo for an image.

Works on anything with the fields of ``sensor_msgs/CameraInfo``: a message, one read from a bag, or one taken apart by ``ros/cdr.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.lens import Lens

_VISIBLE_SHIFT = 0.01
_LARGEST_SHIFT = 1.0
"""Of the image's width: no lens moves a point farther, but polynomials with wrong coefficients do."""
_LARGEST_SKEW = 0.01
"""Share of fx: pixels of real sensors stand at right angles."""


@dataclass(frozen=True)
class Calibration:
    """The calibration of a CameraInfo for images of one size.

    Attributes:
        intrinsics: of the images that the network sees.
        rectify: makes these of those that the camera sends; None where they are taken as they come.
        warning: what is wrong with taking them so; empty if nothing is.
    """

    intrinsics: Intrinsics
    rectify: Callable[[np.ndarray], np.ndarray] | None = None
    warning: str = ""


def calibrate(info: Any, width: int, height: int, *, rectified: bool, rectify: bool) -> Calibration:
    """Args:
        rectified: the images are rectified already.
        rectify: rectify them, if the lens distorts.

    Raises:
        ValueError: as ``read_intrinsics``.
    """
    if rectified or not any(info.d):
        return Calibration(read_intrinsics(info, width, height, rectified=rectified))
    raw = read_intrinsics(info, width, height, rectified=False)
    is_complete = info.p[0] > 0  # many drivers leave P and R empty
    ideal = read_intrinsics(info, width, height, rectified=True) if is_complete else raw
    rotation = info.r if is_complete and any(info.r) else (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    try:
        lens = Lens(raw, ideal, info.distortion_model, tuple(info.d), tuple(rotation))
        shift = lens.largest_shift()
        if not shift <= _LARGEST_SHIFT:
            raise ValueError(
                f"distortion {_shown(info.d)} moves points by {shift:.3g} times the image's width, expected at most once; "
                "calibrate the camera"
            )
    except ValueError as error:
        return Calibration(raw, warning=f"{error}. Until then the lens is taken for one without distortion")
    if rectify:
        return Calibration(ideal, lens.rectifier())
    if shift < _VISIBLE_SHIFT:
        return Calibration(raw)
    warning = (
        f"the lens moves points by up to {shift:.0%} of the image's width and the images are not rectified, so depth and "
        "3D are bent: set rectify to true, or subscribe to rectified images and set rectified to true"
    )
    return Calibration(raw, warning=warning)


def read_intrinsics(info: Any, width: int, height: int, *, rectified: bool) -> Intrinsics:
    """The pinhole camera of an image of ``width`` × ``height`` pixels.

    CameraInfo speaks of the full sensor; the image may be a region of it (``roi``), binned, or resized.

    Args:
        rectified: the image is rectified, so that P holds; otherwise K.

    Raises:
        ValueError: a matrix that no lens has (see ``Intrinsics.require_lens``), or another shape than the image's.
    """
    fx, fy, cx, cy = _focal_lengths_and_centre(info.p, 4, "P") if rectified else _focal_lengths_and_centre(info.k, 3, "K")
    sensor = Intrinsics(info.width, info.height, fx, fy, cx, cy).require_lens()
    roi, region = info.roi, sensor
    if roi.width and roi.height:
        if roi.x_offset + roi.width > info.width or roi.y_offset + roi.height > info.height:
            raise ValueError(
                f"camera_info has a region of {roi.width}x{roi.height} pixels at ({roi.x_offset}, {roi.y_offset}) of a sensor of "
                f"{info.width}x{info.height}, expected one inside; width and height are the full sensor's"
            )
        region = Intrinsics(roi.width, roi.height, fx, fy, cx - roi.x_offset, cy - roi.y_offset)
    if abs(region.width * height - region.height * width) > max(region.width, region.height):
        raise ValueError(
            f"camera_info is for {region.width}x{region.height} pixels and the image has {width}x{height}: "
            "another shape, expected the camera_info of this camera"
        )
    return region.scaled(width, height)


def _focal_lengths_and_centre(matrix: Sequence[float], columns: int, name: str) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of K (3×3) or P (3×4), row-major. Raises ValueError for another matrix than a camera's."""
    (fx, skew, cx), (below, fy, cy), (*zeros, one) = (
        [float(value) for value in matrix[columns * row : columns * row + 3]] for row in range(3)
    )
    if any((below, *zeros)) or one not in (0.0, 1.0):  # 0 where a driver fills in only what it knows
        raise ValueError(
            f"{name} is {_shown(matrix)}, expected rows of fx 0 cx, 0 fy cy and 0 0 1; is it written by columns, or not in pixels?"
        )
    if skew and not abs(skew) <= _LARGEST_SKEW * abs(fx):
        raise ValueError(f"{name} has a skew of {skew:g} beside fx = {fx:g}, expected 0; calibrate the camera")
    return fx, fy, cx, cy


def _shown(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{float(value):g}" for value in values[:14]) + (", …]" if len(values) > 14 else "]")
