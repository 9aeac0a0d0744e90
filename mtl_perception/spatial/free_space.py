# SPDX-License-Identifier: Apache-2.0
"""The floor that is seen and that nothing stands on or hangs over.

Where a ray to the floor ends follows from the camera's height and tilt alone, which TF knows better than a network knows depth. Depth says
what is in the way: it is brought to the scale at which it agrees with the floor, and floor that it puts elsewhere, such as a step
down or a reflection, is not taken for free.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Segmentation

TRAVERSABLE = frozenset({"floor", "ground", "carpet", "rug", "road", "pavement", "sidewalk", "path"})
"""Names of segmentation classes that a robot drives on."""

_LONGER_SIDE = 320
"""Of the reduced image that is looked at."""
_LEAST_CONFIDENCE = 128
_LEAST_DROP = 0.05
"""Of a ray, per metre of depth: rays nearer to the horizon end far away, where a small tilt is a large error."""
_LEAST_FLOOR = 50
"""Rays to the floor; fewer say nothing of depth's scale."""
_LARGEST_STEP = 0.2
"""Relative difference between depth and the floor's plane at one pixel."""
_LARGEST_FACTOR = 4.0


@dataclass(frozen=True)
class FreeSpaceOptions:
    """
    Attributes:
        cell_m: side of the cells.
        max_range_m: farthest cell from the point of the floor below the camera.
        min_height_m, max_height_m: what is between these above the floor is in the robot's way.

    Raises:
        ValueError: no cell fits, or nothing could be in the way.
    """

    cell_m: float = 0.05
    max_range_m: float = 5.0
    min_height_m: float = 0.1
    max_height_m: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.cell_m <= self.max_range_m:
            raise ValueError(f"cell_m is {self.cell_m:g} and max_range_m {self.max_range_m:g}, expected 0 < cell_m <= max_range_m")
        if not 0 < self.min_height_m < self.max_height_m:
            raise ValueError(
                f"min_height_m is {self.min_height_m:g} and max_height_m {self.max_height_m:g}, expected 0 < min_height_m < max_height_m"
            )


@dataclass(frozen=True)
class FreeSpace:
    """
    Attributes:
        points_m: (N, 3) float32, the middle of each free cell, in the camera's optical frame.
        problem: why nothing can be said of this frame, or None.
    """

    points_m: np.ndarray
    problem: str | None = None


