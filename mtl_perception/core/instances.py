# SPDX-License-Identifier: Apache-2.0
"""A mask for each detection, from what the network says of the whole image.

A mask is a sum of prototypes that all objects share (YOLACT, Bolya et al., ICCV 2019), and of a few terms of the place within the box,
weighted by coefficients that are read off a coarse map at the middle of the box. So it needs no more than the boxes that are published,
and what suppression leaves out costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

PLACE_TERMS = 5
"""Terms of the place within the box, x and y from −1 to 1 between its sides: 1, x, y, x², y²."""

LEVEL_LIMITS_CELLS = (16.0, 40.0)
"""Sides, in cells of the prototypes, of the square as large as a box, from which on a coarser level's coefficients count."""

_MARGIN_CELLS = 1
"""Beyond the box, for interpolation at its sides."""


@dataclass(frozen=True)
class InstanceMasks:
    """Masks of N objects in an image of ``width`` × ``height`` pixels, each within a rectangle.

    Attributes:
        corners_xy: left and top of each rectangle, pixels.
        crops: (h, w) bool each, within the rectangle.
    """

    width: int
    height: int
    corners_xy: Sequence[tuple[int, int]]
    crops: Sequence[np.ndarray]

    @classmethod
    def of_counts(cls, width: int, height: int, counts: Sequence[Sequence[int] | np.ndarray]) -> InstanceMasks:
        """Masks from their run lengths in COCO's form, as ``counts`` gives them. Raises ValueError if these don't fill the image."""
        for pixels in (sum(map(int, one)) for one in counts):
            if pixels != width * height:
                raise ValueError(f"run lengths of a mask are of {pixels} pixels, expected {width}x{height} = {width * height}")
        crops = [np.repeat(np.arange(len(one)) % 2 == 1, one).reshape(width, height).T for one in counts]
        return cls(width, height, [(0, 0)] * len(crops), crops)

    def __len__(self) -> int:
        return len(self.crops)

    def first(self, count: int) -> InstanceMasks:
        """The first ``count``."""
        return replace(self, corners_xy=self.corners_xy[:count], crops=self.crops[:count])

    @cached_property
    def areas(self) -> np.ndarray:
        """(N,) pixels."""
        return np.array([np.count_nonzero(crop) for crop in self.crops], np.int64)

    def whole(self, number: int) -> np.ndarray:
        """(H, W) bool of one object."""
        mask = np.zeros((self.height, self.width), bool)
        self._part(mask, number)[...] = self.crops[number]
        return mask

    def painted(self, values: Sequence[int], dtype: type = np.uint16) -> np.ndarray:
        """(H, W), each object's pixels of its value and 0 elsewhere. Of two objects that share a pixel the smaller has it: it lies in front."""
        image = np.zeros((self.height, self.width), dtype)
        for number in np.argsort(-self.areas, kind="stable").tolist():
            self._part(image, number)[self.crops[number]] = values[number]
        return image

    def outlines(self, number: int, tolerance_px: float = 1.0) -> list[np.ndarray]:
        """Polygons around the parts of one object, the largest first, (P, 2) float32 x and y each; at most ``tolerance_px`` off."""
        corner = np.float32(self.corners_xy[number])
        found, _ = cv2.findContours(self.crops[number].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        found = sorted(found, key=cv2.contourArea, reverse=True)
        return [cv2.approxPolyDP(points, tolerance_px, True)[:, 0].astype(np.float32) + corner for points in found]

    def run_lengths(self, number: int) -> dict[str, list[int]]:
        """The mask of one object in COCO's form: how many pixels, column by column, are not the object's, then are, and so on."""
        return {"size": [self.height, self.width], "counts": self.counts(number).tolist()}

    def counts(self, number: int) -> np.ndarray:
        """(R,) uint32 run lengths of one object in COCO's form; looks at its rectangle alone."""
        (left, top), crop = self.corners_xy[number], self.crops[number]
        columns = np.pad(crop.T.view(np.int8), ((0, 0), (1, 1)))
        column, row = np.nonzero(np.diff(columns, axis=1))  # where runs begin and end, in turn
        places = (left + column) * self.height + top + row
        # A run that ends with a column and goes on with the next is one.
        joined = np.flatnonzero(places[1:-1:2] == places[2::2]) * 2 + 1
        places = np.delete(places, np.concatenate([joined, joined + 1]))
        ends = np.concatenate([[0], places, [self.width * self.height]])
        counts = np.diff(ends).astype(np.uint32)
        return counts if counts[-1] else counts[:-1]

    def at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(N, R, C) bool: of each object the pixels at its own (N, R) rows and (N, C) columns."""
        found = np.zeros((*rows.shape, columns.shape[1]), bool)
        for number, ((left, top), crop) in enumerate(zip(self.corners_xy, self.crops)):
            if crop.size:
                y, x = rows[number] - top, columns[number] - left
                inside = ((y >= 0) & (y < crop.shape[0]))[:, None] & ((x >= 0) & (x < crop.shape[1]))
                found[number] = inside & crop[np.clip(y, 0, crop.shape[0] - 1)[:, None], np.clip(x, 0, crop.shape[1] - 1)]
        return found

    def _part(self, image: np.ndarray, number: int) -> np.ndarray:
        (left, top), (height, width) = self.corners_xy[number], self.crops[number].shape
        return image[top : top + height, left : left + width]


@dataclass(frozen=True)
class MaskPrototypes:
    """Masks of whatever objects an image shows, before anybody says where they are.

    Attributes:
        prototypes: (K, h, w) float32 over the image.
        coefficients: (levels, K + PLACE_TERMS, gh, gw) float32 over the image.
    """

    prototypes: np.ndarray
    coefficients: np.ndarray

    def of(self, boxes_xyxy: np.ndarray, width: int, height: int) -> InstanceMasks:
        """The masks of N objects, cropped to their boxes, at the resolution of the image.

        Args:
            boxes_xyxy: (N, 4) pixels of the image, which is of ``width`` × ``height``.
        """
        boxes = np.clip(boxes_xyxy, 0, [width, height] * 2).astype(np.float64)
        found = list(self._masks(boxes, width, height))
        return InstanceMasks(width, height, [corner for corner, _ in found], [crop for _, crop in found])

    def _masks(self, boxes: np.ndarray, image_width: int, image_height: int) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        count, height, width = self.prototypes.shape
        scale = np.array([width / image_width, height / image_height])
        rectangles = np.stack([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], 1).astype(int).tolist()
        for box, coefficients, ((left, top), (right, bottom)) in zip(
            boxes, self._coefficients(boxes * np.tile(scale, 2)), rectangles, strict=True
        ):
            if right <= left or bottom <= top:
                yield (left, top), np.zeros((0, 0), bool)
                continue
            low, high = box[:2] * scale, box[2:] * scale
            x0, y0 = np.maximum(np.floor(low - 0.5).astype(int) - _MARGIN_CELLS, 0)
            x1, y1 = np.minimum(np.ceil(high + 0.5).astype(int) + _MARGIN_CELLS, [width, height])
            middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
            x = ((np.arange(x0, x1) + 0.5 - middle[0]) / half[0]).astype(np.float32)
            y = ((np.arange(y0, y1) + 0.5 - middle[1]) / half[1]).astype(np.float32)[:, None]
            one, along_x, along_y, along_xx, along_yy = coefficients[count:]
            logits = np.tensordot(coefficients[:count], self.prototypes[:, y0:y1, x0:x1], 1)
            logits += one + along_x * x + along_y * y + along_xx * x * x + along_yy * y * y
            # From the middle of a pixel to the middle of a cell.
            to_cells = np.array([[scale[0], 0, (left + 0.5) * scale[0] - 0.5 - x0], [0, scale[1], (top + 0.5) * scale[1] - 0.5 - y0]])
            enlarged = cv2.warpAffine(
                logits,
                to_cells,
                (right - left, bottom - top),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            yield (left, top), enlarged > 0

    def _coefficients(self, boxes: np.ndarray) -> np.ndarray:
        """(N, K + PLACE_TERMS) at the middles of the boxes, (N, 4) in cells of the prototypes, from the level that their size says."""
        (_, cells_y, cells_x), (_, _, height, width) = self.prototypes.shape, self.coefficients.shape
        sides = np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1))
        level = np.searchsorted(LEVEL_LIMITS_CELLS, sides, side="right")
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2 * (width / cells_x, height / cells_y)
        column, row = np.clip(middle.astype(int), 0, [width - 1, height - 1]).T
        return self.coefficients[level, :, row, column]
