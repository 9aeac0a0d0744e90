# SPDX-License-Identifier: Apache-2.0
"""Filters of detections: classes, thresholds per class, size, a region of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.scene import Detections


@dataclass(frozen=True)
class Selection:
    """Filters that are applied before NMS, so that a filtered box suppresses no other.

    Attributes:
        class_ids: classes to keep; None: all.
        thresholds: (class id, least score) of classes with a threshold of their own.
        max_detections: how many of the best are published; None: all.
        min_side_px: least length of a box's shorter side, pixels of the original image.
        region_xy: corners of a polygon in pixels of the original image that a box's centre must lie in; empty: anywhere.
    """

    class_ids: frozenset[int] | None = None
    thresholds: tuple[tuple[int, float], ...] = ()
    max_detections: int | None = None
    min_side_px: float = 0.0
    region_xy: tuple[tuple[float, float], ...] = ()

    def of(self, found: Detections) -> Detections:
        """``found`` filtered by class, size and region, in the same order; thresholds are not applied."""
        kept = np.ones(len(found), bool)
        if self.class_ids is not None:
            kept &= np.isin(found.class_ids, list(self.class_ids))
        if self.min_side_px > 0:
            sides = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
            kept &= sides.min(1, initial=np.inf) >= self.min_side_px
        if self.region_xy:
            polygon = np.asarray(self.region_xy, np.float32)
            centers = (found.boxes_xyxy[:, :2] + found.boxes_xyxy[:, 2:]) / 2
            kept &= np.array([cv2.pointPolygonTest(polygon, (float(x), float(y)), False) >= 0 for x, y in centers], bool)
        return found if kept.all() else found.where(kept)

    def least_scores(self, class_ids: np.ndarray, threshold: float) -> np.ndarray:
        """(N,) float32, the threshold of each detection's class; ``threshold`` for classes without one of their own."""
        least = np.full(len(class_ids), threshold, np.float32)
        for class_id, own in self.thresholds:
            least[class_ids == class_id] = own
        return least


def parse_classes(names: Sequence[str], labels: Sequence[str]) -> frozenset[int] | None:
    """Ids of the classes ``names`` in ``labels``; None, for all classes, if there is no name.

    Raises:
        ValueError: the model has no such class.
    """
    return frozenset(_class_id(name, labels) for name in names) or None


def parse_thresholds(entries: Sequence[str], labels: Sequence[str]) -> tuple[tuple[int, float], ...]:
    """(class id, score) of entries such as ``cup=0.5``.

    Raises:
        ValueError: an entry is of another form, of no class of the model, or out of [0, 1].
    """
    found: dict[int, float] = {}
    for entry in entries:
        name, equals, value = entry.rpartition("=")
        try:
            score = float(value) if equals else -1.0
        except ValueError:
            score = -1.0
        if not 0 <= score <= 1:
            raise ValueError(f"{cut(entry)!r}, expected a class and a score from 0 to 1, such as 'cup=0.5'")
        found[_class_id(name, labels)] = score
    return tuple(found.items())


def parse_region(text: str) -> tuple[tuple[float, float], ...]:
    """Corners of a polygon from ``x1,y1 x2,y2 …``; empty for an empty text.

    Raises:
        ValueError: another form, fewer than three corners, numbers that are not finite, or no area.
    """
    if not text.strip():
        return ()
    try:
        corners = tuple((float(x), float(y)) for x, y in (corner.split(",") for corner in text.split()))
    except ValueError:
        corners = ()
    if len(corners) < 3 or not np.isfinite(corners).all():
        raise ValueError(f"{cut(text)!r}, expected at least three corners in pixels, such as '0,240 640,240 640,480 0,480'")
    if cv2.contourArea(np.asarray(corners, np.float32)) == 0:
        raise ValueError(f"{cut(text)!r}, expected a polygon with an area")
    return corners


def _class_id(name: str, labels: Sequence[str]) -> int:
    if name not in labels:
        raise ValueError(f"{cut(name)!r}, expected classes of this model: {', '.join(map(cut, labels)) or 'it has none'}")
    return labels.index(name)
