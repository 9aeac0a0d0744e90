# SPDX-License-Identifier: Apache-2.0
"""Overlap of 3D boxes that stand upright."""

from __future__ import annotations

import cv2
import numpy as np

from mtl_perception.core.rotation import rotation_matrix
from mtl_perception.core.scene import Boxes3D
from mtl_perception.spatial.boxes_3d import level_axes


def upright_iou(boxes: Boxes3D, others: Boxes3D, up: np.ndarray) -> np.ndarray:
    """Volume of the intersection over that of the union, of each box with the other of the same number.

    Args:
        boxes, others: N each, whose own third axes point along ``up``.
        up: (3,) in the frame of the boxes.

    Returns:
        (N,); 0 where either box is not valid.

    Raises:
        ValueError: a box does not stand upright.
    """
    axes = level_axes(up)
    low_high, footprints = zip(*(_upright(each, axes) for each in (boxes, others)))
    (low, high), (other_low, other_high) = low_high
    heights_m = np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None)
    areas_m2 = np.array([_common_area(*pair) for pair in zip(*footprints)]).reshape(-1)
    common = areas_m2 * heights_m
    union = boxes.sizes_m.prod(1) + others.sizes_m.prod(1) - common
    overlap = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return np.where(boxes.valid & others.valid, overlap, 0.0)


def _upright(boxes: Boxes3D, axes: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], list]:
    """Lowest and highest of each box, and its footprint as OpenCV's rotated rectangle; of invalid boxes nothing."""
    own_axes = axes @ rotation_matrix(boxes.quaternions_xyzw)
    if (own_axes[boxes.valid, 2, 2] < 0.999).any():
        raise ValueError("a 3D box is not upright, expected its own third axis along up")
    centers_m = np.where(boxes.valid[:, None], boxes.centers_m, 0.0) @ axes.T
    yaw_deg = np.degrees(np.arctan2(own_axes[:, 1, 0], own_axes[:, 0, 0]))
    half_m = boxes.sizes_m[:, 2] / 2
    # OpenCV compares areas in single precision with an absolute tolerance: in centimetres that is harmless.
    places, sizes = (100 * centers_m[:, :2]).tolist(), (100 * boxes.sizes_m[:, :2]).tolist()
    footprints = [(tuple(place), tuple(size), yaw) for place, size, yaw in zip(places, sizes, yaw_deg.tolist())]
    return (centers_m[:, 2] - half_m, centers_m[:, 2] + half_m), footprints


def _common_area(footprint: tuple, other: tuple) -> float:
    """Square metres that two rotated rectangles share."""
    corners = cv2.rotatedRectangleIntersection(footprint, other)[1]
    return 0.0 if corners is None else cv2.contourArea(cv2.convexHull(corners)) * 1e-4
