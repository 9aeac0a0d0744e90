# SPDX-License-Identifier: Apache-2.0
"""A bag's frame as the node would take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from mtl_perception.bags import BagFrame
from mtl_perception.core.camera_info import calibrate
from mtl_perception.core.geometry import Intrinsics


def calibrated(frame: BagFrame, parameters: Mapping[str, Any], warn: Callable[[str], None]) -> tuple[np.ndarray, Intrinsics | None]:
    """The image of a frame that has one, as the node would give it to the network, and its intrinsics; ``warn`` hears why they are not known."""
    if frame.camera_info is None:
        return frame.image_rgb, None  # pyright: ignore[reportReturnType]
    height, width = frame.image_rgb.shape[:2]  # pyright: ignore[reportOptionalMemberAccess]
    how = {name: parameters[name] for name in ("rectified", "rectify")}
    try:
        calibration = calibrate(frame.camera_info, width, height, **how)
    except ValueError as error:
        warn(str(error))
        return frame.image_rgb, None  # pyright: ignore[reportReturnType]
    if calibration.warning:
        warn(calibration.warning)
    image_rgb = frame.image_rgb if calibration.rectify is None else calibration.rectify(frame.image_rgb)
    return image_rgb, calibration.intrinsics  # pyright: ignore[reportReturnType]


def header_of(message: Any) -> Header:
    """The header of a deserialised message."""
    stamp = message.header.stamp
    return Header(stamp=Time(sec=stamp.sec, nanosec=stamp.nanosec), frame_id=message.header.frame_id)
