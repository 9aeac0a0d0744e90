# SPDX-License-Identifier: Apache-2.0
"""Exact pictures of cuboids on a floor before a wall, seen by a level or tilted camera: every number is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation

CAMERA = Intrinsics(320, 240, 280.0, 280.0, 159.5, 119.5)
LABELS = ["floor", "wall", "box", "door"]
OBJECTS = ["box", "door"]
CAMERA_HEIGHT_M, WALL_M = 1.0, 6.0


@dataclass(frozen=True)
class Cuboid:
    """In the level frame below the camera: x right, y forward, z up from the floor; turned by ``yaw`` about up."""

    x: float
    y: float
    z: float
    size_m: tuple[float, float, float]
    yaw: float = 0.0
    label: str = "box"


def level_to_optical(tilt: float) -> np.ndarray:
    """Rotation of a camera that looks ``tilt`` radians downwards."""
    c, s = np.cos(tilt), np.sin(tilt)
    return np.array([[1, 0, 0], [0, -s, -c], [0, c, -s]], float)


def picture(cuboids: list[Cuboid], tilt: float = 0.0, boxes_of_all: bool = True) -> Scene:
    """What a perfect network would say, boxes in the order of ``cuboids``."""
    rows, columns = np.mgrid[: CAMERA.height, : CAMERA.width]
    rays = np.stack([(columns - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy, np.ones(rows.shape)], -1)
    level = rays @ level_to_optical(tilt)  # depth 1 along each ray, in the level frame
    with np.errstate(divide="ignore", invalid="ignore"):
        floor_m = np.where(level[..., 2] < 0, -CAMERA_HEIGHT_M / level[..., 2], np.inf)
        wall_m = np.where(level[..., 1] > 0, WALL_M / level[..., 1], np.inf)
        depth_m, mask = np.minimum(floor_m, wall_m), np.where(floor_m < wall_m, 0, 1)
        number = np.full(mask.shape, -1)
        for index, cuboid in enumerate(cuboids):
            hit_m = _entry(level, cuboid)
            nearer = hit_m < depth_m
            depth_m, mask = np.where(nearer, hit_m, depth_m), np.where(nearer, LABELS.index(cuboid.label), mask)
            number = np.where(nearer, index, number)
    boxes = []
    for index in range(len(cuboids)):
        ys, xs = np.nonzero(number == index)
        boxes.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    class_ids = np.array([OBJECTS.index(cuboid.label) for cuboid in cuboids], np.int64)
    found = Detections(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32), class_ids)
    mask = mask.astype(np.uint8)
    return Scene(CAMERA.width, CAMERA.height, found, Segmentation(mask, np.full_like(mask, 255)), Depth(depth_m.astype(np.float32)))


def center_in_camera(cuboid: Cuboid, tilt: float = 0.0) -> np.ndarray:
    return level_to_optical(tilt) @ (cuboid.x, cuboid.y, cuboid.z - CAMERA_HEIGHT_M)


def _entry(level: np.ndarray, cuboid: Cuboid) -> np.ndarray:
    """Depth at which each ray enters the cuboid, infinity where it misses (the slab method)."""
    c, s = np.cos(cuboid.yaw), np.sin(cuboid.yaw)
    own = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    origin = own @ (-np.array([cuboid.x, cuboid.y, cuboid.z - CAMERA_HEIGHT_M]))
    ray = level @ own.T
    ends = np.stack([(side * np.array(cuboid.size_m) / 2 - origin) / ray for side in (-1, 1)])
    enter, leave = ends.min(0).max(-1), ends.max(0).min(-1)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)