def free_space(
    depth: Depth,
    segmentation: Segmentation,
    traversable_ids: Collection[int],
    intrinsics: Intrinsics,
    ground_pose: np.ndarray,
    options: FreeSpaceOptions = FreeSpaceOptions(),
) -> FreeSpace:
    """Returns the cells of the floor that are seen free; none where no floor is seen.

    Args:
        depth, segmentation: of one image, of one size.
        traversable_ids: of the classes in the mask that are driven on.
        intrinsics: of the image's camera; scaled if they are for another size.
        ground_pose: (4, 4) from the optical frame to one whose z = 0 is the floor.
    """
    height_m = float(ground_pose[2, 3])
    if not height_m > 0:
        return FreeSpace(_NO_POINTS, f"the camera is {height_m:.2f} m above the floor, expected more than 0: check the frames")
    step = max(1, round(max(depth.depth_m.shape) / _LONGER_SIDE))
    grid = np.s_[step // 2 :: step, step // 2 :: step]
    depth_m, mask = depth.depth_m[grid], segmentation.mask[grid]
    across, down, drop = _rays(depth.depth_m.shape, step, intrinsics, ground_pose[:3, :3])
    is_floor = np.isin(mask, list(traversable_ids)) & (segmentation.confidence[grid] >= _LEAST_CONFIDENCE) & (drop > _LEAST_DROP)
    plane_m = height_m / np.where(drop > _LEAST_DROP, drop, np.float32(1))  # depth at which the ray meets the floor
    known = depth_m > 0  # NaN is not
    both = is_floor & known
    if both.sum() < _LEAST_FLOOR:
        return FreeSpace(_NO_POINTS)
    log_ratio = np.log(plane_m[both] / depth_m[both])
    log_factor = float(np.median(log_ratio))
    if abs(log_factor) > math.log(_LARGEST_FACTOR):
        return FreeSpace(
            _NO_POINTS,
            f"depth of the floor is off by a factor of {math.exp(log_factor):.2f}, expected {1 / _LARGEST_FACTOR:.2f} to "
            f"{_LARGEST_FACTOR:.0f}: check heights and frames",
        )
    on_plane = np.zeros_like(both)
    on_plane[both] = np.abs(log_ratio - log_factor) < _LARGEST_STEP
    cells = _Cells(options)
    free = cells.hit(across[on_plane] * plane_m[on_plane], down[on_plane] * plane_m[on_plane])
    metric_m = depth_m * np.float32(math.exp(log_factor))
    above_m = height_m - drop * metric_m
    in_the_way = known & ~is_floor & (above_m >= options.min_height_m) & (above_m <= options.max_height_m)
    free &= ~cells.hit(across[in_the_way] * metric_m[in_the_way], down[in_the_way] * metric_m[in_the_way])
    return FreeSpace(_seen_from_camera(cells.middles(free), height_m, ground_pose[:3, :3]))


def traversable_ids(labels: Sequence[str]) -> list[int]:
    """Returns the numbers of the ``TRAVERSABLE`` classes among a model's ``labels``."""
    return [number for number, label in enumerate(labels) if label.lower() in TRAVERSABLE]


class _Cells:
    """The floor in cells, the camera's foot in the middle."""

    def __init__(self, options: FreeSpaceOptions) -> None:
        self._cell_m, self._max_range_m = options.cell_m, options.max_range_m
        self._half = math.ceil(options.max_range_m / options.cell_m)

    def hit(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """(2n, 2n) bool: cells with a point in them, and those between such: far away rays end farther apart than cells are wide."""
        side = 2 * self._half
        near = x_m**2 + y_m**2 < self._max_range_m**2
        # Clipped: a point at the rim may be rounded to the far side of it.
        column, row = ((np.floor(values[near] / self._cell_m).astype(np.int64) + self._half).clip(0, side - 1) for values in (x_m, y_m))
        hit = np.zeros((side, side), np.uint8)
        hit[row, column] = 1
        return cv2.morphologyEx(hit, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(bool)

    def middles(self, chosen: np.ndarray) -> np.ndarray:
        """(N, 2) metres."""
        rows, columns = np.nonzero(chosen)
        return (np.stack([columns, rows], 1) - self._half + 0.5) * self._cell_m


def _rays(shape: tuple[int, ...], step: int, intrinsics: Intrinsics, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pixel looked at: how far its ray goes per metre of depth along x and y of the floor, and down."""
    camera = intrinsics.scaled(shape[1], shape[0])
    rows, columns = (np.arange(step // 2, length, step) for length in shape[:2])
    x = ((columns - camera.cx) / camera.fx).astype(np.float32)[None]
    y = ((rows - camera.cy) / camera.fy).astype(np.float32)[:, None]
    turn = turn.astype(np.float32)
    across, down, up = (turn[axis, 0] * x + turn[axis, 1] * y + turn[axis, 2] for axis in range(3))
    return across, down, -up


def _seen_from_camera(floor_m: np.ndarray, height_m: float, turn: np.ndarray) -> np.ndarray:
    """(N, 3) float32 in the optical frame, of (N, 2) metres from the camera's foot along x and y of the floor."""
    below = np.concatenate([floor_m, np.full((len(floor_m), 1), -height_m)], 1)
    return (below @ turn).astype(np.float32)  # by the turn's inverse


_NO_POINTS = np.zeros((0, 3), np.float32)
