# SPDX-License-Identifier: Apache-2.0
"""The depth of one camera as another one beside it would have measured it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics


def register_depth(depth_m: np.ndarray, sensor: Intrinsics, camera: Intrinsics, to_camera: np.ndarray) -> np.ndarray:
    """Returns (camera.height, camera.width) float32 metres along the camera's z; 0 where nothing is seen or the sensor saw nothing.

    Every pixel is moved to where the camera sees it. Of several that fall on one pixel the nearest counts. What only the camera sees, and the
    rim that only the camera's lens reaches, stays unknown.

    Args:
        depth_m: (H, W) metres, NaN, 0 or infinite where unknown.
        sensor: that took it; scaled if it is for another size.
        camera: the other one, with the size that is wanted.
        to_camera: (4, 4) from the sensor's optical frame to the camera's.
    """
    sensor = sensor.scaled(depth_m.shape[1], depth_m.shape[0])
    # Pixels that are much wider than the camera's would leave gaps between each other: they are put on a grid as coarse as they are.
    coarse = max(1, round(camera.fx / sensor.fx), round(camera.fy / sensor.fy))
    width, height = math.ceil(camera.width / coarse), math.ceil(camera.height / coarse)
    z = np.where((depth_m > 0) & (depth_m < np.inf), depth_m, 0).astype(np.float32)  # comparisons are false for NaN
    across = ((np.arange(z.shape[1]) - sensor.cx) / sensor.fx).astype(np.float32)[None]
    down = ((np.arange(z.shape[0]) - sensor.cy) / sensor.fy).astype(np.float32)[:, None]
    turn, shift = to_camera[:3, :3].astype(np.float32), to_camera[:3, 3].astype(np.float32)
    moved_x, moved_y, moved_z = ((turn[axis, 0] * across + turn[axis, 1] * down + turn[axis, 2]) * z + shift[axis] for axis in range(3))
    seen = (z > 0) & (moved_z > 0)
    inverse = 1 / np.where(seen, moved_z, np.float32(1))
    u = (moved_x * inverse * np.float32(camera.fx) + np.float32(camera.cx + 0.5)) / np.float32(coarse)
    v = (moved_y * inverse * np.float32(camera.fy) + np.float32(camera.cy + 0.5)) / np.float32(coarse)
    seen &= (u >= 0) & (u < width) & (v >= 0) & (v < height)
    place = v[seen].astype(np.int32) * np.int32(width) + u[seen].astype(np.int32)
    nearest_m = np.full(width * height, np.inf, np.float32)
    np.minimum.at(nearest_m, place, moved_z[seen])
    nearest_m[np.isinf(nearest_m)] = 0
    found_m = nearest_m.reshape(height, width)
    if coarse > 1:
        found_m = np.repeat(np.repeat(found_m, coarse, 0), coarse, 1)[: camera.height, : camera.width]
    return np.where(found_m == 0, _cracks(found_m), found_m)


def _cracks(depth_m: np.ndarray) -> np.ndarray:
    """(H, W): of each pixel with known ones on opposite sides the farthest around it, else 0.

    One pixel wide lines without a measurement come of rounding, not of what the sensor did not see.
    """
    known = (depth_m > 0).astype(np.uint8)
    framed = np.asarray(cv2.copyMakeBorder(known, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0), np.uint8)
    between = (framed[1:-1, :-2] & framed[1:-1, 2:]) | (framed[:-2, 1:-1] & framed[2:, 1:-1])
    farthest = cv2.dilate(np.ascontiguousarray(depth_m), np.ones((3, 3), np.uint8))
    return np.where(between == 1, farthest, np.float32(0))
