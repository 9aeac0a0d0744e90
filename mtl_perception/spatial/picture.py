# SPDX-License-Identifier: Apache-2.0
"""A cloud with its 3D boxes seen from anywhere, without a viewer: for documents and reports."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mtl_perception.core.drawing import class_color
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Boxes3D
from mtl_perception.spatial.frames import BOX_EDGES, box_corners, places_above

_NOTHING = (26, 27, 32)
_NEAREST_M = 0.05


class Viewpoint:
    """A pinhole camera at ``eye_m`` that looks at ``target_m``; all in the frame of what it shows.

    Args:
        up: (3,) direction that points up in the picture.
        camera: size and focal length of the picture.
    """

    def __init__(self, eye_m: np.ndarray, target_m: np.ndarray, up: np.ndarray, camera: Intrinsics) -> None:
        forward = np.asarray(target_m, np.float64) - eye_m
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        self._rotation = np.stack([right, np.cross(forward, right), forward])
        self._eye_m = np.asarray(eye_m, np.float64)
        self.camera = camera

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(..., 3) metres → (..., 2) pixels and (...) depth; pixels mean nothing where the depth is not positive."""
        seen = (points_m - self._eye_m) @ self._rotation.T
        depth_m = np.maximum(seen[..., 2], 1e-6)
        camera = self.camera
        x, y = camera.fx * seen[..., 0] / depth_m + camera.cx, camera.fy * seen[..., 1] / depth_m + camera.cy
        return np.stack([x, y], -1), seen[..., 2]


def draw_cloud(points: np.ndarray, view: Viewpoint, size_px: int = 2) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the points (an array of ``points.POINT``) in their own colours, near ones over far ones."""
    known = points[np.isfinite(points["z"])]
    pixels, depth_m = view.project(np.stack([known["x"], known["y"], known["z"]], -1).astype(np.float64))
    packed = np.ascontiguousarray(known["rgb"]).view(np.uint32)
    colors = np.stack([packed >> shift & 255 for shift in (16, 8, 0)], -1).astype(np.uint8)
    order = np.argsort(-depth_m)
    order = order[depth_m[order] > _NEAREST_M]
    canvas = np.full((view.camera.height, view.camera.width, 3), _NOTHING, np.uint8)
    x, y = np.rint(pixels[order]).T
    for right in range(size_px):
        for down in range(size_px):
            columns, rows = x + right, y + down
            inside = (columns >= 0) & (columns < view.camera.width) & (rows >= 0) & (rows < view.camera.height)
            canvas[rows[inside].astype(int), columns[inside].astype(int)] = colors[order][inside]
    return canvas


def draw_boxes(canvas: np.ndarray, boxes: Boxes3D, names: Sequence[str], view: Viewpoint, *, is_level: bool) -> None:
    """The edges of valid boxes and their names onto ``canvas``, in place; a box that reaches behind the eye is left out.

    Args:
        names: of the boxes' classes, one each.
        is_level: as ``frames.places_above`` has it.
    """
    corners, depth_m = view.project(box_corners(boxes))
    places, _ = view.project(places_above(boxes, is_level=is_level))
    for number in np.flatnonzero(boxes.valid).tolist():
        if depth_m[number].min() < _NEAREST_M:
            continue
        color, ends = class_color(names[number]), np.rint(corners[number]).astype(int)
        for start, end in BOX_EDGES:
            cv2.line(canvas, tuple(ends[start].tolist()), tuple(ends[end].tolist()), color, 1, cv2.LINE_AA)
        x, y = np.rint(places[number]).astype(int).tolist()
        cv2.putText(canvas, names[number], (x - 12, y), cv2.FONT_HERSHEY_SIMPLEX, 0.38, _NOTHING, 3, cv2.LINE_AA)
        cv2.putText(canvas, names[number], (x - 12, y), cv2.FONT_HERSHEY_SIMPLEX, 0.38, color, 1, cv2.LINE_AA)
