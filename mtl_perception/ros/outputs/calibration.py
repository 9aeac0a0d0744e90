# SPDX-License-Identifier: Apache-2.0
"""A pinhole camera to a CameraInfo; ``mtl_perception/core/camera_info.py`` is the way back."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from mtl_perception.core.geometry import Intrinsics


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
