# SPDX-License-Identifier: Apache-2.0
"""Surface normals from a depth image and the camera that took it."""

from __future__ import annotations

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics

_WINDOW_PX = 7
_LEAST_SHARE = 0.5
"""Of a window's pixels whose depth must be known."""
_MOST_RESIDUAL = 0.005
"""Relative to the depth: beyond it the window holds an edge and not one surface. Rounding to millimetres stays below 0.1 % from 0.3 m on."""


def normals_from_depth(depth_m: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """Unit normals of the surfaces that a depth image shows.

    Over a plane the inverse of the depth is linear in the image: n·P = k with P = d·(x, y, 1) gives 1/d = n·(x, y, 1)/k. So a plane is
    fitted to the inverse depth of the pixels around each one, by least squares.

    Args:
        depth_m: (H, W) metres along the optical axis; ≤ 0 or NaN where unknown.
        intrinsics: of this image.

    Returns:
        (H, W, 3) float32 in the camera's optical frame, facing the camera; 0 where unknown, which edges of objects are too.
    """
    height, width = depth_m.shape
    known = np.isfinite(depth_m) & (depth_m > 0)
    x = np.broadcast_to((np.arange(width) - intrinsics.cx) / intrinsics.fx, (height, width))
    y = np.broadcast_to(((np.arange(height) - intrinsics.cy) / intrinsics.fy)[:, None], (height, width))
    inverse = np.where(known, 1 / np.where(known, depth_m, 1.0).astype(np.float64), 0.0)

    def summed(values: np.ndarray) -> np.ndarray:
        values = np.where(known, values, 0.0)
        return cv2.boxFilter(values, cv2.CV_64F, (_WINDOW_PX, _WINDOW_PX), normalize=False, borderType=cv2.BORDER_CONSTANT)

    count = np.maximum(summed(np.ones_like(inverse)), 1)
    mean_x, mean_y, mean_w = (summed(values) / count for values in (x, y, inverse))
    xx, yy, xy = summed(x * x) / count - mean_x**2, summed(y * y) / count - mean_y**2, summed(x * y) / count - mean_x * mean_y
    xw, yw = summed(x * inverse) / count - mean_x * mean_w, summed(y * inverse) / count - mean_y * mean_w
    ww = summed(inverse * inverse) / count - mean_w**2
    determinant = np.maximum(xx * yy - xy * xy, 1e-18)
    a, b = (yy * xw - xy * yw) / determinant, (xx * yw - xy * xw) / determinant
    vectors = -np.stack([a, b, mean_w - a * mean_x - b * mean_y], -1)
    residual = np.sqrt(np.maximum(ww - a * xw - b * yw, 0.0))
    fits = known & (count >= _LEAST_SHARE * _WINDOW_PX**2) & (residual <= _MOST_RESIDUAL * mean_w)
    length = np.linalg.norm(vectors, axis=-1)
    fits &= length > 0
    return np.where(fits[..., None], vectors / np.where(length > 0, length, 1.0)[..., None], 0.0).astype(np.float32)
