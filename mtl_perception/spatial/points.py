# SPDX-License-Identifier: Apache-2.0
"""Depth images to organised point clouds: one point per pixel, in rows and columns like the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import UNLABELLED, Depth, Segmentation

POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<f4"), ("label", "<u4")])
"""One point, 20 bytes. ``rgb`` is the integer 0x00RRGGBB in the bits of a float, as point clouds have carried colour
since PCL; ``label`` is the class id as wide as PCL's PointXYZRGBL has it."""


@dataclass(frozen=True)
class PointFilter:
    """Which points are worth telling; the others become NaN and keep their place in the grid.

    Attributes:
        max_range_m: farthest distance from the camera.
        min_confidence: least probability of the pixel's class, 0 to 1; needs a segmentation.
        max_relative_std: largest uncertainty of the depth (``Depth.relative_std``). At the edges of objects, where the
            network blends near into far, it is high: this removes points that float between the two.
        removed_ids: classes without points, such as the floor; needs a segmentation.

    Raises:
        ValueError: a limit that would remove every point, or no limit at all.
    """

    max_range_m: float = np.inf
    min_confidence: float = 0.0
    max_relative_std: float = np.inf
    removed_ids: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        for name in ("max_range_m", "max_relative_std"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence is {self.min_confidence}, expected 0 to 1")


def on_grid(image: np.ndarray, stride: int) -> np.ndarray:
    """Every ``stride``-th pixel of every ``stride``-th row, (H // stride, W // stride, ...): a view.

    Of each block of stride × stride pixels it is the one at the middle. Everything that shall share a grid, such as
    mask and points, goes through this.
    """
    rows, columns = (_of_blocks(length, stride) for length in image.shape[:2])
    return image[rows, columns]


def _of_blocks(length: int, stride: int) -> slice:
    """The middle pixel of each whole block; of an image smaller than a block, its middle."""
    middle = min(stride, length) // 2
    return slice(middle, max(length - stride + middle, middle) + 1, stride)


class PointProjector:
    """Makes the organised cloud of one image after the other; remembers the rays of the camera seen last.

    Args:
        stride: of the grid, in pixels of the image; see ``on_grid``.
        filter: which points stay.
    """

    def __init__(self, stride: int = 1, filter: PointFilter = PointFilter()) -> None:
        if stride < 1:
            raise ValueError(f"stride is {stride}, expected 1 or more")
        self._stride = stride
        self._filter = filter
        self._removed = np.zeros(256, np.uint8)
        self._removed[list(filter.removed_ids)] = 255
        self._key: tuple | None = None

    def shape(self, depth: Depth) -> tuple[int, int]:
        """(H', W') of the cloud of ``depth``."""
        return on_grid(depth.depth_m, self._stride).shape

    def __call__(
        self,
        depth: Depth,
        intrinsics: Intrinsics,
        image_rgb: np.ndarray | None = None,
        segmentation: Segmentation | None = None,
        pose: np.ndarray | None = None,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """The points of one image.

        Args:
            depth: of the image.
            intrinsics: of the image's camera; scaled if they are for another size.
            image_rgb: (H, W, 3) uint8, the points' colours; without, they are black.
            segmentation: of the same image, the points' labels; without, all are 255.
            pose: (4, 4) from the optical frame to the frame that the points shall be in; None for the optical frame.
            out: (H', W') array of ``POINT`` to fill, C-contiguous; a new one where None.

        Returns:
            (H', W') array of ``POINT`` on the grid of the stride: metres, x y z all NaN where depth is unknown, not
            positive or filtered out; never infinite. Colour and label stand for every pixel.

        Raises:
            ValueError: ``out`` has another shape.
        """
        if pose is not None and np.array_equal(pose, np.eye(4)):
            pose = None
        z_m = np.ascontiguousarray(on_grid(depth.depth_m, self._stride), np.float32)
        height, width = z_m.shape
        if out is None:
            out = np.empty((height, width), POINT)
        elif out.shape != (height, width) or out.dtype != POINT:
            raise ValueError(f"out is {out.shape} of {out.dtype}, expected {(height, width)} of POINT")
        self._prepare(depth.depth_m.shape, intrinsics, pose)
        keep = self._is_kept(z_m, depth, segmentation)
        if not keep.all():
            z_m = cv2.copyTo(z_m, keep.view(np.uint8), np.full_like(z_m, np.nan))
        coordinates = [cv2.multiply(z_m, ray) for ray in self._rays[:2]]
        coordinates.append(z_m if pose is None else cv2.multiply(z_m, self._rays[2]))
        if pose is not None:
            coordinates = [axis + np.float32(shift) for axis, shift in zip(coordinates, pose[:3, 3])]
        coordinates.append(self._colors(height, width, image_rgb))
        coordinates.append(self._labels(height, width, segmentation))
        # One pass through memory; five strided assignments take twice as long.
        cv2.merge(coordinates, out.view(np.float32).reshape(height, width, len(POINT.names)))
        return out

    def _prepare(self, shape: tuple[int, ...], intrinsics: Intrinsics, pose: np.ndarray | None) -> None:
        """For each pixel of the grid the point at depth 1, turned as ``pose`` says, and the largest depth in range."""
        turn = np.eye(3) if pose is None else pose[:3, :3]
        key = (shape, intrinsics, turn.tobytes())
        if key == self._key:
            return
        camera = intrinsics.scaled(shape[1], shape[0])
        rows, columns = (np.arange(length)[_of_blocks(length, self._stride)] for length in shape)
        across = np.broadcast_to((columns - camera.cx) / camera.fx, (len(rows), len(columns)))
        down = np.broadcast_to(((rows - camera.cy) / camera.fy)[:, None], across.shape)
        straight = np.stack([across, down, np.ones_like(across)])
        self._rays = [np.ascontiguousarray(ray, np.float32) for ray in np.tensordot(turn, straight, 1)]
        # The largest float, not infinity: an infinite depth is beyond every range.
        limit = self._filter.max_range_m / np.linalg.norm(straight, axis=0)
        self._farthest_m = np.minimum(limit, np.finfo(np.float32).max).astype(np.float32)
        self._key = key

    def _is_kept(self, z_m: np.ndarray, depth: Depth, segmentation: Segmentation | None) -> np.ndarray:
        """(H', W') bool. Comparisons are false for NaN."""
        keep = (z_m > 0) & (z_m <= self._farthest_m)
        if depth.relative_std is not None and self._filter.max_relative_std < np.inf:
            relative_std = cv2.resize(depth.relative_std, z_m.shape[::-1], interpolation=cv2.INTER_LINEAR)
            keep &= relative_std <= self._filter.max_relative_std
        if segmentation is not None and self._filter.min_confidence > 0:
            keep &= on_grid(segmentation.confidence, self._stride) >= round(255 * self._filter.min_confidence)
        if segmentation is not None and self._filter.removed_ids:
            keep &= cv2.LUT(np.ascontiguousarray(on_grid(segmentation.mask, self._stride)), self._removed) == 0
        return keep

    def _colors(self, height: int, width: int, image_rgb: np.ndarray | None) -> np.ndarray:
        """(H', W') float32 whose bytes are blue, green, red and zero."""
        if image_rgb is None:
            return np.zeros((height, width), np.float32)
        packed = cv2.cvtColor(np.ascontiguousarray(on_grid(image_rgb, self._stride)), cv2.COLOR_RGB2BGRA)
        packed = packed.view("<u4")[..., 0]
        packed &= 0x00FFFFFF
        return packed.view(np.float32)

    def _labels(self, height: int, width: int, segmentation: Segmentation | None) -> np.ndarray:
        """(H', W') float32 whose bits are the class ids."""
        if segmentation is None:
            return np.full((height, width), UNLABELLED, np.uint32).view(np.float32)
        return on_grid(segmentation.mask, self._stride).astype(np.uint32).view(np.float32)
