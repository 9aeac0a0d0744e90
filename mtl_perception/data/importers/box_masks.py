# SPDX-License-Identifier: Apache-2.0
"""Segmentation masks of objects that only have a box, by GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004).

Good where an object differs in colour from what is around it and fills its box: people, sofas, beds, bins, parcels. Poor where it is
transparent or one sees through it: bottles, the legs of chairs and tables. Look at what comes out before you train on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mtl_perception.data.importers.labelled import IdMap
from mtl_perception.data.pixels import read_rgb

_FLAT = ("screen", "refrigerator")
"""Classes that fill their box, with patterns of many colours: all but its border is theirs."""
_LARGEST = 300
"""Pixels of the longer side that GrabCut works on: its time grows with their number."""
_SMALLEST_SIDE = 12
"""Pixels of a box at that size; below it there is too little to tell colours apart."""
_FILLED = (0.2, 0.92)
"""Share of its box that an object takes; outside of it object and background were not told apart."""
_CORNER = 8
"""The corners of a box, an eighth of its sides, are rarely the object's."""
_BORDER = 5
"""Pixels of the picture along an outline that stay unlabelled."""
_ITERATIONS = 5


class Box(NamedTuple):
    """A labelled box.

    Attributes:
        label: its class.
        xyxy: pixels of the picture.
        id: of the class whose pixels the object's become; None: it only hides others.
    """

    label: str
    xyxy: tuple[float, float, float, float]
    id: int | None


@dataclass(frozen=True, slots=True)
class BoxMasks:
    """Class ids of a picture: those that it is labelled with, and beside them the pixels of objects with a box.

    Attributes:
        image: the picture, as it is stored.
        size: its width and height.
        known: its label map; None if it has none.
        boxes: all of its boxes.
    """

    image: Path
    size: tuple[int, int]
    known: IdMap | None
    boxes: Sequence[Box]

    def read(self) -> np.ndarray:
        """(H, W) int32, negative where unlabelled. Raises DataError: the picture or its label map can't be read."""
        width, height = self.size
        image = read_rgb(self.image, width, height)
        known = np.full((height, width), -1, np.int32) if self.known is None else self.known.read()
        scale = min(1.0, _LARGEST / max(height, width))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (3, 3), 0)
        labelled = cv2.resize((known >= 0).astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
        ids = known.copy()
        boxes = [box._replace(xyxy=(x1 * scale, y1 * scale, x2 * scale, y2 * scale)) for box in self.boxes for x1, y1, x2, y2 in [box.xyxy]]
        for box in sorted(boxes, key=_area, reverse=True):  # what stands in front is smaller, and drawn last
            if box.id is None:
                continue
            mask = _object_mask(small, box, [other for other in boxes if other is not box], labelled)
            if mask is None:
                continue
            whole = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
            kernel = np.ones((_BORDER, _BORDER), np.uint8)
            inside, near = cv2.erode(whole, kernel) > 0, cv2.dilate(whole, kernel) > 0
            ids[near & (known < 0)] = -1
            ids[inside & (known < 0)] = box.id
        return ids


def _area(box: Box) -> float:
    x1, y1, x2, y2 = box.xyxy
    return (x2 - x1) * (y2 - y1)


def _pixels(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    x1, y1, x2, y2 = (round(side) for side in box.xyxy)
    return slice(max(y1, 0), min(y2, shape[0])), slice(max(x1, 0), min(x2, shape[1]))


def _object_mask(image: np.ndarray, box: Box, others: Sequence[Box], labelled: np.ndarray) -> np.ndarray | None:
    """(H, W) bool: the pixels of the object in ``box``; None if they can't be told from the rest.

    Args:
        others: boxes of other objects; where a much smaller one of another class lies in ``box``, it is taken to be in front.
        labelled: (H, W) bool, pixels of known classes, which are not the object's.
    """
    rows, columns = _pixels(box, image.shape)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if min(height, width) < _SMALLEST_SIDE:
        return None
    mask = np.zeros(image.shape[:2], bool)
    if box.label in _FLAT:
        margin = max(1, min(height, width) // 25)
        mask[rows.start + margin : rows.stop - margin, columns.start + margin : columns.stop - margin] = True
        return mask & ~labelled
    trimap = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    trimap[rows, columns] = cv2.GC_PR_FGD
    high, wide = max(1, height // _CORNER), max(1, width // _CORNER)
    for top in (rows.start, rows.stop - high):
        for left in (columns.start, columns.stop - wide):
            trimap[top : top + high, left : left + wide] = cv2.GC_PR_BGD
    for other in others:
        if other.label != box.label and _area(other) < 0.6 * _area(box):
            trimap[_pixels(other, trimap.shape)] = np.minimum(trimap[_pixels(other, trimap.shape)], cv2.GC_PR_BGD)
    trimap[labelled] = cv2.GC_BGD
    # Far from the box are colours that say nothing of what is around the object.
    y1, x1 = max(rows.start - height // 2, 0), max(columns.start - width // 2, 0)
    near = slice(y1, rows.stop + height // 2), slice(x1, columns.stop + width // 2)
    trimap = _with_background(trimap[near])
    if not (trimap == cv2.GC_PR_FGD).any():
        return None
    found, _, _ = cv2.grabCut(
        np.ascontiguousarray(image[near]), trimap, None, np.zeros((1, 65)), np.zeros((1, 65)), _ITERATIONS, cv2.GC_INIT_WITH_MASK
    )
    mask[near] = (found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)
    share = np.count_nonzero(mask[rows, columns]) / (height * width)
    return _largest_parts(mask) if _FILLED[0] < share < _FILLED[1] else None


def _with_background(trimap: np.ndarray) -> np.ndarray:
    """A box that fills the picture leaves no background to learn colours from: then its border is."""
    trimap = np.ascontiguousarray(trimap)
    if not (trimap == cv2.GC_BGD).any():
        trimap[[0, -1]] = cv2.GC_BGD
        trimap[:, [0, -1]] = cv2.GC_BGD
    return trimap


def _largest_parts(mask: np.ndarray) -> np.ndarray:
    """``mask`` without specks."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(opened)
    pixels = stats[:, cv2.CC_STAT_AREA].copy()
    pixels[0] = 0
    return np.isin(parts, np.flatnonzero(pixels > 0.15 * pixels.max()))
