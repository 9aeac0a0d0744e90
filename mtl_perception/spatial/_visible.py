# SPDX-License-Identifier: Apache-2.0
"""Which pixels show a detected object, and how far away they are."""

from __future__ import annotations

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Scene

_SIDE = 12
"""Pixels looked at along each side of a 2D box."""
_FEWEST = 12
"""Pixels that an object must have among them."""
_LEAST_SHARE = 0.06
"""Of the pixels, that must lie in the detection's own mask or, without such masks, carry its class; else the mask doesn't know the object, and
depth alone decides."""
_GAP = 0.35
"""A jump in depth of this share of an object's apparent size parts it from what is behind or in front."""
TRIMMED = 0.02
"""Share of an object's points left out at either end of each axis: depths mixed of near and far at its edges."""
_SMEAR = 0.5
"""Spread of depth within an object that comes from the network, as a share of ``Depth.relative_std`` (measured on
rendered rooms): most of the error is common to the whole object."""
_UNKNOWN_STD = 0.1
"""Relative error taken for a depth that doesn't say its own."""


class VisibleObjects:
    """The looked-at pixels of N detections, P of each.

    Attributes:
        ray_x, ray_y: (N, 1, S) and (N, S, 1) float32, the point at depth 1 of each column and each row.
        z_m: (N, P) float32 metres; that of what is no member is the object's median.
        members: (N, P) bool, pixels that show the object.
        count: (N,) how many these are.
        median_z_m: (N,)
        relative_std: (N,) error of the depth that all pixels of an object share.
        valid: (N,) bool
    """

    def __init__(self, scene: Scene, intrinsics: Intrinsics, mask_ids: np.ndarray) -> None:
        camera = intrinsics.scaled(scene.width, scene.height)
        limits = np.array([scene.width, scene.height], np.float64)
        boxes = np.clip(scene.detections.boxes_xyxy, 0, [*limits, *limits])
        low, high = boxes[:, :2], boxes[:, 2:]
        shares = (np.arange(_SIDE) + 0.5) / _SIDE
        pixels = low[:, :, None] + shares * (high - low)[:, :, None]
        columns, rows = np.moveaxis(np.minimum(pixels, limits[:, None] - 1).astype(np.int64), 1, 0)
        self.ray_x = ((columns - camera.cx) / camera.fx).astype(np.float32)[:, None, :]
        self.ray_y = ((rows - camera.cy) / camera.fy).astype(np.float32)[:, :, None]
        places = (rows[:, :, None] * scene.width + columns[:, None, :]).reshape(len(rows), -1)

        z_m = scene.depth.depth_m.reshape(-1).take(places, mode="clip")  # much faster than indexing
        seen = (z_m > 0) & (z_m < np.inf)
        masks = scene.instance_masks
        if masks is not None:
            own = seen & masks.at(rows, columns).reshape(seen.shape)
            seen = np.where(own.sum(1, keepdims=True) >= _LEAST_SHARE * _SIDE**2, own, seen)
        elif scene.segmentation is not None:
            same = seen & (scene.segmentation.mask.reshape(-1).take(places, mode="clip") == mask_ids[:, None])
            seen = np.where(same.sum(1, keepdims=True) >= _LEAST_SHARE * _SIDE**2, same, seen)
        apparent_size = np.maximum(*((high - low) / (camera.fx, camera.fy)).T)
        ordered, first, last = _hanging_together(np.where(seen, z_m, np.inf), seen.sum(1), apparent_size)
        number = np.arange(len(z_m))
        nearest, farthest = ordered[number, first], ordered[number, last]
        self.members = seen & (z_m >= nearest[:, None]) & (z_m <= farthest[:, None])
        self.count = self.members.sum(1)
        self.valid = self.count >= _FEWEST
        self.median_z_m = ordered[number, (first + last) // 2]
        self.z_m = np.where(self.members, z_m, self.median_z_m[:, None])
        self.relative_std = np.full(len(z_m), _UNKNOWN_STD)
        if scene.depth.relative_std is not None:
            std = np.where(self.members, _of_coarse(scene.depth.relative_std, rows, columns, scene), 0.0)
            self.relative_std = std.sum(1) / np.maximum(self.count, 1)
            with np.errstate(invalid="ignore", divide="ignore"):  # of objects without any depth
                self._draw_together(np.log(farthest / nearest))

    def _draw_together(self, spread: np.ndarray) -> None:
        """Take the network's smear out of each object's spread in log depth: variances of shape and error add up."""
        own = np.sqrt(np.clip(1 - (_SMEAR * self.relative_std / np.maximum(spread, 1e-6)) ** 2, 0, 1))
        median_z_m = self.median_z_m[:, None]
        self.z_m = median_z_m * (self.z_m / median_z_m) ** own[:, None].astype(np.float32)

    def along(self, axis: np.ndarray) -> np.ndarray:
        """(N, P) float32 metres: every pixel's point along a direction of the optical frame."""
        x, y, z = axis.astype(np.float32)
        return ((x * self.ray_x + z) + y * self.ray_y).reshape(self.z_m.shape) * self.z_m


def _of_coarse(coarse: np.ndarray, rows: np.ndarray, columns: np.ndarray, scene: Scene) -> np.ndarray:
    """(N, S·S) values of a coarser grid over the same image, at (N, S) rows and (N, S) columns of the scene."""
    height, width = coarse.shape
    rows, columns = rows * height // scene.height, columns * width // scene.width
    return coarse.reshape(-1).take(rows[:, :, None] * width + columns[:, None, :], mode="clip").reshape(len(rows), -1)


def _hanging_together(z_m: np.ndarray, count: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The longest run of each object's depths without a jump.

    Args:
        z_m: (N, P) with infinity for what doesn't count.
        count: (N,) how many count.
        size: (N,) apparent size at depth 1.

    Returns:
        The depths in order, (N, P), and the run's first and last place in it, (N,) each.
    """
    ordered = np.sort(z_m, axis=1)
    number, (objects, pixels) = np.arange(len(z_m)), z_m.shape
    with np.errstate(invalid="ignore"):  # of objects without any depth
        largest_step_m = _GAP * size * ordered[number, np.maximum(count - 1, 0) // 2]
        jumps = np.diff(ordered, axis=1) > largest_step_m[:, None]
    run = np.zeros(z_m.shape, np.int32)
    np.cumsum(jumps, axis=1, out=run[:, 1:])
    counted = np.arange(pixels) < count[:, None]
    lengths = np.bincount((run + (number * pixels).astype(np.int32)[:, None])[counted], minlength=z_m.size)
    longest = lengths.reshape(objects, pixels).argmax(1)
    end = ((run <= longest[:, None]) & counted).sum(1)
    length = lengths.reshape(objects, pixels)[number, longest]
    return ordered, end - length, np.maximum(end - 1, 0)
