# SPDX-License-Identifier: Apache-2.0
"""CameraInfo to intrinsics and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from mtl_perception.geometry import Intrinsics
from mtl_perception.lens import Lens

_VISIBLE_SHIFT = 0.01


@dataclass(frozen=True)
class Calibration:
    """What a CameraInfo means for images of one size.

    Attributes:
        intrinsics: of the images that the network sees.
        rectify: makes these of those that the camera sends; None where they are taken as they come.
        warning: what is wrong with taking them so; empty if nothing is.
    """

    intrinsics: Intrinsics
    rectify: Callable[[np.ndarray], np.ndarray] | None = None
    warning: str = ""


def calibrate(info: CameraInfo, width: int, height: int, *, rectified: bool, rectify: bool) -> Calibration:
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
    except ValueError as error:
        return Calibration(raw, warning=f"{error}. Until then the lens is taken for one without distortion")
    if rectify:
        return Calibration(ideal, lens.rectifier())
    shift = lens.largest_shift()
    if shift < _VISIBLE_SHIFT:
        return Calibration(raw)
    warning = (
        f"the lens moves points by up to {shift:.0%} of the image's width and the images are not rectified, so depth and "
        "3D are bent: set rectify to true, or subscribe to rectified images and set rectified to true"
    )
    return Calibration(raw, warning=warning)


def read_intrinsics(info: CameraInfo, width: int, height: int, *, rectified: bool) -> Intrinsics:
    """The pinhole camera of an image of ``width`` × ``height`` pixels.

    CameraInfo speaks of the full sensor; the image may be a region of it (``roi``), binned, or resized.

    Args:
        rectified: the image is rectified, so that P holds; otherwise K.

    Raises:
        ValueError: a zero or NaN where a size or focal length should be, or another shape than the image's.
    """
    if rectified:
        fx, fy, cx, cy = info.p[0], info.p[5], info.p[2], info.p[6]
    else:
        fx, fy, cx, cy = info.k[0], info.k[4], info.k[2], info.k[5]
    roi = info.roi
    if roi.width and roi.height:
        region = Intrinsics(roi.width, roi.height, fx, fy, cx - roi.x_offset, cy - roi.y_offset)
    else:
        region = Intrinsics(info.width, info.height, fx, fy, cx, cy)
    if abs(region.width * height - region.height * width) > max(region.width, region.height):
        raise ValueError(
            f"camera_info is for {region.width}x{region.height} pixels and the image has {width}x{height}: "
            "another shape, expected the camera_info of this camera"
        )
    return region.scaled(width, height)


def write_camera_info(intrinsics: Intrinsics, header: Header) -> CameraInfo:
    """A CameraInfo without distortion, K and P both filled: MoveIt reads K, depth_image_proc reads P."""
    fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    return CameraInfo(
        header=header,
        width=intrinsics.width,
        height=intrinsics.height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
